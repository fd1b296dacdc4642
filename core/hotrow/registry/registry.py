"""The registry: snapshots, refs that move by compare-and-swap, and their log."""

from collections.abc import Callable, Iterable

from hotrow.clock import now_us
from hotrow.errors import Code, HotrowError, invalid, not_found
from hotrow.registry.log import LogEntry, log_entry_to_json
from hotrow.registry.name import check_ref_name
from hotrow.registry.reader import RegistryReader
from hotrow.registry.refs import Move, Refs, refs_to_json
from hotrow.registry.signature import keep_signed, signed_features
from hotrow.registry.snapshot import Snapshot, check_view_ids, in_namespace
from hotrow.schema.default import UNSET, Unset
from hotrow.schema.service import FeatureRef

_ATTEMPTS = 1000  # a swap fails only when another one succeeded, so this many mean that something is wrong


class Registry(RegistryReader):
    """All projects of one registry. Any number of processes and threads may use one registry at once.

    Methods raise INVALID for a project, branch or pin that is no name, and what the backend raises
    (`hotrow.registry.port`).
    """

    def keep_signature(self, snapshot: Snapshot, features: Iterable[FeatureRef]) -> None:
        """Keep what the signature of these features stands for, to tell a reader how other ones differ."""
        keep_signed(self._backend, signed_features(snapshot, features))

    def apply(
        self,
        snapshot: Snapshot,
        *,
        expected_head: str | None,
        author: str,
        branch: str | None = None,
        expected_branch: str | Unset | None = UNSET,
    ) -> str:
        """Make `snapshot` the head, or the branch's, and return its id.

        A snapshot that is there already changes nothing and writes nothing: then the id is the `expected_head` (the
        `expected_branch`) itself. `expected_head` is the head that the caller planned against. A new branch is made on
        it, wherever the head is now: branches do not wait for one another, and `publish` tells. `expected_branch` is
        where the caller saw the branch (None: not there), and is not compared when left out.

        Raises CONFLICT when the head, or the branch, is not as expected, FAILED_PRECONDITION for a change that is not
        compatible with stored rows, INVALID when the namespace is not that of the branch or two views have one id.
        """
        if branch is not None:
            check_ref_name("branch", branch)
        if snapshot.namespace != (branch or ""):
            raise invalid(
                f"the snapshot is of namespace {snapshot.namespace!r} and cannot be applied to "
                f"{f'branch {branch!r}' if branch else 'the head'}; a branch has the namespace of its name, "
                "the head has an empty one"
            )

        def move(refs: Refs) -> Move | None:
            if branch is None:
                return self._head_move(refs, snapshot, expected_head, "apply")
            return self._branch_move(refs, snapshot, branch, expected_head, expected_branch)

        self._change(snapshot.project, author, move)
        return snapshot.id

    def publish(self, project: str, branch: str, *, author: str) -> str:
        """Make the branch's definitions the head, in the production namespace, and return the new head's id.

        Raises NOT_FOUND, CONFLICT when the head is not the one that the branch was made on (or last published as),
        FAILED_PRECONDITION for a change that is not compatible with stored rows.
        """
        published = ""

        def move(refs: Refs) -> Move | None:
            nonlocal published
            if branch not in refs.branches:
                raise not_found(f"branch of project {project!r}:", branch, refs.branches)
            snapshot = in_namespace(self.snapshot(refs.branches[branch]), "")
            published = snapshot.id
            if refs.head == snapshot.id:
                return None
            if refs.head != refs.bases.get(branch):
                raise _conflict(
                    f"the head of project {project!r} is {_shown(refs.head)}{self._author_of(project, refs.head)}, and "
                    f"branch {branch!r} was made on {_shown(refs.bases.get(branch))}; bring that change into the "
                    "definitions, remove the branch, apply it again and publish that"
                )
            self._prepare(refs, snapshot, refs.head)
            moved = refs.with_head(snapshot.id).with_branch(branch, refs.branches[branch], snapshot.id)
            return Move(moved, snapshot.id, refs.head, "publish", branch)

        self._change(project, author, move)
        return published

    def rollback(self, project: str, snapshot_id: str, *, expected_head: str | None, author: str) -> str:
        """Make a snapshot that was the head before the head again, and return its id.

        `expected_head` is the head that the caller saw. Nothing happens where the snapshot is the head already. Raises
        NOT_FOUND for one that never was the head, and CONFLICT and FAILED_PRECONDITION as `apply` does.
        """
        snapshot = self.snapshot(snapshot_id)
        if not any(entry.id == snapshot_id and entry.moves_head for entry in self.log(project)):
            raise HotrowError(
                Code.NOT_FOUND,
                f"snapshot {snapshot_id[:12]} was never the head of project {project!r}; `hotrow registry log` shows "
                "what was, and a branch is published with `hotrow registry publish`",
            )
        self._change(project, author, lambda refs: self._head_move(refs, snapshot, expected_head, "rollback"))
        return snapshot_id

    def pin(self, project: str, name: str, ref: str, *, author: str = "") -> str:
        """Give the snapshot of `ref` a name under which servers go on serving it; moves a pin of that name."""
        check_ref_name("pin", name)
        pinned = self.resolve(project, ref)
        self.snapshot(pinned)

        def move(refs: Refs) -> Move | None:
            if name in refs.branches:
                raise invalid(
                    f"{name!r} is a branch of project {project!r} and cannot be a pin too; choose another name"
                )
            if refs.pins.get(name) == pinned:
                return None
            return Move(refs.with_pin(name, pinned), pinned, refs.pins.get(name), "pin", name)

        self._change(project, author, move)
        return pinned

    def unpin(self, project: str, name: str, *, author: str = "") -> None:
        """Remove a pin; raises NOT_FOUND."""

        def move(refs: Refs) -> Move:
            if name not in refs.pins:
                raise not_found(f"pin of project {project!r}:", name, refs.pins)
            return Move(refs.without(name), refs.pins[name], refs.pins[name], "unpin", name)

        self._change(project, author, move)

    def remove_branch(self, project: str, name: str, *, author: str = "") -> None:
        """Remove a branch, published or not; its snapshots and rows stay. Raises NOT_FOUND."""

        def move(refs: Refs) -> Move:
            if name not in refs.branches:
                raise not_found(f"branch of project {project!r}:", name, refs.branches)
            return Move(refs.without(name), refs.branches[name], refs.branches[name], "remove", name)

        self._change(project, author, move)

    def _head_move(self, refs: Refs, snapshot: Snapshot, expected: str | None, action: str) -> Move | None:
        if refs.head == snapshot.id:
            return None
        self._check_head(snapshot.project, refs, expected)
        self._prepare(refs, snapshot, refs.head)
        return Move(refs.with_head(snapshot.id), snapshot.id, refs.head, action, "")

    def _branch_move(
        self, refs: Refs, snapshot: Snapshot, branch: str, expected: str | None, expected_branch: str | Unset | None
    ) -> Move | None:
        if branch in refs.pins:
            raise invalid(f"{branch!r} is a pin of project {snapshot.project!r} and cannot be a branch too; rename it")
        current = refs.branches.get(branch)
        if current == snapshot.id:
            return None
        if not isinstance(expected_branch, Unset) and current != expected_branch:
            raise _conflict(
                f"branch {branch!r} of project {snapshot.project!r} is {_shown(current)}"
                f"{self._author_of(snapshot.project, current)}, and this was planned on {_shown(expected_branch)}; "
                "bring that change into the definitions, plan and apply again"
            )
        self._prepare(refs, snapshot, current)
        base = refs.bases[branch] if current is not None else expected
        return Move(refs.with_branch(branch, snapshot.id, base), snapshot.id, current, "apply", branch)

    def _check_head(self, project: str, refs: Refs, expected: str | None) -> None:
        if refs.head != expected:
            raise _conflict(
                f"the head of project {project!r} is {_shown(refs.head)}{self._author_of(project, refs.head)}, and "
                f"this was planned on {_shown(expected)}; bring that change into the definitions, plan and apply again"
            )

    def _prepare(self, refs: Refs, snapshot: Snapshot, base: str | None) -> None:
        """Check a snapshot against what is there, and put it into the registry."""
        self.plan(snapshot, base=base).require_compatible()
        check_view_ids([snapshot, *self._readable(refs.served())])
        self._backend.put_object(snapshot.id, snapshot.to_json())
        for service in snapshot.services.values():
            self.keep_signature(snapshot, service.features)

    def _change(self, project: str, author: str, move: Callable[[Refs], Move | None]) -> None:
        """Swap the refs for what `move` makes of them, again from the start when others were faster."""
        for _ in range(_ATTEMPTS):
            document, refs = self._read_refs(project)
            made = move(refs)
            if made is None:
                return
            entry = LogEntry(made.id, made.parent, author, now_us(), made.action, made.ref)
            new = refs_to_json(made.refs)
            if self._backend.swap_refs(project, expected=document, new=new, log_entry=log_entry_to_json(entry)):
                return
        raise HotrowError(
            Code.UNAVAILABLE, f"the refs of project {project!r} in {self.location} never stood still; try again"
        )


def _conflict(message: str) -> HotrowError:
    return HotrowError(Code.CONFLICT, message)


def _shown(snapshot_id: str | None) -> str:
    return "not there" if snapshot_id is None else snapshot_id[:12]
