"""The set of snapshots that a server serves: the last heads, branches and pins, each compiled once."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from hotrow.errors import Code, HotrowError
from hotrow.registry.name import is_id_prefix
from hotrow.registry.refs import Refs
from hotrow.registry.snapshot import Snapshot

T = TypeVar("T")


@dataclass(frozen=True)
class _State(Generic[T]):
    """What is served at one moment: compiled snapshots by id and by name, in the order of `Refs.served`."""

    head_id: str | None = None
    by_id: Mapping[str, T] = field(default_factory=dict)
    by_name: Mapping[str, T] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


class ServedSet(Generic[T]):
    """Compiled snapshots by ref. Readers on any thread see one state or the next, and never wait."""

    def __init__(self, compile: Callable[[Snapshot], T]) -> None:  # noqa: A002 - the word for it
        self._compile = compile
        self._state: _State[T] = _State()
        self._updating = threading.Lock()

    @property
    def head_id(self) -> str | None:
        """The id of the served head; None before the first apply."""
        return self._state.head_id

    @property
    def generation(self) -> object:
        """Another object whenever what is served has changed: what is derived from it is kept only as long."""
        return self._state

    def update(self, refs: Refs, load: Callable[[str], Snapshot]) -> list[str]:
        """Serve what `refs` name, compiling only what was not served before.

        Raises what loading or compiling the head raises, and then goes on serving what it served. Another snapshot
        that fails with a `HotrowError` is left out, and returned as a line that says why.
        """
        with self._updating:
            before = self._state
            by_id: dict[str, T] = {}
            failed: dict[str, str] = {}
            for snapshot_id in refs.served():
                try:
                    known = before.by_id.get(snapshot_id)
                    by_id[snapshot_id] = self._compile(load(snapshot_id)) if known is None else known
                except HotrowError as error:
                    if snapshot_id == refs.head:
                        raise
                    failed[snapshot_id] = error.message
            self._state = _state(refs, by_id, failed)
            return [f"snapshot {snapshot_id[:12]} is not served: {why}" for snapshot_id, why in failed.items()]

    def get(self, ref: str) -> T:
        """The compiled snapshot of a ref: empty for the head, a name, an id, or a prefix of 8 digits or more.

        Raises FAILED_PRECONDITION, naming what is served, for anything else.
        """
        state = self._state
        found = state.by_name.get(ref or "head")
        if found is None:
            found = state.by_id.get(ref)
        if found is None and is_id_prefix(ref):
            matches = [compiled for snapshot_id, compiled in state.by_id.items() if snapshot_id.startswith(ref)]
            found = matches[0] if len(matches) == 1 else None
        if found is None:
            raise HotrowError(Code.FAILED_PRECONDITION, _not_served(state, ref), field="snapshot")
        return found

    def compiled(self) -> list[T]:
        """All that is served, the head first."""
        return list(self._state.by_id.values())

    def listing(self) -> list[tuple[str, tuple[str, ...]]]:
        """Every served snapshot id, the head first, with its names: "head", branches, pins."""
        return list(self._state.names.items())


def _state(refs: Refs, by_id: dict[str, T], failed: dict[str, str]) -> _State[T]:
    served = refs.served()
    by_name = {name: by_id[snapshot_id] for snapshot_id in by_id for name in served[snapshot_id]}
    names = {snapshot_id: served[snapshot_id] for snapshot_id in by_id}
    failed_refs = {ref: why for snapshot_id, why in failed.items() for ref in (snapshot_id, *served[snapshot_id])}
    return _State(refs.head, by_id, by_name, names, failed_refs)


def _not_served(state: _State[T], ref: str) -> str:
    if state.head_id is None and ref in ("", "head"):
        return "nothing is served: the project has no snapshot yet; run `hotrow apply`"
    if ref in state.failed:
        return f"snapshot {ref!r} is not served: {state.failed[ref]}"
    served = ", ".join(" = ".join((*names, snapshot_id[:12])) for snapshot_id, names in state.names.items())
    return (
        f"snapshot {ref!r} is not served; served are {served or 'none'} (the last heads, branches and pins); "
        "pin it with `hotrow registry pin`, or ask for one of these"
    )
