"""What became of the rows of a `hotrow push`, over all of its requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hotrow.cli import render

if TYPE_CHECKING:
    from hotrow.v1.push_pb2 import PushFeaturesReply


@dataclass(slots=True)
class Total:
    """Counts over all requests; `rejections` are (row, field, reason), rows counted from the first request on."""

    sent: int = 0
    written: int = 0
    stale: int = 0
    rejected: int = 0
    duplicates: int = 0
    token: bytes = b""
    snapshot: str = ""
    rejections: tuple[tuple[int, str, str], ...] = ()

    def add(self, reply: PushFeaturesReply, rows: int) -> None:
        """Count a reply to a request of so many rows."""
        self.rejections += tuple((self.sent + r.row, r.field, r.reason) for r in reply.rejections)
        self.sent += rows
        self.written += reply.written
        self.stale += reply.skipped_stale
        self.rejected += reply.rejected
        self.duplicates += reply.duplicates
        self.token, self.snapshot = reply.token, reply.snapshot

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "written": self.written,
            "skipped_stale": self.stale,
            "rejected": self.rejected,
            "duplicates": self.duplicates,
            "rejections": [{"row": row, "field": field, "reason": reason} for row, field, reason in self.rejections],
            "token": self.token,
            "snapshot": self.snapshot,
        }


def print_total(total: Total, *, dry_run: bool) -> None:
    """The counts in a line, and a line a rejection on stderr."""
    would = "would be " if dry_run else ""
    parts = [f"{would}written {total.written:,}"]
    for count, what in ((total.stale, "stale"), (total.duplicates, "duplicates"), (total.rejected, "rejected")):
        parts += [f"{what} {count:,}"] if count else []
    print(", ".join(parts))
    for row, field, reason in total.rejections:
        render.note(f"row {row}: {field}: {reason}" if field else f"row {row}: {reason}")
