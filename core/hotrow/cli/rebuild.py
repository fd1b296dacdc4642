"""`hotrow store rebuild`: the online store anew, from all that is kept of its rows elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hotrow.cli import option, render
from hotrow.cli.confirm import confirm
from hotrow.cli.workspace import open_workspace
from hotrow.errors import Code, HotrowError

if TYPE_CHECKING:
    from hotrow.offline.source import Interval
    from hotrow.registry.snapshot import Snapshot
    from hotrow.repo.workspace import Workspace
    from hotrow.stores.port import OnlineStore


def rebuild(*, repo: option.Repo = None, yes: option.Yes = False, json: option.Json = False) -> None:
    """Put the store aside and make it anew: from the views' sources, up to where it had come, and from the log of
    pushed rows.

    For a store that is damaged or refused. Nothing may have it open: stop `hotrow serve` first. Rows that were pushed
    to ONLINE alone are in no log, and are not rebuilt. The old store stays beside the new one, in a folder old-N, until
    the `hotrow store gc` after a rebuild that came to its end.
    """
    from hotrow.cli import materialize  # noqa: PLC0415
    from hotrow.repo.load import Load, open_sources  # noqa: PLC0415
    from hotrow.stores.open import create_fresh, note_replaced  # noqa: PLC0415

    workspace = open_workspace(repo)
    _check_stopped(workspace)
    branches = ["", *workspace.registry.refs(workspace.project).branches]
    snapshots = {branch: workspace.snapshot(branch) for branch in branches}
    ends = {branch: _watermarks(workspace, snapshot) for branch, snapshot in snapshots.items()}
    for snapshot in snapshots.values():
        open_sources(workspace, snapshot)  # says what is wrong while the old store is still there
    place = workspace.settings.online_store.place
    confirm(
        f"Rebuild the online store of project {workspace.project}, {place}? Rows pushed to ONLINE alone go.", yes=yes
    )
    unlogged = _log_waiting(workspace)
    became = create_fresh(workspace.settings.online_store, project=workspace.project, wait_s=1.0)
    if unlogged:
        render.warn(f"pushed rows that waited to be logged, if there were any, are lost with the old store: {unlogged}")
    render.note(became)
    reports = []
    try:
        for branch, end_us in ends.items():
            reports += materialize.run(workspace, snapshots[branch], Load(_up_to(end_us)))
            materialize.run(workspace, snapshots[branch], Load(_beyond(end_us), logged_only=True))
    except BaseException:
        render.warn("the new store is not complete; put right what is said next and run `hotrow store rebuild` again")
        raise
    note_replaced(workspace.settings.online_store)
    materialize.print_reports(reports, json=json)
    loaded = {report.view for report in reports}
    empty = sorted({name for snapshot in snapshots.values() for name in snapshot.views} - loaded)
    if empty:
        render.warn(f"views without a source and without logged rows are empty now: {', '.join(empty)}")
    render.warn("rows that were pushed to ONLINE alone are not rebuilt; let their producers push again")


def _check_stopped(workspace: Workspace) -> None:
    """An embedded store says itself who has it open; of one that is a server's, what runs on this machine is known."""
    from hotrow.supervisor.state import read_state  # noqa: PLC0415

    settings = workspace.settings
    running = () if settings.online_store.embedded else read_state(settings).supervisors
    if running:
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"hotrow runs on this store, under process {running[0].pid}; stop it here and on every other machine, and "
            "rebuild again",
        )


def _log_waiting(workspace: Workspace) -> str:
    """Take what waits in the outbox to the log; returns why the store does not even open, where it does not.

    Raises FAILED_PRECONDITION where a worker on another machine does that, or the store's log is another one.
    """
    from hotrow.offline.row_log.lease import LogLease  # noqa: PLC0415
    from hotrow.offline.row_log.writer import LogWriter  # noqa: PLC0415

    try:
        store = open_existing(workspace, writable=True)
    except HotrowError as error:
        return "" if error.code is Code.NOT_FOUND else error.message
    folder = workspace.settings.offline_store.path
    try:
        lease = LogLease(folder, store)
        lease.take()
        if store.info().outbox:
            lease.claim()
            writer = LogWriter(folder, store)
            writer.drain()
            writer.close()
        lease.release()
    finally:
        store.close()
    return ""


def _beyond(end_us: dict[str, int]) -> Callable[[str, int | None], Interval]:
    """What was pushed for later times than those up to which sources were loaded."""
    from hotrow.offline.source import Interval  # noqa: PLC0415

    return lambda name, _stored: Interval(end_us[name], None)


def _up_to(end_us: dict[str, int]) -> Callable[[str, int | None], Interval]:
    from hotrow.offline.source import Interval  # noqa: PLC0415

    return lambda name, _stored: Interval(None, end_us[name])


def _watermarks(workspace: Workspace, snapshot: Snapshot) -> dict[str, int]:
    """Up to where to load each view: where the store was, else (never loaded, or the store cannot tell) now."""
    from hotrow import clock  # noqa: PLC0415

    now_us = clock.now_us()
    try:
        store = open_existing(workspace, writable=False)
    except HotrowError:
        return dict.fromkeys(snapshot.views, now_us)
    try:
        return {name: _after(store.watermark_us(snapshot.view_id(name)), now_us) for name in snapshot.views}
    except HotrowError:
        return dict.fromkeys(snapshot.views, now_us)
    finally:
        store.close()


def _after(watermark_us: int | None, now_us: int) -> int:
    """The end of an interval that has the rows of the watermark itself, too."""
    return now_us if watermark_us is None else watermark_us + 1


def open_existing(workspace: Workspace, *, writable: bool) -> OnlineStore:
    """Open the store; raises NOT_FOUND where there is none yet, and as `open_store` does."""
    from hotrow.stores.open import check_exists, open_store  # noqa: PLC0415

    settings = workspace.settings
    check_exists(settings.online_store)
    store, durability = settings.online_store, settings.ingest.durability
    return open_store(store, project=settings.project, writable=writable, durability=durability)
