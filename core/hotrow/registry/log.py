"""The log of a project: who moved which ref, when."""

import json
from dataclasses import asdict, dataclass

from hotrow.errors import Code, HotrowError
from hotrow.schema.canonical import canonical_json


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change of the refs.

    `id` is the snapshot that the ref points at afterwards (before, where it was removed) and `parent` the one before
    (None: the ref was new). `action` is apply, publish, pin, unpin or remove; `ref` is empty for the head, else the
    name of the branch or pin.
    """

    id: str
    parent: str | None
    author: str
    time_us: int
    action: str
    ref: str


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
