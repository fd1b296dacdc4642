"""Producers and readers on a running `hotrow serve`, and the check of every reply: one process of them.

    python -m tests.faults.load '{"board": ..., "server": ..., "ingest": ..., "store": ..., ...}'

runs until the board says stop, then prints what it saw, as JSON. A reader's rules, for each reply:

- every value is one that some push wrote, rows are whole, and the keys of a group have one stamp: one consistent state
- it shows each push acknowledged before the read was sent, or a later event time (read your writes)
- the event time of a key never goes back, from one read of a reader to its next, whichever worker answers
"""

import dataclasses
import json
import random
import struct
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import grpc
from hotrow.stores.lmdb.store import LmdbStore
from hotrow.stores.port import read_rows
from hotrow.v1.feature_server_pb2 import GetServerInfoReply
from hotrow.v1.push_pb2 import DUPLICATE, SKIPPED_STALE, WRITTEN, PushFeaturesReply

from . import trip
from .board import Board

READ = "/hotrow.v1.FeatureServer/GetOnlineFeatures"
INFO = "/hotrow.v1.FeatureServer/GetServerInfo"
PUSH = "/hotrow.v1.FeatureServer/PushFeatures"
INGEST_PUSH = "/hotrow.v1.FeatureIngest/PushFeatures"
_CHANNELS = 3  # a reader, so that it reaches every worker
_DIAL_EVERY = 200  # calls, so that it reaches those that were started again
_KEPT_REPLIES = 40
_TIMEOUT_S = 30.0
_COME_AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)  # the second: gRPC, of calls that meet a drain
_PATIENCE_S = 120.0
_SEQUENCE = struct.Struct(">16xIQ")


@dataclasses.dataclass
class Job:
    """What one process does. Every so many pushes a producer sends one that comes too late (`late_every`, 0: never)."""

    board: str
    server: str
    ingest: str
    store: str
    first_slot: int
    producers: list[int]
    readers: int
    pause_s: float = 0.0
    late_every: int = 7


@dataclasses.dataclass
class Seen:
    """What the threads of a process saw. `replayed`: pushes whose first reply was lost after their commit."""

    violations: list[str] = dataclasses.field(default_factory=list)
    codes: Counter = dataclasses.field(default_factory=Counter)
    workers: Counter = dataclasses.field(default_factory=Counter)
    replies: dict = dataclasses.field(default_factory=dict)
    pushes: int = 0
    late: int = 0
    reads: int = 0
    retried: int = 0
    replayed: int = 0
    longest_wait_s: float = 0.0


def dial(address: str) -> grpc.Channel:
    """A connection of its own, soon back; "min_reconnect_backoff" is also the time that one attempt has."""
    options = (
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.min_reconnect_backoff_ms", 5000),
        ("grpc.max_reconnect_backoff_ms", 300),
        ("grpc.max_receive_message_length", -1),
    )
    return grpc.insecure_channel(address, options=options)


class Reader:
    """Reads the groups over several connections and checks what it gets."""

    def __init__(self, job: Job, board: Board, slot: int) -> None:
        self.seen = Seen()
        self._address = job.server
        self._board = board
        self._slot = slot
        self._random = random.Random(slot)
        self._requests = [trip.read_bytes(trip.keys_of(group)) for group in range(trip.GROUPS)]
        self._last = [0] * trip.GROUPS
        self._connections: list[tuple[grpc.Channel, grpc.UnaryUnaryMultiCallable, int]] = []

    def run(self) -> None:
        while not self._board.stopping:
            if len(self._connections) < _CHANNELS:
                self._connect()
                continue
            place = self._random.randrange(_CHANNELS)
            try:
                self._read(place)
                due = self.seen.reads % _DIAL_EVERY == 0
            except grpc.RpcError as error:
                self._count(error)
                due = True
            if due:
                self._drop(place)
        while self._connections:
            self._drop(0)

    def _read(self, place: int) -> None:
        group = self._random.randrange(trip.GROUPS)
        _, call, worker = self._connections[place]
        least = max(int(self._board.acknowledged[group].max()), self._last[group])
        reply = call(self._requests[group], timeout=_TIMEOUT_S)
        self.seen.reads += 1
        self.seen.workers[worker] += 1
        self._board.done[self._slot] += 1
        try:
            stamps = trip.stamps_read(reply, trip.keys_of(group))
        except ValueError as error:
            self.seen.violations.append(f"group {group}: {error}")
            return
        stamp = stamps[0]
        if len(set(stamps)) != 1:
            self.seen.violations.append(f"group {group}: half a batch, stamps {stamps}")
        if stamp < least:
            last = self._last[group]
            self.seen.violations.append(f"group {group}: stamp {stamp} after {least} (last seen {last})")
        if stamp and (trip.group_of(stamp) != group or stamp > self._board.sent[group, trip.producer_of(stamp)]):
            self.seen.violations.append(f"group {group}: stamp {stamp}, which no push wrote there")
        self._last[group] = stamp

    def _connect(self) -> None:
        channel = dial(self._address)
        try:
            info = GetServerInfoReply.FromString(channel.unary_unary(INFO, None, None)(b"", timeout=_TIMEOUT_S))
        except grpc.RpcError as error:
            channel.close()
            self._count(error)
            time.sleep(0.05)
        else:
            self._connections.append((channel, channel.unary_unary(READ, None, None), info.worker))

    def _count(self, error: grpc.RpcError) -> None:
        self.seen.codes[f"read {error.code().name}"] += 1
        if error.code() not in _COME_AGAIN:
            self.seen.violations.append(f"a read was answered {error.code().name}: {error.details()}")

    def _drop(self, place: int) -> None:
        self._connections.pop(place)[0].close()


class Producer:
    """Pushes its stamps one after another, each until it is acknowledged, with one request_id."""

    def __init__(self, job: Job, board: Board, number: int, store: LmdbStore) -> None:
        self.seen = Seen()
        self._board = board
        self._number = number
        self._slot = job.first_slot + job.readers + number
        self._pause_s = job.pause_s
        self._late_every = job.late_every
        self._store = store
        direct = number % 2 == 1
        self._channel = dial(job.ingest if direct else job.server)
        self._call = self._channel.unary_unary(INGEST_PUSH if direct else PUSH, None, None)

    def run(self) -> None:
        push = 0
        while not self._board.stopping:
            push += 1
            self._push(trip.stamp_of(self._number, push))
            if self._late_every and push % self._late_every == 0:
                self._push_late(trip.stamp_of(self._number, push))
            time.sleep(self._pause_s)
        self._channel.close()

    def _push(self, stamp: int) -> None:
        group = trip.group_of(stamp)
        request = trip.push_of(stamp)
        self._board.sent[group, self._number] = stamp
        reply = self._answered(request, trip.LEDGER + stamp)
        self._board.acknowledged[group, self._number] = stamp
        self.seen.pushes += 1
        self._board.done[self._slot] += 1
        self._check(reply, group, stamp)
        if reply:
            self.seen.replies[str(stamp)] = reply.hex()
        if len(self.seen.replies) > _KEPT_REPLIES:
            del self.seen.replies[next(iter(self.seen.replies))]

    def _check(self, reply: bytes, group: int, stamp: int) -> None:
        results = list(PushFeaturesReply.FromString(reply).results)
        written = [WRITTEN] * (trip.KEYS + 1)
        overtaken = [SKIPPED_STALE] * trip.KEYS + [WRITTEN]
        if results != written and not (group == trip.SHARED and results == overtaken):
            self.seen.violations.append(f"push {stamp} to group {group} was answered {results}")

    def _push_late(self, stamp: int) -> None:
        group = trip.group_of(stamp)
        reply = self._answered(trip.late_push(group, stamp), None)
        self.seen.late += 1
        self._board.done[self._slot] += 1
        results = set(PushFeaturesReply.FromString(reply).results)
        if results != {SKIPPED_STALE} or DUPLICATE in results:
            self.seen.violations.append(f"a push before {stamp} was answered {results}")

    def _answered(self, request: bytes, ledger_key: int | None) -> bytes:
        """The reply, however often it takes. With `ledger_key`, a row committed by a push whose reply was lost must be
        the same, byte for byte, after the retry, whose reply is that of the first commit.
        """
        began = time.monotonic()
        lost: bytes | None = None  # not looked for yet
        sequence = 0
        while True:
            try:
                reply = self._call(request, timeout=_TIMEOUT_S)
                break
            except grpc.RpcError as error:
                self._failed(error)
            if time.monotonic() > began + _PATIENCE_S:
                raise TimeoutError(f"producer {self._number}: not answered in {_PATIENCE_S} s")
            if ledger_key is not None and not lost:
                self.seen.retried += lost is None
                sequence = self._store.sequence()
                (lost,) = read_rows(self._store, [trip.VIEW_ID], [[trip.stored_name(ledger_key)]])
            time.sleep(0.03)
        self.seen.longest_wait_s = max(self.seen.longest_wait_s, time.monotonic() - began)
        if lost:
            self.seen.replayed += 1
            (now,) = read_rows(self._store, [trip.VIEW_ID], [[trip.stored_name(ledger_key or 0)]])
            told = _SEQUENCE.unpack(PushFeaturesReply.FromString(reply).token)[1]
            if now != lost or told > sequence:
                self.seen.violations.append(f"key {ledger_key} was written twice, commit {told} after {sequence}")
        return reply

    def _failed(self, error: grpc.RpcError) -> None:
        self.seen.codes[f"push {error.code().name}"] += 1
        if error.code() not in _COME_AGAIN:
            self.seen.violations.append(f"a push was answered {error.code().name}: {error.details()}")


def work(job: Job) -> Seen:
    """Run the job's threads until the board says stop; returns what they saw, together."""
    board = Board(Path(job.board))
    store = LmdbStore(Path(job.store), size_gib=1.0, wait_s=60.0)
    threads = [Reader(job, board, job.first_slot + number) for number in range(job.readers)]
    threads += [Producer(job, board, number, store) for number in job.producers]
    running = [threading.Thread(target=_guarded, args=(one,)) for one in threads]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    store.close()
    return together([one.seen for one in threads])


def _guarded(one: Reader | Producer) -> None:
    try:
        one.run()
    except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
        one.seen.violations.append(f"{type(one).__name__} failed: {type(error).__name__}: {error}")


def together(parts: list[Seen]) -> Seen:
    """The sum of what several saw."""
    whole = Seen()
    for part in parts:
        whole.violations += part.violations
        whole.codes += Counter(part.codes)
        whole.workers += Counter(part.workers)
        whole.replies |= part.replies
        whole.pushes += part.pushes
        whole.late += part.late
        whole.reads += part.reads
        whole.retried += part.retried
        whole.replayed += part.replayed
        whole.longest_wait_s = max(whole.longest_wait_s, part.longest_wait_s)
    return whole


if __name__ == "__main__":
    print(json.dumps(vars(work(Job(**json.loads(sys.argv[1]))))))
