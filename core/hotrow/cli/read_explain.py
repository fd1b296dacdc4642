"""`hotrow get --explain`: what transforms raise, by running their functions here on the values that are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hotrow.cli.read import Asked, asked_features
from hotrow.cli.read_table import Table
from hotrow.registry.needed import Needed, needed_columns
from hotrow.schema.selected import reference_from_text

if TYPE_CHECKING:
    from hotrow.registry.snapshot import Snapshot
    from hotrow.transforms.raised import Raised

_ERROR, _PRESENT = "TRANSFORM_ERROR", "PRESENT"
_NO_MORE = "raises no more on the values that are read now, or only compiled, where an integer leaves 64 bits"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a row has an error of a transform."""

    row: int
    reason: str


def explanations(asked: Asked, table: Table, snapshot: Snapshot, read: Callable[[Asked], Table]) -> list[Explanation]:
    """Why rows of a reply have errors of transforms; `read` reads what these take, which may have changed since."""
    failed = sorted({row for statuses in table.statuses for row, one in enumerate(statuses) if one == _ERROR})
    if not failed:
        return []
    names = list(asked.names) or [str(one) for one in snapshot.services[asked.service].features]
    needed = needed_columns(snapshot, [reference_from_text(name) for name in names], stored=True)
    of_views = {number for columns in needed.of_views.values() for number, _ in columns}
    taken = {number: f"{name}:{feature}" for (name, feature), number in needed.columns.items() if number in of_views}
    inputs = read(_asked_of(list(taken.values()), asked, snapshot)) if taken else None
    found = []
    for row in failed:
        values = {number: (_PRESENT, asked.entities[one.name][row]) for number, one in needed.of_request}
        if inputs is not None:
            place = dict(zip(taken, range(len(taken)), strict=True))
            values |= {number: (inputs.statuses[at][row], inputs.values[at][row]) for number, at in place.items()}
        reasons = [f"transform {one.transform!r}: {one.reason}" for one in _raised(needed, values)]
        found += [Explanation(row, reason) for reason in reasons or [_NO_MORE]]
    return found


def _asked_of(names: list[str], asked: Asked, snapshot: Snapshot) -> Asked:
    """A read of other features, for the same entities."""
    other = asked_features(names, snapshot)
    return replace(other, entities={key: asked.entities[key] for key in other.types})


def _raised(needed: Needed, values: dict[int, tuple[str, Any]]) -> list[Raised]:
    """What the transforms raise for one row, of which these are the statuses and values by number of the column."""
    from hotrow.transforms.arena import Arena  # noqa: PLC0415 - loads NumPy
    from hotrow.transforms.program import plan_program  # noqa: PLC0415
    from hotrow.transforms.raised import raised_in  # noqa: PLC0415
    from hotrow.transforms.values import new_cells  # noqa: PLC0415
    from hotrow.v1.column_pb2 import Status  # noqa: PLC0415

    arena = Arena()
    cells, kept = new_cells(len(needed.columns), 1)
    for number, (status, value) in values.items():
        if status == _PRESENT:
            cells.put(number, 0, needed.given[number].type, value, arena)
        else:
            cells.fail(number, 0, Status.Value(status))
    plain = [replace(one, mode="python") if one.mode == "rows" else one for one in needed.transforms]
    plan_program(plain, needed.column_of).run(cells.block)
    found = raised_in(needed.transforms, needed.column_of, cells)
    del kept
    return found
