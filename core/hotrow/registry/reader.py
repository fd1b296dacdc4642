"""Reading a registry: snapshots, refs and their log, and what a change would come to."""

import hashlib
from collections.abc import Iterable, Iterator

from hotrow.errors import Code, HotrowError, invalid, not_found
from hotrow.registry.diff import Plan, diff
from hotrow.registry.log import LogEntry, head_history, log_entry_from_json
from hotrow.registry.name import ID_LENGTH, earlier_head, is_id_prefix
from hotrow.registry.port import RegistryBackend, StoredRows
from hotrow.registry.refs import Refs, refs_from_json
from hotrow.registry.signature import Signed, kept_signed
from hotrow.registry.snapshot import Snapshot, snapshot_from_json
from hotrow.schema.check import check_name


class RegistryReader:
    """What `hotrow.registry.registry.Registry` does without writing.

    Methods raise INVALID for a project that is no name, and what the backend raises (`hotrow.registry.port`).
    """

    def __init__(self, backend: RegistryBackend, rows: StoredRows | None = None) -> None:
        self._backend = backend
        self._rows = rows

    @property
    def location(self) -> str:
        """Where the registry is, for messages."""
        return self._backend.location

    def head(self, project: str) -> str | None:
        """The id of the snapshot in production; None before the first apply."""
        return self.refs(project).head

    def refs(self, project: str) -> Refs:
        """Heads, branches and pins as they are now."""
        return self._read_refs(project)[1]

    def version(self, project: str) -> str:
        """A token that is another one whenever the refs changed; cheap enough to ask for a few times a second."""
        check_name("project", project)
        return self._backend.version(project)

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """The snapshot of a whole id.

        Raises NOT_FOUND, and FAILED_PRECONDITION when what is kept under the id is damaged or cannot be read.
        """
        known = len(snapshot_id) == ID_LENGTH and is_id_prefix(snapshot_id)
        data = self._backend.get_object(snapshot_id) if known else None
        if data is None:
            raise HotrowError(Code.NOT_FOUND, f"the registry {self.location} holds no snapshot {snapshot_id!r}")
        if hashlib.sha256(data).hexdigest() != snapshot_id:
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"the snapshot {snapshot_id} in the registry {self.location} is damaged: its content has another "
                "hash; restore it from a backup, or apply the definitions that it was made of to a new registry",
            )
        try:
            return snapshot_from_json(data)
        except HotrowError as error:
            message = f"the snapshot {snapshot_id} in the registry {self.location}: {error.message}"
            raise HotrowError(Code.FAILED_PRECONDITION, message) from error

    def signed(self, signature: str) -> Signed:
        """What a signature stands for; empty where that was never kept, or is damaged."""
        return kept_signed(self._backend, signature)

    def resolve(self, project: str, ref: str) -> str:
        """The snapshot id of a ref: empty for the head, `head@N` for the head N moves ago, a branch, a pin, an id, or a
        unique prefix of 8 digits or more.

        Raises NOT_FOUND, FAILED_PRECONDITION before the first apply, INVALID for a prefix of several ids.
        """
        refs = self.refs(project)
        if ref in ("", "head"):
            if refs.head is None:
                raise HotrowError(
                    Code.FAILED_PRECONDITION,
                    f"project {project!r} has nothing applied in the registry {self.location}; run `hotrow apply`",
                )
            return refs.head
        if ref in refs.named:
            return refs.named[ref]
        if (moves := earlier_head(ref)) is not None:
            return self._earlier_head(project, moves)
        found = {entry.id for entry in self.log(project) if entry.id.startswith(ref)} if is_id_prefix(ref) else set()
        if len(found) > 1:
            raise invalid(f"snapshot {ref!r} could be {', '.join(sorted(found))}; give more digits")
        if not found:
            raise not_found(f"snapshot, branch or pin of project {project!r}:", ref, refs.named)
        return found.pop()

    def heads(self, project: str) -> list[str]:
        """The head and the heads that it followed, as `head_history` has them; `head@N` is number N."""
        return head_history(self.log(project))

    def log(self, project: str) -> list[LogEntry]:
        """Every move of a ref, newest first."""
        check_name("project", project)
        lines = self._backend.read_log(project)
        return [log_entry_from_json(line, self.location) for line in reversed(lines)]

    def plan(self, snapshot: Snapshot, *, base: str | None) -> Plan:
        """What applying `snapshot` would change of the snapshot `base`, its rows in the store's past included."""
        old = None if base is None else self.snapshot(base)
        plan, rows = diff(old, snapshot, self._past(snapshot)), self._rows
        return plan if rows is None else plan.excused(lambda view: rows.unfit(old, snapshot, view))

    def generation(self, snapshot: Snapshot, view: str) -> int:
        """The generation of a view when it was last applied in the namespace of `snapshot`; 0 where it never was."""
        return next((past.views[view].generation for past in self._past(snapshot) if view in past.views), 0)

    def next_generation(self, project: str, view: str) -> int:
        """A generation that no snapshot of the project, of no branch either, has had of a view."""
        ids = dict.fromkeys(entry.id for entry in self.log(project))
        known = [past.views[view].generation for past in self._readable(ids) if view in past.views]
        return max(known, default=0) + 1

    def _earlier_head(self, project: str, moves: int) -> str:
        heads = self.heads(project)
        if moves >= len(heads):
            known = f"the earliest is head@{len(heads) - 1}" if heads else "nothing was applied yet"
            raise HotrowError(Code.NOT_FOUND, f"project {project!r} has no head@{moves}: {known}")
        return heads[moves]

    def _past(self, snapshot: Snapshot) -> Iterator[Snapshot]:
        """The earlier snapshots of the namespace, newest first; those that cannot be read are passed over."""
        ids = dict.fromkeys(entry.id for entry in self.log(snapshot.project) if entry.action in ("apply", "publish"))
        return (past for past in self._readable(ids) if past.namespace == snapshot.namespace)

    def _readable(self, ids: Iterable[str]) -> Iterator[Snapshot]:
        for snapshot_id in ids:
            try:
                yield self.snapshot(snapshot_id)
            except HotrowError as error:
                if error.code not in (Code.NOT_FOUND, Code.FAILED_PRECONDITION):
                    raise

    def _author_of(self, project: str, snapshot_id: str | None) -> str:
        entry = next((entry for entry in self.log(project) if entry.id == snapshot_id), None)
        return f" (by {entry.author})" if entry is not None and entry.author else ""

    def _read_refs(self, project: str) -> tuple[bytes | None, Refs]:
        check_name("project", project)
        document = self._backend.get_refs(project)
        return document, Refs() if document is None else refs_from_json(document, self.location)
