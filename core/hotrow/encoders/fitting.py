"""Fitting encoders: on a table at hand, or on the source of a view and the log of what was pushed to it.

An encoder that takes another is fitted after it, on what that one makes of the rows, computed by the code that reads
run. A row counts when materialization would write it, whether or not a later one has replaced or deleted it: a model
is trained with all of them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hotrow import clock
from hotrow.encoders.definition import taken_hash, with_fitted
from hotrow.encoders.kind import KINDS, statistic_of
from hotrow.encoders.statistic import new_statistic
from hotrow.errors import Code, HotrowError, invalid, nearest
from hotrow.offline.arrow_column import column_from_source, column_of_default
from hotrow.offline.conversion import convert, mismatch
from hotrow.offline.frame import open_frame
from hotrow.offline.row_log.part import LogPart, has_log
from hotrow.offline.rows import Refusals, kept_rows
from hotrow.offline.source import BatchSize, Interval, SourceBatch
from hotrow.offline.transformed import plan_computation
from hotrow.offline.view_source import Folders, Source, open_view
from hotrow.registry.needed import needed_of
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.canonical import Document
from hotrow.schema.field import Field
from hotrow.schema.fitted import Fitted
from hotrow.schema.request_source import RequestSource
from hotrow.schema.transform import Transform, in_order
from hotrow.schema.view import FeatureView

_BATCH = BatchSize(rows=1 << 17, data=64 << 20)

Columns = Mapping[str, pa.Array]
"""Columns of one batch by the name of the field."""


def fit_frame(transform: Transform, frame: Any) -> Transform:
    """See `hotrow.encoders.fit`."""
    fields = _base_fields(transform)
    table = _table(frame, fields)

    def fitted_of(one: Transform) -> Fitted:
        batches = (
            {name: batch.column(number) for number, name in enumerate(table.column_names)}
            for batch in table.to_batches(_BATCH.rows)
        )
        return _fitted(one, batches, lambda: {"source": "a frame"})

    return fit_chain(transform, {}, fitted_of)


def fit_chain(
    transform: Transform, known: Mapping[str, Transform], fitted_of: Callable[[Transform], Fitted]
) -> Transform:
    """The transform with what `fitted_of` finds for it and for each encoder that it takes and that is not `known`."""
    done = dict(known)
    for one in in_order([transform]):
        if one.name not in done:
            made = with_sources(one, done)
            if statistic_of(made):
                made = with_fitted(KINDS[made.encoder["kind"]], made, fitted_of(made))
            done[one.name] = made
    return done[transform.name]


def with_sources(transform: Transform, done: Mapping[str, Transform]) -> Transform:
    """The transform with those in `done` in the place of the transforms that it takes."""
    inputs = [
        replace(one, source=done[one.source.name]) if isinstance(one.source, Transform) else one
        for one in transform.inputs
    ]
    return replace(transform, inputs=inputs)


@dataclass(slots=True)
class SourceFit:
    """Fits on the source and the log of the view that an encoder is made of: rows with an event time before `until_us`.

    `snapshot` has the views; transforms it need not have.
    """

    snapshot: Snapshot
    folders: Folders
    until_us: int | None = None

    def fitted_of(self, transform: Transform) -> Fitted:
        """Read the rows once; raises FAILED_PRECONDITION for an encoder that is not of one view, or of one that has
        neither a source nor logged rows.
        """
        source = open_view(self.snapshot, self._view(transform), self.folders)
        scan = _Scan(source, Interval(None, self.until_us))
        return _fitted(transform, scan.batches(), scan.origin)

    def _view(self, transform: Transform) -> FeatureView:
        views = transform.views
        asked = [one.label for one in _sources(transform) if isinstance(one, RequestSource)]
        remedy = "give its parameters, or fit it on a frame with hotrow.encoders.fit"
        if asked:
            raise HotrowError(
                Code.FAILED_PRECONDITION, f"{transform.label} takes {asked[0]}, which has no rows to fit on; {remedy}"
            )
        if len(views) != 1:
            names = ", ".join(view.name for view in views)
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"{transform.label} is made of the views {names}, and is fitted on the rows of one; {remedy}",
            )
        view = views[0].stored_as
        if view.source is None and not has_log(self.folders.log_of(self.snapshot, view)):
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"{transform.label}: {view.label} has no source to fit on, and no pushed row of it is in the log; push "
                f"to BOTH or OFFLINE, {remedy}",
            )
        return view


class _Scan:
    """One reading of a source and its log, and what it was."""

    def __init__(self, source: Source, interval: Interval) -> None:
        self._source = source
        self._interval = interval
        self._rows = self._pushed_rows = 0
        self._first_us: int | None = None
        self._last_us: int | None = None

    def batches(self) -> Iterator[Columns]:
        refusals = Refusals()
        for part in self._source.reader.parts:
            for batch in part.batches(self._interval, part.columns, _BATCH):
                converted = [convert(batch.rows.column(column.name), column.type) for column in batch.columns]
                kept = kept_rows(batch, converted, self._source.columns.event_time, refusals)
                if batch.deleted is not None:
                    kept &= ~batch.deleted  # a deletion has no values
                times_us = batch.event_time_us[kept]
                self._count(times_us)
                self._pushed_rows += len(times_us) if isinstance(part, LogPart) else 0
                yield self._columns(batch, pa.array(kept))

    def origin(self) -> Document:
        """Where the rows are from; after `batches`."""
        path = self._source.view.source.path if self._source.view.source else ""
        return {
            "view": self._source.view.name,
            "source": path,
            "sha256": self._source.reader.digest().hex(),
            "rows": self._rows,
            "pushed_rows": self._pushed_rows,
            "first_event_time": _shown(self._first_us),
            "last_event_time": _shown(self._last_us),
            "until": _shown(self._interval.end_us),
        }

    def _count(self, times_us: npt.NDArray[np.int64]) -> None:
        if len(times_us):
            first, last = int(times_us.min()), int(times_us.max())
            self._first_us = first if self._first_us is None else min(first, self._first_us)
            self._last_us = last if self._last_us is None else max(last, self._last_us)
            self._rows += len(times_us)

    def _columns(self, batch: SourceBatch, kept: pa.Array) -> Columns:
        there = {column.name for column in batch.columns}
        rows = batch.rows.filter(kept)
        return {
            field.name: column_from_source(rows.column(field.name), field.type)
            if field.name in there
            else column_of_default(field, rows.num_rows)
            for field in self._source.view.fields
        }


def _fitted(transform: Transform, batches: Iterator[Columns], origin: Callable[[], Document]) -> Fitted:
    taken, kind = transform.inputs[0], transform.encoder["kind"]
    parameters = transform.encoder.get("parameters", {})
    values_of = _values_of(taken.source, taken.field)
    try:
        statistic = new_statistic(statistic_of(transform), kind, taken.field.type, parameters)
        for batch in batches:
            statistic.add(values_of(batch))
        found = statistic.result()
    except HotrowError as error:
        raise invalid(f"{transform.label} cannot be fitted: {error.message}") from None
    return Fitted(kind, parameters, taken_hash(taken.source, taken.field), found, origin())


def _values_of(source: Any, field: Field) -> Callable[[Columns], pa.Array]:
    """What gives the values of a field from a batch: the column, or what transforms make of columns."""
    if not isinstance(source, Transform):
        return lambda columns: columns[field.name]
    needed = needed_of([(source, field)], stored=False)
    computation = plan_computation(needed)
    given = needed.given
    wanted = needed.column_of(source, field.name)

    def computed(columns: Columns) -> pa.Array:
        rows = len(next(iter(columns.values())))
        return computation.run({number: columns[one.name] for number, one in given.items()}, rows)[wanted]

    return computed


def _sources(transform: Transform) -> list[Any]:
    found: list[Any] = []
    for one in in_order([transform]):
        found += [source for source in one.sources if not isinstance(source, Transform)]
    return found


def _base_fields(transform: Transform) -> dict[str, Field]:
    """The fields of views and request sources that a transform is made of; raises INVALID where two have one name."""
    fields: dict[str, tuple[str, Field]] = {}
    for one in in_order([transform]):
        for taken in one.inputs:
            if isinstance(taken.source, Transform):
                continue
            label, _ = fields.setdefault(taken.field.name, (taken.source.label, taken.field))
            if label != taken.source.label:
                raise invalid(
                    f"{transform.label} takes {taken.field.name!r} of {label} and of {taken.source.label}, and a "
                    "frame has one column of a name; rename one of the fields"
                )
    return {name: field for name, (_, field) in fields.items()}


def _table(frame: Any, fields: Mapping[str, Field]) -> pa.Table:
    opened = open_frame(frame)
    for name in fields:
        if name not in opened.names:
            raise invalid(f"the frame has no column {name!r}{nearest(name, map(str, opened.names))}")
    table = opened.table(list(fields)).combine_chunks()
    columns = [_column(table.column(name), field) for name, field in fields.items()]
    return pa.table(columns, names=list(fields))


def _column(column: pa.ChunkedArray, field: Field) -> pa.Array:
    held: pa.Array = column.chunk(0) if column.num_chunks else pa.nulls(0, column.type)
    objection = mismatch(held.type, field.type)
    if objection:
        raise invalid(f"the frame: column {field.name!r} does not fit {field.type}: {objection}; convert it")
    refused = convert(held, field.type)
    if refused.refused is not None:
        raise invalid(f"the frame: column {field.name!r} {refused.reason}, such as {refused.example}")
    return column_from_source(held, field.type)


def _shown(time_us: int | None) -> str | None:
    if time_us is None:
        return None
    try:
        return clock.datetime_from_us(time_us).isoformat()
    except OverflowError:  # no calendar has it
        return str(time_us)
