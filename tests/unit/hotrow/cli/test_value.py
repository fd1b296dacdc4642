"""Values as people type them."""

import math

import pytest
from hotrow.cli.value import loaded_json, time_us_option, typed_values, value_from_json, value_from_text
from hotrow.clock import text_from_us, us_from_text
from hotrow.codec.column import encode_column
from hotrow.errors import HotrowError
from hotrow.types import Array, Bool, Bytes, Float32, Float64, Int64, String, UnixTimestamp


@pytest.mark.parametrize(
    ("text", "declared", "value"),
    [
        ("42", Int64, 42), ("-7", Int64, -7), ("0.5", Float64, 0.5), ("inf", Float32, math.inf),
        ("null", Float64, None),
        ("true", Bool, True), ("False", Bool, False), ("null", String, "null"), ("", String, ""),
        ("a=b,c", String, "a=b,c"),
        ("aGk=", Bytes, b"hi"), ("1970-01-01T00:00:01Z", UnixTimestamp, 1_000_000),
        ("[1, 2]", Array(Int64), [1, 2]), ('["1970-01-01"]', Array(UnixTimestamp), [0]), ("null", Array(Int64), None),
    ],
)  # fmt: skip
def test_text(text, declared, value):
    """By the type of the schema; a String is what was typed."""
    assert value_from_text("x", text, declared) == value


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("x", Int64), ("1.5", Int64), ("x", Float64), ("1", Bool), ("!!", Bytes), ("soon", UnixTimestamp),
        ("1, 2", Array(Int64)), ("7", Array(Int64)), ("", Int64),
    ],
)  # fmt: skip
def test_text_that_is_no_value(text, declared):
    """The message names the column, the text and an example."""
    with pytest.raises(HotrowError) as caught:
        value_from_text("x", text, declared)
    assert caught.value.message.startswith(f"x: {text!r} is no {declared.name}; write it as in ")


@pytest.mark.parametrize(
    ("value", "declared", "expected"),
    [
        ("1970-01-02", UnixTimestamp, 86_400_000_000), (5, UnixTimestamp, 5), ("aGk=", Bytes, b"hi"),
        ("Infinity", Float64, math.inf), (None, Bytes, None), (["aGk="], Array(Bytes), [b"hi"]), ("x", String, "x"),
    ],
)  # fmt: skip
def test_json(value, declared, expected):
    """Times, bytes and infinities are text in JSON."""
    assert value_from_json("x", value, declared) == expected


@pytest.mark.parametrize(("value", "declared"), [("soon", UnixTimestamp), ("?", Bytes), ("0.5", Float64)])
def test_json_that_is_no_value(value, declared):
    """Text is not taken for a number."""
    with pytest.raises(HotrowError, match="x: "):
        value_from_json("x", value, declared)


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1970-01-01T00:00:01.5", 1_500_000), ("1970-01-01T01:00:00+01:00", 0), ("19700102", 86_400_000_000),
        ("1717236000000000", 1_717_236_000_000_000), ("-1000000000", -1_000_000_000),
    ],
)  # fmt: skip
def test_times(text, us):
    """Without a zone UTC; long numbers are microseconds, eight digits are a date."""
    assert us_from_text(text) == us


@pytest.mark.parametrize(("number", "unit"), [(1717236000, "seconds"), (1717236000_000, "milliseconds")])
def test_a_number_of_another_unit_is_no_time(number, unit):
    """Typed or in JSON, alone or in a list, as START, and nanoseconds likewise; ISO 8601 of that very time is taken."""
    says = rf"{number} is 1970-.* as microseconds, and 2024-06-01T10:00:00Z as {unit}; give microseconds"
    for given in (
        lambda: value_from_text("x", str(number), UnixTimestamp),
        lambda: value_from_text("x", f"[{number}]", Array(UnixTimestamp)),
        lambda: value_from_json("x", number, UnixTimestamp),
        lambda: value_from_json("x", str(number), UnixTimestamp),
        lambda: value_from_json("x", [number], Array(UnixTimestamp)),
        lambda: time_us_option("START", str(number)),
    ):
        with pytest.raises(HotrowError, match=says):
            given()
    with pytest.raises(HotrowError, match="as nanoseconds"):
        time_us_option("END", str(1717236000 * 10**9))
    with pytest.raises(HotrowError, match="END: '99999999999999999999' is no time"):
        time_us_option("END", "9" * 20)
    text = text_from_us(number)
    assert value_from_text("x", text, UnixTimestamp) == value_from_json("x", text, UnixTimestamp) == number
    (typed,) = typed_values([number], UnixTimestamp)
    assert encode_column("x", [typed], type=UnixTimestamp)


@pytest.mark.parametrize("text", ["1e39", "-1e39"])
def test_a_number_beyond_the_range_is_no_infinity(text):
    """Nor is one with an exponent that nobody could write out."""
    for declared, given in ((Float32, text), (Float64, text.replace("39", "400")), (Float64, "1e999999999")):
        with pytest.raises(HotrowError, match=f"x: '{given}' is no {declared.name}"):
            value_from_text("x", given, declared)
        with pytest.raises(HotrowError, match=f"is no {declared.name}"):
            value_from_json("x", loaded_json(given), declared)


def test_a_time_that_is_none_names_the_argument():
    """As the command line calls it."""
    with pytest.raises(HotrowError, match="START: 'tomorrow' is no time"):
        time_us_option("START", "tomorrow")
