"""`hotrow registry`: snapshots, who applied them, branches and pins."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hotrow.cli import option, render
from hotrow.cli.plan import changes_document, print_changes, say_when_served
from hotrow.cli.rollback import rollback
from hotrow.cli.workspace import open_workspace
from hotrow.clock import text_from_us
from hotrow.repo.workspace import user_name

_Name = Annotated[str, typer.Argument(metavar="NAME")]
_WAIT_S = 60.0


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        no_args_is_help=True, help="Snapshots of definitions: history, differences, the way back, branches, pins."
    )
    for command in (log, show, refs, diff, pin, unpin, publish, rollback, remove_branch):
        group.command()(command)
    app.add_typer(group, name="registry")


def log(
    *,
    repo: option.Repo = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many entries.")] = 20,
    json: option.Json = False,
) -> None:
    """Show who changed what, the newest first.

    \b
    Examples:
      hotrow registry log -n 3
    """  # noqa: D301
    workspace = open_workspace(repo)
    entries = workspace.registry.log(workspace.project)[:limit]
    if json:
        render.print_json(
            [
                {
                    "snapshot": e.id,
                    "parent": e.parent,
                    "author": e.author,
                    "time": text_from_us(e.time_us),
                    "action": e.action,
                    "ref": e.ref,
                }
                for e in entries
            ]
        )
        return
    rows = [[text_from_us(e.time_us)[:19], render.short_id(e.id), e.action, e.ref or "head", e.author] for e in entries]
    render.print_table(["time (UTC)", "snapshot", "action", "ref", "author"], rows)


def show(
    ref: Annotated[
        str, typer.Argument(metavar="[REF]", help="Snapshot id, head@N, branch or pin. Default: the head.")
    ] = "",
    *,
    repo: option.Repo = None,
    json: option.Json = False,
) -> None:
    """Show what a snapshot holds; with --json, its canonical bytes.

    \b
    Examples:
      hotrow registry show
      hotrow registry show new-fares --json
    """  # noqa: D301
    snapshot = open_workspace(repo).snapshot(ref)
    if json:
        print(snapshot.to_json().decode())
        return
    render.print_pairs(
        [("snapshot", snapshot.id), ("project", snapshot.project), ("branch", snapshot.namespace or "(production)")]
    )
    kinds: list[tuple[str, Any]] = [
        ("entities", snapshot.entities),
        ("feature views", snapshot.views),
        ("joined views", snapshot.joined_views),
        ("push sources", snapshot.push_sources),
        ("feature services", snapshot.services),
    ]
    for kind, named in kinds:
        if named:
            print(f"\n{kind}")
        for definition in named.values():
            text = getattr(definition, "description", "")
            print(f"  {definition.name}" + (f"  {text}" if text else ""))


def refs(*, repo: option.Repo = None, json: option.Json = False) -> None:
    """List the snapshots that servers serve: the last heads, branches and pins."""
    workspace = open_workspace(repo)
    found = workspace.registry.refs(workspace.project)
    if json:
        render.print_json({"heads": found.heads, "branches": dict(found.branches), "pins": dict(found.pins)})
        return
    names = {
        snapshot_id: f"head@{i}"
        for i, snapshot_id in reversed([*enumerate(workspace.registry.heads(workspace.project))])
    }
    rows = [
        ["head" if i == 0 else names.get(head, "earlier head"), render.short_id(head)]
        for i, head in enumerate(found.heads)
    ]
    rows += [[f"branch {name}", render.short_id(at)] for name, at in found.branches.items()]
    rows += [[f"pin {name}", render.short_id(at)] for name, at in found.pins.items()]
    render.print_table(["ref", "snapshot"], rows)


def diff(
    old: Annotated[str, typer.Argument(metavar="A", help="Snapshot id, head@N, branch or pin.")],
    new: Annotated[str, typer.Argument(metavar="[B]", help="The same. Default: the head.")] = "",
    *,
    repo: option.Repo = None,
    json: option.Json = False,
) -> None:
    """Show what changed from snapshot A to snapshot B.

    \b
    Examples:
      hotrow registry diff 3f2a9c01
      hotrow registry diff 3f2a9c01 new-fares
    """  # noqa: D301
    from hotrow.registry.diff import diff as compare  # noqa: PLC0415

    workspace = open_workspace(repo)
    plan = compare(workspace.snapshot(old), workspace.snapshot(new))
    if json:
        render.print_json(changes_document(plan))
        return
    print_changes(plan)
    for warning in plan.warnings:
        render.warn(warning)


def pin(
    name: _Name,
    ref: Annotated[
        str, typer.Argument(metavar="[REF]", help="Snapshot id, head@N, branch or pin. Default: the head.")
    ] = "",
    *,
    repo: option.Repo = None,
) -> None:
    """Keep a snapshot served under a name, so that a model may go on asking for it.

    \b
    Examples:
      hotrow registry pin model-7 3f2a9c01
      hotrow get driver_activity driver_id=1001 --snapshot model-7
    """  # noqa: D301
    workspace = open_workspace(repo)
    target = workspace.snapshot(ref).id
    workspace.registry.pin(workspace.project, name, target, author=user_name())
    print(f"pinned: {name} is {render.short_id(target)}")


def unpin(name: _Name, *, repo: option.Repo = None) -> None:
    """Take a pin away; the snapshot stays in the registry."""
    workspace = open_workspace(repo)
    workspace.registry.unpin(workspace.project, name, author=user_name())
    print(f"unpinned: {name}")


def publish(
    branch: Annotated[str, typer.Argument(metavar="BRANCH")],
    *,
    repo: option.Repo = None,
    wait: option.Wait = False,
    timeout: option.Timeout = _WAIT_S,
    json: option.Json = False,
) -> None:
    """Make a branch's definitions the head. Refused if the head moved since the branch was applied.

    The rows that were materialized for the branch stay the branch's own: materialize again for production.

    \b
    Examples:
      hotrow registry publish new-fares --wait
    """  # noqa: D301
    workspace = open_workspace(repo)
    snapshot_id = workspace.registry.publish(workspace.project, branch, author=user_name())
    if wait:
        say_when_served(workspace, snapshot_id, timeout)
    if json:
        render.print_json({"snapshot": snapshot_id, "branch": branch})
    else:
        print(f"published: the head of project {workspace.project} is {render.short_id(snapshot_id)}")


def remove_branch(branch: Annotated[str, typer.Argument(metavar="BRANCH")], *, repo: option.Repo = None) -> None:
    """Take a branch away. Its snapshots stay in the registry and its rows in the store, until `hotrow store gc`."""
    workspace = open_workspace(repo)
    workspace.registry.remove_branch(workspace.project, branch, author=user_name())
    print(f"removed: branch {branch}")
