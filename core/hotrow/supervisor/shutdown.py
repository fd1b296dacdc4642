"""How a supervisor ends: the server workers drain first, for their pushes need the ingest worker, which drains last."""

from collections.abc import Sequence

from hotrow import clock, log
from hotrow.errors import Code, HotrowError
from hotrow.settings import Settings
from hotrow.supervisor.control import Drain
from hotrow.supervisor.slot import Slot

_KILL_AFTER_S = 5.0  # beyond the grace that a worker is given

_log = log.logger(__name__)


class Shutdown:
    """The drain of all workers, a step at a time. `error` is what to end with, when one did not drain."""

    def __init__(self, slots: Sequence[Slot], settings: Settings) -> None:
        self.error: HotrowError | None = None
        self._slots = slots
        self._grace_s = {"server": settings.server.drain_s, "ingest": settings.ingest.drain_s}
        self._kill_due_s: dict[str, float] = {}
        self._killed = False

    def step(self) -> bool:
        """Do what is due; False when no worker is left."""
        for role, grace_s in self._grace_s.items():
            alive = [slot for slot in self._slots if slot.child is not None and slot.role == role]
            if not alive:
                continue
            if role not in self._kill_due_s:
                _log.info("draining", workers_of=role, workers=len(alive), grace_s=grace_s)
                self._kill_due_s[role] = clock.monotonic_s() + grace_s + _KILL_AFTER_S
                for slot in alive:
                    _drain(slot, grace_s)
            elif clock.monotonic_s() >= self._kill_due_s[role]:
                _log.error("workers do not end, and are killed", workers_of=role)
                self._kill(alive)
            return True
        return False

    def hurry(self) -> None:
        """Kill all that are left: asked twice to stop."""
        if not self._killed:
            _log.warning("asked twice to stop: killing the workers")
            self._kill(self._slots)

    def note(self, slot: Slot, error: HotrowError | None) -> None:
        """A worker that served has ended, with an error or well."""
        if error is not None:
            _log.error("a worker did not drain", worker=slot.name, why=error.message)
            self.error = HotrowError(Code.INTERNAL, f"{slot.name} did not drain: it {error.message}")

    def _kill(self, slots: Sequence[Slot]) -> None:
        self._killed = True
        for slot in slots:
            if slot.child is not None:
                slot.child.kill()


def _drain(slot: Slot, grace_s: float) -> None:
    if slot.child is None:
        return
    if slot.ready:
        slot.child.send(Drain(grace_s))
    else:  # it has nothing to finish
        slot.child.kill()
