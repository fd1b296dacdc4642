"""What is derived from served snapshots, and kept only as long as they are served."""

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from hotrow.registry.served import ServedSet

T = TypeVar("T")

MOST = 1024
LARGEST_KEY_BYTES = 64 << 10
"""A caller chooses the keys: larger ones are not to be kept, or a thousand of them would take all memory."""


class Derived(Generic[T]):
    """A bounded cache for one generation of a served set. Threads may share it.

    A thread that makes an entry while the set changes puts it among those of the generation that it began with, which
    nobody looks at any more: an entry is never older than the set.
    """

    def __init__(self, served: ServedSet[Any]) -> None:
        self._served = served
        self._kept: tuple[object, dict[Hashable, T]] = (None, {})

    def get(self, key: Hashable, make: Callable[..., T], *arguments: object) -> T:
        """The entry of `key`, made by `make(*arguments)` if there is none."""
        generation = self._served.generation
        kept = self._kept
        if kept[0] is not generation:
            kept = self._kept = (generation, {})
        entries = kept[1]
        entry = entries.get(key)
        if entry is None:
            entry = make(*arguments)
            if len(entries) >= MOST:
                entries.clear()
            entries[key] = entry
        return entry

    def improve(self, key: Hashable, old: T, new: T) -> None:
        """Put `new` in the place of `old`, if that is still kept."""
        entries = self._kept[1]
        if entries.get(key) is old:
            entries[key] = new
