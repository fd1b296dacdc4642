"""What became of the rows of a `hotrow push`, over all of its requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hotrow.cli import render

if TYPE_CHECKING:
    from hotrow.v1.push_pb2 import PushFeaturesReply


@dataclass(slots=True)
class Total:
    """Counts over all requests; `rejections` are (row, field, reason), rows counted from the first request on.

    `raised` has, by transform, for how many rows it raised, and the reason of the first.
    """

    sent: int = 0
    written: int = 0
    stale: int = 0
    rejected: int = 0
    duplicates: int = 0
    token: bytes = b""
    snapshot: str = ""
    rejections: tuple[tuple[int, str, str], ...] = ()
    raised: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, reply: PushFeaturesReply, rows: int) -> None:
        """Count a reply to a request of so many rows."""
        self.rejections += tuple((self.sent + r.row, r.field, r.reason) for r in reply.rejections)
        for e in reply.transform_errors:
            held, reason = self.raised.get(e.transform, (0, f"row {self.sent + e.row}: {e.reason}"))
            self.raised[e.transform] = held + e.rows, reason
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
            "rejections": [{"row": row, "field": name, "reason": reason} for row, name, reason in self.rejections],
            "transform_errors": [
                {"transform": name, "rows": rows, "reason": reason} for name, (rows, reason) in self.raised.items()
            ],
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
    for row, name, reason in total.rejections:
        render.note(f"row {row}: {name}: {reason}" if name else f"row {row}: {reason}")
    for name, (rows, reason) in total.raised.items():
        render.warn(
            f"transform {name!r} raises for {rows:,} rows, which have null for its outputs; the first: {reason}"
        )
