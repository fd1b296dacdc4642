"""Tokens: opaque to callers, of one store and one epoch."""

import pytest
from hotrow.codec.token import Token, decode_token, encode_token
from hotrow.errors import Code, HotrowError
from hypothesis import given
from hypothesis import strategies as st

STORE = "0123456789abcdef" * 2


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
def test_a_token_is_read_back(epoch, sequence):
    """By the store that gave it."""
    token = Token(STORE, epoch, sequence)
    assert decode_token(encode_token(token), store_id=STORE, epoch=epoch) == token


@pytest.mark.parametrize("data", [b"", b"x", bytes(27), bytes(29)])
def test_what_is_no_token_is_invalid(data):
    """Whatever its bytes."""
    with pytest.raises(HotrowError, match="min_token is not a token") as caught:
        decode_token(data, store_id=STORE, epoch=1)
    assert (caught.value.code, caught.value.field) == (Code.INVALID, "min_token")


@pytest.mark.parametrize("token", [Token("f" * 32, 1, 1), Token(STORE, 2, 1)])
def test_a_token_of_another_store_or_epoch_is_refused(token):
    """FAILED_PRECONDITION: no waiting makes it come true."""
    with pytest.raises(HotrowError, match="of another store") as caught:
        decode_token(encode_token(token), store_id=STORE, epoch=1)
    assert (caught.value.code, caught.value.field) == (Code.FAILED_PRECONDITION, "min_token")
