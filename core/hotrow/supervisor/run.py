"""Running a supervisor: in the foreground until a signal, or in the background for the time of one command."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from hotrow import clock
from hotrow.errors import Code, HotrowError
from hotrow.registry.open import open_registry
from hotrow.settings import Settings
from hotrow.supervisor.child import Fleet
from hotrow.supervisor.state import StoreHeldError, SupervisorState, read_state
from hotrow.supervisor.supervisor import Supervisor

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_START_TIMEOUT_S = 120.0
_HELD_POLL_S = 0.2
_SAID_AFTER_S = 5.0  # a worker that `hotrow serve` starts again is there sooner

Say = Callable[[str], None]


def silent(_message: str) -> None:
    """Says nothing."""


def serve_fleet(settings: Settings, fleet: Fleet, on_ready: Callable[[SupervisorState], None]) -> None:
    """Run the fleet until SIGTERM, SIGINT or SIGHUP, then drain it; a second signal kills it.

    Raises HotrowError, see `Supervisor.run`. From the main thread.
    """
    supervisor = Supervisor(settings, fleet, open_registry(settings.registry), on_ready)
    with _stopped_by_signals(supervisor.stop):
        supervisor.run()


@contextlib.contextmanager
def ingest_socket(settings: Settings, *, wait_s: float = 0.0, say: Say = silent) -> Iterator[Path]:
    """The unix socket of the store's ingest worker: the one that runs, or one started for the time of the block.

    Where another command has started one for itself, or one is being started again, waits up to `wait_s` for that,
    which `say` is told when it takes long. Raises HotrowError, see `Supervisor.run`. Of a worker started here the
    block's end drains it; should this process die, the worker exits by itself.
    """
    began_s, said = clock.monotonic_s(), False
    while True:
        with contextlib.ExitStack() as stack:
            try:
                path = _socket_of(settings, stack)
            except StoreHeldError as held:
                waited_s = clock.monotonic_s() - began_s
                if waited_s >= wait_s:
                    raise
                if waited_s >= _SAID_AFTER_S and not said:
                    said = True
                    say(
                        f"waiting for process {held.holder}, whose command has the store; `hotrow serve` serves several"
                    )
            else:
                yield path
                return
        clock.sleep_s(_HELD_POLL_S)


def _socket_of(settings: Settings, stack: contextlib.ExitStack) -> Path:
    running = read_state(settings).ingest_socket()
    if running is not None:
        return running
    state = stack.enter_context(background(settings, Fleet("run", servers=0, ingest=True, listen=False)))
    return Path(state.workers[0].socket)


@contextlib.contextmanager
def background(settings: Settings, fleet: Fleet) -> Iterator[SupervisorState]:
    """The fleet, ready, supervised from a thread of this process, and drained at the end of the block.

    Raises HotrowError, see `Supervisor.run`; an error that ends it sooner is raised at the end of the block.
    """
    states: list[SupervisorState] = []
    errors: list[BaseException] = []
    changed = threading.Event()

    def ready(state: SupervisorState) -> None:
        states.append(state)
        changed.set()

    supervisor = Supervisor(settings, fleet, open_registry(settings.registry), ready)

    def run() -> None:
        try:
            supervisor.run()
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that waits
            errors.append(error)
        changed.set()

    thread = threading.Thread(target=run, name="supervisor", daemon=True)
    thread.start()
    try:
        if not changed.wait(_START_TIMEOUT_S):
            raise HotrowError(Code.DEADLINE, f"the workers have not started in {_START_TIMEOUT_S:g} s")
        if states:
            yield states[0]
    finally:
        supervisor.stop()
        thread.join()
    if errors:
        raise errors[0]


@contextlib.contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Signals call `stop` within the block; what handled them before does so again after it."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()  # and no more: what a signal interrupts may hold the log's lock

    before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
    for number in _STOP_SIGNALS:
        # SIGHUP ignored is nohup's doing and stays so; SIGINT ignored is what a shell does to a job of a script
        if not (number is signal.SIGHUP and before[number] is signal.SIG_IGN):
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
