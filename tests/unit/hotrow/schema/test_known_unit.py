"""What the symbols of units stand for, and how two units differ."""

import re

import pytest
from hotrow.schema import known_unit
from hotrow.schema.known_unit import relation, unknown_symbols
from hotrow.schema.unit import ALIKE
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "unit",
    [
        *("", "1", "SEK", "SEK/km", "km/h", "%", "percent", "‰", "ppm", "count", "count/day", "dimensionless", "degC"),
        *("°C", "g/dL", "1/min", "kWh", "GB", "GiB", "µm", "Ω", "m/s²", "Δ°C", "dB", "px", "USD/(1000 count)"),
    ],
)
def test_what_people_write_is_known(unit):
    """Money, physics, shares and counts."""
    assert unknown_symbols(unit) == []


@pytest.mark.parametrize(
    ("unit", "told"),
    [
        ("beats/min", "'beats' is neither a currency of ISO 4217 nor a unit of pint; what is counted has the unit"),
        ("usd", "'usd' .*did you mean USD?"),
        ("KM/h", "'KM' .*did you mean km?"),
        ("meterr", "'meterr' .*did you mean meter"),
        ("m2", "'m2' .*; write m\\^2"),
        ("SEK/SEK*parsek", "'parsek' .*did you mean parsec"),
        ("nonsense/nonsense", "'nonsense'"),
    ],
)
def test_an_unknown_symbol_comes_with_what_to_write(unit, told):
    """One that cancels out too."""
    (line,) = unknown_symbols(unit)
    assert re.search(told, line), line


@given(st.text(min_size=1, max_size=8).map(lambda text: "".join(filter(str.isalpha, text))).filter(bool))
def test_any_symbol_is_known_or_is_told(symbol):
    """Nothing that pint raises goes uncaught."""
    if symbol.isidentifier():
        assert len(unknown_symbols("Δ" + symbol)) <= 1
        assert len(unknown_symbols(symbol)) <= 1


@pytest.mark.parametrize(
    ("declared", "stated", "told"),
    [
        ("km/h", "kilometer/hour", ALIKE),
        ("km/h", "kph", ALIKE),
        ("degC", "°C", ALIKE),
        ("km/h", "mile/hour", "another unit of the same thing, 1.60934 times 'km/h'"),
        ("SEK/km", "SEK/m", "another unit of the same thing, 1000 times 'SEK/km'"),
        ("%", "1", "another unit of the same thing, 100 times '%'"),
        ("1/min", "Hz", "another unit of the same thing, 60 times '1/min'"),
        ("L/(100 km)", "L/km", "another unit of the same thing, 100 times 'L/(100 km)'"),
        ("degC", "degF", "another unit of the same thing"),
        ("dB", "1", "another unit of the same thing"),
        ("m", "s", "a unit of something else"),
        ("USD", "SEK", "another currency"),
        ("USD", "m", "another unit"),
        ("USD/mile", "SEK/km", "another currency"),
        ("m", "parrots", "another unit"),
        ("m", "€", "no unit that hotrow reads"),
    ],
)
def test_the_relation_of_two_units(declared, stated, told):
    """With the factor, where there is one."""
    assert relation(declared, stated) == told


def test_a_currency_wins_over_a_unit_of_the_same_letters():
    """Whatever pint comes to define: so the relation to another currency is one of currencies."""
    known_unit._units().define("SEK = 3 * meter")
    try:
        assert relation("SEK", "m") == "another unit"
        assert unknown_symbols("SEK") == []
        assert unknown_symbols("Sek") != []
    finally:
        known_unit._units.cache_clear()


def test_no_code_of_a_currency_is_a_unit_of_pint():
    """So that nobody's kilogram becomes money; where a later pint has one, the documentation has to say so."""
    units = known_unit._units()
    assert [code for code in known_unit.CURRENCIES if units.parse_unit_name(code)] == []
