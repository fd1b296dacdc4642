"""The syntax of units: what is read, what is refused with a remedy, and what two texts have to do with each other."""

import pytest
from hotrow import Code, Field, Float64, HotrowError
from hotrow.schema import currency
from hotrow.schema.currency import CURRENCIES
from hotrow.schema.unit import ALIKE, MAX_UNIT_LENGTH, UnitSyntaxError, difference, parse_unit
from hypothesis import given
from hypothesis import strategies as st

SYMBOLS = st.sampled_from(["m", "km", "s", "SEK", "USD", "%", "°C", "µm", "count"])


@st.composite
def written(draw, depth=2):
    """A text and what it comes to, worked out beside the parser: (text, factor, powers)."""
    kind = draw(st.sampled_from(["symbol", "number", "product"] if depth else ["symbol", "number"]))
    if kind == "symbol":
        text, factor = draw(SYMBOLS), 1.0
        powers = {text: 1}
    elif kind == "number":
        number = draw(st.integers(1, 9))
        text, factor, powers = str(number), float(number), {}
    else:
        left, right = draw(written(depth - 1)), draw(written(depth - 1))
        sign, mark = draw(st.sampled_from([(1, "*"), (1, " * "), (-1, "/"), (-1, " / ")]))
        text, factor = f"({left[0]}{mark}{right[0]})", left[1] * right[1] ** sign
        powers = dict(left[2])
        for symbol, power in right[2].items():
            powers[symbol] = powers.get(symbol, 0) + sign * power
    if draw(st.booleans()):
        power = draw(st.integers(-3, 3))
        mark = draw(st.sampled_from(["^", "**", " ^ "]))
        text, factor = f"{text}{mark}{power}", factor**power
        powers = {symbol: own * power for symbol, own in powers.items()}
    return text, factor, {symbol: power for symbol, power in powers.items() if power}


@given(written())
def test_a_text_comes_to_what_it_says(case):
    """Factors, quotients, powers and parentheses, with blanks and without."""
    text, factor, powers = case
    unit = parse_unit(text)
    assert unit.factor == pytest.approx(factor)
    assert unit.powers == powers


@given(st.text(max_size=MAX_UNIT_LENGTH) | st.text("m^*/() 0123456789²⁻%$", max_size=MAX_UNIT_LENGTH))
def test_any_text_is_a_unit_or_is_refused(text):
    """Nothing else is raised, and nothing takes for ever."""
    try:
        unit = parse_unit(text)
    except UnitSyntaxError:
        return
    assert 0 < unit.factor < float("inf")
    assert set(unit.powers) <= set(unit.symbols)


@pytest.mark.parametrize(
    ("text", "factor", "powers"),
    [
        ("", 1, {}),
        ("1", 1, {}),
        ("SEK/km", 1, {"SEK": 1, "km": -1}),
        ("1/h", 1, {"h": -1}),
        ("m/s²", 1, {"m": 1, "s": -2}),
        ("m s⁻²", 1, {"m": 1, "s": -2}),
        ("km h^-1", 1, {"km": 1, "h": -1}),
        ("J/kg*K", 1, {"J": 1, "kg": -1, "K": 1}),
        ("J/(kg K)", 1, {"J": 1, "kg": -1, "K": -1}),
        ("L/(100 km)", 0.01, {"L": 1, "km": -1}),
        ("1000*SEK", 1000, {"SEK": 1}),
        ("1.5e3 m", 1500, {"m": 1}),
        ("°C", 1, {"°C": 1}),
        ("Δ°C/min", 1, {"Δ°C": 1, "min": -1}),
        ("m/m", 1, {}),
    ],
)
def test_what_people_write_is_read(text, factor, powers):
    """From the left to the right, as Python does."""
    unit = parse_unit(text)
    assert (unit.factor, unit.powers) == (factor, powers)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("€", "write its code of ISO 4217"),
        ("5 $", "write its code of ISO 4217"),
        ("J/kg K", "not clear whether 'K' is below the line"),
        ("L/100km", "not clear whether 'km' is below the line"),
        ("m^", "is not a power"),
        ("m^2.5", "is not a power"),
        ("m^x", "is not a power"),
        ("m)", 'has no "\\("'),
        ("(m", 'has no "\\)"'),
        ("m/", "it ends where"),
        ("()", "stands where a symbol"),
        ("m,s", "stands where a symbol"),
        ("m/0", "zero or too large"),
        ("0 m", "zero or too large"),
        ("1e999", "zero or too large"),
        ("((((9^99)^99)^99)^99)^99", "zero or too large"),
        ("m^100", "a power is over 99"),
        ("((m^99)^99)^99", "a power is over 99"),
    ],
)
def test_what_is_no_unit_is_refused_with_the_reason(text, why):
    """When the field is defined, and the field is named."""
    with pytest.raises(HotrowError, match=why) as caught:
        Field("fare", Float64, unit=text)
    assert caught.value.code is Code.INVALID
    assert caught.value.message.startswith(f"field 'fare': unit {text!r} is no unit: ")


@pytest.mark.parametrize(
    ("declared", "stated", "told"),
    [
        ("km/h", "km h^-1", ALIKE),
        ("m/s²", "m/s**2", ALIKE),
        ("USD", "SEK", "another currency"),
        ("SEK/km", "USD/km", "another currency"),
        ("SEK", "km", "another unit"),
        ("SEK", "SEK^2", "another unit"),
        ("SEK", "1000*SEK", "another unit"),
        ("km/h", "kilometer/hour", "another unit"),
        ("km/h", "$", "no unit that hotrow reads"),
        ("km/h", "m" * 1_000_000, "no unit that hotrow reads"),
    ],
)
def test_what_two_texts_have_to_do_with_each_other(declared, stated, told):
    """As far as their writing tells; a caller's text may be of any length."""
    assert difference(declared, stated) == told


def test_currencies_are_codes_of_three_letters():
    """Without those that are no money, and with those whose data is still about."""
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)
    assert {"SEK", "USD", "EUR", "JPY", "XAU", "XDR", "XAD", "SLE", "VED"} <= CURRENCIES
    assert not {"XTS", 3 * "X", "DEM", "FRF"} & CURRENCIES


def test_the_list_is_that_of_2026():
    """List one has 178 codes then, of which two are no money; what was replaced in the years before stays known."""
    active, withdrawn = currency._ACTIVE.split(), currency._WITHDRAWN.split()
    assert active == sorted(set(active))
    assert len(active) == 178 - 2
    assert not set(active) & set(withdrawn)
    replaced = {"BGN": "EUR", "HRK": "EUR", "ZWL": "ZWG", "ANG": "XCG", "SLL": "SLE", "CUC": "CUP", "MRO": "MRU"}
    replaced |= {"STD": "STN", "VEF": "VES", "BYR": "BYN", "ZMK": "ZMW", "LTL": "EUR", "LVL": "EUR", "USS": "USD"}
    assert sorted(replaced) == withdrawn
    assert set(replaced.values()) <= set(active)
