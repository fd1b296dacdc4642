"""`hotrow init`: a feature repository to begin with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hotrow.cli import render
from hotrow.cli.arguments import takes
from hotrow.cli.inferred import Hints, definitions_from, view_name
from hotrow.cli.template import TEMPLATES, Template, write_template
from hotrow.cli.workspace import FILE
from hotrow.errors import Code, HotrowError, not_found


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


@dataclass(frozen=True, slots=True)
class InitArguments:
    """The arguments and options of `hotrow init`."""

    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to put it. Default: here.")] = Path()
    template: Annotated[
        str, typer.Option("--template", "-t", metavar="NAME", help="; ".join(f"{t.name}: {t.about}" for t in TEMPLATES))
    ] = "rides"
    project: Annotated[
        str, typer.Option("--project", metavar="NAME", help="Default: the name of the template, or of the file.")
    ] = ""
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Define a view of this Parquet file, by its schema.")
    ] = None
    entity: Annotated[str, typer.Option("--entity", metavar="NAME", help="With --from: the entity of the rows.")] = ""
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="COLUMN", help="With --from: a join key; repeat it. Default: one called ..._id."),
    ] = None
    event_time: Annotated[
        str,
        typer.Option("--event-time", metavar="COLUMN", help="With --from. Default: a column of timestamps."),
    ] = ""


@takes(InitArguments)
def init(arguments: InitArguments) -> None:
    """Make a feature repository: hotrow.toml, definitions, and sample data where the template has some.

    With --from the definitions are those of a Parquet file, as its schema has it; what is a guess is marked in them.

    \b
    Examples:
      hotrow init rides
      hotrow init --template push-only clicks
      hotrow init shop --from orders.parquet --key customer_id
    """  # noqa: D301
    template = _inferred(arguments, arguments.source) if arguments.source else _known(arguments.template)
    folder = arguments.folder
    if (folder / FILE).exists():
        raise HotrowError(Code.CONFLICT, f"{folder / FILE} is there already; name another folder")
    for path in write_template(template, folder, arguments.project or template.project):
        print(f"wrote {path}")
    render.note("\nNext:")
    for line in template.next_steps(folder):
        render.note(f"  {line}")


def _known(name: str) -> Template:
    known = {t.name: t for t in TEMPLATES}
    if name not in known:
        raise not_found("template", name, known)
    return known[name]


def _inferred(arguments: InitArguments, source: Path) -> Template:
    from hotrow.offline.parquet import schema_of  # noqa: PLC0415 - loads pyarrow

    folder, path = arguments.folder.resolve(), source.resolve()
    shown = path.relative_to(folder) if path.is_relative_to(folder) else path
    name = view_name(path.stem)
    hints = Hints(arguments.entity, arguments.key or (), arguments.event_time)
    return Template(
        name=name,
        about=str(source),
        project=name,
        definitions=definitions_from(name, shown.as_posix(), schema_of(path), hints),
        commands=("hotrow plan", "hotrow apply", "hotrow materialize 2000-01-01 now", "hotrow serve"),
    )
