"""Reads of bursts of calls from Redis: sent together, and ended on the thread of the burst where Redis is near."""

import os
import random
import signal
import threading
import time

import pytest
from hotrow.codec.lookup import Rows, keys_from_lists, wanted_views
from hotrow.errors import Code
from hotrow.rpc.burst import Burst
from hotrow.section import OnlineStoreSettings
from hotrow.stores.cluster.store import ClusterStore
from hotrow.stores.port import Write
from hotrow.stores.redis.store import RedisStore
from support.redis import RedisServer
from support.redis_cluster import RedisCluster

VIEW, OTHER = b"horses__", b"riders__"
KEYS = [b"%d" % number for number in range(300)]


def row(key):
    return bytes(16) + (1 + (1 << 63)).to_bytes(8) + bytes(8) + key * (1 + int(key) * 30)


EVERYWHERE = pytest.mark.parametrize("server", ["single", "cluster"], indirect=True)


@pytest.fixture
def server(request, tmp_path):
    """A server, or one of the three of a cluster."""
    if getattr(request, "param", "single") == "single":
        one = RedisServer(tmp_path / "redis").start()
        yield one
        one.kill()
    else:
        cluster = RedisCluster(tmp_path).start()
        yield cluster.servers[0]
        cluster.kill()


@pytest.fixture
def store(server):
    clustered = b"cluster_enabled:1" in server.reply("INFO", "cluster")
    mode, kind = ("cluster", ClusterStore) if clustered else ("single", RedisStore)
    opened = kind(OnlineStoreSettings(type="redis", mode=mode, url=server.url, timeout_s=2.0), writable=True)
    opened.write([Write(VIEW, KEYS, [row(key) for key in KEYS])])
    yield opened
    opened.close()


class Outcomes:
    """What became of reads, by their keys, and on which threads they ended."""

    def __init__(self):
        self.right = self.failed = 0
        self.wrong = []
        self.threads = set()
        self._lock = threading.Lock()

    def taker(self, asked):
        def done(outcome):
            with self._lock:
                self.threads.add(threading.current_thread().name)
                if not isinstance(outcome, Rows):
                    self.failed += outcome.code is Code.UNAVAILABLE
                elif outcome.listed() == [*(row(key) for key in asked), *([b""] * len(asked))]:
                    self.right += 1
                else:
                    self.wrong.append(asked)

        return done

    @property
    def ended(self):
        return self.right + self.failed + len(self.wrong)


def read_burst(store, outcomes, reads, generator):
    """So many reads put off, and then the end of the burst, as a thread that serves calls does it."""
    burst, ends = Burst(), []

    def put_off(work):
        if burst.put_off(work):
            ends.append(work)
        return True

    for _ in range(reads):
        asked = generator.sample(KEYS, generator.choice([1, 1, 2, 40]))
        store.read_later(wanted_views([VIEW, OTHER], [0, 0]), keys_from_lists([asked]), outcomes.taker(asked), put_off)
    burst.end()
    return len(ends)


def wait_for(outcomes, count, timeout_s=30.0):
    until_s = time.monotonic() + timeout_s
    while outcomes.ended < count and time.monotonic() < until_s:
        time.sleep(0.005)
    assert outcomes.ended == count


@EVERYWHERE
def test_a_burst_ends_with_its_replies_on_its_own_thread(store):
    """Whatever its size it has one end, and in most bursts of a near server nothing is left for another thread."""
    outcomes, generator = Outcomes(), random.Random(1)
    sent = 0
    for reads in (1, 16, 3, 64, 1):
        assert read_burst(store, outcomes, reads, generator) == 1
        sent += reads
    wait_for(outcomes, sent)
    until_s = time.monotonic() + 30
    while threading.current_thread().name not in outcomes.threads and time.monotonic() < until_s:
        sent += 1
        read_burst(store, outcomes, 1, generator)  # a busy machine can be as slow as a server that is far
        wait_for(outcomes, sent)
    assert threading.current_thread().name in outcomes.threads
    assert (outcomes.right, outcomes.wrong) == (sent, [])


def test_a_server_that_is_slow_keeps_no_burst_waiting(store, server):
    """The thread of the burst goes on, and another ends the reads when the server does."""
    outcomes, generator = Outcomes(), random.Random(2)
    read_burst(store, outcomes, 4, generator)
    wait_for(outcomes, 4)
    outcomes.threads.clear()
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        read_burst(store, outcomes, 8, generator)
        assert outcomes.ended == 4
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    wait_for(outcomes, 12)
    assert (outcomes.right, outcomes.wrong) == (12, [])
    assert threading.current_thread().name not in outcomes.threads


@EVERYWHERE
def test_bursts_of_threads_and_single_reads_get_their_own_rows(store, server):
    """Connections are cut and the server stands still meanwhile: a read is UNAVAILABLE, or has its own rows."""
    outcomes, sent, calm = Outcomes(), [], threading.Event()
    until_s = time.monotonic() + 30

    def serve(seed):
        generator = random.Random(seed)
        while not (calm.is_set() and outcomes.right > 500) and time.monotonic() < until_s:
            reads = generator.randrange(1, 12)
            read_burst(store, outcomes, reads, generator)
            sent.append(reads)
            if generator.random() < 0.2:
                asked = generator.sample(KEYS, 3)
                store.read_later(wanted_views([VIEW, OTHER], [0, 0]), keys_from_lists([asked]), outcomes.taker(asked))
                sent.append(1)
            if generator.random() < 0.1:
                time.sleep(0.01)

    threads = [threading.Thread(target=serve, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        time.sleep(0.05)
        server.ask("CLIENT", "KILL", "TYPE", "normal")
        os.kill(server.process.pid, signal.SIGSTOP)
        time.sleep(0.02)
        os.kill(server.process.pid, signal.SIGCONT)
    calm.set()
    for thread in threads:
        thread.join()
    wait_for(outcomes, sum(sent))
    assert outcomes.wrong == []
    assert outcomes.right + outcomes.failed == sum(sent)
    assert outcomes.right > 500


@EVERYWHERE
def test_a_connection_that_ends_while_nothing_is_asked_is_made_anew(store, server):
    """So the next read does not fail for it."""
    outcomes, generator = Outcomes(), random.Random(3)
    read_burst(store, outcomes, 2, generator)
    wait_for(outcomes, 2)
    connected = b"cmd=hmget"
    server.ask("CLIENT", "KILL", "TYPE", "normal")
    until_s = time.monotonic() + 20
    while connected not in server.reply("CLIENT", "LIST") and time.monotonic() < until_s:
        time.sleep(0.02)
    read_burst(store, outcomes, 2, generator)
    wait_for(outcomes, 4)
    assert (outcomes.right, outcomes.failed) == (4, 0)
