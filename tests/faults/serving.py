"""A repository whose processes are hurt, the load on it, and the audit of what is left in its store."""

import dataclasses
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from hotrow.codec.row import verify_row
from hotrow.registry.open import open_registry
from hotrow.settings import Settings, settings_from_file
from hotrow.stores.lmdb.store import LmdbStore

from tests.e2e.processes import Program, alive, free_ports, until

from . import trip
from .board import Board
from .definitions import PROJECT, SNAPSHOT
from .load import INGEST_PUSH, READ, Job, Seen, dial, together

ROOT = Path(__file__).parents[2]
START_S = 300.0
_LOADERS = 2  # processes of producers and readers
_SLOTS_EACH = 32


class Repository:
    """A feature repository with the definitions of these tests, applied. `extra` are lines for its `hotrow.toml`."""

    def __init__(self, path: Path, *, store: str = "", ingest: str = "", size_gib: float = 1.0) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        server_port, ingest_port = free_ports(2)
        lines = [
            f'project = "{PROJECT}"',
            "[online_store]",
            f"size_gib = {size_gib}",
            f'path = "{store or "data/online"}"',
            f'[server]\naddress = "127.0.0.1:{server_port}"\nworkers = 2\ndrain_s = 10',
            f'[ingest]\naddress = "127.0.0.1:{ingest_port}"\ndrain_s = 10',
            ingest,
            "",
        ]
        (path / "hotrow.toml").write_text("\n".join(lines))
        registry = open_registry(self.settings.registry)
        registry.apply(SNAPSHOT, expected_head=registry.head(PROJECT), author="test")

    @property
    def settings(self) -> Settings:
        return settings_from_file(self.path, {})

    def open_store(self) -> LmdbStore:
        """The store, to look at; close it."""
        store = self.settings.online_store
        return LmdbStore(store.path, size_gib=store.size_gib, wait_s=10)


class Serve(Program):
    """`hotrow serve`, or another command that stays, ready; it and its workers end with the test."""

    def __init__(self, repository: Repository, *arguments: str, **environ: str) -> None:
        super().__init__(repository, *(arguments or ("serve",)), **environ)

    def ready(self) -> "Serve":
        """Wait for it; the first start of all compiles the kernels."""
        until(lambda: not self._lines.empty() or self.process.poll() is not None, START_S)
        self.wait_ready()
        return self

    def pids(self) -> list[int]:
        return [worker.pid for worker in self.state().workers if worker.pid]

    def restarts(self, role: str, index: int = 0) -> int:
        return self.worker(role, index).restarts

    def kill_worker(self, role: str, index: int = 0) -> int:
        """SIGKILL a worker that is ready, once it is; returns its pid."""
        until(lambda: self.worker(role, index).status == "ready", 60)
        pid = self.worker(role, index).pid
        os.kill(pid, signal.SIGKILL)
        return pid

    def until_restarted(self, role: str, index: int, killed: int) -> None:
        until(lambda: self.worker(role, index).status == "ready" and self.worker(role, index).pid != killed, 60)


def exit_of(repository: Repository, *arguments: str, **environ: str) -> tuple[int, str]:
    """The exit code and the log of a command that has to end by itself."""
    program = Program(repository, *arguments, **environ)
    try:
        return program.wait(START_S), program.log()
    finally:
        program.end()


class Load:
    """Producers and readers in processes of their own, from now until `stop`."""

    def __init__(self, repository: Repository, *, readers: int, pause_s: float = 0.0, late_every: int = 7) -> None:
        settings = repository.settings
        self._board_file = repository.path / f"board-{time.monotonic_ns()}"
        self.board = Board(self._board_file)
        self._processes = []
        for number in range(_LOADERS):
            job = Job(
                board=str(self._board_file),
                server=settings.server.address,
                ingest=settings.ingest.address,
                store=str(settings.online_store.path),
                first_slot=number * _SLOTS_EACH,
                producers=list(range(number, trip.PRODUCERS, _LOADERS)),
                readers=len(range(number, readers, _LOADERS)),
                pause_s=pause_s,
                late_every=late_every,
            )
            command = [sys.executable, "-m", "tests.faults.load", json.dumps(dataclasses.asdict(job))]
            self._processes.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))

    @property
    def done(self) -> int:
        """Calls that have been answered and checked."""
        return int(self.board.done.sum())

    def until_done(self, calls: int, timeout_s: float = 120.0) -> None:
        def arrived() -> bool:
            assert all(process.poll() is None for process in self._processes), "a process of the load has ended"
            return self.done >= calls

        until(arrived, timeout_s)

    def stop(self) -> Seen:
        """Let the last pushes be acknowledged, and return what was seen."""
        self.board.stop()
        parts = []
        for process in self._processes:
            output, _ = process.communicate(timeout=180)
            parts.append(Seen(**json.loads(output)))
        return together(parts)

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


def audit(repository: Repository, load: Load, seen: Seen) -> int:
    """Read back every row that the load has written, from running servers; returns how many.

    Each push was acknowledged in the end, so each has its row in the ledger, and each group has its last stamp.
    """
    settings = repository.settings
    board = load.board
    with dial(settings.server.address) as channel, dial(settings.ingest.address) as ingest:
        read = channel.unary_unary(READ, None, None)
        for group in range(trip.GROUPS):
            keys = trip.keys_of(group)
            stamps = trip.stamps_read(read(trip.read_bytes(keys), timeout=30), keys)
            assert stamps == [int(board.acknowledged[group].max())] * trip.KEYS
        ledger = [
            trip.stamp_of(producer, push)
            for producer in range(trip.PRODUCERS)
            for push in range(1, int(board.acknowledged[:, producer].max()) // trip.PRODUCERS + 1)
        ]
        for start in range(0, len(ledger), 1000):
            stamps = ledger[start : start + 1000]
            keys = [trip.LEDGER + stamp for stamp in stamps]
            assert trip.stamps_read(read(trip.read_bytes(keys), timeout=30), keys) == stamps
        store = repository.open_store()
        try:
            before = digest(store)
            assert before.rows == len(ledger) + trip.GROUPS * trip.KEYS
            push = ingest.unary_unary(INGEST_PUSH, None, None)
            for (
                stamp,
                reply,
            ) in seen.replies.items():  # once more with their ids: the first replies, and nothing written
                assert push(trip.push_of(int(stamp)), timeout=30).hex() == reply
            assert digest(store) == before
            assert store.verify() == []
        finally:
            store.close()
    return len(ledger)


@dataclasses.dataclass(frozen=True)
class Digest:
    """All that a store holds, as a number of rows and a hash."""

    rows: int
    hash: str


def digest(store: LmdbStore) -> Digest:
    """The content of the store; every row's frame is checked."""
    total, rows = hashlib.blake2b(digest_size=16), 0
    for stored in store.scan():
        assert verify_row(stored.row) is None, stored
        for part in (stored.view_id, stored.key, stored.row):
            total.update(len(part).to_bytes(4, "big"))
            total.update(part)
        rows += 1
    return Digest(rows, total.hexdigest())


def bindable(address: str) -> bool:
    """Whether nobody listens at the address: it can be taken without sharing."""
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return False
    return True


def all_gone(pids: list[int]) -> bool:
    return not any(alive(pid) for pid in pids)
