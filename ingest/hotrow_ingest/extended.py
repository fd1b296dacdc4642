"""What transforms that run at push add to a request. They load the compiler; the pipeline does not."""

from collections.abc import Sequence
from typing import Protocol

from hotrow.codec.wire import Scanned
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.view import FeatureView

ROWS = 4
"""The field of a request that has its columns."""


class Raised(Protocol):
    """What a transform raised: `hotrow.transforms.raised.Raised`, which loads the compiler."""

    @property
    def transform(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def row(self) -> int: ...
    @property
    def reason(self) -> str: ...


class Extended(Protocol):
    """The request with the outputs as columns, and what transforms raised for some of its rows."""

    @property
    def data(self) -> bytes: ...
    @property
    def raised(self) -> Sequence[Raised]: ...


class RequestTransforms(Protocol):
    """What adds columns to a request before its rows are encoded: `hotrow.transforms.pushed.PushTransforms`."""

    def extended(self, request: Scanned) -> Extended: ...


def push_transforms(snapshot: Snapshot, view: FeatureView) -> RequestTransforms | None:
    """Those of a view, None where it has none."""
    if not snapshot.push_transforms(view.name):
        return None
    from hotrow.transforms.pushed import PushTransforms  # noqa: PLC0415 - loads the compiler, for transforms alone

    return PushTransforms(snapshot, view.name, ROWS)
