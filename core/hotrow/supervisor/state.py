"""What runs on a store, in files beside it, so that other commands can find the workers and wait for them.

The folder `Settings.run_path` holds two files a supervisor: `<id>.json`, its state, replaced whole at every change,
and `<id>.lock`, which it holds locked while it lives. A state whose lock is free is that of a dead supervisor: it
counts for nothing, and whoever finds it removes it.
"""

import contextlib
import fcntl
import os
import secrets
from pathlib import Path
from typing import IO

import msgspec

from hotrow import clock
from hotrow.errors import Code, HotrowError
from hotrow.settings import Settings

_POLL_S = 0.05


class WorkerState(msgspec.Struct, frozen=True):
    """One worker.

    `role` is "server" or "ingest", `status` "starting", "ready", "waiting" (to be started again) or "draining".
    `serves` are the ids of the snapshots that it answers for, the head first; `failed` those that it was told to
    serve and could not, with the reason.
    """

    role: str
    index: int
    status: str
    pid: int = 0
    address: str = ""
    socket: str = ""
    lane: str = ""
    restarts: int = 0
    serves: tuple[str, ...] = ()
    failed: dict[str, str] = {}


class SupervisorState(msgspec.Struct, frozen=True):
    """One supervisor: `role` is "serve", "server", "ingest" or, for the time of one command, "run".

    `head` is the snapshot it has told its workers to serve; `rejected` are those that failed its checks and were
    never published, with the reason.
    """

    id: str
    role: str
    pid: int
    project: str
    started_us: int
    ready: bool = False
    draining: bool = False
    head: str = ""
    rejected: dict[str, str] = {}
    workers: tuple[WorkerState, ...] = ()


class RuntimeState(msgspec.Struct, frozen=True):
    """All live supervisors on a store, the oldest first."""

    supervisors: tuple[SupervisorState, ...]

    @property
    def workers(self) -> tuple[WorkerState, ...]:
        return tuple(worker for supervisor in self.supervisors for worker in supervisor.workers)

    def ingest_socket(self) -> Path | None:
        """The unix socket of the ingest worker, if one is ready that will stay: not one of the role "run"."""
        for supervisor in self.supervisors:
            for worker in supervisor.workers:
                if supervisor.role != "run" and worker.status == "ready" and worker.socket:
                    return Path(worker.socket)
        return None


class StateFile:
    """The state of this process's supervisor; the folder is made where it is missing.

    Raises HotrowError FAILED_PRECONDITION where the folder cannot be written.
    """

    def __init__(self, settings: Settings) -> None:
        self.id = secrets.token_hex(4)
        self._file = settings.run_path / f"{self.id}.json"
        try:
            settings.run_path.mkdir(parents=True, exist_ok=True)
            self._lock = _locked_file(self._file.with_suffix(".lock"))
        except OSError as error:
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"{settings.run_path}: cannot be written ({error.strerror}); it is where a supervisor keeps its state",
            ) from None

    def write(self, state: SupervisorState) -> None:
        """Replace the state; a reader sees the old one or the new one whole."""
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(state) + b"\n")
        fresh.replace(self._file)

    def close(self) -> None:
        """Remove both files."""
        _remove(self._file)
        self._lock.close()


class StoreHeldError(HotrowError):
    """Another supervisor has the store, perhaps for the time of one command: expected, and worth waiting for."""

    def __init__(self, store: str, holder: str) -> None:
        super().__init__(
            Code.FAILED_PRECONDITION,
            f"{store} has an ingest worker already, under process {holder}: a store has one writer; stop that process "
            "or wait for it, or start `hotrow serve` first, whose worker every command shares, or set another "
            "online_store.path",
            field="online_store.path",
        )
        self.holder = holder


class StoreLock:
    """Held by the one supervisor that may start an ingest worker on a store, for as long as it lives.

    The store's own lock, in the worker, is not enough: it is free while a worker is being started again.
    Raises StoreHeldError, naming the holder, when another supervisor holds it.
    """

    def __init__(self, settings: Settings) -> None:
        path = settings.run_path / "ingest.lock"
        try:
            self._file = _locked_file(path)
        except BlockingIOError:
            holder = path.read_text(encoding="ascii", errors="replace").strip()
            raise StoreHeldError(str(settings.online_store.path), holder or "?") from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()).encode())
        self._file.flush()

    def release(self) -> None:
        """Let the store go. The file stays: removing it would let two processes lock two files of one name."""
        self._file.close()


def read_state(settings: Settings) -> RuntimeState:
    """The live supervisors on the store of `settings`, for its project; those that died are left out."""
    found = []
    for file in settings.run_path.glob("*.json"):
        state = _live_state(file)
        if state is not None and state.project == settings.project:
            found.append(state)
    return RuntimeState(tuple(sorted(found, key=lambda state: state.started_us)))


def wait_served(settings: Settings, snapshot_id: str, timeout_s: float, *, as_head: bool = False) -> RuntimeState:
    """Wait until every worker on the store serves the snapshot, or has it `as_head`: one that is the head again after a
    rollback was served all the time. Returns the state that showed it.

    Raises HotrowError: FAILED_PRECONDITION when nothing runs on the store, or when the snapshot was refused by the
    supervisor's checks or by a worker, with the reason; DEADLINE when it takes longer, naming who does not serve it.
    """
    deadline_s = clock.monotonic_s() + timeout_s
    while True:
        state = read_state(settings)
        if not state.supervisors:
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"nothing serves project {settings.project!r} on {settings.online_store.path}; start `hotrow serve`, "
                "or apply without --wait",
            )
        _raise_refusal(state, snapshot_id)
        missing = [worker for worker in state.workers if not _serves(worker, snapshot_id, as_head=as_head)]
        if state.workers and not missing:
            return state
        if clock.monotonic_s() >= deadline_s:
            names = ", ".join(f"{worker.role} {worker.index} ({worker.status})" for worker in missing)
            raise HotrowError(
                Code.DEADLINE,
                f"snapshot {snapshot_id[:12]} is not served after {timeout_s:g} s by: {names or 'no worker'}",
            )
        clock.sleep_s(_POLL_S)


def _serves(worker: WorkerState, snapshot_id: str, *, as_head: bool) -> bool:
    asked = worker.serves[:1] if as_head else worker.serves
    return worker.status == "ready" and snapshot_id in asked


def _raise_refusal(state: RuntimeState, snapshot_id: str) -> None:
    sources = [("the supervisor", supervisor.rejected) for supervisor in state.supervisors]
    sources += [(f"{worker.role} worker {worker.index}", worker.failed) for worker in state.workers]
    for who, refused in sources:
        if snapshot_id in refused:
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"snapshot {snapshot_id[:12]} is refused by {who}: {refused[snapshot_id]}; the one before it is served",
            )


def _live_state(file: Path) -> SupervisorState | None:
    """The state in the file, if its supervisor lives. Removes the files of one that does not."""
    lock = file.with_suffix(".lock")
    try:
        with lock.open("rb") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return msgspec.json.decode(file.read_bytes(), type=SupervisorState)
            _remove(file)
    except FileNotFoundError:  # it has just ended
        return None
    except OSError:  # not ours to read
        return None
    return None


def _remove(file: Path) -> None:
    for path in (file, file.with_suffix(".new"), file.with_suffix(".lock")):
        with contextlib.suppress(OSError):
            path.unlink()


def _locked_file(path: Path) -> IO[bytes]:
    file = path.open("ab+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise
    return file
