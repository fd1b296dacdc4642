"""Jobs that take turns: few run at a time, and many may wait."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent import futures
from functools import partial
from typing import Any

from hotrow import clock

STALL_S = 0.05

_TAKEN: "futures.Future[Any]" = futures.Future()
_TAKEN.set_result(None)


class TurnPool(futures.ThreadPoolExecutor):
    """Runs `turns` jobs at a time, on up to `threads` threads: a job that waits lets another run in its place.

    Threads that run at the same time fight for the interpreter: each time that one of them lets go of it, for a lookup
    in the store or a call into gRPC, another is woken to find it taken again. A turn is kept from job to job, so that a
    busy pool wakes no thread at all.

    A job says that it waits by `give_up_turn`, and one that has said nothing and does not end (a request whose message
    is slow to come) loses its turn after `STALL_S` to twice as long. Where all threads wait, jobs queue.
    """

    def __init__(self, turns: int, threads: int, name: str) -> None:
        super().__init__(threads + 1, name)  # one watches
        self._turns = turns
        self._jobs: deque[Callable[[], object]] = deque()
        self._held: set[_Turn] = set()
        self._watched = False
        self._lock = threading.Lock()
        self._here = threading.local()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "futures.Future[Any]":
        """Queue a job. What it returns or raises is lost: the future has ended, since making one for each job costs
        more than all else that is done here.
        """
        job = partial(fn, *args, **kwargs)
        with self._lock:
            self._jobs.append(job)
            if len(self._held) < self._turns:
                self._begin()
            elif not self._watched:
                self._watched = True
                self._start(self._watch)
        return _TAKEN

    def give_up_turn(self) -> None:
        """For a job that is about to wait: from here to its end it runs beside those that have a turn."""
        self._pass_on(self._here.turn)

    def _begin(self) -> None:
        turn = _Turn()
        self._held.add(turn)
        self._start(self._run, turn)

    def _start(self, run: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the system has no thread to give: the next that is free takes it
            super().submit(run, *args)

    def _run(self, turn: "_Turn") -> None:
        self._here.turn = turn
        try:
            while (job := self._next(turn)) is not None:
                job()
        finally:
            self._pass_on(turn)

    def _next(self, turn: "_Turn") -> Callable[[], object] | None:
        with self._lock:
            if turn not in self._held or not self._jobs:
                return None
            turn.jobs += 1
            return self._jobs.popleft()

    def _pass_on(self, turn: "_Turn") -> None:
        with self._lock:
            if turn in self._held:
                self._held.remove(turn)
                if self._jobs:
                    self._begin()

    def _watch(self) -> None:
        """While jobs queue, look for a turn that is still at the same one."""
        while True:
            with self._lock:
                self._watched = bool(self._jobs)
                if not self._watched:
                    return
                seen = [(turn, turn.jobs) for turn in self._held]
            clock.sleep_s(STALL_S)
            for turn, jobs in seen:
                if turn.jobs == jobs:
                    self._pass_on(turn)


class _Turn:
    __slots__ = ("jobs",)

    def __init__(self) -> None:
        self.jobs = 0  # begun so far
