"""Entries of the outbox: pushed rows on their way to the log. Integers are little-endian.

    offset  bytes  what
    0       4      format, 1
    4       4      bytes of the description, d
    8       4      rows, n; one at least
    12      8      view id
    20      d      description: JSON, see `describe_view`
    ...     2n     length of each key
    ...     4n     length of each row
    ...            the keys, one after another, as `hotrow.codec.key` has them
    ...            the rows, likewise, as `hotrow.codec.row` has them; all have one schema

An entry says itself what it belongs to, for it may be taken out when no snapshot has its view any more. A push is one
entry, or some of them where it is large: LMDB takes the pages of a value one beside the other, and long runs of free
pages are rare.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hotrow.codec.row import created_time_us, fingerprint
from hotrow.errors import Code, HotrowError
from hotrow.schema.canonical import canonical_json
from hotrow.schema.entity import JoinKey
from hotrow.schema.view import FeatureView
from hotrow.types import BY_NAME

_HEAD = struct.Struct("<III8s")
_FORMAT = 1
_ENTRY_BYTES = 256 << 10  # above which an entry takes no further row


@dataclass(frozen=True, slots=True)
class LoggedRows:
    """The rows of an entry: the keys and rows one after another, with the length of each."""

    view_id: bytes
    description: bytes
    key_lengths: npt.NDArray[np.uint16]
    row_lengths: npt.NDArray[np.uint32]
    keys: bytes
    rows: bytes

    @property
    def fingerprint(self) -> bytes:
        """Of the schema of all rows."""
        return fingerprint(self.rows)

    @property
    def created_us(self) -> int:
        """The created time of the first row, which is that of the commit."""
        return created_time_us(self.rows)


def describe_view(view: FeatureView) -> bytes:
    """The description of a view's entries: its name, and the names and types of its join keys."""
    return canonical_json({"keys": [[key.name, key.type.name] for key in view.join_keys], "view": view.name})


def described_view(description: bytes) -> tuple[str, tuple[JoinKey, ...]]:
    """The view's name and its join keys; raises FAILED_PRECONDITION for what `describe_view` has not written."""
    try:
        document = json.loads(description)
        return str(document["view"]), tuple(JoinKey(name, BY_NAME[type_name]) for name, type_name in document["keys"])
    except (ValueError, TypeError, LookupError):
        raise _unknown_format() from None


def encode_entries(view_id: bytes, description: bytes, keys: Sequence[bytes], rows: Sequence[bytes]) -> list[bytes]:
    """The entries of a push; a pair with an empty row, which was refused, is left out."""
    entries: list[bytes] = []
    pairs = [(key, row) for key, row in zip(keys, rows, strict=True) if row]
    for some in _parts(pairs):
        head = _HEAD.pack(_FORMAT, len(description), len(some), view_id)
        key_lengths = np.array([len(key) for key, _ in some], "<u2").tobytes()
        row_lengths = np.array([len(row) for _, row in some], "<u4").tobytes()
        parts = [head, description, key_lengths, row_lengths, *(key for key, _ in some), *(row for _, row in some)]
        entries.append(b"".join(parts))
    return entries


def _parts(pairs: list[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    start = size = 0
    for place, (key, row) in enumerate(pairs):
        size += len(key) + len(row)
        if size > _ENTRY_BYTES:
            yield pairs[start : place + 1]
            start, size = place + 1, 0
    if start < len(pairs):
        yield pairs[start:]


def decode_entry(data: bytes) -> LoggedRows:
    """The rows of an entry; raises FAILED_PRECONDITION for one that is not of this version's format."""
    try:
        version, described, n, view_id = _HEAD.unpack_from(data)
        at = _HEAD.size + described
        key_lengths = np.frombuffer(data, "<u2", n, at)
        row_lengths = np.frombuffer(data, "<u4", n, at + 2 * n)
        keys_at = at + 6 * n
        rows_at = keys_at + int(key_lengths.sum())
        if version == _FORMAT and n and rows_at + int(row_lengths.sum()) == len(data):
            keys, rows = data[keys_at:rows_at], data[rows_at:]
            return LoggedRows(view_id, data[_HEAD.size : at], key_lengths, row_lengths, keys, rows)
    except (struct.error, ValueError):
        pass
    raise _unknown_format()


def _unknown_format() -> HotrowError:
    return HotrowError(
        Code.FAILED_PRECONDITION,
        "an entry of the outbox has a format that this version does not know; start the version that wrote it",
    )
