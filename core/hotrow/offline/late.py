"""Rows that came too late for an incremental run: noticed by counting, and said until a run by name loads them.

A note beside the checkpoints keeps how many rows the source had before the start of the next incremental run. That run
counts again: what is more has come since, with event times that it passes by.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from hotrow.clock import text_from_us
from hotrow.errors import HotrowError
from hotrow.offline.source import SourcePart
from hotrow.offline.view_source import Source


class _Counted(msgspec.Struct, frozen=True):
    """`rows` before `start_us`, by what holds them, of parts of these `versions`; `unread` were said to be late."""

    work: str
    start_us: int
    versions: tuple[str, ...]
    rows: Mapping[str, int]
    unread: int = 0


class LateRows:
    """Those of one view, noted at a path. `work` names the view and the store."""

    def __init__(self, path: Path, work: str, source: Source) -> None:
        self._path = path
        self._work = work
        self._source = source
        self._parts = () if source.view.source is None else source.own_parts  # what is pushed is written when it comes
        self._known = self._read()
        self.unread = 0 if self._known is None else self._known.unread

    def look(self, start_us: int | None, say: Callable[[str], None]) -> None:
        """Say before a run from `start_us` on what it passes by; raises HotrowError for a damaged source."""
        known = self._known
        if start_us is None:
            return
        if known is not None and known.start_us == start_us and known.versions != _versions(self._parts):
            now = _rows_before(self._parts, start_us)
            self.unread += sum(max(0, rows - known.rows.get(holder, 0)) for holder, rows in now.items())
        if not self.unread:
            return
        view, until = self._source.view.name, text_from_us(start_us)
        say(
            f"{view}: {self.unread} rows that came to the source since have event times before {until}, where this run "
            f"starts, and are not loaded; `hotrow materialize START {until} --views {view}` loads them, and where rows "
            "come late as a rule, `lateness=` of the source has each run start so much earlier"
        )

    def note(self, start_us: int, *, all_read: bool) -> None:
        """Count for the next run, which starts at `start_us`; `all_read`: a run by name has read what was late.

        Where the source has changed meanwhile there is nothing to compare the next run with.
        """
        unread = 0 if all_read else self.unread
        versions = _versions(self._parts)
        known = self._known
        if known is not None and (known.start_us, known.versions, known.unread) == (start_us, versions, unread):
            return
        with contextlib.suppress(OSError):
            try:
                counted = _Counted(self._work, start_us, versions, _rows_before(self._parts, start_us), unread)
            except HotrowError:
                counted = None
            if counted is None or any(part.changed() for part in self._parts):
                self._path.unlink(missing_ok=True)
                return
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(counted))
            fresh.replace(self._path)

    def _read(self) -> _Counted | None:
        try:
            known = msgspec.json.decode(self._path.read_bytes(), type=_Counted)
        except (OSError, msgspec.DecodeError):
            return None
        return known if known.work == self._work else None


def _versions(parts: tuple[SourcePart, ...]) -> tuple[str, ...]:
    return tuple(part.version() for part in parts)


def _rows_before(parts: tuple[SourcePart, ...], time_us: int) -> Mapping[str, int]:
    rows: Counter[str] = Counter()
    for part in parts:
        rows[part.holder] += part.rows_before(time_us)
    return rows
