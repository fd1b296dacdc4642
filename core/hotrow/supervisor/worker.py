"""The life of a worker process, whatever it serves: start, publish, drain, and exit when the supervisor is gone.

The main thread starts the worker and carries out what the supervisor says, in order. A thread of its own reads the
control socket, so that a worker is never too busy to notice that its supervisor has died: it then exits at once, so
that no port and no store stays held. Nothing acknowledged is lost by that, since what is acknowledged is committed.
"""

import os
import queue
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from hotrow import log
from hotrow.errors import Code, HotrowError
from hotrow.supervisor.control import (
    ClearReaders,
    Drain,
    Failed,
    Publish,
    Ready,
    Refs,
    Serving,
    Start,
    ToWorker,
    WorkerEnd,
    worker_end,
)

EXIT_FAILED = 1
EXIT_ORPHANED = 3

_log = log.logger(__name__)


class Worker(Protocol):
    """What a composition root builds: a worker that serves."""

    def ready(self) -> Ready:
        """Where it serves and what."""

    def publish(self, refs: Refs) -> Serving:
        """Serve these from now on. A snapshot that cannot be served is left out and named, and never raises."""

    def clear_readers(self) -> None:
        """Free what dead processes hold in the store."""

    def drain(self, grace_s: float) -> None:
        """Health says NOT_SERVING; running calls finish within `grace_s`; what is queued is committed; all closes."""


def run_worker(role: str, control_fd: int, build: Callable[[Start], Worker]) -> int:
    """Run a worker until it is told to drain, by its supervisor or by SIGTERM; returns the exit code.

    `build` makes the worker out of the first message; it imports what is slow to import. Call this once, from the
    main thread, before anything else.
    """
    inbox: queue.SimpleQueue[ToWorker] = queue.SimpleQueue()
    control = worker_end(control_fd)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the supervisor's to handle
    threading.Thread(target=_listen, args=(control, inbox), name="control", daemon=True).start()
    start = inbox.get()
    if not isinstance(start, Start):
        raise TypeError(f"the first message to a worker is Start, not {start!r}")
    settings = start.decoded_settings()
    grace_s = settings.server.drain_s if role == "server" else settings.ingest.drain_s

    def terminated(_signal: int, _frame: FrameType | None) -> None:
        inbox.put(Drain(grace_s))  # SimpleQueue.put may be called from a signal handler

    signal.signal(signal.SIGTERM, terminated)
    process = f"server {start.index}" if role == "server" else role
    log.configure_log(level=settings.log.level, json=settings.log.json, process=process, pid=os.getpid())
    try:
        worker = build(start)
    except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor is told why
        _fail(control, error)
        return EXIT_FAILED
    control.send_message(worker.ready())
    _obey(worker, control, inbox)
    return 0


def _listen(control: WorkerEnd, inbox: "queue.SimpleQueue[ToWorker]") -> None:
    while (messages := control.receive()) is not None:
        for message in messages:
            inbox.put(message)
    os._exit(EXIT_ORPHANED)


def _obey(worker: Worker, control: WorkerEnd, inbox: "queue.SimpleQueue[ToWorker]") -> None:
    while True:
        match inbox.get():
            case Publish(refs):
                control.send_message(worker.publish(refs))
            case ClearReaders():
                _clear_readers(worker)
            case Drain(grace_s):
                worker.drain(grace_s)
                return
            case Start():
                raise TypeError("a worker is started once")


def _clear_readers(worker: Worker) -> None:
    try:
        worker.clear_readers()
    except HotrowError as error:  # a slot in the table of readers is no reason to end a worker that serves
        _log.warning("readers that died were not cleared", reason=error.message)


def _fail(control: WorkerEnd, error: Exception) -> None:
    if isinstance(error, HotrowError):
        control.send_message(Failed(error.code.value, error.message))
        return
    _log.exception("cannot start", exc_info=error)
    control.send_message(Failed(Code.INTERNAL.value, f"{type(error).__name__}: {error}"))
