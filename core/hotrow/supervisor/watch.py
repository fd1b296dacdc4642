"""Watches the registry for the supervisor, and lets through the snapshots that can be served."""

from collections.abc import Callable

from hotrow import clock, log
from hotrow.errors import Code, HotrowError
from hotrow.registry.registry import Registry
from hotrow.supervisor.control import Refs
from hotrow.supervisor.transform_check import TransformCheck

_log = log.logger(__name__)
_PENDING_S = 0.05


class _PendingError(Exception):
    """A snapshot's transforms are being compiled."""


class RegistryWatch:
    """What of a project is to be served.

    A snapshot is loaded and checked once, before it is let through; one that fails is logged, kept out, and named in
    `rejected` with the reason, and where it was the head, the head before it goes on being served. `check` begins the
    check of a snapshot's transforms, for which nothing else waits.
    """

    def __init__(self, registry: Registry, project: str, check: Callable[[str], TransformCheck]) -> None:
        self.rejected: dict[str, str] = {}
        self._check_transforms = check
        self._checks: dict[str, TransformCheck] = {}
        self._registry = registry
        self._project = project
        self._checked: set[str] = set()
        self._version: str | None = None
        self._refs: Refs | None = None
        self._away = False

    def initial(self) -> Refs:
        """What to serve at the start; raises HotrowError FAILED_PRECONDITION when there is nothing that can be."""
        version = self._registry.version(self._project)
        refs = self._load_waiting()
        if not refs.ids():
            problem = f"project {self._project!r} has no applied snapshot"
            if self.rejected:
                problem += " that can be served: " + "; ".join(
                    f"{id_[:12]}: {why}" for id_, why in self.rejected.items()
                )
            raise HotrowError(Code.FAILED_PRECONDITION, f"{problem}; run `hotrow apply` first", field="project")
        self._version, self._refs = version, refs
        return refs

    def poll(self) -> Refs | None:
        """What to serve from now on, or None while nothing has changed. A registry that is away changes nothing."""
        try:
            version = self._registry.version(self._project)
            if version == self._version:
                return None
            refs = self._load()
        except _PendingError:
            return None
        except (HotrowError, OSError) as error:
            if not self._away:
                _log.warning("the registry cannot be read; what is served goes on being served", error=str(error))
            self._away = True
            return None
        self._away = False
        self._version = version  # read before the refs: a change in between is seen again
        if refs == self._refs or not refs.ids():
            return None
        self._refs = refs
        return refs

    def close(self) -> None:
        """End the checks that go on."""
        for check in self._checks.values():
            check.end()

    def _load_waiting(self) -> Refs:
        while True:
            try:
                return self._load()
            except _PendingError:
                clock.sleep_s(_PENDING_S)

    def _load(self) -> Refs:
        found = self._registry.refs(self._project)
        return Refs(
            heads=tuple(id_ for id_ in found.heads if self._passes(id_, "head")),
            branches={name: id_ for name, id_ in found.branches.items() if self._passes(id_, f"branch {name}")},
            pins={name: id_ for name, id_ in found.pins.items() if self._passes(id_, f"pin {name}")},
        )

    def _passes(self, snapshot_id: str, name: str) -> bool:
        """Whether the snapshot can be served. What is away, rather than wrong, raises."""
        if snapshot_id in self._checked:
            return True
        if snapshot_id in self.rejected:
            return False
        try:
            self._check(snapshot_id)
        except HotrowError as error:
            if error.code is Code.UNAVAILABLE:
                raise
            _log.error(
                "a snapshot cannot be served, and is not published", snapshot=snapshot_id, ref=name, why=error.message
            )
            self.rejected[snapshot_id] = error.message
            return False
        self._checked.add(snapshot_id)
        return True

    def _check(self, snapshot_id: str) -> None:
        """Loading builds every definition anew, and so checks it; transforms are compiled as well."""
        check = self._checks.get(snapshot_id)
        if check is None:
            snapshot = self._registry.snapshot(snapshot_id)
            if snapshot.project != self._project:
                raise HotrowError(Code.INVALID, f"it is of project {snapshot.project!r}")
            if not snapshot.transforms:
                return
            check = self._checks[snapshot_id] = self._check_transforms(snapshot_id)
        why = check.result()
        if why is None:
            raise _PendingError
        del self._checks[snapshot_id]
        if why:
            raise HotrowError(Code.FAILED_PRECONDITION, why)
