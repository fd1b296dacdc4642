"""From definitions to a snapshot in the registry: what would be applied, and applying it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict

from hotrow.errors import Code, HotrowError, invalid, not_found
from hotrow.registry.diff import Plan
from hotrow.repo.workspace import user_name

if TYPE_CHECKING:
    from hotrow.registry.snapshot import Snapshot
    from hotrow.repo.workspace import Workspace
    from hotrow.schema.definition import Definition
    from hotrow.schema.view import FeatureView


_NOT_PLANNED = Plan()


class ApplyOptions(TypedDict, total=False):
    """What goes with an apply, all of it optional.

    `author` is the name for the registry's log. `replace` names views that begin without rows where those that are
    stored do not fit. `offline` leaves sources unread. `allow_removals` lets definitions go that the head (or the
    branch) has and the repository's files lack.
    """

    author: str
    replace: Sequence[str]
    offline: bool
    allow_removals: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """What would be applied: the `snapshot`, the `head` that was there, and the difference to the snapshot `base`.

    `base` is the branch's where the branch is there (`on_branch`), else the head's. `notes` are worth saying beside the
    plan.
    """

    snapshot: Snapshot
    head: str | None
    base: str | None
    on_branch: bool
    plan: Plan = _NOT_PLANNED
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is defined any more."""
        return not (self.snapshot.entities or self.snapshot.views or self.snapshot.services or self.snapshot.transforms)

    def apply(self, workspace: Workspace, author: str = "", *, allow_removals: bool = False) -> str:
        """Move the head, or the branch, to the snapshot, and return its id.

        Raises FAILED_PRECONDITION for a change that stored rows do not fit, and for definitions that would go unless
        that is allowed; CONFLICT where another was faster.
        """
        self.plan.require_compatible()
        if self.plan.removed and not allow_removals:
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"this would remove {', '.join(self.plan.removed)}, which the files of this repository do not have; "
                "bring back what is still needed (another checkout may have applied it), or allow the removal: "
                "`hotrow apply --yes`, in Python allow_removals=True",
            )
        return workspace.registry.apply(
            self.snapshot,
            expected_head=self.head,
            author=author or user_name(),
            branch=self.snapshot.namespace or None,
            expected_branch=self.base if self.on_branch else None,
        )


def draft_of_files(workspace: Workspace, branch: str, options: ApplyOptions) -> Draft:
    """The definitions of the repository's Python files, checked, and compared with the branch, or with the head."""
    from hotrow.registry.snapshot import snapshot_from_definitions  # noqa: PLC0415
    from hotrow.schema.repository import load_definitions  # noqa: PLC0415

    refs = workspace.registry.refs(workspace.project)  # first: what changes meanwhile is a conflict
    on_branch = branch in refs.branches
    base = refs.branches[branch] if on_branch else refs.head
    new = snapshot_from_definitions(workspace.project, load_definitions(workspace.repo), namespace=branch)
    _check_sources(workspace, new.views.values(), options)
    return _checked(workspace, Draft(new, refs.head, base, on_branch), options)


def draft_of_objects(
    workspace: Workspace, definitions: Iterable[object], on: Snapshot | None, options: ApplyOptions
) -> Draft:
    """The snapshot `on` with these definitions added, or in the place of those of the same kinds and names.

    What moves is what `on` is of: the branch of its namespace, or the head. None: the project has nothing yet. Raises
    INVALID for what is no definition.
    """
    from hotrow.registry.snapshot import Snapshot, with_definitions  # noqa: PLC0415
    from hotrow.schema.definitions import Found, collect_definitions  # noqa: PLC0415

    given = collect_definitions(Found(one, "the definitions given") for one in _all_definitions(definitions))
    new = with_definitions(Snapshot(workspace.project) if on is None else on, given)
    base = None if on is None else on.id
    known = {} if on is None else on.views
    _check_sources(
        workspace, [new.views[name] for name, view in given.views.items() if known.get(name) != view], options
    )
    return _checked(workspace, Draft(new, base, base, on is not None and bool(on.namespace)), options)


def _all_definitions(given: Iterable[object]) -> list[Definition]:
    from hotrow.schema.definitions import definition_of  # noqa: PLC0415

    if isinstance(given, str) or definition_of(given) is not None or not isinstance(given, Iterable):
        raise invalid(f"definitions are of the type {type(given).__name__}; give a list of them")
    definitions = []
    for one in given:
        definition = definition_of(one)
        if definition is None:
            raise invalid(
                f"the type {type(one).__name__} is no definition; give entities, feature views (which have their "
                "sources), push sources, request sources, functions with @transform and feature services"
            )
        definitions.append(definition)
    return definitions


def new_branch(workspace: Workspace, snapshot: Snapshot, name: str, author: str = "") -> str:
    """Make a branch of a snapshot's definitions, and return the id of its snapshot.

    It is made on the snapshot that is given, so that publishing it tells of a head that is another by then; of the
    snapshot of a branch, on what that was made on. Raises CONFLICT where there is a branch of that name with other
    definitions.
    """
    from hotrow.registry.snapshot import in_namespace  # noqa: PLC0415

    refs = workspace.registry.refs(workspace.project)
    branch = in_namespace(snapshot, name)
    if (at := refs.branches.get(name, branch.id)) != branch.id:
        raise HotrowError(
            Code.CONFLICT,
            f"branch {name!r} is there already, at {at[:12]}, with other definitions; choose another name, go on from "
            f"it with FeatureStore(..., snapshot={name!r}), or remove it: `hotrow registry remove-branch {name}`",
        )
    return workspace.registry.apply(
        branch,
        expected_head=refs.bases.get(snapshot.namespace) if snapshot.namespace else snapshot.id,
        author=author or user_name(),
        branch=name,
        expected_branch=None,
    )


def publish_branch(workspace: Workspace, snapshot: Snapshot, author: str = "") -> str:
    """Make the branch of a snapshot the head, and return the id of that; raises CONFLICT where it moved."""
    branch = _branch_of(snapshot)
    if (at := workspace.registry.resolve(workspace.project, branch)) != snapshot.id:
        raise HotrowError(
            Code.CONFLICT,
            f"branch {branch!r} is at {at[:12]}, and this store at its earlier snapshot {snapshot.id[:12]}; publish "
            "from a store that is on the branch as it is now",
        )
    return workspace.registry.publish(workspace.project, branch, author=author or user_name())


def roll_back(workspace: Workspace, head: Snapshot, ref: str, author: str = "") -> str:
    """Make the snapshot of a ref the head again, in the place of `head`, and return its id."""
    if head.namespace:
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"this store is on branch {head.namespace!r}, and the head is what is rolled back: use a store without one",
        )
    target = workspace.registry.resolve(workspace.project, ref)
    return workspace.registry.rollback(workspace.project, target, expected_head=head.id, author=author or user_name())


def remove_branch(workspace: Workspace, snapshot: Snapshot, author: str = "") -> None:
    """Take the branch of a snapshot away; raises NOT_FOUND where there is none of its name."""
    workspace.registry.remove_branch(workspace.project, _branch_of(snapshot), author=author or user_name())


def _branch_of(snapshot: Snapshot) -> str:
    if not snapshot.namespace:
        raise HotrowError(
            Code.FAILED_PRECONDITION, f"the snapshot {snapshot.id[:12]} is the head's, or was: it is of no branch"
        )
    return snapshot.namespace


def _check_sources(workspace: Workspace, views: Iterable[FeatureView], options: ApplyOptions) -> None:
    with_source = [] if options.get("offline") else [view for view in views if view.source is not None]
    if with_source:
        from hotrow.offline.view_source import check_sources  # noqa: PLC0415 - loads pyarrow

        check_sources(with_source, workspace.repo)


def _checked(workspace: Workspace, draft: Draft, options: ApplyOptions) -> Draft:
    from hotrow.registry.units import check_units  # noqa: PLC0415

    check_units(draft.snapshot)
    new = draft.snapshot
    if new.transforms:
        from hotrow.repo.step import show_step  # noqa: PLC0415
        from hotrow.transforms.apart import with_certificates  # noqa: PLC0415

        new = with_certificates(new, show_step=show_step)
    return _replaced(
        workspace, _planned(workspace, draft, _continued(workspace, new, draft.base)), options.get("replace", ())
    )


def _planned(workspace: Workspace, draft: Draft, snapshot: Snapshot) -> Draft:
    return replace(draft, snapshot=snapshot, plan=workspace.registry.plan(snapshot, base=draft.base))


def _continued(workspace: Workspace, new: Snapshot, base: str | None) -> Snapshot:
    """The snapshot with every view in the generation that it is in, or was in when it was last there."""
    from hotrow.registry.snapshot import with_generations  # noqa: PLC0415

    registry = workspace.registry
    known = {} if base is None else {name: view.generation for name, view in registry.snapshot(base).views.items()}
    return with_generations(
        new, {name: known[name] if name in known else registry.generation(new, name) for name in new.views}
    )


def _replaced(workspace: Workspace, draft: Draft, names: Sequence[str]) -> Draft:
    """The draft with new generations of the views named, those of them that rows are stored of which do not fit."""
    from hotrow.registry.snapshot import with_generations  # noqa: PLC0415

    views, unfit = draft.snapshot.views, draft.plan.unfit_views
    names = (names,) if isinstance(names, str) else names
    for name in names:
        if name in draft.snapshot.joined_views:
            draft.snapshot.stored_view(name)  # raises
        if name not in views:
            raise not_found("feature view to replace", name, views)
    fresh = {name: workspace.registry.next_generation(workspace.project, name) for name in names if name in unfit}
    notes = tuple(
        f"{views[name].label} is not replaced: no row is stored that does not fit it"
        for name in names
        if name not in unfit
    )
    if fresh:
        draft = _planned(workspace, draft, with_generations(draft.snapshot, fresh))
    return replace(draft, notes=notes)
