"""Options that several commands take, declared once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

Repo = Annotated[
    Path | None,
    typer.Option("--repo", "-C", metavar="FOLDER", help="Feature repository. Default: this folder or one above it."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Ref = Annotated[
    str,
    typer.Option(
        "--snapshot",
        "-s",
        metavar="REF",
        help="A snapshot id (or 8 characters of one and more), head@N for the head N moves ago, a branch or a pin. "
        "Default: the head.",
    ),
]
Branch = Annotated[str, typer.Option("--branch", metavar="NAME", help="Work on this branch and its own rows.")]
Server = Annotated[
    str, typer.Option("--server", metavar="HOST:PORT", help="Server to ask. Default: server.address of hotrow.toml.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return when every worker on the store serves it.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.001, help="How long to wait.")]
Explain = Annotated[
    bool,
    typer.Option("--explain", help="Run transforms that raise here too: print the exception, line and inputs."),
]
Views = Annotated[
    list[str] | None,
    typer.Option("--views", metavar="NAME", help="Only this view; repeat it, or separate with commas. Default: all."),
]


def names(views: Sequence[str] | None) -> list[str]:
    """The names that were given with --views."""
    return [name for given in views or () for name in given.split(",") if name]
