"""Bringing a worker's served set to what the supervisor has published."""

from typing import TypeVar

from hotrow import log
from hotrow.errors import HotrowError
from hotrow.registry import refs as registry_refs
from hotrow.registry.registry import Registry
from hotrow.registry.served import ServedSet
from hotrow.supervisor.control import Refs, Serving

T = TypeVar("T")

_log = log.logger(__name__)


def serve_first(served: ServedSet[T], refs: Refs, registry: Registry) -> Serving:
    """Fill the set of a worker that starts; raises what loading or compiling the head raises."""
    left_out = served.update(_refs(refs), registry.snapshot)
    return _serving(served, refs, left_out)


def serve_next(served: ServedSet[T], refs: Refs, registry: Registry) -> Serving:
    """Bring the set up to date. When the head fails, what was served goes on being served, and the head is named."""
    try:
        return serve_first(served, refs, registry)
    except HotrowError as error:
        why = error.message
    except Exception as error:  # noqa: BLE001 - a defect met in one snapshot must not end what serves the others
        _log.exception("a snapshot cannot be compiled", head=refs.head)
        why = f"{type(error).__name__}: {error}"
    return Serving(tuple(snapshot_id for snapshot_id, _ in served.listing()), {refs.head: why})


def _refs(refs: Refs) -> registry_refs.Refs:
    return registry_refs.Refs(heads=refs.heads, branches=refs.branches, pins=refs.pins)


def _serving(served: ServedSet[T], refs: Refs, left_out: list[str]) -> Serving:
    ids = tuple(snapshot_id for snapshot_id, _ in served.listing())
    failed = {
        snapshot_id: next((line for line in left_out if snapshot_id[:12] in line), "it is not served")
        for snapshot_id in refs.ids()
        if snapshot_id not in ids
    }
    return Serving(ids, failed)
