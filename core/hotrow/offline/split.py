"""Halves of a request of rows, to find the row that the ingest worker does not survive; and a row by its keys."""

from collections.abc import Sequence

from hotrow.clock import text_from_us
from hotrow.codec.column import column_from_message, encode_column
from hotrow.schema.view import FeatureView
from hotrow.v1.column_pb2 import Column
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsRequest


def split_request(request: bytes) -> tuple[bytes, bytes] | None:
    """A serialized `MaterializeRowsRequest` as two, with half of its rows each, in order; None for one row or none."""
    whole = MaterializeRowsRequest.FromString(request)
    rows = _rows(whole)
    if rows < 2:
        return None
    halves = []
    for start, stop in ((0, rows // 2), (rows // 2, rows)):
        half = MaterializeRowsRequest()
        half.CopyFrom(whole)
        for name in ("rows", "event_time_us", "created_time_us"):
            half.ClearField(name)
        half.rows.extend(_part(column, start, stop) for column in whole.rows)
        half.event_time_us.extend(whole.event_time_us[start:stop])
        half.created_time_us.extend(whole.created_time_us[start:stop])
        halves.append(half)
    halves[0].ClearField("watermark_us")  # it counts once all rows are written
    return halves[0].SerializeToString(), halves[1].SerializeToString()


def describe_row(request: bytes, view: FeatureView) -> str:
    """The one row of a request, by its join keys and its event time."""
    message = MaterializeRowsRequest.FromString(request)
    columns = {column.name: column_from_message(column).to_list() for column in message.rows}
    keys = [f"{key.name}={columns[key.name][0]!r}" for key in view.join_keys if columns.get(key.name)]
    times: Sequence[int] = message.event_time_us
    at = [f"of {text_from_us(times[0])}"] if times else []
    return " ".join([", ".join(keys) or "without a key", *at])


def _rows(request: MaterializeRowsRequest) -> int:
    return max((len(column_from_message(column)) for column in request.rows), default=len(request.event_time_us))


def _part(column: Column, start: int, stop: int) -> Column:
    part = column_from_message(column).rows(start, stop)
    encoded = encode_column(part.name, part.values, type=part.type, unit=part.unit, statuses=part.statuses)
    return Column.FromString(encoded)
