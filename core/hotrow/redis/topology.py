"""Which node of a Redis Cluster has what, as one of its nodes says."""

import binascii
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from hotrow.errors import Code, HotrowError, invalid
from hotrow.redis.address import RedisAddress
from hotrow.redis.client import parse_hosts
from hotrow.redis.failure import away, said_by

SLOTS = 16384

NAMELESS = "a node sends for another one that has no name (set its cluster-announce-hostname)"
"""Why a redirection cannot be followed."""

_PORT = 6379
_NO_NAME = "?"  # of a node that should tell a host name and has none


def slot_of(key: bytes) -> int:
    """The slot of a key: by what stands in its first braces, where something does."""
    start = key.find(b"{")
    end = key.find(b"}", start + 1) if start >= 0 else -1
    hashed = key[start + 1 : end] if end > start + 1 else key
    return binascii.crc_hqx(hashed, 0) % SLOTS


class _Told(NamedTuple):
    """What a node says: the primary of each slot, empty where there is none, and all nodes."""

    owners: list[str]
    nodes: list[str]


class Topology:
    """The primaries of a cluster, asked for when they are first needed, and again after there was a doubt.

    Nodes are named `host:port`, an IPv6 address without brackets. After each answer `found` gets the primaries. Raises
    UNAVAILABLE where no node answers within `timeout_s`, FAILED_PRECONDITION where one does and is none of a cluster.
    """

    def __init__(self, address: RedisAddress, found: Callable[[list[str]], None], *, timeout_s: float) -> None:
        self.address = address
        self._found = found
        self._seeds, self._options = _options(address, timeout_s)
        self._asked = random.sample(self._seeds, len(self._seeds))  # who is asked, in turn
        self._silent: set[str] = set()
        self._lock = threading.Lock()
        self._told: _Told | None = None
        self._doubted = False

    def primaries(self) -> list[str]:
        """The nodes that have slots."""
        return _primaries(self._known())

    def owners(self, slots: Sequence[int]) -> list[str]:
        """The primary of each slot, empty where there is none."""
        owners = self._known().owners
        return [owners[slot] for slot in slots]

    def doubt(self) -> None:
        """Have the cluster asked before the next answer."""
        self._doubted = True

    def redirected(self, target: str, by: str) -> str:
        """The node that a node redirects to, as that writes it: without a host, on its own; with a `?`, the only one
        that is known to have the port. Empty where it cannot be known. Asks nobody.
        """
        host, _, port = target.rpartition(":")
        if host != _NO_NAME:
            return f"{host.strip('[]') or _host(by)}:{port}"
        known = [node for node in self._told.nodes if node.rpartition(":")[2] == port] if self._told else []
        return known[0] if len(known) == 1 else ""

    def pool(self, node: str, **options: Any) -> redis.ConnectionPool:
        """Connections to a node."""
        host, _, port = node.rpartition(":")
        options = self._options | options
        return redis.ConnectionPool(host=host, port=int(port), retry=Retry(NoBackoff(), 0), **options)

    def _known(self) -> _Told:
        with self._lock:
            if self._told is None or self._doubted:
                self._doubted = False  # one that comes up meanwhile holds
                try:
                    self._told = self._ask_all()
                except BaseException:
                    self._doubted = True
                    raise
                self._found(_primaries(self._told))
            return self._told

    def _ask_all(self) -> _Told:
        """What the first node says that knows an owner of every slot, or else the one that knows of most."""
        best: _Told | None = None
        errors: list[HotrowError] = []
        for node in sorted(self._asked, key=self._silent.__contains__):
            try:
                told = self._ask(node)
            except HotrowError as error:
                self._silent.add(node)
                errors.append(error)
                continue
            self._silent.discard(node)
            if best is None or told.owners.count("") < best.owners.count(""):
                best = told
                self._turn_from(node, told)
            if "" not in told.owners:
                break
        if best is None:
            raise next((error for error in errors if error.code is not Code.UNAVAILABLE), errors[-1])
        if not any(best.owners):
            raise away(self.address, "none of its nodes has slots")
        return best

    def _turn_from(self, node: str, told: _Told) -> None:
        """Ask another one next, for a node that the others have forgotten would never say so."""
        others = dict.fromkeys([*self._asked, *told.nodes, *self._seeds])
        known = {*told.nodes, *self._seeds} - {node}
        self._asked = [*(one for one in others if one in known), node]
        self._silent &= known

    def _ask(self, node: str) -> _Told:
        connection: Any = self.pool(node).make_connection()
        try:
            connection.connect()
            connection.send_command("CLUSTER", "SLOTS")
            return _parsed(connection.read_response(), node)
        except (RedisError, OSError) as error:
            if "cluster support disabled" in str(error):
                raise self._no_cluster() from None
            raise said_by(self.address, error) from None
        finally:
            connection.disconnect()

    def _no_cluster(self) -> HotrowError:
        remedy = f'take its mode "cluster" back, or name the nodes of a cluster in {self.address.setting}'
        return HotrowError(
            Code.FAILED_PRECONDITION, f"{self.address.place} is no cluster; {remedy}", field=self.address.setting
        )


def _parsed(answer: Sequence[Sequence[Any]], by: str) -> _Told:
    """The reply to CLUSTER SLOTS of a node."""
    owners = [""] * SLOTS
    nodes: dict[str, None] = {}
    for first, last, *entries in answer:
        names = [_name(entry, by) for entry in entries]
        nodes |= dict.fromkeys(names)
        owners[first : last + 1] = [names[0]] * (last + 1 - first)
    nodes.pop("", None)
    return _Told(owners, list(nodes))


def _name(entry: Sequence[Any], by: str) -> str:
    """Of an entry: the host that it prefers, port and id, and since Redis 7 what else is known. A host that is missing
    is that of the node which answers.
    """
    host = (entry[0] or b"").decode()
    if host == _NO_NAME:
        more = entry[3] if len(entry) > 3 else []
        known = dict(_pairs(more))
        host = known.get(b"ip", b"").decode()
        return f"{host}:{entry[1]}" if host else ""
    return f"{host or _host(by)}:{entry[1]}"


def _pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _host(node: str) -> str:
    return node.rpartition(":")[0]


def _primaries(told: _Told) -> list[str]:
    return sorted(set(told.owners) - {""})


def _options(address: RedisAddress, timeout_s: float) -> tuple[list[str], dict[str, Any]]:
    """The nodes in the url, and what every connection is made with."""
    hosts, named = parse_hosts(address.url, _PORT)
    if named.pop("db", 0):
        raise invalid(f"{address.setting}: a cluster has database 0 alone; end the url with /0", field=address.setting)
    user = {"username": address.username} if address.username else {}
    password = {"password": address.password} if address.password else {}
    timeouts = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    options = {**named, **user, **password, **timeouts, "protocol": 2, "client_name": "hotrow"}
    return [f"{host}:{port}" for host, port in hosts], options
