"""A view of every type that encoders take, and an encoder run over columns, compiled and as plain Python."""

from dataclasses import replace

import numpy as np
import pytest
from hotrow import Array, Bool, Bytes, FeatureView, Field, Float64, Int32, Int64, String, UnixTimestamp
from hotrow.transforms.certificate import run_rows
from hotrow.transforms.values import same_value

PRESENT = 1


@pytest.fixture(scope="session")
def view():
    """Of no entity, without a source."""
    types = {"x": Float64, "n": Int64, "text": String, "ok": Bool, "at": UnixTimestamp}
    types |= {"tags": Array(String), "ids": Array(Int64), "small": Int32, "raw": Bytes}
    return FeatureView("rows", schema=[Field(name, type_) for name, type_ in types.items()])


def _run(encoder, values):
    """The results of compiled rows, None for a null; the plain function gives the same, bit for bit."""
    rows = [[value] for value in values]
    compiled = run_rows(encoder, rows)
    plain = run_rows(replace(encoder, mode="python"), rows)
    for row, one, other in zip(rows, compiled, plain, strict=True):
        for (status, value), (plain_status, plain_value) in zip(one, other, strict=True):
            assert status == plain_status, row
            assert same_value(value, plain_value), row
    made = [[value if status == PRESENT else None for status, value in result] for result in compiled]
    return [result[0] for result in made] if len(encoder.fields) == 1 else made


@pytest.fixture(scope="session")
def run():
    """Run an encoder over values of its field."""
    return _run


@pytest.fixture(scope="session")
def matrix():
    """The same, of an encoder that makes a vector."""
    return lambda encoder, values: np.stack(_run(encoder, values))
