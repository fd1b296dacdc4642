"""What a push sends and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from hotrow.codec.column import decode_column, encode_column
from hotrow.codec.protowire import length_delimited
from hotrow.types import UnixTimestamp
from hotrow.v1.push_pb2 import Destination, Operation, PushFeaturesReply, PushFeaturesRequest

_ROWS, _EVENT_TIMES = 4, 5
_DESTINATIONS: Final[Mapping[str, Destination.ValueType]] = {
    name.lower(): number for name, number in Destination.items()
}
_OPERATIONS: Final[Mapping[str, Operation.ValueType]] = {name.lower(): number for name, number in Operation.items()}


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a row was refused."""

    row: int
    field: str
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
        )


@dataclass(frozen=True, slots=True)
class Push:
    """A push before its rows: where to and under which terms."""

    project: str
    push_source: str
    view: str
    request_id: str
    op: str = "upsert"
    to: str = "online"
    atomic: bool = False
    dry_run: bool = False
    snapshot: str = ""

    def encode(self, columns: list[bytes], event_times: bytes) -> bytes:
        """A canonical `hotrow.v1.PushFeaturesRequest`; `columns` and `event_times` are serialized already."""
        if bool(self.push_source) == bool(self.view):
            raise TypeError("push to a push source or to a view: give one of the two")
        head = PushFeaturesRequest(project=self.project)
        if self.view:
            head.view = self.view
        else:
            head.push_source = self.push_source
        tail = PushFeaturesRequest(
            to=_chosen("to", self.to, _DESTINATIONS),
            op=_chosen("op", self.op, _OPERATIONS),
            request_id=self.request_id,
            atomic=self.atomic,
            dry_run=self.dry_run,
            snapshot=self.snapshot,
        )
        rows = (length_delimited(_ROWS, column) for column in columns)
        return b"".join((head.SerializeToString(), *rows, event_times, tail.SerializeToString()))


def encode_event_times(event_time: Any, rows: int) -> bytes:
    """The field `event_time_us` of a request: one time for all rows, one a row, or none (the time of receipt).

    A time is a datetime (without a zone: UTC), a datetime64, or an int of microseconds; raises TypeError otherwise.
    """
    if event_time is None:
        return b""
    if isinstance(event_time, (datetime, np.datetime64, int, np.integer)):
        event_time = [event_time] * rows
    column = decode_column(encode_column("event_time", event_time, type=UnixTimestamp))
    if not column.present.all():
        raise TypeError("event_time has a null: every row has an event time, or none has one")
    times = np.asarray(column.values)
    return length_delimited(_EVENT_TIMES, times.tobytes()) if len(times) else b""


def _chosen(option: str, word: str, words: Mapping[str, Any]) -> Any:
    if word not in words:
        raise TypeError(f"{option} is one of {', '.join(words)}, not {word!r}")
    return words[word]
