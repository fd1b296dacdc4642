"""`hotrow store prune-log`: the log of pushed rows without what was before a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hotrow import clock
from hotrow.cli import option, render
from hotrow.cli.value import time_us_option
from hotrow.cli.workspace import open_workspace
from hotrow.clock import text_from_us
from hotrow.errors import invalid, not_found

if TYPE_CHECKING:
    from hotrow.offline.row_log.prune import Prune
    from hotrow.repo.workspace import Workspace


def prune_log(
    *,
    before: Annotated[str, typer.Option("--before", metavar="TIME", help="First event time that stays, or now.")],
    views: option.Views = None,
    repo: option.Repo = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted, and change nothing.")] = False,
    json: option.Json = False,
) -> None:
    """Take rows with an event time before TIME out of the log of pushed rows. That cannot be undone.

    Training sets, materialization, fits and `hotrow store rebuild` have them no more; the online store keeps what it
    has. Files without a later row are deleted. Rows that are pushed afterwards count, whatever their event time. Works
    beside a running `hotrow serve`; work that reads the log meanwhile may end with an error, and is to be run again.

    \b
    Examples:
      hotrow store prune-log --before 2024-01-01 --dry-run
      hotrow store prune-log --before 2024-01-01 --views user_clicks
    """  # noqa: D301
    from hotrow.failpoint import reached_from_text  # noqa: PLC0415
    from hotrow.offline.row_log.failure import told  # noqa: PLC0415

    workspace = open_workspace(repo)
    before_us = time_us_option("--before", before)
    if before_us > clock.now_us():
        raise invalid(f"--before: {before!r} is in the future, and would take everything; name a time that has passed")
    log = workspace.settings.offline_store.path
    prunes = told(log, lambda: _plan(workspace, before_us, option.names(views)))
    reached = reached_from_text(workspace.settings.failpoint)
    for prune in () if dry_run else prunes:
        told(log, partial(prune.run, reached))
    served = _served(workspace)
    documents = [_document(prune, served.get(prune.view.view_id)) for prune in prunes]
    if json:
        render.print_json({"before": text_from_us(before_us), "dry_run": dry_run, "views": documents})
    else:
        _print(documents, text_from_us(before_us), dry_run=dry_run)
    for prune in prunes:
        one = served.get(prune.view.view_id)
        if one and prune.mark and (one.ttl_us is None or before_us > clock.now_us() - one.ttl_us):
            branch = f" on branch {one.branch}" if one.branch else ""
            why = "has no ttl" if one.ttl_us is None else "has a ttl that reaches further back"
            render.warn(
                f"{prune.view.name}{branch} {why}: reads may go on having rows from before, and training sets and "
                "`hotrow store rebuild` do not"
            )


def _plan(workspace: Workspace, before_us: int, names: Sequence[str]) -> list[Prune]:
    """All that is to be done, before any of it is. What this project's registry does not know may be another's."""
    from hotrow.offline.row_log.folder import logged_views  # noqa: PLC0415
    from hotrow.offline.row_log.prune import plan_prune  # noqa: PLC0415
    from hotrow.repo.view_ids import view_ids  # noqa: PLC0415

    served, past = view_ids(workspace)
    found = logged_views(workspace.settings.offline_store.path)
    logged = [view for view in found if view.view_id in served or view.view_id in past]
    if len(logged) < len(found):
        render.note(
            f"{len(found) - len(logged)} views in the log are of no snapshot of this project, and are left alone"
        )
    known = {view.name for view in logged}
    for name in names:
        if name not in known:
            raise not_found("view in the log of pushed rows", name, known)
    return [plan_prune(view, before_us) for view in logged if not names or view.name in names]


@dataclass(frozen=True, slots=True)
class _Served:
    """A view that some snapshot serves: its branch, empty for production, and its longest ttl, None for ever."""

    branch: str
    ttl_us: int | None


def _served(workspace: Workspace) -> dict[bytes, _Served]:
    from hotrow.repo.view_ids import view_ids  # noqa: PLC0415
    from hotrow.stores.maintenance import longest_ttls  # noqa: PLC0415

    registry = workspace.registry
    ttls = longest_ttls(map(registry.snapshot, registry.refs(workspace.project).served()))
    served, _ = view_ids(workspace)
    return {view_id: _Served(snapshot.namespace, ttls[view_id]) for view_id, (snapshot, _) in served.items()}


def _document(prune: Prune, served: _Served | None) -> dict[str, Any]:
    return {
        "view": prune.view.name,
        "id": prune.view.view_id.hex(),
        "served": served is not None,
        "branch": served.branch if served else "",
        "files": len(prune.deleted),
        "bytes": sum(prune.deleted.values()),
        "mixed_files": len(prune.kept),
        "mixed_bytes": sum(prune.kept.values()),
    }


def _print(documents: Sequence[Mapping[str, Any]], before: str, *, dry_run: bool) -> None:
    render.print_table(
        ["view", "branch", "files", "bytes", "mixed files", "mixed bytes"],
        [
            [one["view"], one["branch"] if one["served"] else "(not served)"]
            + [one[name] for name in ("files", "bytes", "mixed_files", "mixed_bytes")]
            for one in documents
        ],
    )
    files, size, mixed = (sum(one[name] for one in documents) for name in ("files", "bytes", "mixed_files"))
    print(f"{'would delete' if dry_run else 'deleted'} {files:,} files, {size:,} bytes, of rows before {before}")
    if mixed:
        render.note(
            f"{mixed:,} mixed files have later rows too: they stay, and their earlier rows "
            f"{'would be' if dry_run else 'are'} read no more"
        )
