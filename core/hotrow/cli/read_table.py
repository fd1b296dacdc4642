"""The reply to `hotrow get`, as a table and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hotrow.cli import render
from hotrow.clock import text_from_us
from hotrow.errors import Code, HotrowError
from hotrow.types import FLOAT32

if TYPE_CHECKING:
    from hotrow.cli.read import Asked
    from hotrow.codec.column import DecodedColumn
    from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply

_SHOWN = {"NOT_FOUND": "(not found)", "OUTSIDE_MAX_AGE": "(too old)", "TRANSFORM_ERROR": "(transform error)"}


@dataclass(frozen=True, slots=True)
class Table:
    """A reply: for each row its entity, for each column its values and the names of their statuses."""

    asked: Asked
    columns: list[DecodedColumn]
    values: list[list[Any]]
    statuses: list[list[str]]
    event_times: dict[str, list[int]]
    snapshot: str

    def document(self) -> dict[str, Any]:
        """As JSON."""
        rows = []
        for i in range(self.asked.rows):
            features = {
                column.name: {"value": self.values[c][i], "status": self.statuses[c][i]}
                | ({"unit": column.unit} if column.unit else {})
                for c, column in enumerate(self.columns)
            }
            row: dict[str, Any] = {"entity": self._entity(i), "features": features}
            if self.event_times:
                row["event_times"] = {
                    view: text_from_us(times[i]) if times[i] else None for view, times in self.event_times.items()
                }
            rows.append(row)
        return {"snapshot": self.snapshot, "rows": rows}

    def _entity(self, row: int) -> dict[str, Any]:
        return {key: values[row] for key, values in self.asked.shown_entities().items()}


def read_reply(asked: Asked, data: bytes) -> Table:
    """Decode a reply; raises INTERNAL where it has other than the rows asked for."""
    from hotrow.codec.column import decode_column  # noqa: PLC0415
    from hotrow.v1.column_pb2 import Status  # noqa: PLC0415
    from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply  # noqa: PLC0415

    reply: GetOnlineFeaturesReply = GetOnlineFeaturesReply.FromString(data)
    columns = [decode_column(column) for column in reply.columns]
    if any(len(column) != asked.rows for column in columns):
        raise HotrowError(Code.INTERNAL, f"the server answered with another number of rows than {asked.rows}")
    status_names: dict[int, str] = {number: name for name, number in Status.items()}
    names = [[status_names.get(int(status), "UNKNOWN") for status in column.statuses] for column in columns]
    values = [_values(column) for column in columns]
    return Table(asked, columns, values, names, {t.view: list(t.values) for t in reply.event_times}, reply.snapshot)


def _values(column: DecodedColumn) -> list[Any]:
    """Python values; a float32 as the shortest decimal that is the same float32: 0.9, and not 0.8999999761581421."""
    import numpy as np  # noqa: PLC0415

    values = column.to_list()
    if column.type is None or column.type.element_kind != FLOAT32:
        return values

    def shortest(value: Any) -> Any:
        return [shortest(item) for item in value] if isinstance(value, list) else float(str(np.float32(value)))

    return [None if value is None else shortest(value) for value in values]


def print_rows(table: Table) -> None:
    """A row an entity: its join keys, its features, and the event times where they were asked for."""
    entities = table.asked.shown_entities()
    heads = list(entities)
    columns: list[list[Any]] = list(entities.values())
    for column, values, statuses in zip(table.columns, table.values, table.statuses, strict=True):
        heads.append(f"{column.name} ({column.unit})" if column.unit else column.name)
        columns.append([_SHOWN.get(s, v) for v, s in zip(values, statuses, strict=True)])
    for view, times in table.event_times.items():
        heads.append(f"{view} event time" if len(table.event_times) > 1 else "event time")
        columns.append([text_from_us(time) if time else "(not found)" for time in times])
    render.print_table(heads, list(zip(*columns, strict=True)))
