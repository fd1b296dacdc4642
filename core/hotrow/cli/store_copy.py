"""`hotrow store copy`: the rows of one online store into another, of whatever kinds they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hotrow.cli import option, render
from hotrow.cli.arguments import takes
from hotrow.cli.workspace import open_workspace
from hotrow.errors import Code, HotrowError, invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hotrow.section import OnlineStoreSettings
    from hotrow.settings import Settings
    from hotrow.stores.copy import CopyReport
    from hotrow.stores.port import OnlineStore

_AGAIN = "run the same command again to go on"


@dataclass(frozen=True, slots=True)
class CopyArguments:
    """The options of `hotrow store copy`."""

    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="hotrow.toml, or its folder, of the store to write."),
    ] = None
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="hotrow.toml, or its folder, of the store to read."),
    ] = None
    repo: option.Repo = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare the stores and write nothing.")] = False
    json: option.Json = False


@takes(CopyArguments)
def copy(arguments: CopyArguments) -> None:
    """Copy the online store into another one: from LMDB to Redis, back, or between two of a kind.

    Copied are all rows, deleted ones too, up to where each view was materialized, and pushed rows that wait for the
    log; request_ids are not. A row replaces only an older one, so this may be interrupted and run again, and a second
    run brings what was written since the first. Whoever serves from the store that is read goes on. An LMDB store that
    is written must have no ingest worker; one on Redis may.

    Where --from or --to is left out it is the current repository. A file that is named counts as it is, without the
    HOTROW_ variables of the environment but for passwords.

    \b
    Examples:
      cp hotrow.toml redis.toml        and write the other [online_store] into it
      hotrow store copy --to redis.toml --dry-run
      hotrow store copy --to redis.toml
    """  # noqa: D301
    source, target = _sides(arguments)
    _check_sides(source, target)
    try:
        report, seconds = _run(source, target, dry_run=arguments.dry_run)
    except KeyboardInterrupt:
        render.note(f"interrupted: what was written stays, and the store that was read is as it was; {_AGAIN}")
        raise
    places = {"from": _place(source.online_store), "to": _place(target.online_store)}
    if arguments.json:
        head = places | {"dry_run": arguments.dry_run, "seconds": round(seconds, 3)}
        render.print_json(head | _document(report, dry_run=arguments.dry_run))
    else:
        _print(report, places, seconds, dry_run=arguments.dry_run)
    if report.moved:
        render.note(f"{places['from']} was written meanwhile: copy again once its writers have stopped, to catch up")
    if not arguments.dry_run:
        render.note(
            "request_ids are not copied: a push that was made to the one store and is repeated to the other is written "
            "again"
        )


def _sides(arguments: CopyArguments) -> tuple[Settings, Settings]:
    if arguments.to is None and arguments.source is None:
        raise invalid("name the other store: --to FILE to write it, or --from FILE to read it", field="to")
    return _settings(arguments.source, "--from", arguments.repo), _settings(arguments.to, "--to", arguments.repo)


def _settings(named: Path | None, flag: str, repo: Path | None) -> Settings:
    """Of a file that is named, alone: variables such as HOTROW_STORE_PATH would name one store for both sides."""
    from hotrow.settings import FILE, settings_from_file  # noqa: PLC0415

    if named is None:
        return open_workspace(repo).settings
    if not (named.is_file() or (named / FILE).is_file()):
        raise HotrowError(
            Code.NOT_FOUND, f"{flag}: there is no {FILE} at {named}; name one, or the folder that has it", field=flag
        )
    return settings_from_file(named, {})


def _check_sides(source: Settings, target: Settings) -> None:
    if source.project != target.project:
        message = (
            f"the store to read is of project {source.project!r}, the one to write of {target.project!r}, which would "
            "not find the rows: they are stored by project; write the same project into both files"
        )
        raise invalid(message, field="project")
    one, other = source.online_store, target.online_store
    if one.embedded and other.embedded and one.path.resolve() == other.path.resolve():
        raise _same(one)


def _same(store: OnlineStoreSettings) -> HotrowError:
    message = f"the store to read and the one to write are the same, {_place(store)}; name another with --to or --from"
    return invalid(message, field="online_store")


def _run(source: Settings, target: Settings, *, dry_run: bool) -> tuple[CopyReport, float]:
    """Open both, and copy or compare with progress on stderr; the report, and the seconds that it took."""
    from hotrow import clock, log  # noqa: PLC0415
    from hotrow.stores.copy import EMBEDDED_ROWS, SERVER_ROWS, compare_batches, copy_batches  # noqa: PLC0415
    from hotrow.stores.open import check_exists, open_store  # noqa: PLC0415

    log.configure_log(level="warning", json=source.log.json)
    began_s = clock.monotonic_s()
    check_exists(source.online_store)
    reader = open_store(source.online_store, project=source.project, writable=False)
    writer = None
    try:
        writer = _open_target(target, dry_run=dry_run)
        if writer is not None and writer.id == reader.id:
            raise _same(source.online_store)
        rows = reader.info().rows
        if writer is None or dry_run:
            report = _followed(compare_batches(reader, writer), rows, dry_run=True)
        else:
            if source.offline_store.path != target.offline_store.path:
                _number_behind_log(target, writer)
            batch_rows = EMBEDDED_ROWS if target.online_store.embedded else SERVER_ROWS
            report = _followed(copy_batches(reader, writer, batch_rows, _kept_us(source, target)), rows, dry_run=False)
        return report, clock.monotonic_s() - began_s
    finally:
        reader.close()
        if writer is not None:
            writer.close()


def _kept_us(source: Settings, target: Settings) -> dict[bytes, int | None]:
    """For how long anybody may need a row of a view that either side serves."""
    from hotrow.registry.open import open_registry  # noqa: PLC0415
    from hotrow.stores.maintenance import kept_of_views  # noqa: PLC0415

    snapshots = []
    for location in dict.fromkeys((source.registry, target.registry)):
        registry = open_registry(location)
        snapshots += [registry.snapshot(one) for one in registry.refs(source.project).served()]
    return kept_of_views(snapshots)


def _open_target(target: Settings, *, dry_run: bool) -> OnlineStore | None:
    """None where it is not there yet, and is not to be made."""
    from hotrow.stores.open import check_exists, open_store  # noqa: PLC0415

    if dry_run:
        try:
            check_exists(target.online_store)
        except HotrowError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise
    durability = target.ingest.durability
    return open_store(target.online_store, project=target.project, writable=not dry_run, durability=durability)


def _number_behind_log(target: Settings, writer: OnlineStore) -> None:
    """Entries that come into another log must not have numbers that it has had, as for a worker that starts on it."""
    from hotrow.offline.row_log.folder import last_number  # noqa: PLC0415

    writer.reserve_outbox(last_number(target.offline_store.path))


def _followed(batches: Iterator[CopyReport], rows: int, *, dry_run: bool) -> CopyReport:
    """The last report, with progress on the way."""
    from hotrow.offline.progress import open_progress  # noqa: PLC0415
    from hotrow.stores.copy import CopyReport  # noqa: PLC0415

    piece = open_progress().start("comparing" if dry_run else "copying", rows)
    report, done = CopyReport(), 0
    try:
        for report in batches:
            piece.advance(report.rows - done)
            done = report.rows
    except HotrowError:
        if done and not dry_run:
            render.note(
                f"stopped after {done:,} rows: what was written stays; put right what is said next, and {_AGAIN}"
            )
        raise
    finally:
        piece.finish()
    return report


def _place(store: OnlineStoreSettings) -> str:
    return f"lmdb {store.path}" if store.embedded else f"{store.type} {store.url} behind prefix {store.prefix!r}"


def _document(report: CopyReport, *, dry_run: bool) -> dict[str, Any]:
    document = asdict(report)
    document["source_written_meanwhile"] = document.pop("moved")
    if dry_run:
        del document["entries_written"], document["entries_present"]
    return document


def _print(report: CopyReport, places: dict[str, str], seconds: float, *, dry_run: bool) -> None:
    verb = "would be written" if dry_run else "written"
    rows = f"{report.rows:,} read: {report.written:,} {verb}, {report.present:,} there already, as new or newer"
    entries = f"{report.entries:,} wait for the log"
    if report.entries and not dry_run:
        entries += f": {report.entries_written:,} written, {report.entries_present:,} copied before"
    render.print_pairs(
        [
            *places.items(),
            ("rows", rows),
            ("outbox", f"entries of pushed rows: {entries}"),
            ("schemas", f"{report.schemas:,}"),
            ("watermarks", f"{report.watermarks:,}"),
            ("seconds", f"{seconds:.1f}"),
        ]
    )
