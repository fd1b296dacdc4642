"""Certificates: what computes something else, here or in Python, is not served."""

import random
from dataclasses import replace

import pytest
from hotrow.errors import HotrowError
from hotrow.transforms.certificate import certificate_of, verify
from support.transforming import made

HALF = made("def f(a):\n    return a / 2\n", "a:f", "f")
CERTIFIED = replace(HALF, certificate=certificate_of(HALF))


def test_golden_vectors_and_code_are_checked():
    """Of a transform as it was applied, and of nothing else."""
    verify([CERTIFIED])
    golden = [[row, [[status, 7.0] for status, _ in result]] for row, result in CERTIFIED.certificate["golden"]]
    for certificate, said in (
        ({}, "no certificate"),
        ({**CERTIFIED.certificate, "golden": golden}, "does not compute here"),
        ({**CERTIFIED.certificate, "code": "0" * 64}, "the certificate of other code"),
    ):
        with pytest.raises(HotrowError, match=said):
            verify([replace(HALF, certificate=certificate)])


def test_what_differs_from_python_is_refused():
    """With the row that shows it."""
    with pytest.raises(HotrowError, match=r"computes something else compiled than in Python.*a="):
        certificate_of(made("def f(a):\n    return a.size\n", "a:s", "i"))


def test_what_changes_from_run_to_run_is_refused():
    """Also where nothing is compiled."""
    one = made("def f(a):\n    return a + random.random()\n", "a:f", "f", mode="python", random=random)
    with pytest.raises(HotrowError, match="gives another result when it runs again"):
        certificate_of(one)


@pytest.mark.parametrize(
    ("body", "inputs"),
    [
        ("return np.sum(a) / len(a)", "a:Lf"),
        ("return None if len(a) < 2 else a[0] / a[1]", "a:Lf"),
        ("return np.sqrt(a) / b", "a:f b:f"),
    ],
)
def test_numpys_numbers_may_warn_where_compiled_ones_raise(body, inputs):
    """In Python 0/0 of them is NaN; compiled it is the error of a row, as that of Python's own numbers."""
    parameters = ", ".join(one.partition(":")[0] for one in inputs.split())
    certificate_of(made(f"def f({parameters}):\n    {body}\n", inputs, "f"))
