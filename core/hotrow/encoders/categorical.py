"""Encoders of categories: one-hot, multi-hot, and the hashing trick."""

import re
from collections.abc import Sequence
from typing import Any, Literal, Unpack

from hotrow.encoders import code
from hotrow.encoders.definition import Kind, Options, made
from hotrow.encoders.vocabulary import (
    Frequent,
    check_terms,
    check_width,
    chosen,
    hashed_constants,
    samples_of,
    text_constants,
    width_of,
)
from hotrow.errors import invalid
from hotrow.schema.canonical import Document
from hotrow.schema.field import Field
from hotrow.schema.function_code import FunctionCode
from hotrow.schema.transform import Transform
from hotrow.transforms.term import BINARY, UNKNOWN
from hotrow.types import BOOL, INT32, INT64, LIST, STRING, Array, Float32, Int64

Unknown = Literal["bucket", "ignore"]
MAX_COLUMNS = 256
FREQUENT = Frequent()
_WHOLE = (INT64, INT32)


def one_hot(
    name: str,
    of: object,
    *,
    categories: Sequence[str] | Sequence[int] | Frequent = FREQUENT,
    unknown: Unknown = "bucket",
    columns: bool = False,
    **options: Unpack[Options],
) -> Transform:
    """1 at the place of the category, 0 elsewhere: Array(Float32), or with `columns` a Float32 a category.

    Of a String, an integer or a Bool. `categories` are in the order given; without them those that the source has are
    fitted, sorted. Any other value is 1 at the last place, behind the categories; with unknown="ignore" it is 0
    everywhere. A Bool has the two places False and True, and no other. As OneHotEncoder.
    """
    parameters = {"unknown": unknown, "columns": columns or None}
    return made(ONE_HOT, name, of, {**parameters, **chosen(categories, "categories")}, options)


def multi_hot(
    name: str,
    of: object,
    *,
    labels: Sequence[str] | Sequence[int] | Frequent = FREQUENT,
    separator: str | None = None,
    unknown: Unknown = "bucket",
    **options: Unpack[Options],
) -> Transform:
    """1 at the place of each label: Array(Float32), of an Array(String), Array(Int64), or a String with a `separator`.

    `labels` and `unknown` are as `one_hot` has them. The empty string is no label. As MultiLabelBinarizer.
    """
    parameters = {"unknown": unknown, "separator": separator}
    return made(MULTI_HOT, name, of, {**parameters, **chosen(labels, "categories")}, options)


def hash_bucket(name: str, of: object, *, buckets: int, **options: Unpack[Options]) -> Transform:
    """The bucket of a String or an integer, Int64 from 0: `hotrow.hash64(value) % buckets`."""
    return made(HASH_BUCKET, name, of, {"buckets": buckets}, options)


def hashed(name: str, of: object, *, width: int, separator: str | None = None, **options: Unpack[Options]) -> Transform:
    """The hashing trick, Array(Float32): how often each bucket is met by the terms of a value.

    The terms are the strings of an Array(String), the parts of a String with a `separator`, or else the one value.
    The bucket of a term is `hotrow.hash64(term) % width`.
    """
    return made(HASHED, name, of, {"width": width, "separator": separator}, options)


def _flags(values: Document) -> int:
    if values["unknown"] not in ("bucket", "ignore"):
        raise invalid(f'unknown is {values["unknown"]!r}; give "bucket" or "ignore"')
    return UNKNOWN if values["unknown"] == "bucket" else 0


def _fitted_unless_given(field: Field, parameters: Document) -> str:
    _flags(parameters)
    if "categories" in parameters:
        check_terms("categories", parameters["categories"], str if field.type.element_kind == STRING else int)
        return ""
    return "frequencies"


def _one_hot_statistic(field: Field, parameters: Document) -> str:
    if field.type.kind == BOOL:
        _flags(parameters)
        return ""
    if field.type.kind not in (STRING, *_WHOLE):
        raise invalid(f"it takes a String, an integer or a Bool, and {field.label} is {field.type}")
    return _fitted_unless_given(field, parameters)


def _categories(field: Field, values: Document) -> list[Any]:
    return [0, 1] if field.type.kind == BOOL else list(values.get("categories", ()))


def _bucket_flags(field: Field, values: Document) -> int:
    """A Bool has no other value than its two."""
    return 0 if field.type.kind == BOOL else _flags(values)


def _one_hot_code(field: Field, values: Document) -> FunctionCode:
    categories, flags = _categories(field, values), _bucket_flags(field, values)
    width = width_of(categories, flags)
    returned = _as_columns(width) if values.get("columns") else ""
    if field.type.kind == STRING:
        function = code.text_column if returned else code.text_one_hot
        constants = text_constants(categories, (1, 1, flags, width))
        return code.code_of(function, constants, returned, samples_of(categories))
    function = code.number_column if returned else code.number_one_hot
    return code.code_of(function, _number_constants(categories, flags, width), returned)


def _number_constants(categories: Sequence[int], flags: int, width: int) -> Document:
    """Of code that finds integers, which are sorted; raises INVALID for others: their order is that of the places."""
    import numpy as np  # noqa: PLC0415 - `import hotrow` does not load it

    held = np.array(categories, np.int64)
    if np.any(held[1:] <= held[:-1]):  # a difference may exceed 64 bits
        raise invalid("the integers do not rise; sort them")
    return {"CATEGORIES": held, "UNKNOWN_PLACE": width - 1 if flags & UNKNOWN else -1, "WIDTH": width}


def _as_columns(width: int) -> str:
    if width > MAX_COLUMNS:
        raise invalid(f"{width} columns are more than {MAX_COLUMNS}; leave columns out, or give Frequent(at_most=...)")
    each = [f"1.0 if place == {number} else 0.0" for number in range(width)]
    return f"({', '.join(each)})" if width > 1 else each[0]


def _one_hot_outputs(name: str, field: Field, values: Document) -> list[Field]:
    if not values.get("columns"):
        return [Field(name, Array(Float32))]
    shown = ["false", "true"] if field.type.kind == BOOL else [str(one) for one in _categories(field, values)]
    if _bucket_flags(field, values):
        shown.append("unknown")
    names: dict[str, str] = {}
    for number, category in enumerate(shown):
        slug = re.sub(r"[^a-z0-9]+", "_", category.lower()).strip("_")
        wanted = f"{name}_{slug}"
        if not slug or wanted in names or len(wanted) > 63:
            wanted = f"{name[:50]}_c{number}"
        names[wanted] = category
    return [Field(column, Float32, description=f"1 for {category!r}") for column, category in names.items()]


def _multi_hot_statistic(field: Field, parameters: Document) -> str:
    _check_separator(field, parameters)
    if field.type.kind not in (STRING, LIST + STRING, LIST + INT64, LIST + INT32):
        raise invalid(f"it takes Array(String), Array(Int64) or a String, and {field.label} is {field.type}")
    return _fitted_unless_given(field, parameters)


def _check_separator(field: Field, parameters: Document) -> None:
    separator = parameters.get("separator")
    if (separator is not None) != (field.type.kind == STRING):
        raise invalid(f"{field.label} is {field.type}: a separator goes with a String, and with nothing else")
    if separator is not None and (not isinstance(separator, str) or not separator):
        raise invalid(f"separator is {separator!r}; give a string")


def _multi_hot_code(field: Field, values: Document) -> FunctionCode:
    labels, flags = _categories(field, values), _flags(values) | BINARY
    width = width_of(labels, flags)
    if field.type.element_kind != STRING:
        return code.code_of(code.number_multi_hot, _number_constants(labels, flags, width))
    constants = {**text_constants(labels, (1, 1, flags, width)), "SEPARATOR": values.get("separator", "")}
    function = code.split_multi_hot if field.type.kind == STRING else code.list_multi_hot
    samples = [*labels[:8], values.get("separator", ",").join(labels[:3])]
    return code.code_of(function, constants, samples=samples_of(samples))


def _vector(name: str, field: Field, values: Document) -> list[Field]:
    del field, values
    return [Field(name, Array(Float32))]


def _bucket_statistic(field: Field, parameters: Document) -> str:
    if field.type.kind not in (STRING, *_WHOLE):
        raise invalid(f"it takes a String or an integer, and {field.label} is {field.type}")
    if type(parameters["buckets"]) is not int or parameters["buckets"] < 1:
        raise invalid(f"buckets is {parameters['buckets']!r}; give 1 or more")
    return ""


def _hash_bucket_code(_field: Field, values: Document) -> FunctionCode:
    return code.code_of(code.hash_bucket, {"BUCKETS": values["buckets"]})


def _hash_bucket_outputs(name: str, field: Field, values: Document) -> list[Field]:
    del field, values
    return [Field(name, Int64)]


def _hashed_statistic(field: Field, parameters: Document) -> str:
    check_width("the vector", parameters["width"])
    if "separator" in parameters:
        _check_separator(field, parameters)
    if field.type.kind not in (STRING, LIST + STRING, *_WHOLE):
        raise invalid(f"it takes a String, Array(String) or an integer, and {field.label} is {field.type}")
    return ""


def _hashed_code(field: Field, values: Document) -> FunctionCode:
    if not field.type.is_list and "separator" not in values:
        return code.code_of(code.hashed_one_hot, {"WIDTH": values["width"]})
    constants = {**hashed_constants((1, 1, 0, values["width"])), "SEPARATOR": values.get("separator", "")}
    return code.code_of(code.list_multi_hot if field.type.is_list else code.split_multi_hot, constants)


ONE_HOT = Kind("one_hot", _one_hot_statistic, _one_hot_code, _one_hot_outputs)
MULTI_HOT = Kind("multi_hot", _multi_hot_statistic, _multi_hot_code, _vector)
HASH_BUCKET = Kind("hash_bucket", _bucket_statistic, _hash_bucket_code, _hash_bucket_outputs)
HASHED = Kind("hashed", _hashed_statistic, _hashed_code, _vector)
KINDS = (ONE_HOT, MULTI_HOT, HASH_BUCKET, HASHED)
