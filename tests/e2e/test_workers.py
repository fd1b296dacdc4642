"""Several ingest workers on one Redis, each under a `hotrow ingest` of its own as on a machine of its own."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import grpc
import pytest
from hotrow import clock
from hotrow.registry.open import open_registry
from hotrow.v1.column_pb2 import Column, Float64s, Int64s
from hotrow.v1.feature_ingest_pb2 import FlushLogRequest
from hotrow.v1.push_pb2 import BOTH, PushFeaturesReply, PushFeaturesRequest
from support.pushlog import logged_rows
from support.redis import RedisServer

from .processes import Caller, Program, Repository, until

pytestmark = pytest.mark.timeout(300)

WORKERS, DRIVERS = 4, 6


@pytest.fixture
def redis(tmp_path):
    server = RedisServer(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always").start()
    yield server
    server.kill()


@pytest.fixture
def machines(tmp_path, redis):
    """Makes repositories with nothing in common but the store, the registry and, unless told otherwise, the log."""

    def make(count, log="log", flush_interval_s=0.05):
        made = []
        for number in range(count):
            folder = tmp_path / f"machine{len(list(tmp_path.glob('machine*')))}"
            folder.mkdir()
            extra = (
                f'[online_store]\ntype = "redis"\nurl = "{redis.url}"\nwrite_timeout_s = 5\n'
                f'[offline_store]\npath = "{tmp_path / log.format(number)}"\nflush_interval_s = {flush_interval_s}'
            )
            made.append(Repository(folder, extra))
            file = folder / "hotrow.toml"
            file.write_text(f'registry = "{tmp_path / "registry"}"\n' + file.read_text())
        if open_registry(made[0].settings.registry).head("rides") is None:
            made[0].apply()
        return made

    return make


@pytest.fixture
def start():
    """Starts commands on repositories; they end with the test."""
    started = []

    def begin(repository, *arguments):
        started.append(Program(repository, *arguments))
        return started[-1]

    yield begin
    for program in reversed(started):
        for worker in program.state().workers if program.process.poll() is None else ():
            os.kill(worker.pid, signal.SIGCONT)
        program.end()


def workers_of(machines, start, count, **settings):
    """So many, ready: the commands, and the addresses of their workers."""
    repositories = machines(count, **settings)
    programs = [start(repository, "ingest") for repository in repositories]
    for program in programs:
        program.wait_ready()
    return programs, [repository.settings.ingest.address for repository in repositories]


def push(caller, rows, *, times=None, to=0, request_id="", timeout_s=20.0):
    """Rows of `stats`: the value by driver."""
    columns = [
        Column(name="driver_id", int64=Int64s(values=rows)),
        Column(name="value", float64=Float64s(values=rows.values())),
    ]
    request = PushFeaturesRequest(
        push_source="stats_push", rows=columns, event_time_us=times or [], to=to, request_id=request_id
    )
    return caller.ingest.PushFeatures(request, timeout=timeout_s)


def command(repository, *arguments):
    line = [sys.executable, "-m", "hotrow.cli.main", "--repo", str(repository.path), *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=100, check=False)


def test_the_newest_event_time_wins_whoever_writes_it(machines, start):
    """Four workers get rows of the same drivers at once, of random event times: what stays is the newest of all, and
    what each was told, in any order of the commits, is what a store with one writer could have told.
    """
    programs, addresses = workers_of(machines, start, WORKERS)
    now_us = clock.now_us()
    oracle, lock, wrong, tokens = {}, threading.Lock(), [], []

    def produce(number):
        chance = random.Random(number)
        with Caller(addresses[number]) as caller:
            for _ in range(150):
                drivers = chance.sample(range(DRIVERS), 3)
                stamps = [chance.randrange(10**9) for _ in drivers]
                rows = {driver: float(stamp) for driver, stamp in zip(drivers, stamps, strict=True)}
                reply = push(caller, rows, times=[now_us - 10**9 + stamp for stamp in stamps])
                if reply.rejected or reply.written + reply.skipped_stale != len(rows):
                    wrong.append(reply)
                with lock:
                    for driver, value in rows.items():
                        oracle[driver] = max(oracle.get(driver, 0.0), value)
            tokens.append(reply.token)

    threads = [threading.Thread(target=produce, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    server = start(machines(1)[0], "server")
    server.wait_ready()
    with Caller(server.repository.settings.server.address) as caller:
        for token in tokens:  # of any worker: the server sees what it stands for
            assert caller.read(*sorted(oracle), min_token=token) == [oracle[driver] for driver in sorted(oracle)]
    assert len(oracle) == DRIVERS
    assert all(program.stop() == 0 for program in programs)


def test_a_request_that_two_workers_get_at_once_is_written_once(machines, start):
    """Both answer alike, and the same again later; another payload under the id is refused by any."""
    _, addresses = workers_of(machines, start, 2)
    with Caller(addresses[0]) as one, Caller(addresses[1]) as other:
        for number in range(100):
            meet, replies = threading.Barrier(2), []

            def send(caller, number=number, meet=meet, replies=replies):
                meet.wait()
                replies.append(push(caller, {number: 1.0, 0: float(number)}, request_id=f"id {number}", to=BOTH))

            threads = [threading.Thread(target=send, args=(caller,)) for caller in (one, other)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            first, second = replies
            assert first.results == second.results
            assert (first.written, first.token) == (second.written, second.token)
        assert push(one, {99: 1.0, 0: 99.0}, request_id="id 99", to=BOTH).token == first.token
        with pytest.raises(grpc.RpcError) as refusal:
            push(other, {99: 2.0}, request_id="id 99")
        assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


class Producer(threading.Thread):
    """Pushes rows that no other has to BOTH, each again under its id until it is acknowledged."""

    def __init__(self, addresses, number):
        super().__init__(daemon=True)
        self.acknowledged, self.failures, self.error = [], 0, None
        self._addresses, self._number = addresses, number
        self._ending = threading.Event()
        self.start()

    def end(self):
        self._ending.set()
        self.join(100)
        assert not self.is_alive()
        assert self.error is None, self.error

    def run(self):
        try:
            callers = [Caller(address) for address in self._addresses]
            for first in range(self._number * 10**6, 10**9, 10):
                self._push(callers, {stamp: float(stamp) for stamp in range(first, first + 1 + first // 10 % 9)})
                if self._ending.is_set():
                    break
                time.sleep(0.005)
            for caller in callers:
                caller.channel.close()
        except BaseException as error:  # noqa: BLE001 - the test fails with it
            self.error = error

    def _push(self, callers, rows):
        turn = self._number
        while True:
            try:
                push(callers[turn % len(callers)], rows, to=BOTH, request_id=f"{min(rows)}", timeout_s=3.0)
            except grpc.RpcError as error:
                assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), error  # noqa: PT017
                self.failures += 1
                turn += 1  # the other worker, which knows what the first has written
                time.sleep(0.02)
                continue
            self.acknowledged += rows
            return


def check_logged(repository, producers):
    """Each acknowledged row once, and nothing else but what was under way."""
    snapshot = open_registry(repository.settings.registry)
    view_id = snapshot.snapshot(snapshot.head("rides")).view_id("stats")
    rows = logged_rows(repository.settings.offline_store.path, view_id)
    found = Counter(int(row["value"]) for row in rows)
    acknowledged = [stamp for producer in producers for stamp in producer.acknowledged]
    assert len(acknowledged) == len(set(acknowledged)) > 100
    assert [stamp for stamp, times in found.items() if times > 1] == []
    assert set(acknowledged) == found.keys()
    return len(acknowledged)


def holder(redis):
    """The process id of the worker that takes rows to the log, None while none does."""
    words = redis.reply("GET", "hotrow:outbox_holder").decode().split()
    return int(words[words.index("process") + 1]) if "process" in words else None


def waiting(redis):
    return int(redis.ask("XLEN", "hotrow:outbox").removeprefix(b":"))


def passed_on(redis, victim):
    """Whether another has the log, now that the lease of that one is at its end; what it sent before may still come."""
    if holder(redis) == victim:
        redis.ask("DEL", "hotrow:outbox_holder")
    return holder(redis) not in (None, victim)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_the_next_worker_takes_over_the_log(machines, start, redis, end):
    """The one that has it is killed, or stopped for longer than its lease and goes on: again and again, under load."""
    programs, addresses = workers_of(machines, start, 3)
    producers = [Producer(addresses, number) for number in range(1, 4)]
    for _ in range(6):
        until(lambda: holder(redis) is not None and waiting(redis) < 50)
        victim = holder(redis)
        os.kill(victim, end)
        until(lambda victim=victim: passed_on(redis, victim))
        if end is signal.SIGSTOP:
            until(lambda: waiting(redis) < 20)
            os.kill(victim, signal.SIGCONT)
        time.sleep(0.3)
    for producer in producers:
        producer.end()
    assert end is signal.SIGSTOP or sum(producer.failures for producer in producers) > 0
    assert all(program.stop() == 0 for program in programs)
    assert waiting(redis) == 0
    check_logged(programs[0].repository, producers)


@pytest.mark.parametrize("place", ["log_written", "log_renamed"])
def test_a_worker_that_dies_at_the_worst_moment_is_replaced(machines, start, redis, place):
    """Between a file and its name, and between its name and the removal of its rows from the store."""
    repositories = machines(3)
    dying = Program(repositories[0], "ingest", HOTROW_FAILPOINT=f"{place}:3")
    try:
        dying.wait_ready()
        producers = [Producer([repository.settings.ingest.address for repository in repositories], 1)]
        until(lambda: "killed by SIGKILL" in dying.log(), 60)
        others = [start(repository, "ingest") for repository in repositories[1:]]
        for program in others:
            program.wait_ready()
        until(lambda: len(producers[0].acknowledged) > 300, 60)
        for producer in producers:
            producer.end()
    finally:
        dying.process.kill()
        dying.end()
    passed_on(redis, holder(redis))
    assert all(program.stop() == 0 for program in others)
    assert waiting(redis) == 0
    check_logged(repositories[0], producers)


def test_a_worker_without_the_log_leaves_it_to_the_one_that_has_it(machines, start, redis):
    """Two machines, a folder each: rows that both take go to the log of one, and the other says why. When that is lost,
    the other's is adopted.
    """
    (one, other), addresses = workers_of(machines, start, 2, log="log{}")
    with Caller(addresses[0]) as first, Caller(addresses[1]) as second:
        push(first, {1: 1.0}, to=BOTH)
        until(lambda: waiting(redis) == 0)
        for number in range(2, 20):
            push(second, {number: float(number)}, to=BOTH)
        until(lambda: waiting(redis) == 0)
        until(lambda: "left to workers on other machines" in other.log() + one.log())
        logs = [program.repository.settings.offline_store.path for program in (one, other)]
        (owner,) = [place for place, log in enumerate(logs) if (log / ".id").exists()]
        log, left = logs[owner], (other, one)[owner]
        assert len(list(log.rglob("*.parquet"))) > 0
        assert list(logs[1 - owner].rglob("*.parquet")) == []
        told = json.loads(command(left.repository, "store", "info", "--json").stdout)["details"]
        assert "adopt-log" in told["log_folder"]
        assert told["log"] == (log / ".id").read_text().strip()
        refused = command(left.repository, "store", "adopt-log")
        assert refused.returncode != 0
        assert "stop it first" in refused.stderr
        (one, other)[owner].stop()
        push((first, second)[1 - owner], {99: 99.0}, to=BOTH)
        time.sleep(0.3)
        assert waiting(redis) == 1
        assert command(left.repository, "store", "adopt-log").returncode == 0
        until(lambda: waiting(redis) == 0)
    assert len(list(logs[1 - owner].rglob("*.parquet"))) == 1


def test_whoever_reads_the_log_may_ask_any_worker_for_what_waits(machines, start, redis):
    """Also one whose turn it is not: rows that any of them has answered are in the log when it has."""
    _, addresses = workers_of(machines, start, 2, flush_interval_s=1000)
    with Caller(addresses[0]) as one, Caller(addresses[1]) as other:
        for number, asked in enumerate((one, other, one, other)):
            push(one, {2 * number: 1.0}, to=BOTH)
            push(other, {2 * number + 1: 1.0}, to=BOTH)
            assert waiting(redis) == 2
            asked.ingest.FlushLog(FlushLogRequest(), timeout=20)
            assert waiting(redis) == 0


def test_a_reply_of_one_worker_says_what_another_wrote(machines, start):
    """A late row is stale and an equal one too, whichever worker it comes to."""
    _, addresses = workers_of(machines, start, 2)
    now_us = clock.now_us()
    with Caller(addresses[0]) as one, Caller(addresses[1]) as other:
        assert push(one, {1: 2.0}, times=[now_us]).written == 1
        reply: PushFeaturesReply = push(other, {1: 1.0}, times=[now_us - 1])
        assert (reply.written, reply.skipped_stale) == (0, 1)
        assert push(other, {1: 3.0}, times=[now_us + 1]).written == 1
        assert push(one, {1: 2.0}, times=[now_us]).skipped_stale == 1
