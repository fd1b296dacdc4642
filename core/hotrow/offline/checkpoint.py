"""How far the materialization of a view has come, in a file, so that the next run need not start from the beginning.

A run is interrupted by a person, by a machine that goes down, or by a worker that is away for too long. What it wrote
stays. A part of the source counts as done when all of its rows have been answered for.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from hotrow.offline.source import Interval, SourcePart


class _Stopped(msgspec.Struct, frozen=True):
    """`work` names what was done, `end_us` is the end of its interval, `done` has the versions of parts; `newest_us` is
    the newest event time in them.
    """

    work: str
    end_us: int
    done: tuple[str, ...]
    newest_us: int | None = None


class Checkpoint:
    """That of one view, at a path. `work` names what is done and where to: view, snapshot, start, store."""

    def __init__(self, path: Path, work: str, interval: Interval) -> None:
        self._path = path
        self._work = work
        self._interval = interval
        self._earlier = self._read()

    @property
    def found(self) -> int:
        """How many parts an earlier run of the same work has done."""
        return 0 if self._earlier is None else len(self._earlier.done)

    @property
    def newest_us(self) -> int | None:
        """The newest event time that an earlier run of the same work has read."""
        return None if self._earlier is None else self._earlier.newest_us

    def left(self, parts: Iterable[SourcePart]) -> list[tuple[SourcePart, Interval]]:
        """The parts that are still to be read, and from when to when.

        Of a part that an earlier run has done, and that is unchanged, what lies between the end of then and that of
        now is left.
        """
        if self._earlier is None:
            return [(part, self._interval) for part in parts]
        since = Interval(self._earlier.end_us, self._interval.end_us)
        more = self._interval.end_us is None or self._interval.end_us > self._earlier.end_us
        known = set(self._earlier.done)
        left = [(part, since if part.version() in known else self._interval) for part in parts]
        return [(part, interval) for part, interval in left if interval is not since or more]

    def save(self, done: Iterable[SourcePart], newest_us: int | None = None) -> None:
        """Note that all rows of these parts are written, the newest of that time.

        Where it cannot be noted, the next run does more.
        """
        versions = [version for part in done if (version := part.version())]
        if self._interval.end_us is None or not versions:
            return
        state = _Stopped(self._work, self._interval.end_us, tuple(versions), newest_us)
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(msgspec.json.encode(state))
            fresh.replace(self._path)

    def remove(self) -> None:
        """The run has come to its end."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _read(self) -> _Stopped | None:
        try:
            earlier = msgspec.json.decode(self._path.read_bytes(), type=_Stopped)
        except (OSError, msgspec.DecodeError):
            return None
        return earlier if earlier.work == self._work else None
