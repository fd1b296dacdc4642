"""The supervisor: one loop that starts workers, watches them and the registry, starts them again, and drains them.

It runs no gRPC, opens no store and starts no thread, so that a worker inherits nothing of the kind, and no worker's
trouble is its own.
"""

import contextlib
import os
import selectors
import socket
from collections.abc import Callable

from hotrow import clock, log
from hotrow.errors import Code, HotrowError
from hotrow.registry.registry import Registry
from hotrow.rpc.address import lock_address
from hotrow.settings import Settings
from hotrow.supervisor.child import Child, Fleet, start_child
from hotrow.supervisor.control import ClearReaders, Refs
from hotrow.supervisor.shutdown import Shutdown
from hotrow.supervisor.slot import Slot
from hotrow.supervisor.state import StateFile, StoreLock, SupervisorState
from hotrow.supervisor.transform_check import TransformCheck
from hotrow.supervisor.watch import RegistryWatch

REGISTRY_POLL_S = 0.2
START_ATTEMPTS = 3

_log = log.logger(__name__)


class Supervisor:
    """Supervises a fleet from `run` until `stop`. `on_ready` is called once, when every worker serves."""

    def __init__(
        self, settings: Settings, fleet: Fleet, registry: Registry, on_ready: Callable[[SupervisorState], None]
    ) -> None:
        self._settings = settings
        self._fleet = fleet
        self._on_ready = on_ready
        self._slots = [Slot("ingest", 0)] if fleet.ingest else []
        self._slots += [Slot("server", index) for index in range(fleet.servers)]
        self._watch = RegistryWatch(registry, settings.project, lambda id_: TransformCheck(settings.registry, id_))
        self._refs = Refs(())
        self._poll_due_s = 0.0
        self._shutdown = Shutdown(self._slots, settings)
        self._announced = False
        self._started_us = clock.now_us()
        self._written: SupervisorState | None = None
        self._stops = 0
        self._waker, self._wakes = socket.socketpair()
        self._waker.setblocking(False)
        self._selector = selectors.DefaultSelector()

    def stop(self) -> None:
        """Drain and end; a second time, kill and end. From any thread, or from a signal handler."""
        self._stops += 1
        with contextlib.suppress(OSError):  # full of wake-ups, so it wakes; or closed, since it has ended
            self._waker.send(b"s")

    def run(self) -> None:
        """Supervise until stopped and drained.

        Raises HotrowError: FAILED_PRECONDITION when another process has the store or an address, or when nothing has
        been applied; the reason of a worker that fails START_ATTEMPTS times before it has ever served (once, where it
        is FAILED_PRECONDITION); INTERNAL when a worker did not drain.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self._selector.close)
            stack.callback(self._watch.close)
            stack.callback(self._waker.close)
            stack.callback(self._wakes.close)
            self._state_file = StateFile(self._settings)
            stack.callback(self._state_file.close)
            if self._fleet.ingest:
                stack.callback(StoreLock(self._settings).release)
            for address in self._addresses():
                stack.callback(lock_address(address, store=self._settings.online_store.place).release)
            self._refs = self._watch.initial()
            _log.info("starting workers; after an installation they compile their kernels first, for some seconds")
            stack.callback(self._end_children)
            self._selector.register(self._wakes, selectors.EVENT_READ)
            while self._turn():
                pass
        if self._shutdown.error is not None:
            raise self._shutdown.error

    def _addresses(self) -> list[str]:
        if not self._fleet.listen:
            return []
        addresses = [self._settings.server.address] if self._fleet.servers else []
        return [*addresses, self._settings.ingest.address] if self._fleet.ingest else addresses

    def _turn(self) -> bool:
        """One turn of the loop; False at the end."""
        if self._stops:
            if self._stops > 1:
                self._shutdown.hurry()
            if not self._shutdown.step():
                return False
        else:
            self._fill_due()
            self._poll_registry()
        self._write_state()
        for key, _ in self._selector.select(self._timeout_s()):
            if key.fileobj is self._wakes:
                self._wakes.recv(64)
            else:
                self._hear(key.data)
        return True

    def _timeout_s(self) -> float:
        """How long nothing can be due."""
        now_s = clock.monotonic_s()
        due_s = [slot.due_s for slot in self._slots if slot.child is None and self._may_start(slot)]
        return max(0.0, min([now_s + REGISTRY_POLL_S, *due_s]) - now_s) if not self._stops else REGISTRY_POLL_S

    # ---- workers come and go

    def _may_start(self, slot: Slot) -> bool:
        """Whether it is the worker's turn: at first the ingest worker and one server worker fill the kernels' cache,
        so that the others only read it; later each is for itself.
        """
        return slot.index == 0 or slot.served or all(first.served for first in self._slots if first.index == 0)

    def _fill_due(self) -> None:
        for slot in self._slots:
            if slot.child is None and self._may_start(slot) and slot.due_s <= clock.monotonic_s():
                try:
                    child = start_child(self._fleet, self._settings, self._refs, role=slot.role, index=slot.index)
                except OSError as error:
                    self._leave_empty(slot, error)
                else:
                    slot.fill(child)
                    self._selector.register(child.control, selectors.EVENT_READ, slot)

    def _leave_empty(self, slot: Slot, error: OSError) -> None:
        """The system gave no process, perhaps for want of memory. That must not end the workers that serve."""
        wait_s = slot.empty()
        if not slot.served and slot.failures >= START_ATTEMPTS:
            raise HotrowError(Code.UNAVAILABLE, f"{slot.name} cannot start: {error}") from error
        _log.error("worker cannot be started", worker=slot.name, why=str(error), again_in_s=wait_s)

    def _hear(self, slot: Slot) -> None:
        child = slot.child
        if child is None:
            return
        was_ready, served = slot.ready, child.serving
        if not child.receive():
            self._bury(slot, child)
            return
        if slot.ready and not was_ready:
            slot.mark_ready()
            _log.info("worker ready", worker=slot.name, worker_pid=child.pid)
            if child.told != self._refs:  # published while it started
                child.publish(self._refs)
        if child.serving is not served:
            for snapshot_id, why in child.serving.failed.items():
                _log.error("a worker cannot serve a snapshot", worker=slot.name, snapshot=snapshot_id, why=why)
        self._announce()

    def _bury(self, slot: Slot, child: Child) -> None:
        self._selector.unregister(child.control)
        child.close()
        was_ready = slot.ready
        wait_s = slot.empty()
        error = child.error
        if self._stops:
            if was_ready:  # else it had nothing to drain, and was killed while it started
                self._shutdown.note(slot, error)
            return
        why = error.message if error is not None else "it exited"
        if error is not None and not slot.served and slot.failures >= _attempts(error):
            raise HotrowError(error.code, f"{slot.name} cannot start: {why}", field=error.field)
        _log.warning("worker died", worker=slot.name, worker_pid=child.pid, why=why, again_in_s=wait_s)
        if was_ready:
            self._clear_readers()

    def _clear_readers(self) -> None:
        """The store keeps a place for each process that reads it, also for a dead one, until it is told to look."""
        for slot in self._slots:
            if slot.child is not None and slot.ready:
                slot.child.send(ClearReaders())
                return

    def _end_children(self) -> None:
        for slot in self._slots:
            if slot.child is not None:
                slot.child.end()

    # ---- what is served, and saying so

    def _poll_registry(self) -> None:
        now_s = clock.monotonic_s()
        if now_s < self._poll_due_s:
            return
        self._poll_due_s = now_s + REGISTRY_POLL_S
        refs = self._watch.poll()
        if refs is None:
            return
        _log.info("publishing", head=refs.head, snapshots=len(refs.ids()))
        self._refs = refs
        for slot in self._slots:
            if slot.child is not None and slot.ready:
                slot.child.publish(refs)

    def _announce(self) -> None:
        if not self._announced and all(slot.ready for slot in self._slots):
            self._announced = True
            self._write_state()
            self._on_ready(self._state())

    def _state(self) -> SupervisorState:
        return SupervisorState(
            id=self._state_file.id,
            role=self._fleet.role,
            pid=os.getpid(),
            project=self._settings.project,
            started_us=self._started_us,
            ready=self._announced,
            draining=bool(self._stops),
            head=self._refs.head,
            rejected=dict(self._watch.rejected),
            workers=tuple(slot.state(draining=bool(self._stops)) for slot in self._slots),
        )

    def _write_state(self) -> None:
        state = self._state()
        if state == self._written:
            return
        try:
            self._state_file.write(state)
        except OSError as error:  # a full disk must not end the workers; the next change writes it
            _log.error("the state of the workers cannot be written", why=str(error))
        self._written = state


def _attempts(error: HotrowError) -> int:
    """How often to try a start that fails so: a store or an address that is not to be had will not be had soon."""
    return 1 if error.code is Code.FAILED_PRECONDITION else START_ATTEMPTS
