"""What `hotrow push` takes."""

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hotrow.cli import option


class To(enum.StrEnum):
    """Where pushed rows can go, by the names of `hotrow.v1.Destination`."""

    ONLINE = "online"
    OFFLINE = "offline"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class PushArguments:
    """The arguments and options of `hotrow push`."""

    target: Annotated[str, typer.Argument(metavar="TARGET", help="A push source, or a view.")]
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE...]", help="One row. Times as ISO 8601, bytes as base64, lists as JSON."),
    ] = None
    repo: option.Repo = None
    rows: Annotated[str, typer.Option("--rows", metavar="JSON", help="Rows as a JSON object, or a list of them.")] = ""
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="FILE", help="Parquet (.parquet), else JSON lines; - is standard input."),
    ] = None
    event_time: Annotated[
        str, typer.Option("--event-time", metavar="TIME", help="Event time of every row. Default: that of receipt.")
    ] = ""
    event_time_column: Annotated[
        str,
        typer.Option(
            "--event-time-column", metavar="NAME", help="Column with event times. Default: that of the view's source."
        ),
    ] = ""
    delete: Annotated[bool, typer.Option("--delete", help="Delete the entities; rows are their join keys alone.")] = (
        False
    )
    atomic: Annotated[bool, typer.Option("--atomic", help="All rows of the request or none.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and compare, write nothing.")] = False
    to: Annotated[
        To, typer.Option("--to", help="Where the rows go: to reads, to the log that training sets read, or to both.")
    ] = To.ONLINE
    snapshot: option.Ref = ""
    json: option.Json = False
    server: option.Server = ""
    timeout: option.Timeout = 30.0
