"""`hotrow plan` and `hotrow apply`: from the definitions of a repository to a snapshot in the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hotrow.cli import option, render
from hotrow.cli.arguments import takes
from hotrow.cli.confirm import confirm
from hotrow.cli.workspace import open_workspace
from hotrow.errors import Code, HotrowError
from hotrow.repo.draft import draft_of_files

if TYPE_CHECKING:
    from hotrow.registry.diff import Plan
    from hotrow.registry.snapshot import Snapshot
    from hotrow.repo.draft import Draft
    from hotrow.repo.workspace import Workspace

_SIGNS = {"added": "+", "changed": "~", "removed": "-"}
_WAIT_S = 60.0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("plan")(plan)
    app.command("apply")(apply)


@dataclass(frozen=True, slots=True)
class PlanArguments:
    """The options of `hotrow plan`."""

    repo: option.Repo = None
    branch: option.Branch = ""
    replace: Annotated[
        list[str] | None,
        typer.Option(
            "--replace",
            metavar="VIEW",
            help="Where stored rows of this view do not fit the change, read them no more; repeat it for several.",
        ),
    ] = None
    offline: Annotated[bool, typer.Option("--offline", help="Do not look at the sources.")] = False
    json: option.Json = False


@dataclass(frozen=True, slots=True)
class ApplyArguments(PlanArguments):
    """The options of `hotrow apply`."""

    yes: option.Yes = False
    wait: option.Wait = False
    timeout: option.Timeout = _WAIT_S
    author: Annotated[str, typer.Option("--author", help="Name for the registry's log. Default: the user.")] = ""


@takes(PlanArguments)
def plan(arguments: PlanArguments) -> None:
    """Show what `hotrow apply` would change, and whether stored rows could still be read afterwards.

    Looks at the schemas of the sources too, unless it is --offline: files, columns and types have to be there as the
    views want them. Changes nothing. Exits with 1 where apply would refuse.

    \b
    Examples:
      hotrow plan
      hotrow plan --json | jq '.changes[] | select(.compatible == false)'
    """  # noqa: D301
    draft = read_draft(open_workspace(arguments.repo), arguments)
    if arguments.json:
        render.print_json(plan_document(draft))
    else:
        print_plan(draft)
    if not draft.plan.compatible:
        raise typer.Exit(1)


@takes(ApplyArguments)
def apply(arguments: ApplyArguments) -> None:
    """Publish the definitions: write a snapshot and move the project's head to it.

    With --branch the head stays: the snapshot is served under the branch's name and has rows of its own, until
    `hotrow registry publish` makes it the head. A change that stored rows do not fit is refused, unless --replace names
    the view: its rows are then no longer read, and `hotrow store gc` removes them. If somebody else applies while this
    runs, this one says so and changes nothing. Where the head (or the branch) has definitions that this repository
    lacks, perhaps because another checkout applied them, it asks before it removes them; without a terminal that takes
    --yes, and so does a repository that has none left. Sources are looked at as by `hotrow plan`.

    \b
    Examples:
      hotrow apply --wait
      hotrow apply --branch new-fares && hotrow materialize 2024-01-01 now --branch new-fares
    """  # noqa: D301
    workspace, branch = open_workspace(arguments.repo), arguments.branch
    draft = read_draft(workspace, arguments)
    if not arguments.json:
        print_changes(draft.plan)
        for warning in draft.plan.warnings:
            render.warn(warning)
    draft.plan.require_compatible()
    _confirm_removals(draft, yes=arguments.yes)
    snapshot_id = draft.apply(workspace, arguments.author, allow_removals=True)
    if arguments.wait:
        say_when_served(workspace, snapshot_id, arguments.timeout, as_head=not branch)
    if arguments.json:
        served = {"snapshot": snapshot_id, "branch": branch, "served": arguments.wait}
        render.print_json({**served, **plan_document(draft)})
    else:
        where = f"branch {branch}" if branch else "the head"
        print(f"applied: {where} of project {workspace.project} is {render.short_id(snapshot_id)}")


def _confirm_removals(draft: Draft, *, yes: bool) -> None:
    """Ask before definitions go; what leaves nothing is hardly meant, and takes --yes."""
    removed = ", ".join(draft.plan.removed)
    if not removed or yes:
        return
    if draft.is_empty:
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"this repository has no definitions, and would remove all that is applied: {removed}; name the right "
            "folder with --repo, or say with --yes that this is meant",
        )
    confirm(f"This removes {removed}, which this repository does not have. Go on?", yes=yes)


def read_draft(workspace: Workspace, arguments: PlanArguments) -> Draft:
    """The draft of the repository's files; what will be slow is said."""
    draft = draft_of_files(
        workspace, arguments.branch, {"replace": arguments.replace or (), "offline": arguments.offline}
    )
    for note in draft.notes:
        render.note(note)
    _say_costs(draft.snapshot)
    return draft


def _say_costs(snapshot: Snapshot) -> None:
    """What is not compiled is slow, and whoever applies it is told how slow."""
    for transform in snapshot.transforms.values():
        if transform.mode == "python":
            from hotrow.transforms.cost import python_cost  # noqa: PLC0415 - loads the compiler

            render.note(f"{transform.label} is not compiled: {python_cost(transform)}")


def say_when_served(workspace: Workspace, snapshot_id: str, timeout_s: float, *, as_head: bool = True) -> None:
    """Wait for the workers on the store; raises HotrowError as `wait_served` does."""
    from hotrow.supervisor.state import wait_served  # noqa: PLC0415

    state = wait_served(workspace.settings, snapshot_id, timeout_s, as_head=as_head)
    render.note(f"served by {len(state.workers)} workers")


def plan_document(draft: Draft) -> dict[str, Any]:
    """The plan as JSON."""
    return {"from": draft.base, "to": draft.snapshot.id, **changes_document(draft.plan)}


def changes_document(plan: Plan) -> dict[str, Any]:
    """The changes of a plan as JSON."""
    changes = [
        {
            "action": change.action,
            "kind": change.kind,
            "name": change.name,
            "details": change.details,
            "compatible": change.compatible,
        }
        for change in plan.changes
    ]
    return {"compatible": plan.compatible, "changes": changes, "warnings": plan.warnings}


def print_plan(draft: Draft) -> None:
    """The plan for people: a sign a definition, its details below it, and what it comes to."""
    print_changes(draft.plan)
    for warning in draft.plan.warnings:
        render.warn(warning)
    try:
        draft.plan.require_compatible()
    except HotrowError as error:
        render.note(f"apply would refuse this: {error.message}")


def print_changes(plan: Plan) -> None:
    """The changes of a plan."""
    if not plan.changes:
        print("no changes")
    for change in plan.changes:
        mark = "" if change.compatible else "   (not compatible with stored rows)"
        print(f"{_SIGNS[change.action]} {change.kind} {change.name}{mark}")
        for detail in change.details:
            print(f"    {detail}")
