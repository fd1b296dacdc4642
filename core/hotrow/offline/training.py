"""Training sets: the features of entity rows as they were at each row's event time.

A selection is planned once, which checks all sources, and then joined with entity rows, a table at a time. A table is
joined in chunks, each of which reads the sources once, so that what a join holds is bounded.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from hotrow import clock
from hotrow.errors import HotrowError, invalid
from hotrow.offline.arrow_column import TIMESTAMP, arrow_type
from hotrow.offline.asof import EntityIndex
from hotrow.offline.entity_rows import EntityRows
from hotrow.offline.progress import Piece, Progress, SharedProgress
from hotrow.offline.rows import Refusals
from hotrow.offline.selection import Selection
from hotrow.offline.source import Interval
from hotrow.offline.view_join import DEFAULT_JOIN, JoinOptions, ViewJoin
from hotrow.offline.view_source import Folders, Source, open_view
from hotrow.registry.registry import Registry
from hotrow.registry.signature import feature_signature
from hotrow.schema.view import FeatureView

if TYPE_CHECKING:
    from hotrow.offline.transformed import Computation

CHUNK_BYTES = 1 << 30
"""What the join of a chunk may hold, roughly: it decides how many entity rows are joined at a time."""

_FIXED_BYTES, _VARIABLE_BYTES = 8, 64
_INDEX_BYTES = 120  # of the join, an entity row
_COPIES = 4  # of the widest view: the rows as they are fetched, one copy, the result, and a block that is read
_INT64 = np.iinfo(np.int64)


@dataclass(slots=True)
class ViewReport:
    """What became of one view: rows of its source that were read, and entity rows by what they got.

    `found` have a row at or before their time and within ttl, `missing` have none, and nulls. `left_out` are source
    rows that materialization would reject too, by (column, reason).
    """

    view: str
    read: int = 0
    found: int = 0
    missing: int = 0
    seconds: float = 0.0
    left_out: dict[tuple[str, str], int] = field(default_factory=dict)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)

    def add_refusals(self, refusals: Refusals) -> None:
        """Rows left out in one reading of the source; another reading meets the same ones again."""
        for fault, rows in refusals.counts.items():
            self.left_out[fault] = max(rows, self.left_out.get(fault, 0))
            self.examples.setdefault(fault, refusals.examples[fault])

    def warnings(self) -> list[str]:
        """A line for each reason why source rows were left out."""
        return [
            f"{self.view}: {rows} source rows left out: {column} {reason}"
            + (f", such as {example}" if (example := self.examples[column, reason]) else "")
            for (column, reason), rows in self.left_out.items()
        ]


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A selection with its sources, all checked, and its transforms, compiled."""

    selection: Selection
    sources: Mapping[str, Source]
    computation: Computation | None
    options: JoinOptions = DEFAULT_JOIN

    @property
    def columns(self) -> list[str]:
        """The names of the feature columns, in the order asked for."""
        return [feature.column for feature in self.selection.features]

    @property
    def time_columns(self) -> list[str]:
        """The names of the columns with the times of the rows that answer, two a view, where they are asked for."""
        return [name for view in self.selection.views for name in self.times_of(view)]

    def times_of(self, view: FeatureView) -> list[str]:
        """The two of a view."""
        return [f"{view.name}__{time}" for time in ("event_time", "created_time") if self.options.row_times]

    @property
    def schema(self) -> pa.Schema:
        """The feature columns: each with its unit and its reference, all with where they are from; then times."""
        snapshot = self.selection.snapshot
        references = [feature.reference for feature in self.selection.features]
        fields = []
        for feature in self.selection.features:
            metadata = {"feature": str(feature.reference)}
            if feature.field.unit:
                metadata["unit"] = feature.field.unit
            fields.append(pa.field(feature.column, arrow_type(feature.field.type), metadata=metadata))
        fields += [pa.field(name, TIMESTAMP) for name in self.time_columns]
        origin = {
            "hotrow.project": snapshot.project,
            "hotrow.namespace": snapshot.namespace,
            "hotrow.snapshot": snapshot.id,
            "hotrow.signature": feature_signature(snapshot, references),
        }
        return pa.schema(fields, metadata=origin)

    @property
    def threads(self) -> int:
        """How many views are joined at a time: NumPy, Arrow and the kernel let the threads run side by side.

        More than there are cores, so that of three views on two cores the third need not be read alone.
        """
        return min(max(1, len(self.selection.views)), 2 * len(os.sched_getaffinity(0)))

    @property
    def chunk_rows(self) -> int:
        """How many entity rows are joined at a time."""
        sizes = sorted(self._row_bytes(view) for view in self.selection.views)
        at_work = sum(_INDEX_BYTES + _COPIES * size for size in sizes[-self.threads :])
        made = [arrow_type(field.type) for one in self.selection.needed.transforms for field in one.fields]
        return max(1, CHUNK_BYTES // (sum(sizes) + at_work + _COPIES * sum(map(_held_bytes, made)) + _FIXED_BYTES))

    def reports(self) -> dict[str, ViewReport]:
        """A report a view, to be filled by `join`."""
        return {view.name: ViewReport(view.name) for view in self.selection.views}

    def warnings(self, reports: Mapping[str, ViewReport]) -> list[str]:
        """A line for each reason why source rows were left out, and for each transform that raised."""
        lines = [warning for report in reports.values() for warning in report.warnings()]
        if self.options.known_us is not None:
            for name, source in self.sources.items():
                if not source.columns.created_time:
                    lines.append(f"{name}: its source has no created_time, so that all of its rows count as known then")
        return lines + ([] if self.computation is None else self.computation.warnings())

    def _row_bytes(self, view: FeatureView) -> int:
        types = [arrow_type(field.type) for _, field in self.selection.needed.of_views[view.name]]
        return sum(map(_held_bytes, types))


def plan_training(selection: Selection, folders: Folders, options: JoinOptions = DEFAULT_JOIN) -> TrainingPlan:
    """Check the source and the log of every view; raises HotrowError as `open_view` does.

    INVALID where a feature has the name of a column of times.
    """
    sources = {view.name: open_view(selection.snapshot, view.stored_as, folders) for view in selection.views}
    plan = TrainingPlan(selection, sources, None, options)
    for name in plan.time_columns:
        if name in plan.columns:
            raise invalid(f"the feature {name!r} and the times of the rows would have one name; leave one of them out")
    if not selection.needed.transforms:
        return plan
    from hotrow.offline.transformed import plan_computation  # noqa: PLC0415 - loads the compiler, for transforms alone

    return replace(plan, computation=plan_computation(selection.needed))


def keep_signature(selection: Selection, registry: Registry) -> None:
    """Let the registry keep what the training set's signature stands for, for the errors of readers."""
    with contextlib.suppress(HotrowError):  # it may be kept from writing, and the training set is none the worse
        registry.keep_signature(selection.snapshot, [feature.reference for feature in selection.features])


def join_table(plan: TrainingPlan, rows: EntityRows, reports: Mapping[str, ViewReport], progress: Progress) -> pa.Table:
    """The feature columns for these entity rows, in their order, chunk by chunk; raises HotrowError.

    `reports` are those of `plan.reports()`, and are added to.
    """
    size = plan.chunk_rows
    chunks = [
        _join_chunk(plan, rows.slice(start, min(start + size, len(rows))), reports, progress)
        for start in range(0, len(rows), size)
    ]
    return pa.concat_tables(chunks) if chunks else plan.schema.empty_table()


def _join_chunk(
    plan: TrainingPlan, rows: EntityRows, reports: Mapping[str, ViewReport], progress: Progress
) -> pa.Table:
    indexes: dict[tuple[str, ...], EntityIndex] = {}
    pieces: list[_Joined] = []
    for view in plan.selection.views:
        names = tuple(key.name for key in view.join_keys)
        if names not in indexes:  # views of the same keys share the sorted rows
            indexes[names] = EntityIndex([rows.keys[name] for name in names], rows.times_us)
        needed = plan.selection.needed.of_views[view.name]
        join = ViewJoin(plan.sources[view.name], [field for _, field in needed], indexes[names], plan.options)
        numbers: list[int | str] = [number for number, _ in needed]
        numbers += plan.times_of(view)
        pieces.append(_Joined(join, numbers, _needed(rows, view.ttl_us), reports[view.name]))
    shared = SharedProgress(progress)
    whole = shared.start(", ".join(reports), sum(piece.rows for piece in pieces))
    columns: dict[int | str, pa.ChunkedArray] = {}
    try:
        with ThreadPoolExecutor(plan.threads) as pool:
            try:
                for joined in pool.map(lambda piece: piece.run(whole), pieces):
                    columns.update(joined)
            except BaseException:
                shared.stop()  # an error, or Ctrl-C: the other threads end at their next block
                raise
    finally:
        whole.finish()
    if plan.computation is not None:
        columns |= _computed(plan, plan.computation, columns, rows)
    return pa.table([columns[one] for one in (*range(len(plan.columns)), *plan.time_columns)], schema=plan.schema)


def _computed(
    plan: TrainingPlan, computation: Computation, joined: Mapping[int | str, pa.ChunkedArray], rows: EntityRows
) -> dict[int | str, pa.Array]:
    given = {number: column.combine_chunks() for number, column in joined.items() if isinstance(number, int)}
    given |= {number: rows.request[field.name] for number, field in plan.selection.needed.of_request}
    made: dict[Any, pa.Array] = computation.run(given, len(rows))
    return made


@dataclass(frozen=True, slots=True)
class _Joined:
    """The join of one view with one chunk: which event times of its source can matter, and where it is reported."""

    join: ViewJoin
    columns: list[int | str]
    interval: Interval
    report: ViewReport

    @property
    def rows(self) -> int:
        """How many rows of the source will be read, each time that it is."""
        return 2 * self.join.source.reader.rows(self.interval)

    def run(self, progress: Piece) -> dict[int | str, pa.ChunkedArray]:
        started_s = clock.monotonic_s()
        refusals = Refusals()
        joined = self.join.run(self.interval, refusals, progress)
        found = int(np.count_nonzero(joined.found))
        self.report.read += joined.read
        self.report.found += found
        self.report.missing += len(joined.found) - found
        self.report.seconds += clock.monotonic_s() - started_s
        self.report.add_refusals(refusals)
        return dict(zip(self.columns, joined.columns, strict=True))


def _held_bytes(held: pa.DataType) -> int:
    return _FIXED_BYTES if pa.types.is_primitive(held) else _VARIABLE_BYTES


def _needed(rows: EntityRows, ttl_us: int | None) -> Interval:
    """The event times that can be the answer for one of the rows: row groups of others are not read."""
    first_us, last_us = int(rows.times_us.min()), int(rows.times_us.max())
    return Interval(
        None if ttl_us is None or first_us - ttl_us <= _INT64.min else first_us - ttl_us,
        None if last_us == _INT64.max else last_us + 1,
    )
