"""`hotrow store`: look at the online store, check it, clean it, build it anew, copy it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hotrow.cli import option, render
from hotrow.cli.prune_log import prune_log
from hotrow.cli.rebuild import open_existing, rebuild
from hotrow.cli.store_copy import copy
from hotrow.cli.workspace import open_workspace
from hotrow.clock import text_from_us
from hotrow.repo.view_ids import view_ids
from hotrow.repo.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from hotrow.stores.maintenance import GcReport, ViewCount
    from hotrow.stores.port import OnlineStore

_SHOWN_PROBLEMS = 100
_GIB = 1 << 30


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="The online store and its log: content, soundness, upkeep.")
    for command in (info, verify, gc, rebuild, copy):
        group.command()(command)
    group.command("adopt-log")(adopt_log)
    group.command("prune-log")(prune_log)
    app.add_typer(group, name="store")


def info(
    *,
    repo: option.Repo = None,
    views: Annotated[bool, typer.Option("--views", help="Also count the rows of each view: reads them all.")] = False,
    json: option.Json = False,
) -> None:
    """Show the store's identity, its size, and up to where each view was materialized.

    Reads only, beside a running `hotrow serve` too.

    \b
    Examples:
      hotrow store info
      hotrow store info --views --json
    """  # noqa: D301
    workspace = open_workspace(repo)
    store = open_existing(workspace, writable=False)
    try:
        document = _info_document(store)
        document["details"].update(_log_details(workspace, store))
        document["views"] = _view_documents(workspace, store, counted=views)
    finally:
        store.close()
    if json:
        render.print_json(document)
        return
    rows = document.pop("views")
    size = document.pop("size_bytes")
    used = document.pop("used_bytes")
    waiting = document.pop("outbox")
    details = document.pop("details")
    render.print_pairs(document.items())
    render.print_pairs([("used", f"{used:,} bytes" + (f" of {size / _GIB:g} GiB" if size else ""))])
    render.print_pairs([("outbox", f"{waiting:,} entries of pushed rows wait for the log")])
    render.print_pairs((name.replace("_", " "), value) for name, value in details.items())
    if rows:
        print()
        heads = list(rows[0])
        render.print_table([head.replace("_", " ") for head in heads], [[row[head] for head in heads] for row in rows])


def verify(*, repo: option.Repo = None, json: option.Json = False) -> None:
    """Check the store's structure, and that every row in it can be read. Exits with 1 where it finds something.

    Reads only, beside a running `hotrow serve` too.
    """
    from hotrow.codec.row import fingerprint  # noqa: PLC0415
    from hotrow.codec.schema_row import check_stored_row  # noqa: PLC0415
    from hotrow.stores.maintenance import verify_rows  # noqa: PLC0415

    store = open_existing(open_workspace(repo), writable=False)
    schemas = store.schemas()
    problems: list[str] = []
    found = rows = 0

    def check(row: bytes) -> str | None:
        nonlocal rows, schemas
        if fingerprint(row) not in schemas:  # a writer may have added it
            schemas = store.schemas()
        rows += 1  # counted: a server that lets keys go by itself tells at most how many there are
        return check_stored_row(row, schemas)

    try:
        for problem in verify_rows(store, check):
            found += 1
            if len(problems) < _SHOWN_PROBLEMS:
                problems.append(problem)
    finally:
        store.close()
    if json:
        render.print_json({"sound": not found, "rows": rows, "problems": problems, "problems_found": found})
    else:
        for problem in problems:
            print(problem)
        if found > len(problems):
            print(f"... and {found - len(problems)} more")
        print(f"{found} problems found: run `hotrow store rebuild`" if found else f"sound: {rows:,} rows")
    if found:
        raise typer.Exit(1)


def gc(*, repo: option.Repo = None, json: option.Json = False) -> None:
    """Remove what nobody can read any more: rows a day past their ttl, rows of views that are not served, and older
    stores that a `hotrow store rebuild` which came to its end has replaced.

    A running ingest worker removes rows past their ttl itself, every ingest.gc_interval_s. It is an LMDB store's only
    writer, and this refuses beside it: for the rest, stop `hotrow serve` first. On Redis it may go on running.
    """
    from hotrow import clock  # noqa: PLC0415
    from hotrow.stores.maintenance import GcRules, longest_ttls  # noqa: PLC0415
    from hotrow.stores.maintenance import gc as collect  # noqa: PLC0415
    from hotrow.stores.open import remove_replaced  # noqa: PLC0415

    workspace = open_workspace(repo)
    registry, refs = workspace.registry, workspace.registry.refs(workspace.project)
    _, unserved = view_ids(workspace)
    rules = GcRules(longest_ttls(map(registry.snapshot, refs.served())), unserved)
    store = open_existing(workspace, writable=True)
    try:
        removed = remove_replaced(workspace.settings.online_store)
        report = collect(store, rules, now_us=clock.now_us())
    finally:
        store.close()
    _print_gc(report, removed, json=json)


def adopt_log(*, repo: option.Repo = None) -> None:
    """Make the log of pushed rows at offline_store.path that of a store on Redis, in the place of the one it has.

    For when that is lost, or was moved here. Rows that wait go to this log from now on.
    """
    from hotrow.offline.row_log.lease import LogLease  # noqa: PLC0415

    workspace = open_workspace(repo)
    store = open_existing(workspace, writable=True)
    try:
        lease = LogLease(workspace.settings.offline_store.path, store)
        lease.adopt()
        lease.release()
    finally:
        store.close()
    print(f"pushed rows go to the log at {workspace.settings.offline_store.path} from now on")


def _print_gc(report: GcReport, old_stores: Sequence[Path], *, json: bool) -> None:
    counts = {
        "scanned": report.scanned,
        "removed": report.removed,
        "expired": report.expired,
        "tombstones": report.tombstones,
        "unserved": report.unserved,
        "unknown": report.unknown,
        "old_stores": len(old_stores),
    }
    if json:
        render.print_json(counts)
        return
    print(f"removed {report.removed:,} of {report.scanned:,} rows")
    reasons = [("past their ttl", report.expired), ("tombstones", report.tombstones), ("not served", report.unserved)]
    for reason, rows in reasons:
        if rows:
            print(f"  {rows:,} {reason}")
    if report.unknown:
        print(f"  {report.unknown:,} left alone: no snapshot of project in this registry has their views")
    for folder in old_stores:
        print(f"removed the older store {folder}")


def _log_details(workspace: Workspace, store: OnlineStore) -> dict[str, str]:
    """Of a store that several machines write, whether this one has its log."""
    from hotrow.offline.row_log.lease import elsewhere, is_log_of  # noqa: PLC0415
    from hotrow.stores.port import SharedOutbox  # noqa: PLC0415

    if not isinstance(store, SharedOutbox):
        return {}
    folder = workspace.settings.offline_store.path
    return {"log_folder": str(folder) if is_log_of(folder, store) else elsewhere(folder)}


def _info_document(store: OnlineStore) -> dict[str, Any]:
    found = store.info()
    return {
        "type": found.type,
        "id": found.id,
        "epoch": found.epoch,
        "sequence": found.sequence,
        "rows": found.rows,
        "used_bytes": found.used_bytes,
        "size_bytes": found.size_bytes,
        "outbox": found.outbox,
        "details": found.details,
    }


def _view_documents(workspace: Workspace, store: OnlineStore, *, counted: bool) -> list[dict[str, Any]]:
    """A row a view that is served or that the store has rows of."""
    from hotrow.stores.maintenance import ViewCount, count_rows  # noqa: PLC0415

    counts = count_rows(store) if counted else {}
    served, _ = view_ids(workspace)
    documents = []
    for view_id in [*served, *(other for other in counts if other not in served)]:
        snapshot, name = served.get(view_id, (None, ""))
        watermark_us = store.watermark_us(view_id)
        document = {
            "view": name or f"(unknown {view_id.hex()})",
            "branch": snapshot.namespace if snapshot else "",
            "materialized_to": text_from_us(watermark_us) if watermark_us is not None else "",
        }
        documents.append(document | (_count_document(counts.get(view_id, ViewCount())) if counted else {}))
    return documents


def _count_document(count: ViewCount) -> dict[str, Any]:
    return {
        "rows": count.rows,
        "tombstones": count.tombstones,
        "row_bytes": count.row_bytes,
        "oldest": text_from_us(count.oldest_us) if count.rows else "",
        "newest": text_from_us(count.newest_us) if count.rows else "",
    }
