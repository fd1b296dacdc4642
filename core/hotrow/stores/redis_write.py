"""Writes as the arguments of their script, and what it says of them."""

import hashlib
from collections.abc import Sequence
from typing import Any

from hotrow import clock
from hotrow.stores.port import MARK_KEPT_US, MARKS_KEPT, SKIPPED_STALE, WRITTEN, Write, Written
from hotrow.stores.redis_script import Names

Arguments = list[bytes | str | int]


def write_arguments(names: Names, writes: Sequence[Write]) -> tuple[list[bytes], Arguments]:
    """Keys and arguments of the script `WRITE`, without the store's identity."""
    keys = [names.meta, names.marks, names.mark_order, names.watermarks, names.outbox]
    arguments: Arguments = [*kept_marks(), len(writes)]
    before = names.rows
    for write in writes:
        mark = write.mark
        arguments += [
            write.view_id,
            b"" if write.watermark_us is None else write.watermark_us,
            b"" if mark is None else hashlib.sha256(mark.key).digest(),
            b"" if mark is None else mark.digest,
            b"" if mark is None else mark.note,
            b"" if write.kept_us is None else -(-write.kept_us // 1000),
            len(write.rows),
            len(write.outbox),
            b"" if write.numbered_from is None else write.numbered_from,
        ]
        arguments += write.rows
        arguments += write.outbox
        keys += [before + key for key in write.keys]
    return keys, arguments


def kept_marks() -> Arguments:
    """Now, and how long and how many marks are kept."""
    return [clock.now_us(), MARK_KEPT_US, MARKS_KEPT]


def outcomes_of(writes: Sequence[Write], replies: list[Any]) -> list[Written]:
    """What the script says became of the writes."""
    sequence = int(replies[0])
    return [_outcome(write, reply, sequence) for write, reply in zip(writes, replies[1:], strict=True)]


def _outcome(write: Write, reply: list[Any], sequence: int) -> Written:
    state = reply[0]
    if state == b"conflict":
        return Written(b"", 0, conflict=True)
    outcomes = outcomes_of_runs(reply[1])
    if state == b"replayed":
        return Written(outcomes, int(reply[2]), replayed=True, note=reply[3])
    return Written(outcomes, sequence, note=write.mark.note if write.mark else b"")


def outcomes_of_runs(runs: bytes) -> bytes:
    """A byte a row, from runs of rows that were written and rows that were stale, in turn."""
    kinds = (bytes([WRITTEN]), bytes([SKIPPED_STALE]))
    return b"".join(kinds[place % 2] * int(run) for place, run in enumerate(runs.split(b",")))
