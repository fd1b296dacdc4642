"""Where the log of pushed rows is: its folders, and what the names of its files say. Needs no pyarrow.

    <log>/<view>-<view id>/date=<day of the commits, UTC>/<first>-<last>.parquet

`first` and `last` are numbers of outbox entries: the file has the rows of the view's entries of that day from one to
the other. So the names say what need not be written again, and a file whose numbers lie within those of another one in
its folder has been merged into that. A name that begins with a dot is a file that is not complete.

    <log>/<view>-<view id>/.pruned-<before>-<created>-<last>

An empty file: rows with an event time before `before` that were created up to `created` are read no more, wherever they
still are. Entries up to the number `last` are logged, or were.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hotrow import clock
from hotrow.disk import sync

EVENT_TIME, CREATED_TIME, DELETED = "__event_time", "__created_time", "__deleted"
"""Columns of a file beside the join keys and fields, none of which can have such a name."""

TEMPORARY = "*/*/.*.tmp"
_NAME = re.compile(r"(\d{20})-(\d{20})\.parquet")
_VIEW = re.compile(r"(.+)-([0-9a-f]{16})")
_PRUNED = re.compile(r"\.pruned-(-?\d+)-(-?\d+)-(\d+)")


class LogFile(NamedTuple):
    """A complete file, and the numbers of the first and the last entry in it."""

    first: int
    last: int
    path: Path

    def lies_in(self, other: "LogFile") -> bool:
        """Whether all its rows are in the other too."""
        same_day = self.path.parent == other.path.parent
        return same_day and self.path != other.path and other.first <= self.first and self.last <= other.last


class LoggedView(NamedTuple):
    """A view that has a folder in the log."""

    name: str
    view_id: bytes
    folder: Path


class Pruned(NamedTuple):
    """What a mark in the folder of a view says, see above; times are microseconds."""

    before_us: int
    created_us: int
    last: int

    @property
    def file_name(self) -> str:
        return f".pruned-{self.before_us}-{self.created_us}-{self.last}"

    def covers(self, other: "Pruned") -> bool:
        """Whether the other says nothing that this does not."""
        return all(own >= others for own, others in zip(self, other, strict=True))


def view_folder(log: Path, view: str, view_id: bytes) -> Path:
    """The folder of a view."""
    return log / f"{view}-{view_id.hex()}"


def date_folder(folder: Path, created_us: int) -> Path:
    """The folder of a view's rows that were committed on that day."""
    return folder / f"date={clock.datetime_from_us(created_us).date().isoformat()}"


def file_name(first: int, last: int) -> str:
    return f"{first:020d}-{last:020d}.parquet"


def day_folders(folder: Path) -> list[Path]:
    """The folders of a view's days."""
    return sorted(folder.glob("date=*"))


def complete_files(folder: Path) -> list[LogFile]:
    """The files of a day in the order of their numbers, those that were merged into others too."""
    found = [
        LogFile(int(name[1]), int(name[2]), folder / name[0]) for name in map(_NAME.fullmatch, _names(folder)) if name
    ]
    return sorted(found, key=lambda file: (file.first, -file.last))


def current_files(files: Iterable[LogFile]) -> list[LogFile]:
    """Of a day's files as `complete_files` gives them, those that no other holds."""
    kept: list[LogFile] = []
    for file in files:
        if not kept or not file.lies_in(kept[-1]):
            kept.append(file)
    return kept


def logged_views(log: Path) -> list[LoggedView]:
    """The views in the log, those that nobody serves any more too."""
    names = [name for name in map(_VIEW.fullmatch, sorted(_names(log))) if name]
    return [LoggedView(name[1], bytes.fromhex(name[2]), log / name[0]) for name in names]


def pruned_marks(folder: Path) -> list[Pruned]:
    """What was pruned of a view."""
    return [Pruned(*map(int, mark.groups())) for mark in map(_PRUNED.fullmatch, _names(folder)) if mark]


def last_file(folder: Path) -> LogFile | None:
    """The file with the last entry of a view; None where it has no file."""
    files = (file for day in day_folders(folder) for file in complete_files(day))
    return max(files, key=lambda file: file.last, default=None)


def last_number(log: Path, view_id: bytes | None = None) -> int:
    """The greatest number of an entry of a view, or of any, that is in the log, or was; 0 where none is."""
    folders = [view.folder for view in logged_views(log) if view_id in {None, view.view_id}]
    files = [file.last for folder in folders if (file := last_file(folder))]
    return max([*files, *(mark.last for folder in folders for mark in pruned_marks(folder))], default=0)


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):  # not there yet, or gone since its name was read
        return []


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, with their names on the disk when this returns; raises OSError."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)
