"""The ports of a registry: to where it is kept, objects by name and a refs document with a log for each project, all
bytes; and to who knows what rows are stored.
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hotrow.registry.snapshot import Snapshot


class RegistryBackend(Protocol):
    """What `Registry` needs of a place that keeps bytes. Any number of processes use one at once.

    Every method raises `HotrowError`: UNAVAILABLE when the place cannot be reached or a lock is not released,
    EXHAUSTED when it is full, FAILED_PRECONDITION when what is there is damaged or no registry.
    """

    @property
    def location(self) -> str:
        """Where it is, for messages."""

    def get_object(self, object_id: str) -> bytes | None:
        """The bytes put under that id, None where there are none. The caller checks them against the id."""

    def put_object(self, object_id: str, data: bytes) -> None:
        """Keep bytes under their hash, durably; what stands there and differs is damaged, and replaced."""

    def get_refs(self, project: str) -> bytes | None:
        """The refs document; None before the first `swap_refs`."""

    def swap_refs(self, project: str, *, expected: bytes | None, new: bytes, log_entry: bytes) -> bool:
        """Replace the refs document, if it still is `expected`, and append to the log: durably, both or neither.

        Returns whether it did. `log_entry` holds no line feed.
        """

    def read_log(self, project: str) -> list[bytes]:
        """The entries appended so far, oldest first."""

    def version(self, project: str) -> str:
        """A token that is another one after every `swap_refs`; cheap, since servers ask a few times a second."""


class StoredRows(Protocol):
    """Who can tell what rows are stored: asked about changes that rows of an earlier schema would not fit."""

    def unfit(self, old: "Snapshot | None", new: "Snapshot", view: str) -> str:
        """Why rows that are stored may not fit the view as `new` has it; empty where no such row is stored.

        What cannot be asked counts as having such rows.
        """
