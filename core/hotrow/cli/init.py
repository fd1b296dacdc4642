"""`hotrow init`: a feature repository to begin with."""

from pathlib import Path
from typing import Annotated

import typer

from hotrow.cli import render
from hotrow.cli.template import TEMPLATES, write_template
from hotrow.cli.workspace import FILE
from hotrow.errors import Code, HotrowError, not_found


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to put it. Default: here.")] = Path(),
    template: Annotated[
        str, typer.Option("--template", "-t", metavar="NAME", help="; ".join(f"{t.name}: {t.about}" for t in TEMPLATES))
    ] = "rides",
    project: Annotated[str, typer.Option("--project", metavar="NAME", help="Default: the template's name.")] = "",
) -> None:
    """Make a feature repository: hotrow.toml, definitions, and sample data where the template has some.

    \b
    Examples:
      hotrow init rides
      hotrow init --template push-only clicks
    """  # noqa: D301
    known = {t.name: t for t in TEMPLATES}
    if template not in known:
        raise not_found("template", template, known)
    if (folder / FILE).exists():
        raise HotrowError(Code.CONFLICT, f"{folder / FILE} is there already; name another folder")
    written = write_template(known[template], folder, project or known[template].project)
    for path in written:
        print(f"wrote {path}")
    render.note("\nNext:")
    for line in known[template].next_steps(folder):
        render.note(f"  {line}")
