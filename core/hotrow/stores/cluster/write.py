"""A commit on a cluster: claimed in the root, written partition by partition, finished in the root.

1. The root claims the `request_id`s and appends to the outbox. A request that it has finished is replayed at once.
2. Each partition runs the script of a store on one server over its rows, all at the same time.
3. The root counts up the sequence, takes watermarks, and keeps the outcomes of the requests.

What fails in between is UNAVAILABLE, and may be written in part. A producer that repeats it under its `request_id` has
each partition say what it did, or do it now.
"""

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from hotrow.errors import HotrowError
from hotrow.failpoint import Reached
from hotrow.redis.client import Script
from hotrow.redis.cluster import ClusterClient, Command, script_command
from hotrow.stores.cluster.partition import PARTITIONS, Layout, by_partition
from hotrow.stores.cluster.script import CLAIM, FINISH
from hotrow.stores.port import MARKS_KEPT, WRITTEN, Mark, Write, Written
from hotrow.stores.redis.script import WRITE
from hotrow.stores.redis.write import Arguments, kept_marks, outcomes_of, outcomes_of_runs, write_arguments

Outcomes = dict[int, Written | HotrowError]
"""By the place of the write."""


class _Share(NamedTuple):
    """Rows of a write in a partition: the place of the write, and those of the rows in it."""

    write: int
    rows: Sequence[int]


class Commit:
    """Of `writes`, to the store of a layout that is `identity`, its id and epoch."""

    def __init__(
        self,
        client: ClusterClient,
        layout: Layout,
        identity: tuple[bytes, bytes],
        writes: Sequence[Write],
        reached: Reached,
    ) -> None:
        self._client = client
        self._layout = layout
        self._identity = identity
        self._writes = writes
        self._reached = reached
        self._done: Outcomes = {}
        self._open: set[int] = set()
        self._repeats: dict[int, int] = {}
        self._notes = {place: write.mark.note for place, write in enumerate(writes) if write.mark}
        self._changed = False

    def run(self) -> list[Written | HotrowError]:
        """What became of each write; raises where all of them failed."""
        self._claim()
        self._reached("after_claim")
        found = self._write_rows()
        self._reached("after_write")
        self._finish(found)
        for place, first in self._repeats.items():
            outcome = self._done[first]
            self._done[place] = outcome._replace(replayed=True) if isinstance(outcome, Written) else outcome
        outcomes = [self._done[place] for place in range(len(self._writes))]
        errors = [outcome for outcome in outcomes if isinstance(outcome, HotrowError)]
        if errors and len(errors) == len(outcomes):
            raise errors[0]
        return outcomes

    def _claim(self) -> None:
        places = [place for place, write in enumerate(self._writes) if write.mark or write.outbox]
        if not places:
            return
        arguments: Arguments = []
        for place in places:
            write = self._writes[place]
            first = b"" if write.numbered_from is None else write.numbered_from
            arguments += [*_mark_arguments(write.mark), self._notes.get(place, b""), len(write.outbox), first]
            arguments += write.outbox
        claimed: dict[bytes, int] = {}
        for place, reply in zip(places, self._run_root(CLAIM, len(places), arguments), strict=True):
            mark = self._writes[place].mark
            first = place if mark is None else claimed.setdefault(mark.key, place)
            if reply[0] == b"conflict":
                self._done[place] = Written(b"", 0, conflict=True)
            elif reply[0] == b"replayed" and reply[1]:
                self._done[place] = _replayed(reply)
            elif first != place:
                self._repeats[place] = first
            elif reply[0] == b"replayed":
                self._open.add(place)
                self._notes[place] = reply[3]
            else:
                self._changed |= bool(self._writes[place].outbox)

    def _write_rows(self) -> dict[int, bytearray]:
        """Write the rows of what is not done; returns the outcomes of each write that did not fail."""
        left = [place for place in range(len(self._writes)) if place not in self._done and place not in self._repeats]
        found = {place: bytearray(len(self._writes[place].rows)) for place in left}
        shares: dict[int, list[_Share]] = {}
        for place in found:
            for partition, rows in by_partition(self._writes[place].keys).items():
                shares.setdefault(partition, []).append(_Share(place, rows))
        commands = [self._command(partition, some) for partition, some in shares.items()]
        replies = self._client.run_all(commands)
        for some, reply in zip(shares.values(), replies, strict=True):
            if isinstance(reply, HotrowError):
                self._done |= {share.write: reply for share in some}
            else:
                self._note(some, reply, found)
        return {place: outcomes for place, outcomes in found.items() if place not in self._done}

    def _command(self, partition: int, shares: Sequence[_Share]) -> Command:
        names = self._layout.partitions[partition]
        writes = [_part_of(self._writes[share.write], share.rows) for share in shares]
        keys, arguments = write_arguments(names, writes)
        keys[3] = keys[4] = names.meta  # not used: a key that is not there would hold up a slot that moves
        if not any(write.mark for write in writes):
            keys[1] = keys[2] = names.meta
        arguments[2] = max(1, MARKS_KEPT // PARTITIONS)
        return script_command(WRITE, keys, [*self._identity, *arguments])

    def _note(self, shares: Sequence[_Share], replies: list[Any], found: dict[int, bytearray]) -> None:
        writes = [self._writes[share.write] for share in shares]
        for share, written in zip(shares, outcomes_of(writes, replies), strict=True):
            if written.conflict:
                self._done[share.write] = written
                continue
            outcomes = found[share.write]
            for row, outcome in zip(share.rows, written.outcomes, strict=True):
                outcomes[row] = outcome
            self._changed |= not written.replayed and WRITTEN in written.outcomes

    def _finish(self, found: dict[int, bytearray]) -> None:
        if not found and not self._changed:
            return
        arguments: Arguments = [int(self._changed)]
        for place, outcomes in found.items():
            write = self._writes[place]
            arguments += [
                write.view_id,
                b"" if write.watermark_us is None else write.watermark_us,
                *_mark_arguments(write.mark),
                self._notes.get(place, b""),
                _runs(outcomes) if write.mark else b"",
            ]
        sequence, *replies = self._run_root(FINISH, len(found), arguments)
        for (place, outcomes), reply in zip(found.items(), replies, strict=True):
            if reply[0] == b"written":
                note, again = self._notes.get(place, b""), place in self._open
                self._done[place] = Written(bytes(outcomes), int(sequence), replayed=again, note=note)
            else:
                self._done[place] = _replayed(reply)

    def _run_root(self, command: Script, writes: int, arguments: Arguments) -> list[Any]:
        return _run_root(self._client, self._layout, command, [*self._identity, *kept_marks(), writes, *arguments])


def count_up(client: ClusterClient, layout: Layout, identity: tuple[bytes, bytes]) -> None:
    """The next sequence, for a change that is no write."""
    _run_root(client, layout, FINISH, [*identity, *kept_marks(), 0, 1])


def _run_root(client: ClusterClient, layout: Layout, command: Script, arguments: Arguments) -> list[Any]:
    root = layout.root
    keys = [root.meta, root.marks, root.mark_order, root.watermarks, root.outbox]
    replies: list[Any] = client.run(command, keys, arguments)
    return replies


def _part_of(write: Write, rows: Sequence[int]) -> Write:
    """The rows of a write that are in a partition, which keeps no note."""
    mark = Mark(write.mark.key, write.mark.digest) if write.mark else None
    keys, all_rows = write.keys, write.rows
    return write._replace(
        keys=[keys[row] for row in rows], rows=[all_rows[row] for row in rows], mark=mark, watermark_us=None, outbox=()
    )


def _mark_arguments(mark: Mark | None) -> tuple[bytes, bytes]:
    return (b"", b"") if mark is None else (hashlib.sha256(mark.key).digest(), mark.digest)


def _replayed(reply: list[Any]) -> Written:
    return Written(outcomes_of_runs(reply[1]), int(reply[2]), replayed=True, note=reply[3])


def _runs(outcomes: bytearray) -> bytes:
    """As the scripts tell outcomes: how many rows were written, then how many were stale, and so on in turn."""
    runs = [(outcome, sum(1 for _ in some)) for outcome, some in itertools.groupby(outcomes)]
    first = [b"0"] if not runs or runs[0][0] != WRITTEN else []
    return b",".join([*first, *(b"%d" % run for _, run in runs)])
