"""What producers are told: a result for every row, put together from what was refused before the store and in it.

A `Draft` is made before the commit. It has a number of `hotrow.v1.RowResult` for every row, 0 for those whose result
the store will tell. With a `request_id` the draft is kept beside the rows, and makes the same answer again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hotrow.codec.fault import ROW_REASONS, Expected
from hotrow.codec.protowire import varint
from hotrow.codec.pushed import EncodedRows
from hotrow.codec.token import Token, encode_token
from hotrow.stores.port import SKIPPED_STALE, VERSION, WRITTEN
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsReply
from hotrow.v1.push_pb2 import PushFeaturesReply, Rejection

OPEN, REJECTED, DUPLICATE = 0, 3, 4
_RESULTS_TAG = b"\x2a"  # field 5 of PushFeaturesReply, packed
_FEW = 100
MOST_REJECTIONS = 1000
"""Explained in a reply; every row has its result. More would not fit what a caller's gRPC takes by default, 4 MiB."""
_COUNT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Draft:
    """Results so far, a byte a row; the rows that are to be written; what was refused and why."""

    results: bytes
    chosen: Sequence[int] | None
    rejections: tuple[Rejection, ...]

    def to_note(self, snapshot: str) -> bytes:
        """As the store keeps it."""
        rest = PushFeaturesReply(rejections=self.rejections, snapshot=snapshot).SerializeToString()
        return len(self.results).to_bytes(_COUNT_BYTES, "big") + self.results + rest


def draft(encoded: EncodedRows, keys: Sequence[bytes], expected: Expected) -> Draft:
    """What is known of a batch before the store sees it: refused rows, and rows that later ones of a key replace."""
    n = len(encoded)
    if encoded.is_clean and len(set(keys)) == n:
        return Draft(bytes(n), None, ())
    results = bytearray(n)
    rejections: list[Rejection] = []
    for row, fault, entry in encoded.refused():
        results[row] = REJECTED
        if len(rejections) < MOST_REJECTIONS:
            name = expected.entries[entry][0] if entry >= 0 else "event_time_us"
            rejections.append(Rejection(row=row, field=name, reason=ROW_REASONS[fault]))
    rows = encoded.rows()
    best: dict[bytes, int] = {}
    for row in range(n):
        if results[row] == OPEN:
            other = best.setdefault(keys[row], row)
            if other != row:
                late = rows[row][VERSION] >= rows[other][VERSION]
                results[other if late else row] = DUPLICATE
                best[keys[row]] = row if late else other
    return Draft(bytes(results), [row for row in range(n) if results[row] == OPEN], tuple(rejections))


def filled(results: bytes, outcomes: bytes) -> bytes:
    """The results of all rows, with those of the rows that were written or compared."""
    if len(outcomes) == len(results):
        return outcomes
    told = iter(outcomes)
    return bytes(next(told) if result == OPEN else result for result in results)


def push_reply(results: bytes, rest: PushFeaturesReply, token: Token | None) -> bytes:
    """A serialized `PushFeaturesReply`; `rest` has what is neither a count, nor a result, nor the token."""
    count = results.count
    rest.written, rest.skipped_stale = count(WRITTEN), count(SKIPPED_STALE)
    rest.rejected, rest.duplicates = count(REJECTED), count(DUPLICATE)
    if token is not None:
        rest.token = encode_token(token)
    packed = _RESULTS_TAG + varint(len(results)) + results if results else b""
    return rest.SerializeToString() + packed


def reply_from_note(note: bytes, outcomes: bytes, token: Token) -> bytes:
    """The first reply again, from what the store kept of it."""
    n = int.from_bytes(note[:_COUNT_BYTES], "big")
    results = note[_COUNT_BYTES : _COUNT_BYTES + n]
    rest = PushFeaturesReply.FromString(note[_COUNT_BYTES + n :])
    return push_reply(filled(results, outcomes), rest, token)


def materialize_reply(results: bytes, rejections: Sequence[Rejection]) -> bytes:
    """A serialized `MaterializeRowsReply`, with the first hundred rejections."""
    reply = MaterializeRowsReply(
        written=results.count(WRITTEN),
        skipped_stale=results.count(SKIPPED_STALE),
        rejected=results.count(REJECTED),
        duplicates=results.count(DUPLICATE),
        rejections=rejections[:_FEW],
    )
    return reply.SerializeToString()
