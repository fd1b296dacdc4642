"""From one store into another, through their ports: for `hotrow store copy`.

The source is read while others write it. Rows replace only those of a lower version, and what waits in the outbox is
put into the other outbox once, so that a copy may be cut short and repeated, and a second one catches up.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from hotrow.codec.row import fingerprint
from hotrow.stores.port import (
    SKIPPED_STALE,
    VERSION,
    VIEW_ID_BYTES,
    WRITTEN,
    Mark,
    OnlineStore,
    StoredRow,
    Waiting,
    Write,
    read_rows,
    write_all,
)

SERVER_ROWS = 1000
EMBEDDED_ROWS = 20_000
"""Rows of a transaction. Redis serves nobody else meanwhile, 2 us a row. LMDB copies every page that one changes: of
rows that come in no order 20,000 take 5 us each, and 1,000 take 12."""

_BATCH_BYTES = 8 << 20


@dataclass(slots=True)
class CopyReport:
    """What was done so far: rows read, written, and `present`, as new or newer in the target; entries of the outbox
    likewise. `rows` and `entries` are the sum of the other two, once it is done. Of a comparison `entries_written` and
    `entries_present` say nothing. `moved`: the source was written while it was copied.
    """

    rows: int = 0
    written: int = 0
    present: int = 0
    entries: int = 0
    entries_written: int = 0
    entries_present: int = 0
    schemas: int = 0
    watermarks: int = 0
    moved: bool = False


def copy_batches(
    source: OnlineStore,
    target: OnlineStore,
    batch_rows: int = SERVER_ROWS,
    kept_us: Mapping[bytes, int | None] = MappingProxyType({}),
) -> Iterator[CopyReport]:
    """Copy rows, schemas, watermarks and the outbox, yielding the report after every batch of rows and at the end.

    `kept_us` is that of `Write`, by view id; rows of other views are kept. Marks stay behind. Takes bounded memory.
    Raises as `OnlineStore.write`; what was written stays.
    """
    report = CopyReport()
    began = source.sequence()
    watermarks = source.watermarks()  # before the rows: it must not tell of rows that come after the scan has passed
    known: set[bytes] = set()
    for rows in _batches(source, batch_rows):
        fingerprints = {fingerprint(stored.row) for stored in rows}
        if not fingerprints <= known:  # before the rows: where they are served, they can be read
            known |= fingerprints | _copy_schemas(source, target)
        writes = [write._replace(kept_us=kept_us.get(write.view_id)) for write in _writes(rows)]
        written = write_all(target, writes)
        _count(report, [one.outcomes for one in written])
        yield report
    report.schemas = len(_copy_schemas(source, target))
    report.watermarks = len(watermarks)
    _copy_watermarks(watermarks, target)
    _copy_outbox(source, target, report)
    report.moved = source.sequence() != began
    yield report


def compare_batches(source: OnlineStore, target: OnlineStore | None) -> Iterator[CopyReport]:
    """As `copy_batches`, writing nothing: what it would do to the target, which may not be there yet."""
    report = CopyReport()
    began = source.sequence()
    for rows in _batches(source, SERVER_ROWS):
        _count(report, [_compared(target, write) for write in _writes(rows)])
        yield report
    report.schemas, report.watermarks = len(source.schemas()), len(source.watermarks())
    report.entries = source.info().outbox
    report.moved = source.sequence() != began
    yield report


def _batches(source: OnlineStore, batch_rows: int) -> Iterator[list[StoredRow]]:
    batch: list[StoredRow] = []
    room_bytes = _BATCH_BYTES
    for stored in source.scan():
        batch.append(stored)
        room_bytes -= len(stored.row)
        if len(batch) == batch_rows or room_bytes <= 0:
            yield batch
            batch, room_bytes = [], _BATCH_BYTES
    if batch:
        yield batch


def _writes(rows: Sequence[StoredRow]) -> list[Write]:
    by_view: dict[bytes, dict[bytes, bytes]] = {}
    for stored in rows:
        by_view.setdefault(stored.view_id, {})[stored.key] = stored.row
    return [Write(view_id, list(found), list(found.values())) for view_id, found in by_view.items()]


def _count(report: CopyReport, outcomes: Sequence[bytes]) -> None:
    for of_view in outcomes:
        report.rows += len(of_view)
        report.written += of_view.count(WRITTEN)
        report.present += of_view.count(SKIPPED_STALE)


def _compared(target: OnlineStore | None, write: Write) -> bytes:
    if target is None:
        return bytes([WRITTEN]) * len(write.rows)
    there = read_rows(target, [write.view_id], [write.keys])
    pairs = zip(there, write.rows, strict=True)
    return bytes(WRITTEN if stored[VERSION] < row[VERSION] else SKIPPED_STALE for stored, row in pairs)


def _copy_schemas(source: OnlineStore, target: OnlineStore) -> set[bytes]:
    schemas = source.schemas()
    target.put_schemas(schemas)
    return set(schemas)


def _copy_watermarks(watermarks: dict[bytes, int], target: OnlineStore) -> None:
    """All rows before the later one of two watermarks are there now: those of both stores."""
    there = target.watermarks()
    later = {view_id: time_us for view_id, time_us in watermarks.items() if there.get(view_id, time_us - 1) < time_us}
    if later:
        write_all(target, [Write(view_id, [], [], watermark_us=time_us) for view_id, time_us in later.items()])


def _copy_outbox(source: OnlineStore, target: OnlineStore, report: CopyReport) -> None:
    """Entries keep their numbers, by which the log knows those that were taken to it already, from either store.

    Where the target has given a number out itself, the entry gets a later one. A mark of each keeps a second copy from
    putting it in again, also when it has gone from the target to the log meanwhile.
    """
    position = 0
    while waiting := source.read_outbox(position):
        for run in _runs(waiting):
            report.entries += len(run)
            report.entries_written += _copy_run(run, target)
        position = waiting[-1].number
    report.entries_present = report.entries - report.entries_written


def _copy_run(run: Sequence[Waiting], target: OnlineStore) -> int:
    there = _waiting_between(target, run[0].number, run[-1].number)
    missing = [entry for entry in run if there.get(entry.number) != entry.data]
    if not missing:
        return 0
    target.reserve_outbox(missing[0].number - 1)
    return sum(not one.replayed for one in write_all(target, [_entry_write(entry) for entry in missing]))


def _waiting_between(target: OnlineStore, first: int, last: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    position = first - 1
    while position < last and (waiting := target.read_outbox(position)):
        found.update(waiting)
        position = waiting[-1].number
    return found


def _entry_write(entry: Waiting) -> Write:
    name = b"copied entry %d " % entry.number + hashlib.sha256(entry.data).digest()
    return Write(bytes(VIEW_ID_BYTES), [], [], Mark(name, b"copied"), outbox=[entry.data], numbered_from=entry.number)


def _runs(waiting: Sequence[Waiting]) -> Iterator[list[Waiting]]:
    """Entries whose numbers follow one another: a store that takes another's place leaves some out."""
    run: list[Waiting] = []
    for entry in waiting:
        if run and entry.number != run[-1].number + 1:
            yield run
            run = []
        run.append(entry)
    if run:
        yield run
