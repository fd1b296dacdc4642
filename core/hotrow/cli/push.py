"""`hotrow push`: rows to a push source or a view, through the running server."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hotrow.cli import render
from hotrow.cli.arguments import takes
from hotrow.cli.push_arguments import PushArguments
from hotrow.cli.push_total import Total, print_total
from hotrow.cli.value import loaded_json, time_us_option, typed_values, value_from_json, value_from_text
from hotrow.cli.workspace import open_workspace
from hotrow.errors import Code, HotrowError, invalid, not_found
from hotrow.repo import link
from hotrow.repo.workspace import Workspace
from hotrow.types import UnixTimestamp, ValueType

if TYPE_CHECKING:
    from hotrow.registry.snapshot import Snapshot
    from hotrow.schema.view import FeatureView
    from hotrow.v1.push_pb2 import PushFeaturesRequest

_BATCH_ROWS = 20_000
_RETRY_S = 0.2


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("push")(push)


@takes(PushArguments)
def push(arguments: PushArguments) -> None:
    """Write rows. When it returns they are durable, and every later read sees them.

    Rows come as KEY=VALUE (one row), as JSON with --rows, or from a file with --file. A row that is older than the
    stored one is skipped, and counted as stale. Exits with 1 where rows were rejected.

    \b
    Examples:
      hotrow push driver_stats_push driver_id=1001 conv_rate=0.9 avg_daily_trips=12
      hotrow push clicks_push --rows '[{"user_id": "ann", "clicks_1h": 3}]'
      hotrow push driver_stats_push --file rows.parquet
      hotrow push driver_stats_push driver_id=1001 --delete
    """  # noqa: D301
    workspace = open_workspace(arguments.repo)
    snapshot = workspace.snapshot(arguments.snapshot)
    target = find_target(arguments.target, snapshot)
    total = Total()
    for request, rows in _requests(arguments, target, snapshot):
        _send(workspace, arguments, request, rows, total)
    if arguments.json:
        render.print_json(total.document())
    else:
        print_total(total, dry_run=arguments.dry_run)
    if total.rejected:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Target:
    """What to push to: a push source, or a view where `push_source` is empty."""

    push_source: str
    view: FeatureView

    def types(self) -> dict[str, ValueType]:
        """Columns that a row may have."""
        return {key.name: key.type for key in self.view.join_keys} | {f.name: f.type for f in self.view.fields}


def find_target(name: str, snapshot: Snapshot) -> Target:
    """The push source or view of that name; raises NOT_FOUND with the nearest names."""
    if name in snapshot.push_sources:
        return Target(name, snapshot.push_sources[name].view)
    if name in snapshot.read_views:
        return Target("", snapshot.stored_view(name))
    raise not_found("push source or view", name, [*snapshot.push_sources, *snapshot.views])


def _requests(arguments: PushArguments, target: Target, snapshot: Snapshot) -> Iterator[tuple[bytes, int]]:
    """Serialized requests with how many rows each has."""
    ways = [bool(arguments.values), bool(arguments.rows), arguments.file is not None]
    if sum(ways) != 1:
        which = "one of the three" if any(ways) else "there are none"
        raise invalid(f"give rows as KEY=VALUE, with --rows, or with --file: {which}")
    head = _head(arguments, target, snapshot)
    if arguments.file is not None and arguments.file.suffix == ".parquet":
        yield from _parquet_requests(arguments, target, head)
        return
    rows = read_rows(arguments, target)
    groups = _alike(rows)
    if arguments.atomic and (len(groups) > 1 or len(rows) > _BATCH_ROWS):
        raise invalid(f"--atomic takes rows that have the same columns, {_BATCH_ROWS:,} at most; push them apart")
    for columns, alike in groups:
        for start in range(0, len(alike), _BATCH_ROWS):
            part = alike[start : start + _BATCH_ROWS]
            yield _encoded(head, target, columns, part), len(part)


def _head(arguments: PushArguments, target: Target, snapshot: Snapshot) -> PushFeaturesRequest:
    from hotrow.v1.push_pb2 import DELETE, UPSERT, Destination, PushFeaturesRequest  # noqa: PLC0415

    request = PushFeaturesRequest(
        project=snapshot.project,
        to=Destination.Value(arguments.to.upper()),
        op=DELETE if arguments.delete else UPSERT,
        atomic=arguments.atomic,
        dry_run=arguments.dry_run,
        snapshot=snapshot.id if arguments.snapshot else "",
    )
    if target.push_source:
        request.push_source = target.push_source
    else:
        request.view = target.view.name
    return request


Row = dict[str, Any]
_EVENT_TIME = " event time"  # of a row; no column can have this name


def read_rows(arguments: PushArguments, target: Target) -> list[Row]:
    """The rows of the command line, of --rows, or of a file of JSON lines; raises HotrowError naming what is wrong."""
    if arguments.values:
        return [_typed_row(arguments, target)]
    if arguments.rows:
        loaded = _json(arguments.rows, "--rows")
        items = loaded if isinstance(loaded, list) else [loaded]
        return [_json_row(arguments, target, item, f"row {i}") for i, item in enumerate(items)]
    path = arguments.file or Path()
    lines = sys.stdin.read().splitlines() if str(path) == "-" else path.read_text(encoding="utf-8").splitlines()
    return [
        _json_row(arguments, target, _json(line, f"{path}, line {i}"), f"{path}, line {i}")
        for i, line in enumerate(lines, 1)
        if line.strip()
    ]


def _json(text: str, where: str) -> Any:
    try:
        return loaded_json(text)
    except ValueError as error:
        raise invalid(f"{where}: no valid JSON: {error}") from None


def _typed_row(arguments: PushArguments, target: Target) -> Row:
    types = target.types()
    time_column = _time_column(arguments, target)
    row: Row = {}
    for pair in arguments.values or ():
        name, equals, text = pair.partition("=")
        if not equals:
            raise invalid(f"{pair!r} is no KEY=VALUE")
        if name in row:
            raise invalid(f"{name} is given twice; several rows go with --rows or --file")
        if name == time_column and name not in types:
            row[_EVENT_TIME] = time_us_option(name, text)
        elif name in types:
            row[name] = value_from_text(name, text, types[name])
        else:
            raise not_found(f"column of view {target.view.name!r}", name, types)
    return _timed(arguments, row)


def _json_row(arguments: PushArguments, target: Target, item: Any, where: str) -> Row:
    types = target.types()
    time_column = _time_column(arguments, target)
    if not isinstance(item, dict):
        raise invalid(f"{where} is no JSON object with a value a column")
    row: Row = {}
    for name, value in item.items():
        if name == time_column and name not in types:
            row[_EVENT_TIME] = value_from_json(name, value, UnixTimestamp)
        elif name in types:
            row[name] = value_from_json(name, value, types[name])
        else:
            raise not_found(f"column of view {target.view.name!r} in {where}", name, types)
    return _timed(arguments, row)


def _timed(arguments: PushArguments, row: Row) -> Row:
    if arguments.event_time:
        row[_EVENT_TIME] = time_us_option("--event-time", arguments.event_time)
    return row


def _time_column(arguments: PushArguments, target: Target) -> str:
    source = target.view.source
    return arguments.event_time_column or (source.event_time if source else "")


def _alike(rows: list[Row]) -> list[tuple[tuple[str, ...], list[Row]]]:
    """Rows by the columns they have: a column that a row leaves out takes its default, which is not null."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(sorted(row)), []).append(row)
    return list(groups.items())


def _encoded(head: PushFeaturesRequest, target: Target, columns: tuple[str, ...], rows: list[Row]) -> bytes:
    from hotrow.codec.column import encode_column  # noqa: PLC0415
    from hotrow.offline.wire import encode_rows  # noqa: PLC0415

    types = target.types()
    units = {field.name: field.unit for field in target.view.fields}
    encoded = [
        encode_column(
            name, typed_values([row[name] for row in rows], types[name]), type=types[name], unit=units.get(name, "")
        )
        for name in columns
        if name != _EVENT_TIME
    ]
    request = type(head)()
    request.CopyFrom(head)
    request.request_id = secrets.token_hex(16)
    if _EVENT_TIME in columns:
        times = [row[_EVENT_TIME] for row in rows]
        if not all(isinstance(time, int) and not isinstance(time, bool) for time in times):
            raise invalid("an event time is ISO 8601, or microseconds since 1970")
        request.event_time_us.extend(times)
    return bytes(request.SerializeToString()) + encode_rows(encoded)


def _parquet_requests(
    arguments: PushArguments, target: Target, head: PushFeaturesRequest
) -> Iterator[tuple[bytes, int]]:
    from hotrow.cli.push_file import parquet_rows  # noqa: PLC0415

    for rows, count in parquet_rows(arguments, target.view, _time_column(arguments, target)):
        head.request_id = secrets.token_hex(16)
        yield bytes(head.SerializeToString()) + rows, count


def _send(workspace: Workspace, arguments: PushArguments, request: bytes, rows: int, total: Total) -> None:
    """One request, tried again while the worker is away: the request id in it makes it count once."""
    from hotrow import clock  # noqa: PLC0415
    from hotrow.v1.push_pb2 import PushFeaturesReply  # noqa: PLC0415

    give_up_s = clock.monotonic_s() + arguments.timeout
    while True:
        left_s = max(0.05, give_up_s - clock.monotonic_s())
        try:
            reply = link.call_server(workspace.settings, arguments.server, "PushFeatures", request, left_s)
            break
        except HotrowError as error:
            again = error.code in (Code.UNAVAILABLE, Code.EXHAUSTED) and error.retry_after_s is not None
            pause_s = max(_RETRY_S, error.retry_after_s or 0.0)
            if not again or clock.monotonic_s() + pause_s >= give_up_s:
                raise
            clock.sleep_s(pause_s)
    total.add(PushFeaturesReply.FromString(reply), rows)
