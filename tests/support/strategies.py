"""Hypothesis strategies for types, values, schemas and columns."""

from hypothesis import strategies as st
from reference.column import SCALARS, TYPES

KEY_TYPES = ("int64", "int32", "string", "bytes", "bool", "timestamp_us")
INT64 = st.integers(-(2**63), 2**63 - 1)
SCALAR_VALUES = {
    "float64": st.floats(allow_nan=False) | st.just(float("nan")),
    "float32": st.floats(width=32, allow_nan=False) | st.just(float("nan")),
    "int64": INT64,
    "int32": st.integers(-(2**31), 2**31 - 1),
    "bool": st.booleans(),
    "string": st.text(max_size=12) | st.text("aé\0😀", max_size=200),
    "bytes": st.binary(max_size=12) | st.binary(max_size=200),
    "timestamp_us": INT64,
}


def values(type_: str):
    """Values of a type that are not null."""
    element = type_.removesuffix("_list")
    one = SCALAR_VALUES[element]
    return one if element == type_ else st.lists(one, max_size=4)


def nullable(type_: str):
    return st.none() | values(type_)


types = st.sampled_from(TYPES)
scalars = st.sampled_from(SCALARS)
names = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
schemas = st.dictionaries(names, types, min_size=1, max_size=20)
key_sets = st.dictionaries(names.map(lambda name: f"k_{name}"), st.sampled_from(KEY_TYPES), max_size=3)


@st.composite
def rows_of(draw, schema: dict[str, str], n: int) -> list[dict[str, object]]:
    """`n` rows of a schema, any value null."""
    return [{name: draw(nullable(type_)) for name, type_ in schema.items()} for _ in range(n)]


def key_value(type_: str):
    """Values of a join key, short enough for any composite key."""
    return {"string": st.text(max_size=20), "bytes": st.binary(max_size=40)}.get(type_, SCALAR_VALUES[type_])
