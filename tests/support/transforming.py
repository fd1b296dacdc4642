"""Transforms made of source text, and what they make of rows, compiled and in plain Python."""

import linecache
import math
import struct
import textwrap
from dataclasses import replace
from itertools import count

import numpy as np
from hotrow import (
    Array,
    Bool,
    FeatureView,
    Field,
    Float32,
    Float64,
    Int32,
    Int64,
    String,
    UnixTimestamp,
    hash64,
    transform,
)
from hotrow.transforms.certificate import run_rows

TYPES = {"f": Float64, "g": Float32, "i": Int64, "j": Int32, "s": String, "b": Bool, "t": UnixTimestamp}
_numbers = count()


def type_of(short):
    return TYPES[short] if short in TYPES else Array(TYPES[short[1]])


def made(source, inputs, outputs, *, mode="rows", **scope):
    """The transform of a function `f`; `inputs` are "a:f b:i", `outputs` "f i", of which "Lf" is a list of floats."""
    file = f"/of/a/test/{next(_numbers)}.py"
    text = textwrap.dedent(source)
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names = {"math": math, "np": np, "hash64": hash64, **scope}
    exec(compile(text, file, "exec"), names)
    fields = [Field(name, type_of(short)) for name, short in (one.split(":") for one in inputs.split())]
    declared = [Field(f"out_{number}", type_of(short)) for number, short in enumerate(outputs.split())]
    view = FeatureView("view", schema=fields)
    return transform(sources=[view], outputs=declared, mode=mode)(names["f"]).transform


def bits(value):
    """What two values have in common when they are the same bit for bit; any NaN is NaN."""
    if isinstance(value, np.ndarray):
        return [bits(one) for one in value.tolist()]
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else struct.pack("<d", value)
    return value


def both(one, rows):
    """What the compiled and the plain function make of rows, in bits."""
    compiled = [[(status, bits(value)) for status, value in row] for row in run_rows(one, rows)]
    plain = [[(status, bits(value)) for status, value in row] for row in run_rows(replace(one, mode="python"), rows)]
    return compiled, plain
