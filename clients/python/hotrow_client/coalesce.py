"""Reads of one selection that wait for a call in flight go together in the next, as in a data loader.

Who waits is in `Queue`, for both facades; what a batch is and what each caller gets of it, in `call_of` and `settle`. A
call that failed for a reason that may be one caller's alone (a key too long, a reply too large) is not failed for
all: each sends its own read again, alone, and gets its own answer.

One thread of the callers sends a batch: the one with the latest deadline, so that nobody waits for it longer than
allowed, and no thread is needed beside them. With asyncio a batch is a task that no caller owns.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import grpc

from hotrow_client.call import READ, Call, Read
from hotrow_client.reply import Reply
from hotrow_client.request import joined
from hotrow_client.retry import Attempts
from hotrow_client.rpc_error import HotrowRpcError

MOST_ROWS: Final = 1000
"""Of a batch; a server spends about a millisecond on as many. A read with more goes alone."""
_FOR_ALL: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class Place:
    """One caller's read in the queue. `outcome` is its reply, an error, or None: send it alone."""

    __slots__ = ("batch", "gate", "outcome", "read", "rows", "selection")

    def __init__(self, read: Read, gate: Any) -> None:
        self.read = read
        self.rows = read.request.rows
        self.selection = read.request.selection
        self.gate = gate
        self.batch: list[Place] = []
        self.outcome: Reply | HotrowRpcError | None = None


class Queue:
    """Who waits for whom: at most `in_flight` calls of one selection at a time. Safe from any thread."""

    def __init__(self, in_flight: int) -> None:
        self._in_flight = in_flight
        self._lock = threading.Lock()
        self._waiting: dict[Any, deque[Place]] = {}
        self._running: dict[Any, int] = {}

    def enter(self, place: Place) -> list[Place]:
        """The batch to send now, of this place alone; empty: it waits."""
        with self._lock:
            running = self._running.get(place.selection, 0)
            if running < self._in_flight:
                self._running[place.selection] = running + 1
                return [place]
            self._waiting.setdefault(place.selection, deque()).append(place)
            return []

    def leave(self, place: Place) -> None:
        """It waits no longer, if it still did."""
        with self._lock:
            waiting = self._waiting.get(place.selection, ())
            if place in waiting:
                waiting.remove(place)  # type: ignore[union-attr]

    def ended(self, selection: Any, appoint: Callable[[list[Place]], None]) -> None:
        """A call has ended: `appoint` is given the next batch, under the lock, if anybody waits."""
        with self._lock:
            waiting = self._waiting.get(selection)
            batch: list[Place] = []
            rows = 0
            while waiting and (not batch or rows + waiting[0].rows <= MOST_ROWS):
                batch.append(waiting.popleft())
                rows += batch[-1].rows
            if waiting is not None and not waiting:
                del self._waiting[selection]
            if batch:
                appoint(batch)
            elif self._running[selection] > 1:
                self._running[selection] -= 1
            else:
                del self._running[selection]


def can_share(read: Read) -> bool:
    """Whether its rows can stand among those of others: there are some, and as many in every column."""
    return 0 < read.request.rows <= MOST_ROWS


def call_of(batch: Sequence[Place]) -> Call[Reply]:
    """One call with the rows of all, and the time of the one who has most."""
    left_s = _latest(batch).read.attempts.left_s()
    request = joined([place.read.request for place in batch])
    return Call(READ, request.encode(), Attempts(left_s), Reply.from_bytes)


def settle(batch: Sequence[Place], answer: Reply | HotrowRpcError) -> None:
    """Give each place its rows of a reply, or the error if it is one for all."""
    if isinstance(answer, HotrowRpcError):
        if len(batch) == 1 or answer.status in _FOR_ALL:
            for place in batch:
                place.outcome = answer
        return
    if len(answer) != sum(place.rows for place in batch):
        return  # not a row for each: whoever answers so is asked again, by each alone
    start = 0
    for place in batch:
        stop = start + place.rows
        place.outcome = answer.rows(start, stop) if len(batch) > 1 else answer
        start = stop


def _latest(batch: Sequence[Place]) -> Place:
    return max(batch, key=lambda place: place.read.attempts.deadline_s)


def _too_late() -> HotrowRpcError:
    return HotrowRpcError(
        grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed while the read waited for, or shared, another's call"
    )


class Coalescer:
    """For threads; `send` sends a call and waits for its answer."""

    def __init__(self, in_flight: int, send: Callable[[Call[Reply]], Reply]) -> None:
        self._queue: Queue = Queue(in_flight)
        self._send = send

    def read(self, read: Read) -> Reply:
        """The reply to this read, whoever sends it; raises HotrowRpcError."""
        gate = threading.Lock()  # it opens once: an Event takes ten times as long to make
        gate.acquire()
        place = Place(read, gate)
        batch = self._queue.enter(place)
        if not batch:
            if not place.gate.acquire(timeout=max(read.attempts.left_s(), 0)):
                self._queue.leave(place)
                if not place.batch:
                    raise _too_late()
            batch = place.batch
        if batch:
            self._lead(batch)
        if place.outcome is None:
            return self._send(read.call)
        if isinstance(place.outcome, HotrowRpcError):
            raise place.outcome
        return place.outcome

    def _lead(self, batch: list[Place]) -> None:
        """Send the batch of this thread's caller; whatever happens to this thread, the others go on."""
        try:
            settle(batch, self._send(call_of(batch)))
        except HotrowRpcError as error:
            settle(batch, error)
        finally:
            self._queue.ended(batch[0].selection, _appoint)
            for place in batch:
                if not place.batch:  # else it is the leader's own, which is open
                    place.gate.release()


def _appoint(batch: list[Place]) -> None:
    leader = _latest(batch)
    leader.batch = batch
    leader.gate.release()


class AsyncCoalescer:
    """For coroutines of one event loop."""

    def __init__(self, in_flight: int, send: Callable[[Call[Reply]], Awaitable[Reply]]) -> None:
        self._queue: Queue = Queue(in_flight)
        self._send = send
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, read: Read) -> Reply:
        """The reply to this read, whoever sends it; raises HotrowRpcError."""
        place = Place(read, asyncio.get_running_loop().create_future())
        if batch := self._queue.enter(place):
            await self._lead(batch)
        else:
            try:
                async with asyncio.timeout(max(read.attempts.left_s(), 0)):
                    await place.gate
            except TimeoutError:
                raise _too_late() from None
            finally:
                self._queue.leave(place)
        if place.outcome is None:
            return await self._send(read.call)
        if isinstance(place.outcome, HotrowRpcError):
            raise place.outcome
        return place.outcome

    async def _lead(self, batch: list[Place]) -> None:
        try:
            settle(batch, await self._send(call_of(batch)))
        except HotrowRpcError as error:
            settle(batch, error)
        finally:
            self._queue.ended(batch[0].selection, self._start)
            for place in batch:
                if not place.gate.done():
                    place.gate.set_result(None)

    def _start(self, batch: list[Place]) -> None:
        task = asyncio.get_running_loop().create_task(self._lead(batch))
        self._tasks.add(task)  # the loop itself keeps a task only weakly
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # known to nobody else, and no matter: each caller then sends alone, and meets it itself
