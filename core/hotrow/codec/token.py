"""Tokens: what a push returns and a later read may demand to see.

16 bytes  store id            4 bytes  epoch, big-endian            8 bytes  sequence, big-endian
"""

import struct
from typing import NamedTuple

from hotrow.errors import Code, HotrowError, invalid

_LAYOUT = struct.Struct(">16sIQ")
TOKEN_BYTES = _LAYOUT.size


class Token(NamedTuple):
    """A commit: `store_id` is 32 hexadecimal digits."""

    store_id: str
    epoch: int
    sequence: int


def encode_token(token: Token) -> bytes:
    return _LAYOUT.pack(bytes.fromhex(token.store_id), token.epoch, token.sequence)


def decode_token(data: bytes, *, store_id: str, epoch: int) -> Token:
    """The token of `data`; raises INVALID for what is none, FAILED_PRECONDITION for one of another store."""
    if len(data) != _LAYOUT.size:
        raise invalid("min_token is not a token; send the one that a push returned", field="min_token")
    identity, token_epoch, sequence = _LAYOUT.unpack(data)
    if (identity.hex(), token_epoch) != (store_id, epoch):
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            "min_token is of another store, or of this one before it was rebuilt; read without it",
            field="min_token",
        )
    return Token(store_id, token_epoch, sequence)
