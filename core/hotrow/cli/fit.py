"""`hotrow fit`: what encoders need to know of the data, from the views' rows to files beside the definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hotrow import clock
from hotrow.cli import option, render
from hotrow.cli.value import time_us_option
from hotrow.cli.workspace import open_workspace
from hotrow.errors import invalid, not_found
from hotrow.repo.workspace import Workspace

if TYPE_CHECKING:
    from hotrow.schema.fitted import Fitted
    from hotrow.schema.transform import Transform


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("fit")(fit)


def fit(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Transforms to fit. Default: all that are fitted.")
    ] = None,
    *,
    repo: option.Repo = None,
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="Only rows with an event time before it. Default: all rows.")
    ] = "",
    json: option.Json = False,
) -> None:
    """Fit encoders on the rows of their views: means, quantiles, categories, vocabularies.

    Writes fitted/NAME.json in the feature repository, to be looked at and committed with the definitions; `hotrow plan`
    shows what changes, and `hotrow apply` puts it into the snapshot. All rows count that `hotrow materialize` would
    accept, of the views' sources and of the log of pushed rows, not the latest of each entity alone: with --until, rows
    that a model is tested on stay out.

    \b
    Examples:
      hotrow fit
      hotrow fit fare_scaled --until 2024-05-01
    """  # noqa: D301
    workspace = open_workspace(repo)
    until_us = time_us_option("--until", until) if until else None
    fitted = _fit(workspace, names or [], until_us)
    if json:
        render.print_json([one.document() for one in fitted])
        return
    if not fitted:
        render.note("no transform is to be fitted: none is an encoder, or all have their parameters")
        return
    heads = ["transform", "encoder", "rows", "file", "fitted"]
    render.print_table(heads, [one.cells() for one in fitted])


@dataclass(frozen=True, slots=True)
class _Done:
    name: str
    file: str
    fitted: Fitted

    def document(self) -> dict[str, Any]:
        return {
            "transform": self.name,
            "file": self.file,
            "encoder": self.fitted.kind,
            "statistics": self.fitted.statistics,
            "from": self.fitted.origin,
        }

    def cells(self) -> list[Any]:
        statistics = self.fitted.statistics
        return [self.name, self.fitted.kind, statistics["rows"], self.file, render.statistics_text(statistics)]


def _fit(workspace: Workspace, names: Sequence[str], until_us: int | None) -> list[_Done]:
    from hotrow.encoders.fitting import SourceFit, fit_chain  # noqa: PLC0415
    from hotrow.encoders.kind import statistic_of  # noqa: PLC0415
    from hotrow.registry.snapshot import Snapshot  # noqa: PLC0415
    from hotrow.repo.historical import log_pushed  # noqa: PLC0415
    from hotrow.schema.fitted import write_fitted  # noqa: PLC0415
    from hotrow.schema.repository import load_definitions  # noqa: PLC0415
    from hotrow.schema.transform import in_order  # noqa: PLC0415

    definitions = load_definitions(workspace.repo)
    transforms = definitions.transforms
    chosen = _chosen(transforms, names)
    if chosen:
        log_pushed(workspace, render.warn)
    views = Snapshot(workspace.project, entities=definitions.entities, views=definitions.views)
    source = SourceFit(views, workspace.folders, until_us)
    known: dict[str, Transform] = {}
    done: list[_Done] = []

    def fitted_of(one: Transform) -> Fitted:
        found = source.fitted_of(one)
        file = write_fitted(
            workspace.repo, one.name, found, fitted_at=clock.datetime_from_us(clock.now_us()).isoformat()
        )
        done.append(_Done(one.name, file.relative_to(workspace.repo).as_posix(), found))
        return found

    for one in in_order(transforms[name] for name in chosen):
        if one.name in chosen or not statistic_of(one) or "unfitted" in one.encoder:
            known[one.name] = fit_chain(one, known, fitted_of)
        else:
            known[one.name] = one
    return done


def _chosen(transforms: Mapping[str, Transform], names: Sequence[str]) -> list[str]:
    from hotrow.encoders.kind import statistic_of  # noqa: PLC0415

    to_fit = [name for name, one in transforms.items() if statistic_of(one)]
    for name in names:
        if name not in transforms:
            raise not_found("transform", name, to_fit)
        if name not in to_fit:
            raise invalid(f"transform {name!r} has nothing to fit: leave it out")
    return list(dict.fromkeys(names)) or to_fit
