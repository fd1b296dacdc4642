"""Reads rows from a Redis Cluster: each node gets its part of a read over one connection, and parts make one answer.

A kernel splits a read over the nodes, another finds the rows in each node's replies, and who takes the last part lays
them out. An error of one command, as a node answers where a slot has moved or moves, is no failure of the connection:
that command goes to the node that the error names, and the cluster is asked again who has what.
"""

import math
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from hotrow import clock, log
from hotrow.codec.kernel_resp import COMMAND_BYTES, FIELD_BYTES
from hotrow.codec.kernel_slot import COMMAND_WIDTH, NODE_WIDTH, split
from hotrow.codec.lookup import Keys, Rows, Wanted, wanted_views
from hotrow.codec.wire import Table
from hotrow.errors import HotrowError
from hotrow.redis.failure import away, said_by_server
from hotrow.redis.topology import NAMELESS, Topology
from hotrow.stores.cluster.part import Gathered, Part
from hotrow.stores.cluster.partition import Layout
from hotrow.stores.cluster.route import Leaving, Nobody, NodeCheck, Routes
from hotrow.stores.port import Done, PutOff, at_once
from hotrow.stores.redis.read import RowReader
from hotrow.stores.redis.request import Request

_MOST_HOPS = 8
_PAUSE_S = 0.1  # between two questions about the topology
_ASKING = b"*1\r\n$6\r\nASKING\r\n"
_SEQUENCE = wanted_views([b"sequence"], [0])  # a field is read as rows are


class _Sending(NamedTuple):
    """A read, and which part of it goes to each node, as `split` has it."""

    whole: Gathered
    nodes: list[int]
    commands: Table


class ClusterReader:
    """A `RowReader` a node, and a thread that follows the topology where that is in doubt.

    `connect` gives a redis-py connection to a node, as `RowReader` wants it. A read fails with UNAVAILABLE as soon as
    one of its nodes cannot answer; those of other nodes go on. Those of a node on which the store is not `identity` any
    more, its id and epoch, fail with `gone`.
    """

    def __init__(
        self,
        topology: Topology,
        connect: Callable[[str], Any],
        layout: Layout,
        identity: tuple[bytes, bytes],
        gone: HotrowError,
        *,
        timeout_s: float,
    ) -> None:
        self._address = topology.address
        self._topology = topology
        self._connect = connect
        self._layout = layout
        self._identity = identity
        self._gone = gone
        self._timeout_s = timeout_s
        self._putting_off = threading.Lock()
        self._unsent: dict[RowReader, None] = {}
        self._connecting = threading.Lock()
        self._asked = threading.Condition()
        self._doubted = self._closed = False
        self._parked: list[tuple[str, memoryview, Part]] = []
        self._thread = threading.Thread(target=self._follow, name="hotrow-topology", daemon=True)
        self._readers: dict[str, RowReader] = {}
        self._leaving = Leaving(timeout_s)
        self._away = False
        self._routes: Routes | None = None
        self._log = log.logger(__name__)

    def read(self, wanted: Wanted, keys: Keys, done: Done, put_off: PutOff = at_once) -> None:
        """Ask for rows; `done` gets them, or the error. Where it is put off nothing is sent before `flush`."""
        count = len(wanted.view_ids) * keys.n
        if not count:
            done(Rows(np.empty(1, np.uint8), np.zeros(count + 1, np.int64)))
            return
        try:
            routes = self._known()
        except HotrowError as error:
            done(error)
            return
        layout, commands = self._layout, (max(wanted.sets) + 1) * keys.n
        size = commands * (COMMAND_BYTES + layout.longest) + int(keys.offsets[commands]) + count * FIELD_BYTES
        whole = Gathered(wanted, keys.n, np.empty(size, np.uint8), done)
        nodes: Table = np.zeros(len(routes.readers) * NODE_WIDTH, np.int64)
        table: Table = np.empty(COMMAND_WIDTH * commands, np.int64)
        homes: Table = np.empty(commands, np.int64)
        split(
            layout.prefixes,
            layout.starts,
            routes.owners,
            wanted.table,
            keys.data,
            keys.offsets,
            keys.n,
            homes,
            nodes,
            table,
            whole.sent,
        )
        self._send(_Sending(whole, nodes.tolist(), table), routes, put_off)

    def read_sequence(self, done: Done, put_off: PutOff = at_once) -> None:
        """Ask for the sequence in the root's `meta`, as the only row."""
        try:
            routes = self._known()
        except HotrowError as error:
            done(error)
            return
        meta = self._layout.root.meta
        command = b"*3\r\n$5\r\nHMGET\r\n$%d\r\n%s\r\n$8\r\nsequence\r\n" % (len(meta), meta)
        sent = np.frombuffer(command, np.uint8)
        whole = Gathered(_SEQUENCE, 1, sent, done)
        nodes = [0] * (len(routes.readers) * NODE_WIDTH)
        owner = NODE_WIDTH * int(routes.owners[-1])
        nodes[owner : owner + NODE_WIDTH] = [0, 1, 0, len(sent)]
        self._send(_Sending(whole, nodes, np.array([0, 0, len(sent)])), routes, put_off)

    def flush(self) -> None:
        """Send every node what was put off, and receive the replies on this thread if that is a matter of a moment."""
        with self._putting_off:
            unsent, self._unsent = self._unsent, {}
        for reader in unsent:
            reader.send_only()
        for reader in unsent:
            reader.receive_soon()

    def ask_topology(self) -> None:
        """Have the cluster asked who has what, soon and on another thread."""
        with self._asked:
            self._doubted = True
            self._asked.notify()

    def redirect(self, part: Part, errors: Mapping[int, str]) -> None:
        """Send commands of a part where the errors that came in place of their replies point to."""
        targets: dict[tuple[str, bool], list[int]] = {}
        for place, said in errors.items():
            kind, _, rest = said.partition(" ")
            if kind != "ASK":
                self.ask_topology()
            if kind not in ("MOVED", "ASK"):
                part.whole.fail(said_by_server(self._address, said))
                return
            node = self._topology.redirected(rest.partition(" ")[2], part.node)
            if not node or part.hops == _MOST_HOPS:
                part.whole.fail(away(self._address, said if node else NAMELESS))
                return
            targets.setdefault((node, kind == "ASK"), []).append(place)
        part.whole.expect(len(targets))
        for (node, asking), places in targets.items():
            table = part.commands.reshape(-1, COMMAND_WIDTH)[places]
            commands = [part.whole.sent[start:end].tobytes() for _, start, end in table.tolist()]
            data = memoryview(b"".join(_ASKING + one if asking else one for one in commands))
            following = Part(self, part.whole, table.ravel(), node, asking=asking, hops=part.hops + 1)
            reader = self._readers.get(node)
            if reader is not None:
                _send_now(reader, data, following)
            else:
                self._park(node, data, following)
        part.whole.arrived()

    def close(self) -> None:
        """End the threads; what is under way fails."""
        with self._asked:
            self._closed = True
            self._asked.notify()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(2 * self._timeout_s + 1)
        for reader in [*self._readers.values(), *self._leaving.readers]:
            reader.close()

    def _park(self, node: str, data: memoryview, part: Part) -> None:
        """Leave a part to the thread that connects: it takes time, which one that receives has not."""
        with self._asked:
            closed = self._closed
            if not closed:
                self._parked.append((node, data, part))
                self._asked.notify()
        if closed:
            part.end(away(self._address, "the store is closed"))

    def _send(self, read: _Sending, routes: Routes, put_off: PutOff) -> None:
        """Send each node its part."""
        whole, nodes, table = read
        parts = []
        for place, (node, reader) in enumerate(zip(routes.nodes, routes.readers, strict=True)):
            first, count, start, end = nodes[place * NODE_WIDTH : (place + 1) * NODE_WIDTH]
            if count:
                commands = table[first * COMMAND_WIDTH : (first + count) * COMMAND_WIDTH]
                parts.append((reader, start, end, Part(self, whole, commands, node)))
        readers: list[RowReader] = []
        whole.expect(len(parts))
        for reader, start, end, part in parts:
            if reader.enqueue(whole.sent.data[start:end], part):
                readers.append(reader)
        if readers and put_off(self.flush):
            with self._putting_off:
                self._unsent.update(dict.fromkeys(readers))
            return
        for reader in readers:
            reader.send()

    def _known(self) -> Routes:
        """The routes; the first read asks for them itself, so that it need not fail."""
        routes = self._routes
        if routes is not None:
            return routes
        with self._connecting:
            if self._closed:
                raise away(self._address, "the store is closed")
            if self._routes is None:
                self._routes = self._asked_routes()
                self._thread.start()
            return self._routes

    def _asked_routes(self) -> Routes:
        """Who has what, as the cluster says now; every node that is new gets a reader, and it its connection."""
        owners = self._topology.owners(self._layout.slots)
        names = [*sorted(set(owners) - {""}), ""]
        nobody = Nobody(away(self._address, "a part of the cluster has no node"))
        readers = [*map(self._reader, names[:-1]), nobody]
        places = {name: place for place, name in enumerate(names)}
        return Routes(tuple(names), tuple(readers), np.array([places[name] for name in owners], np.int64))

    def _reader(self, node: str) -> RowReader:
        """The reader of a node, connected if it is new."""
        reader = self._readers.get(node)
        if reader is None:
            check = NodeCheck(lambda: self._metas(node), self.ask_topology, self._identity, self._gone)
            reader = RowReader(self._address, lambda: self._connect(node), timeout_s=self._timeout_s, check=check)
            reader.start()
            self._readers[node] = reader
        return reader

    def _metas(self, node: str) -> list[bytes]:
        """Of what a node has."""
        routes, metas = self._routes, self._layout.metas
        return [metas[place] for place in routes.of(node)] if routes is not None else []

    def _follow(self) -> None:
        """Until the store is closed: connect to nodes that parked parts are for, ask for the topology, and close what
        has left it.
        """
        next_s = 0.0
        while True:
            with self._asked:
                due_s = min(self._leaving.due_s, next_s if self._doubted else math.inf)
                wait_s = None if math.isinf(due_s) else due_s - clock.monotonic_s()
                if not self._parked and not self._closed and (wait_s is None or wait_s > 0):
                    self._asked.wait(wait_s)
                parked, self._parked = self._parked, []
                closed = self._closed
                doubted = self._doubted and clock.monotonic_s() >= next_s
                if doubted:
                    self._doubted = False
            for node, data, part in parked:
                _send_now(self._reader(node), data, part)
            if closed:
                return
            if doubted:
                self._ask()
                next_s = clock.monotonic_s() + _PAUSE_S
            self._leaving.close_due()

    def _ask(self) -> None:
        try:
            self._topology.doubt()
            routes = self._asked_routes()
        except HotrowError as error:
            if not self._away:  # or a cluster that is away would be told of with every question
                self._log.warning("the cluster cannot be asked who has what", reason=error.message)
            self._away = True
        except Exception:  # noqa: BLE001 - whatever it is, the thread goes on
            self._log.exception("asking for the topology failed")
        else:
            if self._away:
                self._log.info("the cluster answers again")
            self._away = False
            self._routes = routes
            self._leaving.add([self._readers.pop(node) for node in set(self._readers).difference(routes.nodes)])


def _send_now(reader: RowReader, data: memoryview, request: Request) -> None:
    if reader.enqueue(data, request):
        reader.send()
