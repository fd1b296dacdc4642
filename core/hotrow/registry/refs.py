"""The refs of a project: what points at its snapshots, as one document that is replaced as a whole."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from hotrow.errors import Code, HotrowError
from hotrow.schema.canonical import canonical_json

SERVED_HEADS = 5
_FORMAT = 1


@dataclass(frozen=True)
class Refs:
    """Heads, branches and pins of a project, as snapshot ids.

    `heads` are the last heads, newest first, each once, five at most; `branches` and `pins` are by name, and no name
    is both. `bases` has, for each branch, the head it was last applied on (None: there was none). `revision` counts
    the changes of the document.
    """

    heads: tuple[str, ...] = ()
    branches: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, str | None] = field(default_factory=dict)
    revision: int = 0

    def __post_init__(self) -> None:
        for name in ("branches", "pins", "bases"):
            object.__setattr__(self, name, MappingProxyType(dict(sorted(getattr(self, name).items()))))

    @property
    def head(self) -> str | None:
        """What is in production; None before the first apply."""
        return self.heads[0] if self.heads else None

    @property
    def named(self) -> dict[str, str]:
        """Branches and pins by name."""
        return {**self.branches, **self.pins}

    def served(self) -> dict[str, tuple[str, ...]]:
        """Every snapshot that servers hold, the head first, with its names: "head", branches, pins."""
        names: dict[str, list[str]] = {snapshot_id: [] for snapshot_id in self.heads}
        if self.heads:
            names[self.heads[0]].append("head")
        for name, snapshot_id in sorted(self.named.items()):
            names.setdefault(snapshot_id, []).append(name)
        return {snapshot_id: tuple(given) for snapshot_id, given in names.items()}

    def with_head(self, snapshot_id: str) -> "Refs":
        """The refs after the head moved."""
        heads = (snapshot_id, *(head for head in self.heads if head != snapshot_id))
        return Refs(heads[:SERVED_HEADS], self.branches, self.pins, self.bases, self.revision + 1)

    def with_branch(self, name: str, snapshot_id: str, base: str | None) -> "Refs":
        """The refs after a branch was made or moved, on the head `base`."""
        branches = {**self.branches, name: snapshot_id}
        return Refs(self.heads, branches, self.pins, {**self.bases, name: base}, self.revision + 1)

    def with_pin(self, name: str, snapshot_id: str) -> "Refs":
        """The refs after a pin was set."""
        return Refs(self.heads, self.branches, {**self.pins, name: snapshot_id}, self.bases, self.revision + 1)

    def without(self, name: str) -> "Refs":
        """The refs after a branch or pin was removed."""
        branches = {key: value for key, value in self.branches.items() if key != name}
        pins = {key: value for key, value in self.pins.items() if key != name}
        bases = {key: value for key, value in self.bases.items() if key != name}
        return Refs(self.heads, branches, pins, bases, self.revision + 1)


@dataclass(frozen=True, slots=True)
class Move:
    """New refs, and what the log says of them."""

    refs: Refs
    id: str
    parent: str | None
    action: str
    ref: str


def refs_to_json(refs: Refs) -> bytes:
    """The document that a backend keeps."""
    return canonical_json(
        {
            "format": _FORMAT,
            "revision": refs.revision,
            "heads": list(refs.heads),
            "branches": dict(refs.branches),
            "pins": dict(refs.pins),
            "bases": dict(refs.bases),
        }
    )


def refs_from_json(data: bytes, where: str) -> Refs:
    """The inverse of `refs_to_json`; raises FAILED_PRECONDITION, naming `where` it came from, for anything else."""
    try:
        document = json.loads(data)
        _check_format(document["format"])
        return Refs(
            heads=tuple(_ids(document["heads"])),
            branches=_named_ids(document["branches"]),
            pins=_named_ids(document["pins"]),
            bases=_named_ids(document["bases"]),
            revision=int(document["revision"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"the refs in {where} cannot be read ({type(error).__name__}: {error}); restore them from a backup",
        ) from error


def _check_format(found: Any) -> None:
    if found != _FORMAT:
        raise ValueError(f"format {found!r}, and this version of hotrow reads {_FORMAT}")


def _ids(values: Any) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"{values!r} are no snapshot ids")
    return list(values)


def _named_ids(values: Any) -> dict[str, Any]:
    _ids([value for value in values.values() if value is not None])
    return dict(values)
