"""What `hotrow bench` takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hotrow.cli import option

MOST_CALLERS = 1024
MOST_SECONDS = 600
MOST_ENTITIES = 10_000
MOST_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class BenchArguments:
    """The arguments and options of `hotrow bench`."""

    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FEATURES...] [KEY=VALUE...]",
            help="What to read, as in `hotrow get`. Default: the first feature service, else the first view. And the "
            "entities. Default: some of those in the store.",
        ),
    ] = None
    repo: option.Repo = None
    entities: Annotated[
        int, typer.Option("--entities", "-n", metavar="N", min=1, max=MOST_ENTITIES, help="Entities of a request.")
    ] = 1
    callers: Annotated[
        int, typer.Option("--callers", "-c", metavar="N", min=1, max=MOST_CALLERS, help="Requests in flight.")
    ] = 16
    seconds: Annotated[
        float, typer.Option("--seconds", "-t", metavar="S", min=0.1, max=MOST_SECONDS, help="How long to measure.")
    ] = 5.0
    connections: Annotated[
        int,
        typer.Option(
            "--connections",
            metavar="N",
            min=1,
            max=MOST_CONNECTIONS,
            help="Connections, over which the callers are spread; never more than callers.",
        ),
    ] = 8
    keys: Annotated[
        Path | None,
        typer.Option("--keys", metavar="FILE", help="Entities from a file: Parquet (.parquet), else JSON lines."),
    ] = None
    push: Annotated[
        str, typer.Option("--push", metavar="TARGET", help="Push to this push source or view, instead of reading.")
    ] = ""
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --push: rows are checked and compared, nothing is written.")
    ] = False
    branch: Annotated[
        str, typer.Option("--branch", metavar="NAME", help="With --push: write to the rows of this branch alone.")
    ] = ""
    snapshot: option.Ref = ""
    json: option.Json = False
    server: option.Server = ""
    timeout: option.Timeout = 5.0
