"""Where fields stand in a row follows from the schema alone."""

import pytest
from hotrow.codec.layout import Constants, is_variable, layout_from_schema, stored_value
from hotrow.codec.protowire import varint
from hypothesis import given
from hypothesis import strategies as st
from reference.column import TYPES
from reference.row import FORMATS, encode_row
from support import strategies
from support.schema import TYPES as VALUE_TYPES
from support.schema import view as feature_view


def test_fields_stand_in_the_order_of_their_names():
    """Whatever order they were declared in; each string begins where the one before it ends."""
    schema = {"z": "bool", "s": "string", "a": "float64", "l": "int32_list", "b": "int32", "y": "bytes"}
    view = feature_view({}, schema)
    layout = layout_from_schema(view.schema_bytes, view.fingerprint)
    places = {name: (slot.bit, slot.fixed, slot.before) for name, slot in layout.slots.items()}
    assert places == {
        "a": (0, 0, -1),
        "b": (1, 8, -1),
        "l": (2, 12, -1),
        "s": (3, 16, 12),
        "y": (4, 20, 16),
        "z": (5, 24, -1),
    }
    assert (layout.bitmap_bytes, layout.fixed_bytes) == (1, 25)
    assert layout.fingerprint.to_bytes(8, "little", signed=True) == view.fingerprint


@given(st.data())
def test_blocks_are_as_large_as_the_twins(data):
    """Of any schema: a row of nulls has nothing but the two blocks."""
    schema = data.draw(strategies.schemas)
    view = feature_view({}, schema)
    layout = layout_from_schema(view.schema_bytes, view.fingerprint)
    empty = encode_row(schema, dict.fromkeys(schema), fingerprint=view.fingerprint, event_us=0, created_us=0)
    assert len(empty) == 32 + layout.bitmap_bytes + layout.fixed_bytes + 4


@pytest.mark.parametrize("type_", TYPES)
def test_which_types_are_variable(type_):
    """Strings, bytes and lists."""
    assert is_variable(VALUE_TYPES[type_]) == (type_ not in FORMATS)


@given(st.sampled_from(TYPES), st.data())
def test_stored_values_are_those_of_the_twins_rows(type_, data):
    """A default is written as any value is."""
    value = data.draw(strategies.values(type_))
    given_ = tuple(value) if isinstance(value, list) else value
    row = encode_row({"x": type_}, {"x": value}, fingerprint=bytes(8), event_us=0, created_us=0)
    start = 33 + (4 if is_variable(VALUE_TYPES[type_]) else 0)
    assert row[start:-4] == stored_value(VALUE_TYPES[type_], given_)


@pytest.mark.parametrize("schema", [b"", b"{}x", b'[["a","Int65",""]]', b'[["a","Int64"]]'])
def test_what_is_no_schema_is_refused(schema):
    """ValueError or KeyError, as documented."""
    with pytest.raises((ValueError, KeyError)):
        layout_from_schema(schema, bytes(8))


@given(st.integers(0, 2**64 - 1))
def test_varints_end_where_they_should(value):
    """Seven bits a byte, the last one under 128."""
    data = varint(value)
    assert sum((byte & 0x7F) << 7 * at for at, byte in enumerate(data)) == value
    assert all(byte >= 0x80 for byte in data[:-1])
    assert data[-1] < 0x80
    assert len(data) == max(1, -(-value.bit_length() // 7))


def test_constants_are_kept_once():
    """The same bytes have one place."""
    constants = Constants()
    assert constants.put_all([b"ab", b"", b"c", b"ab"]) == [(0, 2), (2, 0), (2, 1), (0, 2)]
    assert bytes(constants) == b"abc"
