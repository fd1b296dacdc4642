"""Takes rows of before a moment out of the log of pushed rows: by a mark, and by deleting files.

From the mark on no reader has these rows, whatever is deleted and whatever is not, so that of what was pushed before
the moment a reader sees all or nothing, and never a row whose successor or deletion has gone. Files with no other rows
are deleted once the mark is on the disk. A file with later rows too stays as it is, until those are pruned as well.

That needs no lock. The mark says up to which number entries are logged, so that the last file of a view may go; a merge
that was under way may write pruned rows to its file once more, and they are as marked there as before.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from hotrow.disk import sync
from hotrow.errors import invalid
from hotrow.failpoint import Reached, unarmed
from hotrow.offline.parquet_file import time_bounds_us
from hotrow.offline.row_log.folder import (
    CREATED_TIME,
    EVENT_TIME,
    LogFile,
    LoggedView,
    Pruned,
    complete_files,
    date_folder,
    day_folders,
    pruned_marks,
)


class _Span(NamedTuple):
    """A file, its size, the first and the last event time in it, and the last created time."""

    file: LogFile
    size: int
    first_us: int
    last_us: int
    created_us: int


@dataclass(frozen=True, slots=True)
class Prune:
    """What is to be pruned of a view: files of before the moment alone, which are deleted, and files with later rows
    too, which stay, both with their sizes. `mark` is None where no row is of before the moment; `last` is the file with
    the last entry.
    """

    view: LoggedView
    mark: Pruned | None
    last: Path
    deleted: Mapping[Path, int]
    kept: Mapping[Path, int]

    def run(self, reached: Reached = unarmed) -> None:
        """Do it; where that is cut off, another run does the rest. Raises OSError. `reached` is for tests."""
        if self.mark is None:
            return
        folder = self.view.folder
        _remove_covered(folder)
        with contextlib.suppress(FileNotFoundError):  # another has pruned that day, and done this before
            sync(self.last.parent)  # what is logged is known from the mark from now on
        (folder / self.mark.file_name).touch()
        sync(folder)
        reached("prune_marked")
        for path in self.deleted:
            path.unlink(missing_ok=True)
            reached("prune_deleted")
        today = date_folder(folder, self.mark.created_us)
        for day in day_folders(folder):
            if day < today:  # else a writer may just have made it
                with contextlib.suppress(OSError):  # it has files
                    day.rmdir()


def plan_prune(view: LoggedView, before_us: int) -> Prune:
    """What a view's log has of before a moment; raises INVALID for a file that cannot be read, and OSError."""
    files = [file for day in day_folders(view.folder) for file in complete_files(day)]
    spans = [span for span in map(_span, files) if span is not None]
    old = [span for span in spans if span.first_us < before_us]
    if not old:
        return Prune(view, None, view.folder, {}, {})
    last = max((span.file for span in spans), key=lambda file: file.last)
    return Prune(
        view,
        Pruned(before_us, max(span.created_us for span in spans), last.last),
        last.path,
        {span.file.path: span.size for span in old if span.last_us < before_us},
        {span.file.path: span.size for span in old if span.last_us >= before_us},
    )


def _span(file: LogFile) -> _Span | None:
    """None where the file has gone."""
    try:
        size = file.path.stat().st_size
        metadata = pq.read_metadata(file.path)
    except FileNotFoundError:
        return None
    except pa.ArrowException as error:
        raise invalid(f"{file.path} is no readable Parquet ({error}); move it away, and prune again") from None
    event, created = time_bounds_us(metadata, EVENT_TIME), time_bounds_us(metadata, CREATED_TIME)
    if event is None or created is None:
        raise invalid(f"{file.path} does not tell its times in its statistics; write it with them, and prune again")
    return _Span(file, size, *event, created[1])


def _remove_covered(folder: Path) -> None:
    """Remove marks that an earlier run's covers: whoever lists the folder meanwhile has that one."""
    marks = pruned_marks(folder)
    for mark in marks:
        if any(other.covers(mark) for other in marks if other != mark):
            (folder / mark.file_name).unlink(missing_ok=True)
