"""Which views stores and logs may have rows of, and which of these anybody can still ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hotrow.errors import HotrowError

if TYPE_CHECKING:
    from hotrow.registry.snapshot import Snapshot
    from hotrow.repo.workspace import Workspace


def view_ids(workspace: Workspace) -> tuple[dict[bytes, tuple[Snapshot, str]], set[bytes]]:
    """View ids of served snapshots, with a snapshot and the name; and those that only other snapshots have."""
    registry, project = workspace.registry, workspace.project
    served: dict[bytes, tuple[Snapshot, str]] = {}
    for snapshot_id in registry.refs(project).served():
        snapshot = registry.snapshot(snapshot_id)
        for name in snapshot.views:
            served.setdefault(snapshot.view_id(name), (snapshot, name))
    past: set[bytes] = set()
    for snapshot_id in {entry.id for entry in registry.log(project)}:
        try:
            snapshot = registry.snapshot(snapshot_id)
        except HotrowError:
            continue  # damaged, and served no more: rows of views that it alone has count as unknown, and are kept
        past.update(snapshot.view_id(name) for name in snapshot.views)
    return served, past - served.keys()
