"""Looking after a store through its port: for `hotrow store info | verify | gc` and the ingest worker's upkeep.

`gc` writes, so the store must be open for writing: the ingest worker calls it on its own store, batch by batch, and
the command line on a store it could open for writing, which is where no worker runs. `count_rows` and `verify_rows`
do with a reader's store.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hotrow.codec.row import event_time_us, is_tombstone
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.view import FeatureView
from hotrow.stores.port import Expiring, OnlineStore, StoredRow

GRACE_US = 24 * 3600 * 1_000_000
"""A row is kept for this long after its ttl, a tombstone after its view's ttl, against rows that come late."""

BATCH_ROWS = 2000
_SIGN = 1 << 63


@dataclass(frozen=True, slots=True)
class GcRules:
    """What may go. `ttls_us` are the ttls of the views in use, by view id, None where rows stay for ever.

    Every row of a view id in `unserved` goes: of views and namespaces that the registry knows and serves no more.
    Rows of a view id in neither are left, and counted, for they may be another project's.
    """

    ttls_us: Mapping[bytes, int | None]
    unserved: Collection[bytes] = ()


@dataclass(slots=True)
class GcReport:
    """Rows so far: looked at, removed for each reason, and left because nobody told whose they are."""

    scanned: int = 0
    expired: int = 0
    tombstones: int = 0
    unserved: int = 0
    unknown: int = 0
    removed: int = 0


@dataclass(slots=True)
class ViewCount:
    """Rows of one view in a store; `rows` includes the tombstones. The times are event times."""

    rows: int = 0
    tombstones: int = 0
    row_bytes: int = 0
    oldest_us: int = field(default=_SIGN)
    newest_us: int = field(default=-_SIGN)


def gc(store: OnlineStore, rules: GcRules, *, now_us: int) -> GcReport:
    """Remove what the rules let go at `now_us`, all at once; raises as `OnlineStore.remove` does."""
    report = GcReport()
    for latest in gc_batches(store, rules, now_us=now_us):
        report = latest
    return report


def gc_batches(store: OnlineStore, rules: GcRules, *, now_us: int, batch_rows: int = BATCH_ROWS) -> Iterator[GcReport]:
    """As `gc`, yielding the report after every batch, so that the caller may rest or stop.

    A batch is one transaction that removes `batch_rows` at most, of ten times as many looked at. A row that is written
    anew between being looked at and the batch's end stays.
    """
    report = GcReport()
    batch: list[StoredRow] = []
    told = store.info().rows if isinstance(store, Expiring) else 0
    for stored in store.scan():
        report.scanned += 1
        if _may_go(stored, rules, now_us, report):
            batch.append(stored)
        if len(batch) == batch_rows or report.scanned % (10 * batch_rows) == 0:
            report.removed += store.remove(batch) if batch else 0
            batch = []
            yield report
    report.removed += store.remove(batch) if batch else 0
    if isinstance(store, Expiring):
        store.correct_rows(report.scanned - told)  # what is written and removed meanwhile, it counts itself
    yield report


def longest_ttls(snapshots: Iterable[Snapshot]) -> dict[bytes, int | None]:
    """The ttl of every view id in use, for `GcRules`: where snapshots differ the longest, None being for ever."""
    ttls: dict[bytes, int | None] = {}
    for snapshot in snapshots:
        for name, view in snapshot.views.items():
            view_id = snapshot.view_id(name)
            known = ttls.setdefault(view_id, view.ttl_us)
            ttls[view_id] = None if known is None or view.ttl_us is None else max(known, view.ttl_us)
    return ttls


def kept_us(snapshots: Iterable[Snapshot], view: FeatureView) -> int | None:
    """For how long, from its event time on, anybody may need a row of the entities of `view`: for the longest ttl that
    a view of theirs has in the snapshots, branches among them, and the grace. None: for ever.
    """
    entity = _join_keys(view)
    views = [other for snapshot in snapshots for other in snapshot.views.values() if _join_keys(other) == entity]
    ttls_us = [view.ttl_us, *(other.ttl_us for other in views)]
    finite_us = [ttl_us for ttl_us in ttls_us if ttl_us is not None]
    return None if len(finite_us) < len(ttls_us) else max(finite_us) + GRACE_US


def kept_of_views(snapshots: Sequence[Snapshot]) -> dict[bytes, int | None]:
    """`kept_us` of every view id in use."""
    views = [(snapshot.view_id(name), view) for snapshot in snapshots for name, view in snapshot.views.items()]
    return {view_id: kept_us(snapshots, view) for view_id, view in views}


def _join_keys(view: FeatureView) -> list[tuple[str, str]]:
    return [(key.name, key.encoding_class) for key in view.join_keys]


def count_rows(store: OnlineStore) -> dict[bytes, ViewCount]:
    """Rows of each view id in the store. Reads all of it."""
    counts: dict[bytes, ViewCount] = {}
    for stored in store.scan():
        count = counts.setdefault(stored.view_id, ViewCount())
        time_us = event_time_us(stored.row)
        count.rows += 1
        count.tombstones += is_tombstone(stored.row)
        count.row_bytes += len(stored.row)
        count.oldest_us = min(count.oldest_us, time_us)
        count.newest_us = max(count.newest_us, time_us)
    return counts


def verify_rows(store: OnlineStore, check_row: Callable[[bytes], str | None]) -> Iterator[str]:
    """What is wrong with the store, first with its structure, then row by row as `check_row` finds.

    Where the structure is not sound the rows are not read.
    """
    problems = store.verify()
    yield from problems
    if problems:
        return
    for stored in store.scan():
        found = check_row(stored.row)
        if found:
            yield f"view {stored.view_id.hex()}, key {stored.key.hex()}: {found}"


def _may_go(stored: StoredRow, rules: GcRules, now_us: int, report: GcReport) -> bool:
    if stored.view_id in rules.unserved:
        report.unserved += 1
        return True
    if stored.view_id not in rules.ttls_us:
        report.unknown += 1
        return False
    ttl_us = rules.ttls_us[stored.view_id]
    past = now_us - event_time_us(stored.row) > (ttl_us or 0) + GRACE_US
    if past and is_tombstone(stored.row):
        report.tombstones += 1
        return True
    if past and ttl_us is not None:
        report.expired += 1
        return True
    return False
