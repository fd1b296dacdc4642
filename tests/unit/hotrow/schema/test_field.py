"""Fields and their defaults."""

import json
import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hotrow import (
    UNSET,
    Array,
    Bool,
    Bytes,
    Code,
    Field,
    Float32,
    Float64,
    HotrowError,
    Int32,
    Int64,
    String,
    UnixTimestamp,
    ValueType,
)
from hotrow.schema.canonical import canonical_json
from hotrow.schema.field import field_from_document


def _refusal(*args, **kwargs) -> str:
    with pytest.raises(HotrowError) as caught:
        Field(*args, **kwargs)
    assert caught.value.code is Code.INVALID
    return caught.value.message


@pytest.mark.parametrize(
    "name", ["", "Fare", "1fare", "_fare", "fare__sek", "fare-sek", "färe", "a" * 64, "fare\n", None, 7, b"fare"]
)
def test_bad_names_are_refused(name):
    """A name that could not be told apart in full names, files or stubs is refused, and the message shows it."""
    message = _refusal(name, Float64)
    assert message.startswith(f"field {name!r}: a name has at most 63 characters")


@pytest.mark.parametrize("name", ["a", "fare", "fare_2", "a" * 63, "x_"])
def test_good_names_are_taken(name):
    """The longest and the shortest name pass."""
    assert Field(name, Float64).name == name


def test_bad_name_comes_with_a_proposal():
    """The remedy is a name that would pass."""
    assert "for example 'avg_daily_trips'" in _refusal("avgDaily--Trips", Int64)


@pytest.mark.parametrize("type_", [float, "Float64", None, Array, ValueType("Float64", 3), ValueType("Decimal", 1)])
def test_unknown_types_are_refused(type_):
    """Only the types of hotrow are types, and one that is forged is not."""
    message = _refusal("fare", type_)
    assert "field 'fare': unknown type" in message
    assert "Float64" in message


def test_python_type_names_the_type_to_use():
    """The likeliest slip gets an exact remedy."""
    assert _refusal("fare", float).endswith("unknown type 'float'; use Float64")


@pytest.mark.parametrize("unit", [7, None, "x" * 33, " SEK", "a\nb"])
def test_unit_is_a_short_text(unit):
    """Units are compared byte for byte, so anything but a short printable text is a slip."""
    assert "field 'fare': unit" in _refusal("fare", Float64, unit=unit)


@pytest.mark.parametrize("tags", [["a"], {"a": 1}, {1: "a"}, {"": "a"}, "a"])
def test_tags_map_strings_to_strings(tags):
    """Anything else is refused when built, not when written."""
    assert "field 'fare'" in _refusal("fare", Float64, tags=tags)


FITTING = [
    (Int32, -(2**31), -(2**31)),
    (Int32, np.int64(5), 5),
    (Int64, 2**63 - 1, 2**63 - 1),
    (Float32, 1, 1.0),
    (Float32, np.float32(0.5), 0.5),
    (Float64, -0.0, -0.0),
    (Float64, 1e308, 1e308),
    (Float64, math.inf, math.inf),
    (Float32, -math.inf, -math.inf),
    (Bool, False, False),
    (String, "", ""),
    (String, "smörgås \U0001f980 \x00", "smörgås \U0001f980 \x00"),
    (Bytes, b"\x00\xff", b"\x00\xff"),
    (Bytes, bytearray(b"ab"), b"ab"),
    (UnixTimestamp, 17, 17),
    (UnixTimestamp, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 1_000_000),
    (Array(Float32), [1, 2.5], (1.0, 2.5)),
    (Array(Float32), np.array([0.5, 0.25]), (0.5, 0.25)),
    (Array(Bytes), [b"", b"\xfe"], (b"", b"\xfe")),
    (Array(Float64), [-math.inf], (-math.inf,)),
    (Array(Int64), [], ()),
    (Array(UnixTimestamp), [datetime(1970, 1, 1, tzinfo=UTC)], (0,)),
    *((type_, None, None) for type_ in (Int32, Float64, String, Bytes, Bool, Array(String))),
]


@pytest.mark.parametrize(("type_", "given", "kept"), FITTING)
def test_fitting_defaults_round_trip(type_, given, kept):
    """A default that fits is kept in one form, and the field comes back from JSON equal, type for type."""
    field = Field("x", type_, default=given)
    assert field.default == kept
    assert type(field.default) is type(kept)
    again = field_from_document("x", json.loads(canonical_json(field.document())))
    assert again == field
    assert again.default == kept
    assert repr(again.default) == repr(kept)
    assert again.has_default


@pytest.mark.parametrize("type_", [Float32, Float64, Array(Float32)])
def test_nan_default_round_trips(type_):
    """NaN is a value, equal to itself here, and stays valid JSON."""
    field = Field("x", type_, default=[math.nan] if type_.is_list else math.nan)
    data = canonical_json(field.document())
    assert b'"NaN"' in data
    again = field_from_document("x", json.loads(data))
    assert again == field
    assert hash(again) == hash(field)
    assert math.isnan(np.ravel(again.default)[0])


@pytest.mark.parametrize(
    ("type_", "default"),
    [
        (Int32, 2**31),
        (Int64, -(2**63) - 1),
        (Int64, 1.5),
        (Int64, True),
        (Int64, "1"),
        (Float32, 1e39),
        (Float64, 10**400),
        (Float64, "1.0"),
        (Float64, False),
        (Bool, 1),
        (String, b"x"),
        (String, "\ud800"),
        (Bytes, "x"),
        (UnixTimestamp, 1.5),
        (UnixTimestamp, "2020-01-01"),
        (Array(Int64), 1),
        (Array(Int64), [1, None]),
        (Array(Int64), [1, 2.5]),
        (Array(String), "abc"),
        (Array(Bytes), b"abc"),
        (Float64, [1.0]),
    ],
)
def test_unfitting_defaults_are_refused(type_, default):
    """What could not be written as the type is refused, naming field, value and type."""
    message = _refusal("fare", type_, default=default)
    assert message.startswith("field 'fare': default ")
    assert f"does not fit {type_.name}; give " in message


def test_no_default_and_null_differ():
    """None is a default; without one the document says nothing."""
    assert not Field("x", Int64).has_default
    assert Field("x", Int64).default is UNSET
    assert "default" not in Field("x", Int64).document()
    assert Field("x", Int64, default=None).document() == {"type": "Int64", "default": None}
    assert Field("x", Int64) != Field("x", Int64, default=None)


def test_fields_are_frozen():
    """Neither attributes nor tags can be changed after the checks."""
    field = Field("x", Int64, tags={"a": "b"})
    with pytest.raises(AttributeError):
        field.name = "y"
    with pytest.raises(TypeError):
        field.tags["a"] = "c"
    assert field == Field("x", Int64, tags={"a": "b"})
