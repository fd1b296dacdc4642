"""Encoders as definitions: a transform whose code is one of `hotrow.encoders.code`, with given or fitted constants."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypedDict

from hotrow.errors import HotrowError, invalid
from hotrow.schema.canonical import Document, canonical_json
from hotrow.schema.field import Field
from hotrow.schema.fitted import Fitted, read_fitted
from hotrow.schema.function_code import FunctionCode
from hotrow.schema.request_source import RequestSource
from hotrow.schema.transform import MASK, At, Input, Source, Transform, transform_of
from hotrow.schema.view import FeatureView, Selection

VALUE = "value"
"""The parameter of every encoder's function."""

_UNFITTED = FunctionCode("unfitted", 'def unfitted(value):\n    raise ValueError("not fitted")\n')


class Options(TypedDict, total=False):
    """What every transform may be given; see `Transform`."""

    at: At
    description: str
    tags: Mapping[str, str]
    owner: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of encoder.

    `statistic` names what is to be fitted for a field with some parameters, empty for nothing. `code` and `outputs`
    are given the field and the values: the parameters, and what was fitted; `outputs` also without the latter. They
    raise INVALID, without the transform's name.
    """

    name: str
    statistic: Callable[[Field, Document], str]
    code: Callable[[Field, Document], FunctionCode]
    outputs: Callable[[str, Field, Document], list[Field]]
    masked: bool = False


def made(kind: Kind, name: str, of: object, parameters: Document, options: Options) -> Transform:
    """The transform of an encoder, fitted where its file is there; raises INVALID."""
    source, field = _input(f"encoder {name!r}", of)
    given = {key: value for key, value in parameters.items() if value is not None}
    try:
        for parameter, value in given.items():
            _check_json(parameter, value)
        needs = kind.statistic(field, given)
    except HotrowError as error:
        raise invalid(f"encoder {name!r}: {error.message}") from None
    fitted = read_fitted(name) if needs else None
    takes = taken_hash(source, field)
    why = ""
    if needs and fitted is None:
        why = "is not fitted"
    elif fitted is not None and (fitted.kind, fitted.parameters) != (kind.name, _as_json(given)):
        why = "was fitted with other parameters"
    elif fitted is not None and fitted.takes != takes:
        why = "was fitted when what it takes was computed otherwise"
    if why:
        return _transform(kind, name, (source, field), _Values(given, unfitted=why), options)
    values = _Values(given) if fitted is None else _Values(given, fitted.statistics, fitted.origin)
    return _transform(kind, name, (source, field), values, options)


def with_fitted(kind: Kind, transform: Transform, fitted: Fitted) -> Transform:
    """The transform with other statistics, and with the sources that it has now."""
    options: Options = {
        "at": transform.at,
        "description": transform.description,
        "tags": transform.tags,
        "owner": transform.owner,
    }
    one = transform.inputs[0]
    values = _Values(transform.encoder.get("parameters", {}), fitted.statistics, fitted.origin)
    return _transform(kind, transform.name, (one.source, one.field), values, options)


def taken_hash(source: Source, field: Field) -> str:
    """What tells whether an encoder takes what it took when it was fitted: SHA-256 over all that makes it."""
    described: list[object] = [source.name, field.name, field.type.name]
    if isinstance(source, Transform):
        described.append(source.code.document())
        described += [taken_hash(one.source, one.field) for one in source.inputs]
    return hashlib.sha256(canonical_json(described)).hexdigest()


@dataclass(frozen=True, slots=True)
class _Values:
    parameters: Document
    statistics: Document | None = None
    origin: Document | None = None
    unfitted: str = ""


def _transform(kind: Kind, name: str, of: tuple[Source, Field], values: _Values, options: Options) -> Transform:
    source, field = of
    every = {**values.parameters, **(values.statistics or {})}
    document: Document = {"kind": kind.name, "parameters": _as_json(values.parameters)}
    if values.statistics is not None:
        document |= {"statistics": values.statistics, "fitted": values.origin or {}}
    inputs = [Input(VALUE, source, field)]
    try:
        outputs = kind.outputs(name, field, every)
        if values.unfitted:
            code = _UNFITTED
            document["unfitted"] = f"transform {name!r} {values.unfitted}; run `hotrow fit {name}`"
        else:
            code = kind.code(field, every)
            if kind.masked:
                inputs.append(Input(VALUE + MASK, source, field, is_mask=True))
    except HotrowError as error:
        raise invalid(f"encoder {name!r}: {error.message}") from None
    return Transform(name, inputs=inputs, outputs=outputs, code=code, encoder=document, **options)


def _input(label: str, of: object) -> tuple[Source, Field]:
    if not isinstance(of, Selection):
        made_by = transform_of(of)
        if made_by is None or len(made_by.fields) != 1:
            raise invalid(f'{label}: takes one field, such as view["fare"], and is given {of!r}')
        return made_by, made_by.fields[0]
    if len(of.names) != 1:
        raise invalid(f"{label}: takes one field, and is given {', '.join(of.names)}")
    if of.aliases:
        raise invalid(f"{label}: a feature is renamed in a feature service, and an encoder takes it by its own name")
    source = of.view
    if not isinstance(source, FeatureView | RequestSource | Transform):
        raise invalid(f"{label}: {source.label} has no fields to take")
    return source, source.field(of.names[0])


def _check_json(name: str, value: object) -> None:
    """Raise INVALID for a number or a text that a snapshot cannot hold."""
    if isinstance(value, list | tuple):
        for one in value:
            _check_json(name, one)
    elif isinstance(value, float) and not math.isfinite(value):
        raise invalid(f"{name} has {value!r}; give a finite number, or leave it out")
    elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise invalid(f"{name} has an integer that 64 bits do not hold")
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise invalid(f"{name} has {value!r}, half of a surrogate pair, which has no UTF-8") from None


def _as_json(parameters: Document) -> Document:
    """Tuples as lists, as JSON has them."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in parameters.items()}
