"""The mode "columns" beside plain NumPy over the rows that have all inputs, bit for bit."""

import warnings

import numpy as np
import pytest
from hotrow.transforms.certificate import run_rows
from hotrow.transforms.kernel_cells import NULL_VALUE, PRESENT
from hypothesis import given
from hypothesis import strategies as st
from support.transforming import bits, made

SOURCES = {
    "arithmetic": ("a * 2.0 - b / 3.0", "f", lambda a, b, i, ok: a * 2.0 - b / 3.0),
    "conditions": ("np.where(a > b, a, b)", "f", lambda a, b, i, ok: np.where(a > b, a, b)),
    "masks": ("ok & (a < b)", "b", lambda a, b, i, ok: ok & (a < b)),
    "integers": ("i // 3 + i % 5", "i", lambda a, b, i, ok: i // 3 + i % 5),
    "narrow": ("a + b", "g", lambda a, b, i, ok: (a + b).astype(np.float32).astype(np.float64)),
    "mixed": ("np.floor(a) + i", "f", lambda a, b, i, ok: np.floor(a) + i),
    "roots": ("np.sqrt(np.abs(a))", "f", lambda a, b, i, ok: np.sqrt(np.abs(a))),
}
FLOATS = st.none() | st.floats(-1e12, 1e12) | st.sampled_from([float("nan"), float("inf"), -0.0, 0.0, 5e-324])
ROWS = st.lists(
    st.tuples(FLOATS, FLOATS, st.none() | st.integers(-(1 << 50), 1 << 50), st.none() | st.booleans()), max_size=40
)
MADE = {
    name: made(f"def f(a, b, i, ok):\n    return {text}\n", "a:f b:f i:i ok:b", output, mode="columns")
    for name, (text, output, _) in SOURCES.items()
}


def _expected(rows, function):
    """The results of NumPy, by row; null where an input is."""
    whole = [row for row in rows if None not in row]
    a, b, i, ok = (
        np.array([row[at] for row in whole], dtype) for at, dtype in enumerate((np.float64, np.float64, np.int64, bool))
    )
    with np.errstate(all="ignore"):
        values = iter(function(a, b, i, ok).tolist())
    return [(PRESENT, bits(next(values))) if None not in row else (NULL_VALUE, None) for row in rows]


@pytest.mark.parametrize("name", SOURCES)
def test_it_is_numpy(name):
    """With NaN, infinities and nulls; what is null is 0 in its cell."""

    @given(ROWS)
    def check(rows):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = _expected(rows, SOURCES[name][2])
        results = run_rows(MADE[name], [list(row) for row in rows])
        made_bits = [(status, bits(value) if status == PRESENT else None) for ((status, value),) in results]
        assert made_bits == expected

    check()


def test_a_mask_is_a_column_too():
    """Where an input has a mask, its nulls do not keep the row out, and are 0."""
    source = "def f(a, a_is_null, i):\n    return np.where(a_is_null, -1.0, a) + i\n"
    one = made(source, "a:f i:i", "f", mode="columns")
    results = run_rows(one, [[2.0, 1], [None, 1], [2.0, None], [None, None]])
    assert results == [[(PRESENT, 3.0)], [(PRESENT, 0.0)], [(NULL_VALUE, 0.0)], [(NULL_VALUE, 0.0)]]
