"""`hotrow registry rollback`: the head back to an earlier snapshot."""

from __future__ import annotations

from typing import Annotated

import typer

from hotrow.cli import option, render
from hotrow.cli.confirm import confirm
from hotrow.cli.plan import changes_document, print_changes, say_when_served
from hotrow.cli.workspace import open_workspace
from hotrow.repo.workspace import user_name

_WAIT_S = 60.0


def rollback(
    ref: Annotated[
        str, typer.Argument(metavar="[SNAPSHOT]", help="An id, a pin or head@N. Default: head@1, the head before.")
    ] = "head@1",
    *,
    repo: option.Repo = None,
    yes: option.Yes = False,
    wait: option.Wait = False,
    timeout: option.Timeout = _WAIT_S,
    json: option.Json = False,
) -> None:
    """Make an earlier snapshot the head again, after showing what that changes for readers.

    Rows stay as they are: those that were written since are read by the earlier definitions too. Refused where stored
    rows do not fit, and where the head moved meanwhile. To roll back twice is to go back two heads; to undo a rollback,
    name the snapshot that was the head, which `hotrow registry log` shows.

    \b
    Examples:
      hotrow registry rollback
      hotrow registry rollback 3f2a9c01 --yes --wait
    """  # noqa: D301
    workspace = open_workspace(repo)
    registry, project = workspace.registry, workspace.project
    head, target = registry.resolve(project, ""), registry.resolve(project, ref)
    plan = registry.plan(registry.snapshot(target), base=head)
    if not json:
        print(f"from {render.short_id(head)} back to {render.short_id(target)}:")
        print_changes(plan)
        for warning in plan.warnings:
            render.warn(warning)
    plan.require_compatible()
    if target != head:
        confirm(f"Make {render.short_id(target)} the head of project {project}?", yes=yes)
    registry.rollback(project, target, expected_head=head, author=user_name())
    if wait:
        say_when_served(workspace, target, timeout)
    if json:
        render.print_json({"snapshot": target, "from": head, "served": wait, **changes_document(plan)})
    else:
        print(f"rolled back: the head of project {project} is {render.short_id(target)}")
