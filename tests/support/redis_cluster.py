"""A Redis Cluster of a test's own: servers on loopback, each primary with a replica or without one."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from hotrow.section import OnlineStoreSettings

from .pki import Pki
from .ports import free_ports
from .redis import WAIT_S, RedisServer

SLOTS = 16384
OPTIONS = (
    "--cluster-enabled",
    "yes",
    "--cluster-node-timeout",
    "1000",
    "--cluster-require-full-coverage",
    "no",
    "--repl-diskless-sync-delay",
    "0",
)


class Addressed(Protocol):
    """What has a URL."""

    @property
    def url(self) -> str: ...


class RedisCluster:
    """Primaries that share the slots evenly, the first of the servers, a replica of each behind them, and spare nodes,
    which have no slots. They know one another by the address `host`; with `tls`, clients too speak to them by that, at
    the name `localhost`.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        primaries: int = 3,
        replicas: bool = False,
        spare: int = 0,
        program: str | Path | None = None,
        host: str = "127.0.0.1",
        tls: Pki | None = None,
    ) -> None:
        self._host, self._tls = host, tls
        count = primaries * (2 if replicas else 1) + spare
        self._buses = free_ports(count)
        secure = free_ports(count) if tls is not None else []
        given = [
            (*OPTIONS, "--bind", *dict.fromkeys((host, "127.0.0.1")), "--cluster-port", str(bus)) for bus in self._buses
        ]
        if tls is not None:
            given = [(*some, *_tls_options(tls, port)) for some, port in zip(given, secure, strict=True)]
        self.servers = [
            RedisServer(folder / f"node{number}", *some, *options, program=program) for number, some in enumerate(given)
        ]
        self._ports = dict(zip(self.servers, secure or [server.port for server in self.servers], strict=True))
        self.primaries = self.servers[:primaries]
        self.replicas = self.servers[primaries : 2 * primaries] if replicas else []
        self.spare = self.servers[count - spare :]

    @property
    def url(self) -> str:
        """All of them."""
        host = "localhost" if self._tls else f"[{self._host}]" if ":" in self._host else self._host
        nodes = ",".join(f"{host}:{port}" for port in self._ports.values())
        return f"rediss://{nodes}/0?ssl_ca_certs={self._tls.ca}" if self._tls else f"redis://{nodes}/0"

    def start(self) -> "RedisCluster":
        """Start the servers, and wait until each of them takes the cluster for whole."""
        for number, server in enumerate(self.servers):
            server.start()
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        first = self.servers[0]
        for server in self.servers[1:]:
            server.ask("CLUSTER", "MEET", self._host, str(self._ports[first]), str(self._buses[0]))
        for number, server in enumerate(self.primaries):
            start, end = (SLOTS * place // len(self.primaries) for place in (number, number + 1))
            server.ask("CLUSTER", "ADDSLOTSRANGE", str(start), str(end - 1))
        self._await(lambda server: len(nodes_of(server)) == len(self.servers))
        for number, server in enumerate(self.replicas):
            self._replicate(server, self.id_of(self.primaries[number]))
        self._await(lambda server: b"cluster_state:ok" in server.reply("CLUSTER", "INFO"))
        for server in self.replicas:
            _until_linked(server)
        return self

    def kill(self) -> None:
        """All of them, as a crash would."""
        for server in self.servers:
            server.kill()

    def flush(self) -> None:
        """Empty it."""
        for server in self.servers:
            if b"role:master" in server.reply("INFO", "replication"):
                server.ask("FLUSHALL")

    def id_of(self, server: RedisServer) -> str:
        """The name of a node in the cluster."""
        return server.reply("CLUSTER", "MYID").split(b"\r\n")[1].decode()

    def owner_of(self, slot: int) -> RedisServer:
        """Whose the slot is, by its own word."""
        for server in self.servers:
            for fields in nodes_of(server):
                if "myself" in fields[2] and "master" in fields[2] and _has(fields[8:], slot):
                    return server
        raise AssertionError(f"slot {slot} is nobody's")

    def move(self, slot: int, target: RedisServer, *, pause_s: float = 0.0) -> None:
        """Move a slot, key by key, while the cluster is used."""
        source = self.owner_of(slot)
        self.begin_move(slot, source, target)
        while keys := keys_in(source, slot):
            for key in keys:
                self.migrate(source, target, key)
                time.sleep(pause_s)
        for server in (target, source, *self.servers):
            server.ask("CLUSTER", "SETSLOT", str(slot), "NODE", self.id_of(target))

    def begin_move(self, slot: int, source: RedisServer, target: RedisServer) -> None:
        """From now on the source sends for keys that it has not to the target."""
        target.ask("CLUSTER", "SETSLOT", str(slot), "IMPORTING", self.id_of(source))
        source.ask("CLUSTER", "SETSLOT", str(slot), "MIGRATING", self.id_of(target))

    def migrate(self, source: RedisServer, target: RedisServer, key: bytes) -> bytes:
        """Move one key."""
        return source.ask("MIGRATE", self._host, str(self._ports[target]), key, "0", "5000")

    def _await(self, holds: Callable[[RedisServer], bool]) -> None:
        until(lambda: all(map(holds, self.servers)))

    def _replicate(self, server: RedisServer, primary: str) -> None:
        until(lambda: server.ask("CLUSTER", "REPLICATE", primary) == b"+OK")


def _until_linked(server: RedisServer) -> None:
    until(lambda: b"master_link_status:up" in server.reply("INFO", "replication"))


def _tls_options(tls: Pki, port: int) -> tuple[str, ...]:
    files = ("--tls-cert-file", str(tls.server_cert), "--tls-key-file", str(tls.server_key))
    return ("--tls-port", str(port), "--tls-cluster", "yes", *files, "--tls-ca-cert-file", str(tls.ca))


def nodes_of(server: RedisServer) -> list[list[str]]:
    """What a node knows of all nodes."""
    lines = server.reply("CLUSTER", "NODES").split(b"\r\n", 1)[1].decode().split("\n")
    return [line.split() for line in lines if len(line.split()) >= 8]


def cluster_settings(cluster: Addressed, **more: Any) -> OnlineStoreSettings:
    """Of a store on a cluster, or on what is taken for one."""
    given: dict[str, Any] = {"type": "redis", "mode": "cluster", "url": cluster.url} | more
    return OnlineStoreSettings(**({"timeout_s": 0.5, "write_timeout_s": 2.0} | given))


def keys_in(server: RedisServer, slot: int) -> list[bytes]:
    """Some keys of a slot; test keys hold no line ends."""
    reply = server.reply("CLUSTER", "GETKEYSINSLOT", str(slot), "50")
    return reply.split(b"\r\n")[2::2][: int(reply.partition(b"\r\n")[0][1:])]


def until(holds: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
    """Wait for it."""
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def _has(ranges: list[str], slot: int) -> bool:
    for text in ranges:
        with contextlib.suppress(ValueError):
            start, _, end = text.partition("-")
            if int(start) <= slot <= int(end or start):
                return True
    return False
