"""Keys as bytes: the plain encoder is the twin's, keys compare as their values do, and are read back."""

import pytest
from hotrow.codec.key import decode_key, encode_key
from hypothesis import given
from hypothesis import strategies as st
from reference import key as twin
from support import strategies
from support.schema import join_keys

TYPES = st.lists(st.sampled_from(strategies.KEY_TYPES), max_size=4)


def ordered(values):
    """Strings compare by their UTF-8, so that one order holds in every language."""
    return [value.encode() if isinstance(value, str) else value for value in values]


@given(st.data())
def test_keys_are_the_twins_compare_as_their_values_and_are_read_back(data):
    """Of any composite of types."""
    types = {f"k{number}": type_ for number, type_ in enumerate(data.draw(TYPES))}
    keys = join_keys(types)
    pair = [[data.draw(strategies.key_value(type_)) for type_ in types.values()] for _ in range(2)]
    encoded = [encode_key(list(zip(keys, values, strict=True))) for values in pair]
    assert encoded == [twin.encode_key(list(zip(types.values(), values, strict=True))) for values in pair]
    assert (encoded[0] < encoded[1]) == (ordered(pair[0]) < ordered(pair[1]))
    assert [list(decode_key(key, keys).values()) for key in encoded] == pair


@given(st.binary(max_size=30), TYPES)
def test_bytes_that_are_no_key_are_refused(data, types):
    """Or they are a key, and then the same bytes come back."""
    keys = join_keys({f"k{number}": type_ for number, type_ in enumerate(types)})
    try:
        values = decode_key(data, keys)
    except ValueError:
        return
    assert encode_key([(key, values[key.name]) for key in keys]) == data


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_key_that_is_cut_off_is_refused(cut):
    """At any place."""
    types = {"a": "int64", "b": "string", "c": "bool", "d": "bytes", "e": "timestamp_us"}
    keys = join_keys(types)
    key = encode_key(list(zip(keys, (1, "a\0b", True, b"\0", 2), strict=True)))
    assert len(key) > cut
    with pytest.raises(ValueError):
        decode_key(key[:-cut], keys)
