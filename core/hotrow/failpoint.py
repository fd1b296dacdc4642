"""Places where a process can be told to kill itself, so that tests can crash it at the worst moment.

`HOTROW_FAILPOINT="after_write:3"` (read by `hotrow.settings`) kills the ingest worker with SIGKILL when it comes to
the place `after_write` for the third time, and `hotrow store prune-log` at places of its own. The places:

    after_write   rows are written in a transaction that is not committed yet; on a cluster, in their partitions
    after_claim   on a cluster: the request ids are claimed, and the outbox has its entries, but no row is written
    after_commit  the transaction is committed, and no caller has been answered yet
    log_written   a file of the log of pushed rows is on the disk, and does not have its name yet
    log_renamed   it has its name, and the entries in it are still in the outbox
    merge_written, merge_renamed  the same of a file that smaller ones were merged into, and those are still there
    prune_marked  rows of the log are marked as pruned, and no file is deleted yet
    prune_deleted a file of the log is deleted

A composition root makes the function and hands it to what has such places; nothing else can arm one.
"""

import os
import signal
from collections.abc import Callable

from hotrow.errors import invalid

PLACES = (
    "after_write",
    "after_claim",
    "after_commit",
    "log_written",
    "log_renamed",
    "merge_written",
    "merge_renamed",
    "prune_marked",
    "prune_deleted",
)

Reached = Callable[[str], None]
"""Called with the name of a place when execution comes to it."""


def unarmed(_place: str) -> None:
    """The function of every process outside such tests."""


def reached_from_text(text: str) -> Reached:
    """The function for `place:count`; `unarmed` for an empty text. Raises HotrowError INVALID for any other text."""
    if not text:
        return unarmed
    name, _, count = text.partition(":")
    if name not in PLACES or not count.isdecimal() or int(count) < 1:
        remedy = f"write place:count, with a place of {', '.join(PLACES)}"
        raise invalid(f"HOTROW_FAILPOINT: {text!r} is not a failpoint; {remedy}", field="failpoint")
    return _Countdown(name, int(count))


class _Countdown:
    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._left = count

    def __call__(self, place: str) -> None:
        if place != self._name:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
