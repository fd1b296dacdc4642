"""Transforms: features that a Python function makes of others, of what a caller sends, or of both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType
from typing import Literal

from hotrow.errors import Code, HotrowError, invalid, nearest
from hotrow.schema.canonical import Document, without_empty
from hotrow.schema.check import check_distinct, check_name, check_text, checked_tags
from hotrow.schema.definition import Definition
from hotrow.schema.field import Field, field_from_document
from hotrow.schema.function_code import FunctionCode, code_from_document
from hotrow.schema.request_source import RequestSource
from hotrow.schema.view import FeatureView, Selection

Mode = Literal["rows", "columns", "python"]
At = Literal["read", "push"]

MODES, TIMES = ("rows", "columns", "python"), ("read", "push")
MASK = "_is_null"
"""A parameter `fare_is_null` is the mask of the input `fare`: True where that has no value."""

ATTRIBUTE = "transform"
"""Where a decorated function carries its transform."""


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter, and what it takes: a field of a source, or, with `is_mask`, where that field has no value."""

    parameter: str
    source: "Source"
    field: Field
    is_mask: bool = False

    def document(self) -> list[str]:
        """The input as JSON holds it."""
        kind = next(kind for kind, of in _KINDS.items() if isinstance(self.source, of))
        return [self.parameter, kind, self.source.name, self.field.name, *(["is_null"] if self.is_mask else [])]


@dataclass(frozen=True, eq=False)
class Transform(Definition):
    """What `@transform` makes of a function. Raises INVALID.

    `code` is the function. `inputs` are its parameters in order, and `outputs` the features it returns: one, or a
    tuple. `mode` says what it is called with: the values of a row ("rows"), NumPy arrays of all rows ("columns"), or
    the values of a row and never compiled ("python"). `at` says when: at a read, or when rows are pushed, so that its
    outputs are stored with them. `certificate` is what compiling it came to; definitions have none before they are
    applied. `encoder` says of a built-in one (`hotrow.encoders`) what it is and what was fitted.
    """

    name: str
    inputs: Sequence[Input] = field(kw_only=True)
    outputs: Sequence[Field] = field(kw_only=True)
    code: FunctionCode = field(kw_only=True, repr=False)
    mode: Mode = field(default="rows", kw_only=True)
    at: At = field(default="read", kw_only=True)
    certificate: Document = field(default_factory=dict, kw_only=True, repr=False)
    encoder: Document = field(default_factory=dict, kw_only=True, repr=False)
    description: str = field(default="", kw_only=True)
    tags: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    owner: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        check_name("transform", self.name)
        check_text(self.label, "description", self.description)
        check_text(self.label, "owner", self.owner)
        object.__setattr__(self, "tags", checked_tags(self.label, self.tags))
        object.__setattr__(self, "inputs", tuple(self.inputs))
        object.__setattr__(self, "outputs", self._checked_outputs())
        for what, value, known in (("mode", self.mode, MODES), ("at", self.at, TIMES)):
            if value not in known:
                raise invalid(f"{self.label}: {what} is {value!r}; give one of {', '.join(known)}")
        if self.at == "push":
            self._check_push()

    @property
    def label(self) -> str:
        return f"transform {self.name!r}"

    @property
    def place(self) -> str:
        """Where its function was read, for messages; empty for one of a snapshot."""
        return f"{self.code.place}:{self.code.line}" if self.code.place else ""

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The outputs, as a view has fields."""
        return tuple(self.outputs)

    @cached_property
    def sources(self) -> tuple["Source", ...]:
        """What the inputs are of, each once, in the order of the inputs."""
        return tuple({type(i.source).__name__ + i.source.name: i.source for i in self.inputs}.values())

    @cached_property
    def masked(self) -> frozenset[str]:
        """The parameters that have a mask: without a value, they do not keep the function from being called."""
        return frozenset(one.parameter.removesuffix(MASK) for one in self.inputs if one.is_mask)

    @cached_property
    def views(self) -> tuple[FeatureView, ...]:
        """The views that it is made of, by itself or through other transforms, each once."""
        found: dict[str, FeatureView] = {}
        for source in self.sources:
            views = source.views if isinstance(source, Transform) else (source,)
            found.update({view.name: view for view in views if isinstance(view, FeatureView)})
        return tuple(found.values())

    def field(self, name: str) -> Field:
        """The output of that name; raises NOT_FOUND with the nearest names."""
        for output in self.fields:
            if output.name == name:
                return output
        near = nearest(name, [output.name for output in self.fields])
        raise HotrowError(Code.NOT_FOUND, f"{self.label}: unknown feature {name!r}{near}")

    def __getitem__(self, names: Sequence[str]) -> Selection:
        """Select outputs by name, for a `FeatureService`; raises INVALID or NOT_FOUND."""
        return Selection(self, (names,) if isinstance(names, str) else names)

    def document(self) -> Document:
        return without_empty(
            {
                "inputs": [one.document() for one in self.inputs],
                "outputs": [{"name": output.name, **output.document()} for output in self.fields],
                "mode": "" if self.mode == "rows" else self.mode,
                "at": "" if self.at == "read" else self.at,
                "code": self.code.document(),
                "certificate": self.certificate,
                "encoder": self.encoder,
                "tags": dict(self.tags),
                "owner": self.owner,
                "description": self.description,
            }
        )

    def _checked_outputs(self) -> tuple[Field, ...]:
        if not isinstance(self.outputs, list | tuple) or not all(isinstance(f, Field) for f in self.outputs):
            raise invalid(f"{self.label}: outputs are {self.outputs!r}; give a list of Field objects")
        if not self.outputs:
            raise invalid(f"{self.label} has no outputs; give at least one Field")
        check_distinct(self.label, "output", (output.name for output in self.outputs))
        for output in self.outputs:
            if output.has_default:
                raise invalid(f"{self.label}: output {output.name!r} has a default, and is always made; leave it out")
        return tuple(self.outputs)

    def _check_push(self) -> None:
        for source in self.sources:
            if isinstance(source, RequestSource):
                raise invalid(f"{self.label} runs at push, where there is no {source.label}; leave at out")
            if isinstance(source, Transform) and source.at != "push":
                raise invalid(f'{self.label} runs at push, and {source.label} at a read; give that one at="push" too')
        for view in self.views:
            if view.stored_as is not view:
                raise invalid(
                    f"{self.label} runs at push, on rows of {view.stored_as.label}, and takes {view.label}; take the "
                    "view itself, or leave at out"
                )
        if len(self.views) != 1:
            names = ", ".join(view.name for view in self.views)
            raise invalid(f"{self.label} runs at push, on rows of one view, and takes {names}; leave at out")


Source = FeatureView | RequestSource | Transform
_KINDS: dict[str, type[Definition]] = {"view": FeatureView, "request": RequestSource, "transform": Transform}


def transform_of(value: object) -> Transform | None:
    """The transform that a value is, or that a decorated function carries; None for anything else."""
    if isinstance(value, FunctionType):
        value = getattr(value, ATTRIBUTE, None)
    return value if isinstance(value, Transform) else None


def transform_from_document(name: str, document: Document, sources: Mapping[tuple[str, str], Source]) -> Transform:
    """The inverse of `Transform.document`; `sources` are by kind and name.

    Raises INVALID, KeyError, TypeError or ValueError for anything that it does not write.
    """
    values = dict(document)
    outputs = [dict(output) for output in values.pop("outputs")]
    inputs = []
    for parameter, kind, source_name, field_name, *mask in values.pop("inputs"):
        source = sources[kind, source_name]
        inputs.append(Input(parameter, source, source.field(field_name), is_mask=bool(mask)))
    code = code_from_document(values.pop("code"))
    if code.parameters != tuple(one.parameter for one in inputs):
        raise invalid(f"transform {name!r}: the inputs are not the parameters of its function")
    fields = [field_from_document(output.pop("name"), output) for output in outputs]
    return Transform(name, inputs=inputs, outputs=fields, code=code, **values)


def transforms_from_documents(
    documents: Mapping[str, Document], views: Mapping[str, FeatureView], requests: Mapping[str, RequestSource]
) -> dict[str, Transform]:
    """All transforms of a snapshot, made in an order in which each finds those that it takes.

    Raises INVALID for transforms that take one another, and what `transform_from_document` raises.
    """
    sources: dict[tuple[str, str], Source] = {("view", name): view for name, view in views.items()}
    sources |= {("request", name): request for name, request in requests.items()}
    waiting = dict(documents)
    made: dict[str, Transform] = {}
    while waiting:
        ready = [name for name, item in waiting.items() if not _taken(item) & waiting.keys()]
        if not ready:
            raise invalid(f"the transforms {', '.join(sorted(waiting))} take one another, in a circle")
        for name in ready:
            made[name] = transform_from_document(name, waiting.pop(name), sources)
            sources["transform", name] = made[name]
    return made


def in_order(transforms: Iterable[Transform]) -> tuple[Transform, ...]:
    """These transforms, and those that they take, each once and after all that it takes."""
    ordered: dict[str, Transform] = {}

    def add(one: Transform) -> None:
        for source in one.sources:
            if isinstance(source, Transform):
                add(source)
        ordered.setdefault(one.name, one)

    for one in transforms:
        add(one)
    return tuple(ordered.values())


def _taken(document: Document) -> set[str]:
    return {name for _, kind, name, *_ in document["inputs"] if kind == "transform"}
