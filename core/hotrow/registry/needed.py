"""What a selection of features needs: fields of views, columns of the caller, and transforms, each with a column.

Reads and training sets take it from here. Both number their columns alike: those asked for first, in their order, and
behind them what transforms take.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hotrow.errors import invalid
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.field import Field
from hotrow.schema.request_source import RequestSource
from hotrow.schema.service import FeatureRef
from hotrow.schema.transform import Source, Transform, in_order
from hotrow.schema.view import FeatureView


@dataclass(slots=True)
class Needed:
    """The columns of a selection.

    `of_views` has, by view, the number and field of each column that comes from its rows, in the order in which the
    views are first needed; `of_request` those that come from the caller. `transforms` run in this order.
    """

    of_views: dict[str, list[tuple[int, Field]]] = field(default_factory=dict)
    of_request: list[tuple[int, Field]] = field(default_factory=list)
    transforms: tuple[Transform, ...] = ()
    columns: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def given(self) -> dict[int, Field]:
        """The columns that come from rows and from the caller, asked for or not."""
        return dict([*self.of_request, *(one for columns in self.of_views.values() for one in columns)])

    @property
    def outputs(self) -> dict[int, Field]:
        """The columns that transforms fill."""
        return {self.column_of(one, output.name): output for one in self.transforms for output in one.fields}

    def column_of(self, source: Source, name: str) -> int:
        """The number of the column of a source's field."""
        return self.columns[_key(source, name)]


def needed_columns(snapshot: Snapshot, references: Sequence[FeatureRef], *, stored: bool) -> Needed:
    """What these features need; with `stored`, outputs of transforms that ran at push are in the rows of their view.

    Raises NOT_FOUND for unknown names, and INVALID where two request sources differ in a column.
    """
    sources = [snapshot.source(reference.view) for reference in references]
    wanted = [source.field(one.feature) for source, one in zip(sources, references, strict=True)]
    return needed_of(list(zip(sources, wanted, strict=True)), stored=stored)


def needed_of(features: Sequence[tuple[Source, Field]], *, stored: bool) -> Needed:
    """The same of features at hand, each with what it is of."""
    needed = Needed()
    asked: list[Transform] = []
    for source, wanted in features:
        _add(needed, source, wanted, stored=stored)
        if isinstance(source, Transform) and not (stored and source.at == "push"):
            asked.append(source)
    runs = [one for one in in_order(asked) if not (stored and one.at == "push")]
    for transform in runs:
        for output in transform.fields:
            _add(needed, transform, output, stored=stored)
        for one in transform.inputs:
            _add(needed, one.source, one.field, stored=stored)
    needed.transforms = tuple(runs)
    return needed


def _add(needed: Needed, source: Source, wanted: Field, *, stored: bool) -> None:
    key = _key(source, wanted.name)
    if isinstance(source, RequestSource):
        _check_same(needed, source, wanted)
    if key in needed.columns:
        return
    column = needed.columns[key] = len(needed.columns)
    if isinstance(source, RequestSource):
        needed.of_request.append((column, wanted))
    elif isinstance(source, FeatureView):
        needed.of_views.setdefault(source.name, []).append((column, wanted))
    elif stored and source.at == "push":
        needed.of_views.setdefault(source.views[0].name, []).append((column, wanted))


def _check_same(needed: Needed, source: RequestSource, wanted: Field) -> None:
    for _, known in needed.of_request:
        if known.name == wanted.name and (known.type, known.unit) != (wanted.type, wanted.unit):
            raise invalid(
                f"request_data {wanted.name!r} is {known.type} {known.unit!r} for one of these features and "
                f"{wanted.type} {wanted.unit!r} in {source.label}; read them in two requests",
                field="request_data",
            )


def _key(source: Source, name: str) -> tuple[str, str]:
    """Columns of the caller have one name for all that take them."""
    return ("", name) if isinstance(source, RequestSource) else (source.name, name)
