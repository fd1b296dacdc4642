"""How transforms run: lists that outgrow their room, tuples, None, and what lies beyond an array."""

import numpy as np
import pytest
from hotrow.errors import HotrowError
from hotrow.transforms.certificate import certificate_of, run_rows
from hotrow.transforms.kernel_cells import NULL_VALUE, PRESENT, TRANSFORM_ERROR
from support.transforming import both, made

DOUBLED = made("def f(a):\n    return a * 2.0\n", "a:Lf", "Lf")


@pytest.mark.parametrize("n", [0, 1, 4_000, 300_000])
def test_lists_that_outgrow_their_room(n):
    """The step runs again with more room, and every row has its own elements."""
    rows = [[[float(row + i) for i in range(n)]] for row in range(3)]
    for row, [(status, value)] in zip(rows, run_rows(DOUBLED, rows), strict=True):
        assert status == PRESENT
        assert np.array_equal(value, 2.0 * np.array(row[0]))


def test_lists_of_every_type_come_out_as_they_went_in():
    """Narrow elements widen for the function and narrow again."""
    values = {"f": [1.5, -0.0], "g": [1.5, 0.1], "i": [2**63 - 1, -1], "j": [2**31 - 1], "b": [True, False], "t": [5]}
    for kind, elements in values.items():
        one = made("def f(a):\n    return a\n", f"a:L{kind}", f"L{kind}")
        compiled, plain = both(one, [[elements], [[]], [None], [elements * 3]])
        assert compiled == plain


@pytest.mark.parametrize("mode", ["rows", "columns", "python"])
def test_a_float32_output_is_the_nearest_or_an_error_of_its_row(mode):
    """An integer is rounded once, and what would become infinite is refused; infinity and NaN are values."""
    whole = 2**53 + 2**29 + 1
    one = made("def f(a):\n    return a\n", "a:i", "g", mode=mode)
    assert run_rows(one, [[whole], [5]]) == [[(PRESENT, 2.0**53 + 2.0**30)], [(PRESENT, 5.0)]]
    one = made("def f(a):\n    return a\n", "a:f", "g", mode=mode)
    statuses = [status for [(status, _)] in run_rows(one, [[1e39], [3.4e38], [-1e39], [np.inf], [np.nan], [1e-60]])]
    assert statuses == [TRANSFORM_ERROR, PRESENT, TRANSFORM_ERROR, PRESENT, PRESENT, PRESENT]
    if mode != "columns":
        lists = made("def f(a):\n    return a\n", "a:Lf", "Lg", mode=mode)
        assert [status for [(status, _)] in run_rows(lists, [[[1.0, 1e39]], [[1.5]]])] == [TRANSFORM_ERROR, PRESENT]


@pytest.mark.parametrize("index", [2, -3, 2**40, -(2**40), 2**63 - 1])
def test_an_index_beyond_a_list_raises(index):
    """It never reads what lies there."""
    one = made("def f(a, i):\n    return a[i]\n", "a:Lf i:i", "f")
    assert run_rows(one, [[[1.0, 2.0], index]]) == [[(TRANSFORM_ERROR, 0.0)]]


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [("a:Lf", "f f f", "it returns one value, an array of floats, and has 3 outputs"), ("a:s", "s s", "a string")],
)
def test_only_a_tuple_is_several_outputs(inputs, outputs, said):
    """An array or a string has elements too, and those behind its end are other memory."""
    with pytest.raises(HotrowError, match=said):
        run_rows(made("def f(a):\n    return a\n", inputs, outputs), [])
    plain = made("def f(a):\n    return a\n", inputs, outputs, mode="python")
    assert all(
        status == TRANSFORM_ERROR for status, _ in run_rows(plain, [["ab" if inputs == "a:s" else [1.0] * 3]])[0]
    )


def test_an_array_is_changed_in_place():
    """`+=` changes what another name holds too, as in NumPy; the row it came from stays as it was."""
    one = made("def f(a):\n    b = a\n    a += 1.0\n    return b\n", "a:Lf", "Lf")
    compiled, plain = both(one, [[[1.0, 2.0]], [[1.0]]])
    assert compiled == plain


def test_none_is_null_for_all_outputs():
    """Compiled or not."""
    one = made("def f(a):\n    if a > 3:\n        return None\n    return 1.0, a\n", "a:i", "f i")
    compiled, plain = both(one, [[1], [4]])
    assert compiled == plain
    assert [status for status, _ in compiled[1]] == [NULL_VALUE] * 2


@pytest.mark.parametrize(
    ("body", "outputs", "said"),
    [
        ("return 1.0", "f", "returns a float, and output 'out_0' is a column of Float64"),
        ("return a > 0", "f", "returns an array of bools"),
        ("return a, a", "f f f", "returns 2 values, and has 3 outputs"),
        ("return a - np.mean(a)", "f", "computed row by row"),
    ],
)
def test_columns_that_could_never_be(body, outputs, said):
    """What would be an error in every row, or depends on other rows, is refused before it is served."""
    with pytest.raises(HotrowError, match=said):
        certificate_of(made(f"def f(a):\n    {body}\n", "a:f", outputs, mode="columns"))


def test_columns_have_numpys_operators():
    """Powers, inverted masks and absolute values of arrays; a row that raises is an error alone."""
    source = "def f(a, b):\n    return a ** 2, ~(a > 0), abs(a), np.where(b != 0, a / b, 0.0)\n"
    one = made(source, "a:f b:f", "f b f f", mode="columns")
    assert [value for _, value in run_rows(one, [[-3.0, 2.0]])[0]] == [9.0, True, 3.0, -1.5]
    fails = made(
        "def f(a):\n    if np.any(a > 5):\n        raise ValueError\n    return a\n", "a:f", "f", mode="columns"
    )
    assert run_rows(fails, [[1.0], [9.0], [None]]) == [[(PRESENT, 1.0)], [(TRANSFORM_ERROR, 0.0)], [(NULL_VALUE, 0.0)]]


def test_equal_functions_of_other_types_are_other_code():
    """Two snapshots may give a source's field two types: each has its own machine code."""
    whole, real = (made("def f(a):\n    return a + 1\n", f"a:{kind}", kind) for kind in "if")
    assert run_rows(whole, [[2]]) == [[(PRESENT, 3)]]
    assert run_rows(real, [[2.5]]) == [[(PRESENT, 3.5)]]
