"""`@transform`: a feature from a function, whose parameters are matched with the fields of its sources."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, TypedDict, TypeVar, Unpack

from hotrow.errors import invalid, nearest
from hotrow.schema.check import check_distinct
from hotrow.schema.field import Field
from hotrow.schema.function_code import capture
from hotrow.schema.request_source import RequestSource
from hotrow.schema.transform import ATTRIBUTE, MASK, At, Input, Mode, Source, Transform, transform_of
from hotrow.schema.view import FeatureView

F = TypeVar("F", bound=Callable[..., Any])


class About(TypedDict, total=False):
    """What a transform is called, and what people are told of it."""

    name: str
    description: str
    tags: Mapping[str, str]
    owner: str


def transform(
    *,
    sources: Sequence[object],
    outputs: Sequence[Field],
    mode: Mode = "rows",
    at: At = "read",
    **about: Unpack[About],
) -> Callable[[F], F]:
    """Make a feature of a function: `@transform(sources=[view, request], outputs=[Field("fare_per_km", Float64)])`.

    The function stays what it is, and has the `Transform` as its attribute `transform`. Its parameters are named after
    fields of the sources, `source__field` where two sources have one of that name, and `field_is_null` for a mask.
    The name is the function's and the description its docstring, unless they are given; `tags` and `owner` are for
    people. Raises INVALID where the function is defined.
    """

    def decorate(function: F) -> F:
        if not isinstance(function, FunctionType):
            raise invalid(f"@transform is put on a function, and {function!r} is none")
        given = about.get("name") or function.__name__
        label = f"transform {given!r}"
        code = capture(function, compiled=mode != "python")
        made = Transform(
            given,
            inputs=_resolve_inputs(label, code.parameters, _checked_sources(label, sources)),
            outputs=outputs,
            code=code,
            mode=mode,
            at=at,
            description=about.get("description") or (function.__doc__ or "").strip().partition("\n")[0],
            tags=about.get("tags", {}),
            owner=about.get("owner", ""),
        )
        setattr(function, ATTRIBUTE, made)
        return function

    return decorate


def _checked_sources(label: str, sources: object) -> list[Source]:
    if not isinstance(sources, list | tuple) or not sources:
        raise invalid(f"{label}: sources are {sources!r}; give a list of views, request sources and transforms")
    checked: list[Source] = []
    for source in sources:
        found = source if isinstance(source, FeatureView | RequestSource) else transform_of(source)
        if found is None:
            raise invalid(
                f"{label}: source {source!r} is none; give a FeatureView, a RequestSource or a function with @transform"
            )
        checked.append(found)
    check_distinct(label, "source", (source.name for source in checked))
    return checked


def _resolve_inputs(label: str, parameters: Sequence[str], sources: Sequence[Source]) -> list[Input]:
    if not parameters:
        raise invalid(f"{label}: its function has no parameters; name some after fields of its sources")
    inputs = [_resolve_input(label, parameter, sources) for parameter in parameters]
    used = {one.source.name for one in inputs}
    for source in sources:
        if source.name not in used:
            raise invalid(
                f"{label}: no parameter is named after a field of {source.label}; add one, or leave the source out"
            )
    plain = {one.parameter for one in inputs if not one.is_mask}
    for one in inputs:
        if one.is_mask and one.parameter.removesuffix(MASK) not in plain:
            wanted = one.parameter.removesuffix(MASK)
            raise invalid(f"{label}: {one.parameter!r} is the mask of {wanted!r}, which is no parameter; add it")
    return inputs


def _resolve_input(label: str, parameter: str, sources: Sequence[Source]) -> Input:
    found = list(_fields_named(parameter, sources))
    is_mask = not found and parameter.endswith(MASK)
    if is_mask:
        found = list(_fields_named(parameter.removesuffix(MASK), sources))
    if len(found) > 1:
        choices = " or ".join(f"{source.name}__{parameter}" for source, _ in found)
        raise invalid(f"{label}: parameter {parameter!r} could be of several sources; name it {choices}")
    if not found:
        known = [field.name for source in sources for field in source.fields]
        raise invalid(
            f"{label}: parameter {parameter!r} is named after no field of its sources{nearest(parameter, known)}"
        )
    ((source, declared),) = found
    return Input(parameter, source, declared, is_mask=is_mask)


def _fields_named(parameter: str, sources: Sequence[Source]) -> Iterator[tuple[Source, Field]]:
    source_name, parted, field_name = parameter.rpartition("__")
    for source in sources:
        for declared in source.fields:
            if declared.name == field_name and (not parted or source.name == source_name):
                yield source, declared
