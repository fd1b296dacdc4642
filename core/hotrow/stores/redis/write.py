"""Writes as the arguments of their script, and what it says of them."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from hotrow import clock
from hotrow.codec.kernel_resp import WORD_BYTES, write_words
from hotrow.codec.kernel_row import VIEW_BYTES
from hotrow.codec.wire import Octets, Table
from hotrow.redis.client import Packed, Word
from hotrow.stores.port import MARK_KEPT_US, MARKS_KEPT, SKIPPED_STALE, WRITTEN, Write, Written
from hotrow.stores.redis.script import Names

Arguments = list[Word]
_FEW = 64
"""Words that hiredis packs sooner than they are brought into one buffer; a thousand take it three times as long."""


def write_arguments(names: Names, writes: Sequence[Write]) -> tuple[list[Word], Arguments]:
    """Keys and arguments of the script `WRITE`, without the store's identity."""
    keys: list[Word] = [names.meta, names.marks, names.mark_order, names.watermarks, names.outbox]
    arguments: Arguments = [*kept_marks(), len(writes)]
    before = names.rows
    for write in writes:
        mark, block = write.mark, write.block
        arguments += [
            write.view_id,
            b"" if write.watermark_us is None else write.watermark_us,
            b"" if mark is None else hashlib.sha256(mark.key).digest(),
            b"" if mark is None else mark.digest,
            b"" if mark is None else mark.note,
            b"" if write.kept_us is None else -(-write.kept_us // 1000),
            len(write.rows if block is None else block),
            len(write.outbox),
            b"" if write.numbered_from is None else write.numbered_from,
        ]
        if block is None:
            keys += _words(write.keys, before)
            arguments += _words(write.rows)
        else:
            keys.append(_packed(before, block.buffer, block.starts, block.rows - VIEW_BYTES))
            arguments.append(_packed(b"", block.buffer, block.rows, block.ends))
        arguments += _words(write.outbox)
    return keys, arguments


def _words(items: Sequence[bytes], prefix: bytes = b"") -> Sequence[Word]:
    """Words of a command, `prefix` before each."""
    count = len(items)
    if count < _FEW:
        return [prefix + item for item in items] if prefix else items
    ends = np.cumsum(np.fromiter(map(len, items), np.int64, count))
    starts = np.zeros(count, np.int64)
    starts[1:] = ends[:-1]
    return [_packed(prefix, np.frombuffer(bytearray().join(items), np.uint8), starts, ends)]


def _packed(prefix: bytes, buffer: Octets, starts: Table, ends: Table) -> Packed:
    """The words `buffer[starts[i] : ends[i]]`, `prefix` before each."""
    count = len(starts)
    starts, ends = np.ascontiguousarray(starts), np.ascontiguousarray(ends)
    room = int((ends - starts).sum()) + count * (len(prefix) + WORD_BYTES)
    out: Octets = np.empty(room, np.uint8)
    size = write_words(prefix, buffer, starts, ends, out)
    return Packed(out.data[:size], count)


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
