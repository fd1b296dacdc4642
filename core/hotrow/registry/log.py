"""The log of a project: who moved which ref, when."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from hotrow.errors import Code, HotrowError
from hotrow.schema.canonical import canonical_json


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change of the refs.

    `id` is the snapshot that the ref points at afterwards (before, where it was removed) and `parent` the one before
    (None: the ref was new). `action` is apply, publish, rollback, pin, unpin or remove; `ref` is empty for the head,
    else the name of the branch or pin.
    """

    id: str
    parent: str | None
    author: str
    time_us: int
    action: str
    ref: str

    @property
    def moves_head(self) -> bool:
        """Whether the head is at `id` afterwards."""
        return self.action in ("publish", "rollback") or (self.action == "apply" and not self.ref)


def head_history(log: Iterable[LogEntry]) -> list[str]:
    """Of a log, newest first, the ids of the heads one can go back to: the head, the one that it followed, and so on.

    A rollback undoes what came after the head that it went back to: to roll back twice is to go back two heads.
    """
    heads: list[str] = []
    for entry in reversed([entry for entry in log if entry.moves_head]):
        if entry.action == "rollback" and entry.id in heads:
            del heads[len(heads) - heads[::-1].index(entry.id) :]
        else:
            heads.append(entry.id)
    return heads[::-1]


def log_entry_to_json(entry: LogEntry) -> bytes:
    """One line without its end."""
    return canonical_json(asdict(entry))


def log_entry_from_json(data: bytes, where: str) -> LogEntry:
    """The inverse of `log_entry_to_json`; raises FAILED_PRECONDITION, naming `where` it came from."""
    try:
        return LogEntry(**json.loads(data))
    except (TypeError, ValueError) as error:
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"an entry of the log in {where} cannot be read ({error}); restore the log from a backup",
        ) from error
