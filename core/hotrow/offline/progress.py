"""How far a long run is: a bar on a terminal, and a line now and then where stderr is none."""

from __future__ import annotations

import sys
import threading
from typing import IO, TYPE_CHECKING, Protocol

from hotrow import clock
from hotrow.errors import Code, HotrowError

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

LINE_EVERY_S = 5.0


class Piece(Protocol):
    """One piece of work of a known number of rows, while it is done; for one thread at a time."""

    def advance(self, rows: int) -> None:
        """So many rows more."""

    def wait(self, error: HotrowError) -> None:
        """A request is tried again, because of `error`."""

    def finish(self) -> None:
        """The piece ends, done or not."""


class Progress(Protocol):
    """Told of pieces of work, of which several may be under way, each in a thread of its own."""

    def start(self, name: str, total: int) -> Piece:
        """A piece of so many rows begins."""


def open_progress(stream: IO[str] | None = None) -> Progress:
    """Bars where `stream` (default: stderr) is a terminal, else lines."""
    out = sys.stderr if stream is None else stream
    return BarProgress(out) if out.isatty() else LineProgress(out)


class SilentProgress:
    """Says nothing."""

    def start(self, name: str, total: int) -> Piece:  # noqa: ARG002 - of the port
        """A piece that says nothing."""
        return _Silence()


class _Silence:
    def advance(self, rows: int) -> None: ...
    def wait(self, error: HotrowError) -> None: ...
    def finish(self) -> None: ...


class SharedProgress:
    """Hands on what several threads do, and ends them at their next step when it is told to `stop`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.stopped = False

    def start(self, name: str, total: int) -> Piece:
        """A piece whose `advance` any thread may call, and which raises HotrowError after `stop`."""
        return _SharedPiece(self, self._progress.start(name, total))

    def stop(self) -> None:
        """End the threads at their next step."""
        self.stopped = True


class _SharedPiece:
    def __init__(self, progress: SharedProgress, piece: Piece) -> None:
        self._progress = progress
        self._piece = piece
        self._lock = threading.Lock()

    def advance(self, rows: int) -> None:
        with self._lock:
            if self._progress.stopped:
                raise HotrowError(Code.UNAVAILABLE, "the work was stopped")
            self._piece.advance(rows)

    def wait(self, error: HotrowError) -> None:
        self.advance(0)
        self._piece.wait(error)

    def finish(self) -> None:
        self._piece.finish()


class TwoSteps:
    """A piece each of whose rows is read and, later, done with; either is half of it. For several threads."""

    def __init__(self, piece: Piece) -> None:
        self._piece = piece
        self._lock = threading.Lock()
        self._steps = 0

    def advance(self, rows: int) -> None:
        """So many rows more were read, or are done with."""
        with self._lock:
            before = self._steps // 2
            self._steps += rows
            self._piece.advance(self._steps // 2 - before)


class LineProgress:
    """A line a piece every LINE_EVERY_S, for logs."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def start(self, name: str, total: int) -> Piece:
        """A piece that says its name in each line."""
        return _LinePiece(self._out, name, total)


class _LinePiece:
    def __init__(self, out: IO[str], name: str, total: int) -> None:
        self._out = out
        self._name, self._total, self._done = name, total, 0
        self._started_s = self._said_s = clock.monotonic_s()
        self._waits = ""

    def advance(self, rows: int) -> None:
        self._done += rows
        self._waits = ""
        now_s = clock.monotonic_s()
        if now_s - self._said_s >= LINE_EVERY_S:
            self._said_s = now_s
            self._say(progress_line(self._done, self._total, now_s - self._started_s))

    def wait(self, error: HotrowError) -> None:
        if error.message != self._waits:  # once a reason, not once a try
            self._waits = error.message
            self._say(f"waiting: {error.message}")

    def finish(self) -> None:
        self._waits = ""

    def _say(self, text: str) -> None:
        print(f"{self._name}: {text}", file=self._out, flush=True)


def progress_line(done: int, total: int, seconds: float) -> str:
    """Rows, rate and time left, in words."""
    rate = done / seconds if seconds > 0 else 0.0
    line = f"{done:,} of {total:,} rows"
    if total:
        line += f" ({100 * done // total}%)"
    if rate:
        line += f", {rate:,.0f} rows/s, {duration_text(max(0, total - done) / rate)} left"
    return line


def duration_text(seconds: float) -> str:
    """A duration as people say it: 42 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class BarProgress:
    """A bar a piece, with rows, rate and time left."""

    def __init__(self, out: IO[str]) -> None:
        # Imported here: it takes 60 ms, and a log has no use for it.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
        from rich.progress import Progress as Bars  # noqa: PLC0415

        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[rows]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[note]}"),
            console=Console(file=out),
        )

    def start(self, name: str, total: int) -> Piece:
        """A piece with a bar of its own."""
        self._bars.start()
        return _BarPiece(self._bars, name, total)


class _BarPiece:
    def __init__(self, bars: Bars, name: str, total: int) -> None:
        self._bars = bars
        self._task = bars.add_task(name, total=total, rows="", note="")
        self._done, self._total = 0, total
        self._started_s = clock.monotonic_s()

    def advance(self, rows: int) -> None:
        self._done += rows
        rate = self._done / max(clock.monotonic_s() - self._started_s, 1e-3)
        text = f"{self._done:,}/{self._total:,} rows  {rate:,.0f} rows/s"
        self._bars.update(self._task, completed=self._done, rows=text, note="")

    def wait(self, error: HotrowError) -> None:
        self._bars.update(self._task, note=f"waiting: {error.message}")

    def finish(self) -> None:
        """The bar stays on the screen as it is, above those of the pieces that go on."""
        self._bars.stop_task(self._task)
        if all(task.finished or task.stop_time is not None for task in self._bars.tasks):
            self._bars.stop()
            for task in self._bars.task_ids:
                self._bars.remove_task(task)
