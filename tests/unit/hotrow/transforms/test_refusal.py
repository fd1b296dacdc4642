"""What `hotrow apply` says of functions that cannot be compiled: the line, and words for a data scientist."""

import pytest
from hotrow.errors import HotrowError
from hotrow.transforms.certificate import certificate_of
from support.transforming import made

TABLE = [
    ("return hash(s)", "i", "use hotrow.hash64"),
    ("return f'{a}'", "s", "an f-string cannot be compiled"),
    ("return s + 'x'", "s", "joins no strings"),
    ("return s.upper()", "s", "a string has no 'upper' in compiled code; give the transform mode"),
    ("return i ** j", "f", "write float"),
    ("return round(a, 2)", "f", "write round"),
    ("return a", "i", "it returns a float, and the output is Int64; return int"),
    ("return a", "f f", "return a tuple of a value for each"),
    ("return [a, b]", "Lf", "it returns a list, and the output is Array"),
    ("for c in s:\n        return 1.0\n    return a", "f", "a loop does not go over a string"),
    ("return s.startswith(('a', 'b'))", "b", "takes one string in compiled code"),
    ("return s.find('a', 2)", "i", "takes one string in compiled code"),
    ("match s:\n        case 'a':\n            return 1.0\n    return a", "f", "match cannot be compiled"),
    ("return '\\ud800'", "s", "half of a surrogate pair"),
    ("return -99999999999999999999 + i", "i", "64 bits do not hold"),
    ("return (y := a + 1) * y", "f", "an assignment with :="),
    ("return a if s is NAME else b", "f", "write =="),
    ("return np.random.random() + a", "f", "numpy.random does not"),
    ("return math.sqrt(s)", "f", "math.sqrt takes numbers, and this is a string"),
    ("return -s", "s", "- is not for a string"),
    ("return a << 2", "i", "<< is not for a float and an integer"),
    ("raise", "f", "raise ValueError"),
    ("return len(a)", "i", "len is not for a float"),
    ("if a > 0:\n        return 1.0, 2\n    return 1.0", "f", "return one type"),
]


@pytest.mark.parametrize(("body", "outputs", "said"), TABLE, ids=[body for body, _, _ in TABLE])
def test_the_reason_is_readable(body, outputs, said):
    """It names the file and a line of the function, and nothing of the compiler's."""
    one = None
    with pytest.raises(HotrowError) as caught:  # noqa: PT012 - some are refused when they are defined
        one = made(f"def f(a, b, i, j, s):\n    {body}\n", "a:f b:f i:i j:i s:s", outputs, NAME="x")
        certificate_of(one)
    message = caught.value.message
    assert said in message
    assert ".py:" in message
    for jargon in ("nopython", "Function(", "0x", "Text", "_hotrow_", "<class"):
        assert jargon not in message
