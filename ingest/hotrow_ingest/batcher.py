"""Group commit: rows of concurrent callers share a transaction and its fsync, and no caller holds a thread.

One thread writes. While it commits, what comes waits in a queue, and all of it goes into the next transaction: one
caller never waits for others to come, and many share what one commit costs.

Where a commit waits for no disk it costs less than to wake that thread (`docs/adr/0011`). Then the thread that serves
the calls commits what came together, at the end of each burst of them.
"""

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import NamedTuple

from hotrow import clock, log
from hotrow.codec.logged import encode_entries
from hotrow.codec.pushed import EncodedRows
from hotrow.errors import Code, HotrowError
from hotrow.failpoint import Reached, unarmed
from hotrow.rpc.burst import Work
from hotrow.rpc.timing import StageTimer
from hotrow.stores.port import Mark, OnlineStore, Write, Written

_RETRY_AFTER_S = 0.05
_FAILED = HotrowError(Code.INTERNAL, "internal error while rows were committed; none of them was written")


def _never(_work: Work) -> bool:
    return False


class Pending(NamedTuple):
    """One batch of a producer that waits for its commit.

    `keys` are those of the rows to write; None: those of a block, see `EncodedRows.block`. `chosen` are the rows to
    write, in order; None: all. `created_at_commit`: the created times of its rows are those of the commit, and not what
    the rows hold. `logged`: what describes the view in the log, to which all rows go that were not refused; None: none
    do. `kept_us` is that of `Write`. `done` is called once, on the thread that commits. `timer` is that of a call whose
    caller asked for one.
    """

    view_id: bytes
    keys: Sequence[bytes] | None
    encoded: EncodedRows
    done: Callable[[Written | HotrowError], None]
    chosen: Sequence[int] | None = None
    created_at_commit: bool = True
    mark: Mark | None = None
    watermark_us: int | None = None
    timer: StageTimer | None = None
    logged: bytes | None = None
    kept_us: int | None = None

    @property
    def rows(self) -> int:
        """How many count against the bounds of the queue."""
        return len(self.encoded) if self.keys is None or self.logged is not None else len(self.keys)


class Batcher:
    """Commits what is submitted.

    `queue_rows` and `queue_bytes` bound what waits, but a single batch is always taken; `max_batch_rows` bounds the
    rows of one commit, `burst_rows` those that a serving thread commits at the end of a burst (0: none).
    """

    def __init__(
        self,
        store: OnlineStore,
        *,
        queue_rows: int,
        max_batch_rows: int,
        queue_bytes: int = 256 << 20,
        burst_rows: int = 0,
        reached: Reached = unarmed,
    ) -> None:
        self._store = store
        self._queue_rows = queue_rows
        self._queue_bytes = queue_bytes
        self._max_batch_rows = max_batch_rows
        self._most_burst_rows = min(burst_rows, max_batch_rows)
        self._reached = reached
        self._queue: SimpleQueue[Pending | None] = SimpleQueue()
        self._burst: list[Pending] = []
        self._burst_rows = 0
        self._lock = threading.Lock()
        self._committing = threading.Lock()  # taken before `_lock` where both are
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._stopping = False
        self._created_us = 0  # the least that is left: every row has one of its own
        self._log = log.logger(__name__)
        self._thread = threading.Thread(target=self._run, name="hotrow-commit", daemon=True)
        self._thread.start()

    def submit(self, pending: Pending, put_off: Callable[[Work], bool] = _never) -> None:
        """Take a batch; raises EXHAUSTED when too many rows wait, UNAVAILABLE when the worker stops.

        `put_off` is that of the call, on whose thread the batch may then be committed.
        """
        rows, size = pending.rows, pending.encoded.buffer.nbytes
        with self._lock:
            self._check_room(rows, size)
            self._waiting_rows += rows
            self._waiting_bytes += size
            if self._burst_rows + rows <= self._most_burst_rows and put_off(self._commit_burst):
                self._burst.append(pending)
                self._burst_rows += rows
            else:
                self._queue.put(pending)  # within the lock: behind the end that `drain` puts, nobody would take it

    def drain(self, timeout_s: float) -> bool:
        """Take nothing more, commit what waits, and end the thread; whether that was done in time."""
        end_s = clock.monotonic_s() + timeout_s
        with self._lock:
            self._stopping = True
        self._queue.put(None)
        self._thread.join(timeout_s)
        # A burst that began before is committed by its own thread, or here.
        if self._thread.is_alive() or not self._committing.acquire(timeout=max(0.0, end_s - clock.monotonic_s())):
            return False
        self._committing.release()
        self._commit_burst()
        return True

    def _check_room(self, rows: int, size: int) -> None:
        if self._stopping:
            raise HotrowError(Code.UNAVAILABLE, "the ingest worker stops; send the push again", retry_after_s=0.5)
        if self._waiting_rows and self._waiting_rows + rows > self._queue_rows:
            raise HotrowError(
                Code.EXHAUSTED,
                f"{self._waiting_rows} rows wait to be written, of {self._queue_rows} that may; send slower",
                retry_after_s=_RETRY_AFTER_S,
            )
        if self._waiting_bytes and self._waiting_bytes + size > self._queue_bytes:
            raise HotrowError(
                Code.EXHAUSTED,
                f"{self._waiting_bytes >> 20} MiB of rows wait to be written, of {self._queue_bytes >> 20} that may; "
                "send slower",
                retry_after_s=_RETRY_AFTER_S,
            )

    def _run(self) -> None:
        stopped = False
        while not stopped:
            batch: list[Pending] = []
            rows = 0
            item = self._queue.get()
            while item is not None:
                batch.append(item)
                rows += item.rows
                if rows >= self._max_batch_rows or self._queue.empty():
                    break
                item = self._queue.get()
            stopped = item is None
            if batch:
                with self._committing:
                    self._settle(batch)

    def _commit_burst(self) -> None:
        """Commit what has come since the last end of a burst, of any thread: another's may find nothing left."""
        with self._committing:
            with self._lock:
                batch, self._burst, self._burst_rows = self._burst, [], 0
            if batch:
                self._settle(batch)

    def _settle(self, batch: list[Pending]) -> None:
        """Commit and answer, after which the batch waits no more."""
        self._commit(batch)
        with self._lock:
            self._waiting_rows -= sum(item.rows for item in batch)
            self._waiting_bytes -= sum(item.encoded.buffer.nbytes for item in batch)

    def _commit(self, batch: list[Pending]) -> None:
        try:
            written = self._write(batch)
        except HotrowError as error:
            if error.code is Code.EXHAUSTED and len(batch) > 1:
                for pending in batch:  # one large batch must not refuse small ones that still fit
                    self._commit([pending])
                return
            self._answer(batch, [error] * len(batch))
        except Exception:  # noqa: BLE001 - whatever it is, producers get an answer and the thread goes on
            self._log.exception("commit failed")
            self._answer(batch, [_FAILED] * len(batch))
        else:
            self._reached("after_commit")
            self._answer(batch, written)

    def _write(self, batch: list[Pending]) -> Sequence[Written | HotrowError]:
        created_us = max(self._created_us, clock.now_us())
        writes = []
        for pending in batch:
            if pending.timer is not None:
                pending.timer.ended("wait")
            if pending.created_at_commit:
                pending.encoded.stamped(created_us)
                created_us += len(pending.encoded)
            writes.append(_write_of(pending))
        self._created_us = created_us
        return self._store.write(writes)

    def _answer(self, batch: list[Pending], outcomes: Sequence[Written | HotrowError]) -> None:
        for pending, outcome in zip(batch, outcomes, strict=True):
            try:
                pending.done(outcome)
            except Exception:  # noqa: BLE001 - one answer that fails must not keep the others from theirs
                self._log.exception("a push could not be answered")


def _write_of(pending: Pending) -> Write:
    whole = Write(pending.view_id, (), (), pending.mark, pending.watermark_us, kept_us=pending.kept_us)
    if pending.keys is None:
        return whole._replace(block=pending.encoded.block())
    keys, rows = pending.keys, pending.encoded.rows()
    logged: Sequence[bytes] = ()
    if pending.logged is not None:
        logged = encode_entries(pending.view_id, pending.logged, pending.encoded.keys(), rows)
    if pending.chosen is not None:
        rows = [rows[row] for row in pending.chosen]
    return whole._replace(keys=keys, rows=rows, outbox=logged)
