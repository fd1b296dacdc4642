"""The `hotrow` command: puts the groups together and turns an error into a line on stderr and an exit code.

Exit codes: 0 done, 1 an error, 2 a wrong command line, 130 interrupted.
"""

import importlib
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from hotrow.cli.workspace import named_first
from hotrow.errors import HotrowError

GROUPS = (
    "init",
    "plan",
    "fit",
    "materialize",
    "historical",
    "serve",
    "read",
    "push",
    "bench",
    "registry",
    "features",
    "store",
    "warm",
)
"""Modules of this package, in the order of the help. Each has `register(app)`."""

app = typer.Typer(
    name="hotrow",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:  # noqa: FBT001 - as typer calls it
    if value:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"hotrow {version('hotrow')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    repo: Annotated[
        Path | None, typer.Option("--repo", "-C", metavar="FOLDER", help="Feature repository; every command takes it.")
    ] = None,
    trace: Annotated[  # noqa: ARG001 - main looks for it, to know it when the command line is wrong too
        bool, typer.Option("--traceback", help="Show where an error came from.")
    ] = False,
    version: Annotated[  # noqa: ARG001 - typer calls its callback
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """An online feature server: definitions in Python, rows from Parquet and pushes, reads over gRPC.

    A command works on a feature repository: the folder with hotrow.toml. It is looked for from the current folder
    upwards, or named with --repo.

    \b
    From nothing to a read:
      hotrow init rides && cd rides
      hotrow apply                                    publish the definitions
      hotrow materialize 2024-01-01 now               load the sources
      hotrow serve                                    answer reads and pushes (in another terminal)
      hotrow get driver_hourly_stats driver_id=1001   read

    \b
    Exit codes: 0 done, 1 an error (one line on stderr), 2 a wrong command line, 130 interrupted.
    """  # noqa: D301 - click's mark for text that is not to be wrapped
    named_first.set(repo)


for _group in GROUPS:
    importlib.import_module(f"hotrow.cli.{_group}").register(app)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; exits."""
    given = sys.argv[1:] if arguments is None else arguments
    trace = "--traceback" in given
    try:
        app(given, prog_name="hotrow")
    except HotrowError as error:
        _fail(error.message, trace=trace)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), trace=trace)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:  # noqa: BLE001 - the last resort of a program: no traceback at people
        hint = "" if trace else "; this is a defect of hotrow: run it again as `hotrow --traceback ...` and report it"
        _fail(f"unforeseen {type(error).__name__}: {error}{hint}", trace=trace)
    raise SystemExit(0)


def _fail(message: str, *, trace: bool) -> NoReturn:
    if trace:
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(1)


if __name__ == "__main__":
    main()
