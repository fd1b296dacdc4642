"""What producers are told: a result for every row, put together from what was refused before the store and in it.

A `Draft` is made before the commit. It has a number of `hotrow.v1.RowResult` for every row, 0 for those whose result
the store will tell. With a `request_id` the draft is kept beside the rows, and makes the same answer again.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hotrow.codec.fault import ROW_REASONS, Expected
from hotrow.codec.protowire import LENGTH, VARINT, tag, varint
from hotrow.codec.pushed import EncodedRows
from hotrow.codec.token import TOKEN_BYTES, Token, encode_token
from hotrow.stores.port import SKIPPED_STALE, VERSION, WRITTEN
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsReply
from hotrow.v1.push_pb2 import Rejection, TransformError

from hotrow_ingest.extended import Raised

OPEN, REJECTED, DUPLICATE = 0, 3, 4
_COUNTS = tuple(
    (result, tag(field, VARINT)) for field, result in enumerate((WRITTEN, SKIPPED_STALE, REJECTED, DUPLICATE), 1)
)
_RESULTS, _TOKEN = tag(5, LENGTH), tag(7, LENGTH) + varint(TOKEN_BYTES)
_FEW = 100
MOST_REJECTIONS = 1000
"""Explained in a reply; every row has its result. More would not fit what a caller's gRPC takes by default, 4 MiB."""
_COUNT_BYTES = 4


class Draft(NamedTuple):
    """Results so far, a byte a row; the rows to be written; what was refused and why; what transforms raised."""

    results: bytes
    chosen: Sequence[int] | None
    rejections: tuple[Rejection, ...]
    raised: tuple[TransformError, ...] = ()

    def offline(self) -> "Draft":
        """Of rows for the log alone, which takes each of them: two of one key are facts of their event times."""
        results = bytes(REJECTED if result == REJECTED else WRITTEN for result in self.results)
        return self._replace(results=results, chosen=())

    def all_rejected(self) -> bool:
        """Whether none of the rows is to be written."""
        return self.results.count(REJECTED) == len(self.results)

    def to_note(self, rest: bytes) -> bytes:
        """As the store keeps it, with what `push_reply` takes."""
        return len(self.results).to_bytes(_COUNT_BYTES, "big") + self.results + rest


def draft(encoded: EncodedRows, keys: Sequence[bytes], expected: Expected) -> Draft:
    """What is known of a batch before the store sees it: refused rows, and rows that later ones of a key replace.

    Of rows that are sorted `keys` are not looked at.
    """
    n = len(encoded)
    if encoded.is_sorted or (encoded.is_clean and len(set(keys)) == n):
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


def push_reply(results: bytes, rest: bytes, token: Token | None) -> bytes:
    """A serialized `PushFeaturesReply`; `rest` are its fields but for counts, results and token, serialized."""
    count = results.count
    fields = [number + varint(count(result)) for result, number in _COUNTS if result in results]
    if results:
        fields += (_RESULTS, varint(len(results)), results)
    fields.append(rest)
    if token is not None:
        fields += (_TOKEN, encode_token(token))
    return b"".join(fields)


def reply_from_note(note: bytes, outcomes: bytes, token: Token) -> bytes:
    """The first reply again, from what the store kept of it."""
    n = int.from_bytes(note[:_COUNT_BYTES], "big")
    results = note[_COUNT_BYTES : _COUNT_BYTES + n]
    return push_reply(filled(results, outcomes), note[_COUNT_BYTES + n :], token)


def transform_errors(raised: Iterable[Raised]) -> tuple[TransformError, ...]:
    """What transforms raised, as replies have it."""
    return tuple(TransformError(transform=r.transform, rows=r.rows, row=r.row, reason=r.reason) for r in raised)


def materialize_reply(results: bytes, drafted: Draft) -> bytes:
    """A serialized `MaterializeRowsReply`, with the first hundred rejections."""
    reply = MaterializeRowsReply(
        written=results.count(WRITTEN),
        skipped_stale=results.count(SKIPPED_STALE),
        rejected=results.count(REJECTED),
        duplicates=results.count(DUPLICATE),
        rejections=drafted.rejections[:_FEW],
        transform_errors=drafted.raised,
    )
    return reply.SerializeToString()
