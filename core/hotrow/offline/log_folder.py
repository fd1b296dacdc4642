"""Where the log of pushed rows is: its folders, and what the names of its files say. Needs no pyarrow.

    <log>/<view>-<view id>/date=<day of the commits, UTC>/<first>-<last>.parquet

`first` and `last` are numbers of outbox entries: the file has the rows of the view's entries of that day from one to
the other. So the names say what need not be written again, and a file whose numbers lie within those of another one in
its folder has been merged into that. A name that begins with a dot is a file that is not complete.
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


class LogFile(NamedTuple):
    """A complete file, and the numbers of the first and the last entry in it."""

    first: int
    last: int
    path: Path

    def lies_in(self, other: "LogFile") -> bool:
        """Whether all its rows are in the other too."""
        same_day = self.path.parent == other.path.parent
        return same_day and self.path != other.path and other.first <= self.first and self.last <= other.last


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
    found = []
    for path in folder.glob("*.parquet"):
        name = _NAME.fullmatch(path.name)
        if name is not None:
            found.append(LogFile(int(name[1]), int(name[2]), path))
    return sorted(found, key=lambda file: (file.first, -file.last))


def current_files(files: Iterable[LogFile]) -> list[LogFile]:
    """Of a day's files as `complete_files` gives them, those that no other holds."""
    kept: list[LogFile] = []
    for file in files:
        if not kept or not file.lies_in(kept[-1]):
            kept.append(file)
    return kept


def last_file(log: Path, view_id: bytes | None = None) -> LogFile | None:
    """The file with the last entry of a view, or of any, that is in the log; None where none is."""
    days = [day for folder in log.glob(f"*-{view_id.hex() if view_id else '*'}") for day in day_folders(folder)]
    return max((file for day in days for file in complete_files(day)), key=lambda file: file.last, default=None)


def last_number(log: Path) -> int:
    """The greatest number of an entry that is in the log; 0 where none is."""
    last = last_file(log)
    return last.last if last else 0


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, with their names on the disk when this returns; raises OSError."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)
