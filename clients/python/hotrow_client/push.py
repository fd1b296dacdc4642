"""What a push may say and what comes back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt
from hotrow.errors import Code, HotrowError
from hotrow.types import ValueType
from hotrow.v1.push_pb2 import PushFeaturesReply

Progress: TypeAlias = Callable[[int, int], object]
_SHOWN: Final = 3  # rejections in an error's message


class PushOptions(TypedDict, total=False):
    """Options of `Client.push`. `op` is "upsert" or "delete", `to` is "online", "offline" or "both"; `event_time` one
    time for all rows or one a row (a datetime, datetime64, ISO 8601 text or microseconds), or the name of the column of
    the rows that has them; absent: the time of receipt. `request_id` makes a push happen once; without one a new one is
    made, which covers this call's own retries. `on_rejected` is "raise" (rows that the server rejects raise
    RejectedRowsError, once the others are written) or "return" (they are in the reply alone). `timeout_s` is that of
    each message, where the rows need several. `progress` is called with the rows that are done and all rows, after each
    message; True writes them on stderr.
    """

    event_time: Any
    op: str
    to: str
    request_id: str | None
    atomic: bool
    dry_run: bool
    on_rejected: Literal["raise", "return"]
    progress: Progress | bool
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

    @classmethod
    def of_parts(cls, parts: Sequence["PushReply"], starts: Sequence[int], request_id: str) -> "PushReply":
        """The reply to a push of several messages, with the row that each began with: rows have the whole's numbers."""
        return cls(
            written=sum(part.written for part in parts),
            skipped_stale=sum(part.skipped_stale for part in parts),
            rejected=sum(part.rejected for part in parts),
            duplicates=sum(part.duplicates for part in parts),
            results=np.concatenate([np.zeros(0, np.uint8), *(part.results for part in parts)]),
            rejections=tuple(
                Rejection(start + one.row, one.field, one.reason)
                for part, start in zip(parts, starts, strict=True)
                for one in part.rejections
            ),
            token=parts[-1].token if parts else b"",
            snapshot=parts[-1].snapshot if parts else "",
            request_id=request_id,
        )


class RejectedRowsError(HotrowError):
    """Rows of a push that the server rejected; the others are written. `reply` is that of the push."""

    def __init__(self, reply: PushReply, *, dry_run: bool) -> None:
        self.reply = reply
        first = "; ".join(f"row {one.row}, {one.field}: {one.reason}" for one in reply.rejections[:_SHOWN])
        more = "; and others" if reply.rejected > _SHOWN else ""
        taken = f"{reply.written} written, {reply.skipped_stale} stale, {reply.duplicates} duplicates"
        rest = "Nothing was written, as by any dry run" if dry_run else f"The others were taken ({taken})"
        super().__init__(
            Code.INVALID,
            f"{reply.rejected} of {len(reply.results)} rows were rejected: {first}{more}. {rest}. "
            "The error's `reply` has each row's result; on_rejected=\"return\" returns it in place of raising",
            field=reply.rejections[0].field if reply.rejections else "",
        )
