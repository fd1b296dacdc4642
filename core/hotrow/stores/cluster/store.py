"""The store on a cluster of Redis or Valkey servers: its rows lie in partitions, spread over all nodes."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from hotrow import clock, log
from hotrow.codec.lookup import Keys, Wanted
from hotrow.errors import HotrowError
from hotrow.failpoint import Reached, unarmed
from hotrow.redis.cluster import ClusterClient, Command, script_command
from hotrow.redis.failure import REFUSED, said_by_server
from hotrow.section import OnlineStoreSettings
from hotrow.stores.check import check_writes
from hotrow.stores.cluster.info import cluster_problems, describe_cluster, doubts_of_nodes
from hotrow.stores.cluster.partition import PARTITIONS, Layout, by_partition, layout_of
from hotrow.stores.cluster.read import ClusterReader
from hotrow.stores.cluster.scan import scan_cluster, scan_cluster_keys
from hotrow.stores.cluster.script import ADOPT, RENEW_PARTITION
from hotrow.stores.cluster.write import Commit, count_up
from hotrow.stores.port import Done, PutOff, StoredRow, StoreInfo, Write, Written, at_once
from hotrow.stores.redis.root import Identity, RedisRoot, check_owner, find_store, server_address
from hotrow.stores.redis.script import CORRECT, CREATE, FORMAT, GONE, REMOVE, RENEW

_log = log.logger(__name__)


class ClusterStore(RedisRoot):
    """An `OnlineStore` behind a prefix on a cluster. Threads may share it; a fork must not.

    Arguments and errors are those of `hotrow.stores.redis.store.RedisStore`. Of one entity, a write is all or nothing
    and a read one state; not of several, which may be on several nodes. Writes come to their ends apart: where some
    fail and some do not, `write` has a HotrowError in the place of each that did.
    """

    atomic_across_entities = False

    def __init__(
        self,
        settings: OnlineStoreSettings,
        *,
        project: str = "",
        password: str = "",
        writable: bool = False,
        wait_s: float = 0.0,
        reached: Reached = unarmed,
    ) -> None:
        self._settings = settings
        self._layout = layout_of(settings.prefix.encode())
        self._reached = reached
        self._client: ClusterClient = client_of(settings, password)
        try:
            look = lambda: _look(self._client, self._layout, settings, project if writable else None)  # noqa: E731
            identity = find_store(settings, project, look, clock.monotonic_s() + wait_s)
            for doubt in doubts_of_nodes(self._client) if writable else ():
                _log.warning("the online store's cluster may lose rows", reason=doubt)
        except BaseException:
            self._client.close()
            raise
        self._gone = said_by_server(self._client.address, f"{REFUSED} {GONE}")
        self._reader: ClusterReader = ClusterReader(
            self._client.topology,
            self._connect,
            self._layout,
            identity,
            self._gone,
            timeout_s=settings.timeout_s,
        )
        super().__init__(self._client, self._layout.root, identity, self._reader)

    def read_later(self, wanted: Wanted, keys: Keys, done: Done, put_off: PutOff = at_once) -> None:
        self._reader.read(wanted, keys, done, put_off)

    def _read_sequence(self, done: Done, put_off: PutOff = at_once) -> None:
        self._reader.read_sequence(done, put_off)

    def write(self, writes: Sequence[Write]) -> list[Written | HotrowError]:
        writes = [write.listed() for write in writes]
        check_writes(writes)
        if not writes:
            return []
        return Commit(self._client, self._layout, self._identity, writes, self._reached).run()

    def scan(self, view_id: bytes | None = None) -> Iterator[StoredRow]:
        return scan_cluster(self._client, self._settings.prefix.encode(), view_id)

    def remove(self, rows: Sequence[StoredRow]) -> int:
        commands = []
        for partition, places in by_partition([stored.key for stored in rows]).items():
            names = self._layout.partitions[partition]
            some = [rows[place] for place in places]
            keys = [names.meta, *(names.rows + stored.key for stored in some)]
            arguments = [part for stored in some for part in (stored.view_id, stored.row)]
            commands.append(script_command(REMOVE, keys, [*self._identity, *arguments]))
        replies = self._client.run_all(commands)
        removed = sum(int(reply) for reply in replies if not isinstance(reply, HotrowError))
        if removed:
            count_up(self._client, self._layout, self._identity)
        for reply in replies:
            if isinstance(reply, HotrowError):
                raise reply
        return removed

    def correct_rows(self, change: int) -> None:
        """As `hotrow.stores.port.Expiring` says: of the sum, in the count of the first partition."""
        if change:
            self._client.run(CORRECT, [self._layout.partitions[0].meta], [*self._identity, change])

    def info(self) -> StoreInfo:
        return describe_cluster(self._client, self._layout, self._settings)

    def verify(self) -> list[str]:
        """As the port says; reads nothing but counts, for a server keeps its own structure."""
        return cluster_problems(self._client, self._layout, self._identity)

    def _connect(self, node: str) -> Any:
        """A connection for reads. Whoever connects anew may have come to a node that has lost its part of the store."""
        connection = self._client.connection(node)
        try:
            with self._client.translated():
                connection.connect()
                self._check_same(connection, node)
        except BaseException:
            connection.disconnect()
            raise
        return connection

    def _check_same(self, connection: Any, node: str) -> None:
        """Of all that the node has, but what is another's by now."""
        owners = self._client.topology.owners(self._layout.slots)
        metas = [meta for meta, owner in zip(self._layout.metas, owners, strict=True) if owner == node]
        for found in self._client.replies(connection, [("HMGET", meta, "id", "epoch") for meta in metas]):
            if tuple(found) != self._identity:
                raise self._gone.with_traceback(None)  # one error for all connections, which must not gather frames


def client_of(settings: OnlineStoreSettings, password: str) -> ClusterClient:
    """Commands to the cluster of the settings; nothing is connected before the first."""
    address = server_address(settings, password)
    return ClusterClient(address, timeout_s=settings.write_timeout_s, connect_timeout_s=settings.timeout_s)


def store_exists(settings: OnlineStoreSettings, password: str) -> bool:
    """Whether the cluster has a store behind the prefix; raises as `ClusterStore`."""
    client = client_of(settings, password)
    try:
        return bool(client.ask("EXISTS", layout_of(settings.prefix.encode()).root.meta))
    finally:
        client.close()


def create_fresh(settings: OnlineStoreSettings, password: str, *, project: str = "") -> bool:
    """Empty the store: the same id, the next epoch, and nothing in it. Returns whether there was one.

    For a rebuild. Processes that have the store open write to it no more. Rows go a few at a time, until a look through
    all nodes finds none: one alone may miss those of a slot that moves.
    """
    client = client_of(settings, password)
    layout = layout_of(settings.prefix.encode())
    root = layout.root
    try:
        if not client.ask("EXISTS", root.meta):
            return False
        check_owner(settings, client.ask("HGET", root.meta, "project"), project)
        rest = [root.watermarks, root.schemas, root.marks, root.mark_order, root.outbox]
        client.run(RENEW, [root.meta, *rest], [])
        identity = client.ask("HMGET", root.meta, "id", "epoch")
        _run_each(
            client,
            [
                script_command(RENEW_PARTITION, [names.meta, names.marks, names.mark_order], identity)
                for names in layout.partitions
            ],
        )
        found = True
        while found:
            found = False
            for keys in scan_cluster_keys(client, settings.prefix.encode()):
                found = True
                client.ask_all([("UNLINK", key) for key in keys])
        return True
    finally:
        client.close()


def _look(
    client: ClusterClient, layout: Layout, settings: OnlineStoreSettings, project: str | None
) -> Sequence[bytes | None]:
    """Format, id, epoch and project; nothing while the partitions are not made yet. See `RedisStore`'s."""
    meta = layout.root.meta
    if project is not None:
        client.run(CREATE, [meta], [FORMAT, uuid.uuid4().hex, project])
    form, store_id, epoch, owner, partitions = client.ask(
        "HMGET", meta, "format", "id", "epoch", "project", "partitions"
    )
    if project is not None and form == FORMAT:
        check_owner(settings, owner, project)
        _adopt(client, layout, (store_id, epoch), first=partitions is None)
    elif partitions is None:
        form = None
    return form, store_id, epoch, owner


def _adopt(client: ClusterClient, layout: Layout, identity: Identity, *, first: bool) -> None:
    """Make every partition one of the store. One that was and is no more has lost its rows."""
    adopted = sum(_run_each(client, [script_command(ADOPT, [names.meta], identity) for names in layout.partitions]))
    if first:
        client.ask("HSET", layout.root.meta, "partitions", PARTITIONS)
    elif adopted:
        _log.warning(
            "a part of the online store was lost, or is another store's, and is taken in as it is now; "
            "run `hotrow store rebuild` if rows are missing",
            partitions=adopted,
            of=PARTITIONS,
        )


def _run_each(client: ClusterClient, commands: Sequence[Command]) -> list[Any]:
    """What each script came to; raises the first failure."""
    replies = client.run_all(commands)
    for reply in replies:
        if isinstance(reply, HotrowError):
            raise reply
    return replies
