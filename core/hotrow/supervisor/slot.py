"""A worker's place in the fleet: who holds it, and when it is to be filled again."""

from hotrow import clock
from hotrow.supervisor.child import Child
from hotrow.supervisor.state import WorkerState

_BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
_SETTLED_S = 1.0


class Slot:
    """The place of the server worker of some index, or of the ingest worker. Empty until `fill`."""

    def __init__(self, role: str, index: int) -> None:
        self.role = role
        self.index = index
        self.child: Child | None = None
        self.served = False
        """Whether any worker has served here."""
        self.failures = 0
        """How many workers in a row have died here before they served, or soon after."""
        self.due_s = 0.0
        """When to fill it, in seconds of the monotonic clock."""
        self._starts = 0
        self._ready_s = 0.0

    @property
    def name(self) -> str:
        """For a message."""
        return "the ingest worker" if self.role == "ingest" else f"server worker {self.index}"

    @property
    def ready(self) -> bool:
        """Whether its worker serves."""
        return self.child is not None and self.child.ready is not None

    def fill(self, child: Child) -> None:
        """A worker has been started here."""
        self.child = child
        self._starts += 1

    def mark_ready(self) -> None:
        """Its worker serves."""
        self.served = True
        self._ready_s = clock.monotonic_s()

    def empty(self) -> float:
        """Its worker has died, or could not be started; returns the seconds until the next is due: 0 after one that
        served for a while.
        """
        now_s = clock.monotonic_s()
        settled = self.ready and now_s - self._ready_s >= _SETTLED_S
        self.failures = 0 if settled else self.failures + 1
        wait_s = 0.0 if settled else _BACKOFF_S[min(self.failures, len(_BACKOFF_S)) - 1]
        self.child = None
        self.due_s = now_s + wait_s
        return wait_s

    def state(self, *, draining: bool) -> WorkerState:
        """For the state file."""
        child, restarts = self.child, max(self._starts - 1, 0)
        if child is None:
            return WorkerState(self.role, self.index, "waiting", restarts=restarts)
        if child.ready is None:
            return WorkerState(self.role, self.index, "starting", pid=child.pid, restarts=restarts)
        return WorkerState(
            role=self.role,
            index=self.index,
            status="draining" if draining else "ready",
            pid=child.pid,
            address=child.ready.address,
            socket=child.ready.socket,
            lane=child.ready.lane,
            restarts=restarts,
            serves=child.serving.ids,
            failed=child.serving.failed,
        )
