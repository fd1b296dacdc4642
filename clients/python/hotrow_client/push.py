"""What a push sends and what comes back."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypedDict

import numpy as np
import numpy.typing as npt
from hotrow.codec.column import encode_dense
from hotrow.codec.column_values import dense_values
from hotrow.codec.protowire import length_delimited
from hotrow.types import UnixTimestamp, ValueType
from hotrow.v1.push_pb2 import Destination, Operation, PushFeaturesReply, PushFeaturesRequest

from hotrow_client.rows import Rows, columns_from_rows, dense_columns, plain_values

_ROWS, _EVENT_TIMES = 4, 5
_DESTINATIONS: Final[Mapping[str, Destination.ValueType]] = {
    name.lower(): number for name, number in Destination.items()
}
_OPERATIONS: Final[Mapping[str, Operation.ValueType]] = {name.lower(): number for name, number in Operation.items()}


class PushOptions(TypedDict, total=False):
    """Options of `Client.push`. `op` is "upsert" or "delete", `to` is "online", "offline" or "both"; `event_time` one
    time for all rows or one a row (a datetime, datetime64 or microseconds), or the name of the column of the rows that
    has them; absent: the time of receipt. `request_id` makes a push happen once; without one a new one is made, which
    covers this call's own retries.
    """

    event_time: Any
    op: str
    to: str
    request_id: str | None
    atomic: bool
    dry_run: bool
    snapshot: str
    types: Mapping[str, ValueType]
    units: Mapping[str, str]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a row was refused."""

    row: int
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class TransformError:
    """Rows for which a transform that runs at push raised; they are written, with its outputs null.

    `row` is the first of them, and `reason` has the exception, its line and the inputs of that row.
    """

    transform: str
    rows: int
    row: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class PushReply:
    """What became of the rows; `results` has a number of `hotrow.v1.RowResult` a row.

    Give `token` to a read as `min_token`, and it sees these rows or fails. `request_id` is the one that was sent.
    """

    written: int
    skipped_stale: int
    rejected: int
    duplicates: int
    results: npt.NDArray[np.uint8]
    rejections: tuple[Rejection, ...]
    token: bytes
    snapshot: str
    request_id: str
    transform_errors: tuple[TransformError, ...] = ()

    @classmethod
    def from_bytes(cls, data: bytes, request_id: str) -> "PushReply":
        """The reply in a serialized `hotrow.v1.PushFeaturesReply`."""
        message = PushFeaturesReply.FromString(data)
        return cls(
            written=message.written,
            skipped_stale=message.skipped_stale,
            rejected=message.rejected,
            duplicates=message.duplicates,
            results=np.array(message.results, dtype=np.uint8),
            rejections=tuple(Rejection(r.row, r.field, r.reason) for r in message.rejections),
            token=message.token,
            snapshot=message.snapshot,
            request_id=request_id,
            transform_errors=tuple(
                TransformError(e.transform, e.rows, e.row, e.reason) for e in message.transform_errors
            ),
        )


def encode_push(project: str, push_source: str, view: str, rows: Rows, options: PushOptions) -> tuple[bytes, str]:
    """A canonical `hotrow.v1.PushFeaturesRequest`, and its request id.

    Raises TypeError or HotrowError, naming the column, for what cannot be sent.
    """
    if bool(push_source) == bool(view):
        raise TypeError("push to a push source or to a view: give one of the two")
    given = columns_from_rows(rows)
    values, event_time = dict(given.values), options.get("event_time")
    if isinstance(event_time, str):
        if event_time not in values:
            raise TypeError(f"event_time names {event_time!r}, which is no column; columns: {', '.join(values)}")
        event_time = values.pop(event_time)
    units = {name: unit for name, unit in given.units.items() if name in values} | dict(options.get("units", {}))
    columns = dense_columns(values, options.get("types", {}), units)
    head = PushFeaturesRequest(project=project)
    if view:
        head.view = view
    else:
        head.push_source = push_source
    request_id = options.get("request_id") or uuid.uuid4().hex
    tail = PushFeaturesRequest(
        to=_chosen("to", options.get("to", "online"), _DESTINATIONS),
        op=_chosen("op", options.get("op", "upsert"), _OPERATIONS),
        request_id=request_id,
        atomic=options.get("atomic", False),
        dry_run=options.get("dry_run", False),
        snapshot=options.get("snapshot", ""),
    )
    encoded = (length_delimited(_ROWS, encode_dense(one.name, one.dense, one.unit)) for one in columns)
    times = _encode_event_times(event_time, columns[0].dense.rows if columns else 0)
    return b"".join((head.SerializeToString(), *encoded, times, tail.SerializeToString())), request_id


def _encode_event_times(event_time: Any, rows: int) -> bytes:
    """The field `event_time_us`: one time for all rows, one a row, or none (the time of receipt).

    A time is a datetime (without a zone: UTC), a datetime64, or an int of microseconds; raises TypeError otherwise.
    """
    if event_time is None:
        return b""
    if isinstance(event_time, (datetime, np.datetime64, int, np.integer)):
        event_time = [event_time] * rows
    times = dense_values("event_time", plain_values("event_time", event_time), UnixTimestamp)
    if times.absent is not None:
        raise TypeError("event_time has a null: every row has an event time, or none has one")
    return length_delimited(_EVENT_TIMES, np.asarray(times.values).tobytes()) if times.rows else b""


def _chosen(option: str, word: str, words: Mapping[str, Any]) -> Any:
    if word not in words:
        raise TypeError(f"{option} is one of {', '.join(words)}, not {word!r}")
    return words[word]
