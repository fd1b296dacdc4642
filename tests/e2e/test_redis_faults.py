"""`hotrow serve` on a Redis that is slow, emptied or failed over: what is acknowledged is counted, reads checked."""

import random
import threading
import time

import grpc
import pytest
from hotrow.registry.open import open_registry
from hotrow.v1.column_pb2 import Column, Int64s
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import BOTH, PushFeaturesRequest
from support.pushlog import logged_rows
from support.redis import RedisServer
from support.slow_proxy import SlowProxy

from .processes import Caller, Repository, push_request, until

pytestmark = pytest.mark.timeout(300)

KEYS = 200
MAY_FAIL = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


@pytest.fixture
def redis(tmp_path):
    server = RedisServer(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always").start()
    yield server
    server.kill()


@pytest.fixture
def proxy(redis):
    made = SlowProxy(redis.port)
    yield made
    made.close()


@pytest.fixture
def repository(request, tmp_path):
    """On that Redis behind the proxy, where the test has one."""
    port = request.getfixturevalue("proxy" if "proxy" in request.fixturenames else "redis").port
    made = Repository(tmp_path, f'[online_store]\ntype = "redis"\nurl = "redis://127.0.0.1:{port}/0"\ntimeout_s = 1.0')
    made.apply()
    return made


def read_request(keys):
    return GetOnlineFeaturesRequest(
        features=FeatureNames(names=["stats:value"]), entities=[Column(name="driver_id", int64=Int64s(values=keys))]
    )


class Readers:
    """Threads that read keys whose value is the key, with deadlines of their own, and give up some of the calls."""

    def __init__(self, address, *, timeout_s, cancelled=0.0):
        self.right = self.failed = 0
        self.wrong = []
        self._address, self._timeout_s, self._cancelled = address, timeout_s, cancelled
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(6)]
        for thread in self._threads:
            thread.start()

    def end(self):
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number):
        chance = random.Random(number)
        with Caller(self._address) as caller:
            while not self._ending.is_set():
                keys = chance.sample(range(KEYS), chance.randrange(1, 40))
                call = caller.server.GetOnlineFeatures.future(read_request(keys), timeout=self._timeout_s(chance))
                if chance.random() < self._cancelled:
                    time.sleep(chance.random() * 0.003)
                    call.cancel()
                error = call.exception() if not call.cancelled() else None
                with self._lock:
                    if call.cancelled() or error is not None:
                        self.failed += 1
                        if call.code() not in MAY_FAIL:
                            self.wrong.append((call.code(), call.details()))
                    elif list(call.result().columns[0].float64.values) == [float(key) for key in keys]:
                        self.right += 1
                    else:
                        self.wrong.append(keys)


def filled(caller):
    assert caller.push({key: float(key) for key in range(KEYS)}).written == KEYS


def test_every_value_is_right_whoever_gives_up(repository, run):
    """Deadlines from none at all to a second, and calls that are cancelled: the others have their own values."""
    run("serve").wait_ready()
    address = repository.settings.server.address
    with Caller(address) as caller:
        filled(caller)
        readers = Readers(address, timeout_s=lambda chance: 10 ** chance.uniform(-3.5, 0), cancelled=0.3)
        try:
            until(lambda: readers.right > 500 and readers.failed > 200, 100)
        finally:
            readers.end()
        assert readers.wrong == []
        assert caller.read(7, 3) == [7.0, 3.0]


def test_a_slow_redis_shifts_nothing(repository, run, proxy):
    """Answers take 20 ms, then longer than any deadline, then no time: calls end in time, and values are right."""
    run("serve").wait_ready()
    address = repository.settings.server.address
    with Caller(address) as caller:
        filled(caller)
        proxy.delay_s = 0.02
        readers = Readers(address, timeout_s=lambda _chance: 5.0)
        try:
            until(lambda: readers.right > 50)
            assert caller.push({1: 1.0}, timeout_s=5).written == 1
            proxy.delay_s = 3.0
            failed = readers.failed
            until(lambda: readers.failed > failed + 20)
            for act in (lambda: caller.read(1), lambda: caller.push({1: 1.0}, timeout_s=1.0)):
                with pytest.raises(grpc.RpcError) as refusal:
                    act()
                assert refusal.value.code() in MAY_FAIL
            proxy.delay_s = 0.0
            right = readers.right
            until(lambda: readers.right > right + 200, 60)
        finally:
            readers.end()
        assert readers.wrong == []


def test_a_redis_that_was_emptied_is_noticed_by_open_connections(repository, run, redis):
    """Reads are refused soon, and do not go on saying that nothing is there; so are pushes, at once."""
    run("serve").wait_ready()
    with Caller(repository.settings.server.address) as caller:
        filled(caller)
        assert caller.read(5) == [5.0]
        redis.ask("FLUSHALL")
        with pytest.raises(grpc.RpcError) as refusal:
            caller.push({1: 1.0})
        assert refusal.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        codes = []

        def refused():
            try:
                caller.read(5)
            except grpc.RpcError as error:
                codes.append(error.code())
            return grpc.StatusCode.FAILED_PRECONDITION in codes

        until(refused)
        assert set(codes) <= {grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNAVAILABLE}


def test_a_failover_under_load_loses_what_had_not_arrived_and_nothing_after(tmp_path, run, redis):
    """A Sentinel moves the primary while rows are pushed to BOTH, UNAVAILABLE meanwhile. What was acknowledged after is
    in the store and in the log, once; of what was before, all but a moment's.
    """
    replica = RedisServer(tmp_path / "replica", "--replicaof", "127.0.0.1", str(redis.port))
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"sentinel monitor rides 127.0.0.1 {redis.port} 1\n"
        "sentinel down-after-milliseconds rides 500\nsentinel failover-timeout rides 2000\n"
    )
    sentinel = RedisServer(tmp_path / "sentinel", config=(str(config), "--sentinel"))
    try:
        replica.start()
        sentinel.start()
        until(lambda: b"\r\nmaster-link-status\r\n$2\r\nok\r\n" in sentinel.reply("SENTINEL", "REPLICAS", "rides"))
        repository = Repository(
            tmp_path,
            f'[online_store]\ntype = "redis"\nmode = "sentinel"\nprimary = "rides"\n'
            f'url = "redis://127.0.0.1:{sentinel.port}/0"\ntimeout_s = 1.0\n'
            "[offline_store]\nflush_interval_s = 0.05",
        )
        repository.apply()
        serve = run("serve")
        serve.wait_ready()
        before, after, failures = pushed_over(repository, redis)
        assert failures > 0
        with Caller(repository.settings.server.address) as caller:
            assert found(caller, after) == [float(key) for key in after]
            kept = [key for key, value in zip(before, found(caller, before), strict=True) if value == key]
        assert serve.stop() == 0
        registry = open_registry(repository.settings.registry)
        view_id = registry.snapshot(registry.head("rides")).view_id("stats")
        logged = [int(row["value"]) for row in logged_rows(repository.settings.offline_store.path, view_id)]
        assert len(logged) == len(set(logged))
        assert set(after) <= set(logged)
        print(f"{len(before)} before, {len(kept)} of them on the replica, {len(after)} after, {failures} failures")
        assert len(kept) >= len(before) - 200
    finally:
        sentinel.kill()
        replica.kill()


def found(caller, keys):
    """What is read once the worker that answers has a connection to the new primary."""
    values = []

    def read():
        try:
            values[:] = caller.read(*keys)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 - the next try decides
        return values

    until(read)
    return values


def pushed_over(repository, primary):
    """Push keys one by one while the primary dies: what was acknowledged before and after, how many calls failed."""
    before, after, failures = [], [], 0
    with Caller(repository.settings.server.address) as caller:
        for key in range(1, 10**6):
            if key == 400:
                primary.kill()
            message = push_request({key: float(key)})
            message.MergeFrom(PushFeaturesRequest(to=BOTH))
            try:
                caller.server.PushFeatures(message, timeout=5)
                (after if failures else before).append(key)
            except grpc.RpcError as error:
                assert error.code() in MAY_FAIL, error  # noqa: PT017
                failures += 1
                time.sleep(0.05)
            if len(after) == 400:
                return before, after, failures
    raise AssertionError
