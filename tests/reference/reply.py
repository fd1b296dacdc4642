"""The reply of a read, made of protobuf objects from rows in dicts."""

import struct
from dataclasses import dataclass, field

from hotrow.v1.column_pb2 import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply

from reference.column import put_values


@dataclass(frozen=True)
class StoredRow:
    """`values` by field name; `schema` is that of the row, if it is not the view's."""

    values: dict[str, object]
    event_us: int = 0
    tombstone: bool = False
    schema: dict[str, str] | None = None


@dataclass(frozen=True)
class AskedView:
    """What is wanted of a view, its rows, and the defaults of fields that have one."""

    name: str
    schema: dict[str, str]
    rows: list[StoredRow | None]
    ttl_us: int | None = None
    units: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, object] = field(default_factory=dict)

    def cell(self, name: str, row: StoredRow | None, now_us: int) -> tuple[int, object]:
        """Status and value of one field of one row."""
        if row is None or row.tombstone:
            return NOT_FOUND, None
        if self.ttl_us is not None and now_us - row.event_us > self.ttl_us:
            return OUTSIDE_MAX_AGE, None
        value = row.values[name] if name in row.values else self.defaults.get(name)
        return (NULL_VALUE, None) if value is None else (PRESENT, value)


@dataclass(frozen=True)
class Asked:
    """A read: (column name, view, field) in the order asked, and the options."""

    columns: list[tuple[str, AskedView, str]]
    snapshot: str
    now_us: int
    event_timestamps: bool = False
    matrix: bool = False


def reply(asked: Asked) -> bytes:
    """The serialized `GetOnlineFeaturesReply`."""
    message = GetOnlineFeaturesReply(snapshot=asked.snapshot)
    grid = []
    for name, view, feature in asked.columns:
        cells = [view.cell(feature, row, asked.now_us) for row in view.rows]
        column = message.columns.add(name=name, unit=view.units.get(feature, ""))
        column.statuses.extend(status for status, _ in cells)
        if not asked.matrix:
            put_values(column, view.schema[feature], [value for _, value in cells])
        grid.append([value for _, value in cells])
    if asked.matrix:
        message.matrix.SetInParent()
        message.matrix.names.extend(name for name, _, _ in asked.columns)
        message.matrix.rows = len(grid[0])
        message.matrix.values = b"".join(_f32(value) for row in zip(*grid, strict=True) for value in row)
    if asked.event_timestamps:
        views = list({view.name: view for _, view, _ in asked.columns}.values())
        for view in views:
            times = [0 if row is None or row.tombstone else row.event_us for row in view.rows]
            message.event_times.add(view=view.name, values=times)
    return message.SerializeToString(deterministic=True)


def _f32(value) -> bytes:
    if value is None:
        return struct.pack("<f", float("nan"))
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", float("inf") if value > 0 else float("-inf"))
