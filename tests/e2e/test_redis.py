"""`hotrow serve` on Redis, with real processes, while its server is killed, stopped and emptied."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import grpc
import pytest
from hotrow.stores.open import open_store
from support.redis import RedisServer

from .processes import Caller, Repository, until

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
DRIVERS = 8


@pytest.fixture
def redis(tmp_path):
    """A server of the test's own, whose log is synced at every write."""
    server = RedisServer(tmp_path / "redis", *DURABLE).start()
    yield server
    server.kill()


@pytest.fixture
def repository(tmp_path, redis):
    """On that Redis, applied."""
    made = Repository(tmp_path, f'[online_store]\ntype = "redis"\nurl = "{redis.url}"\ntimeout_s = 1.0')
    made.apply()
    return made


def command(repository, *arguments):
    """What a command answers in JSON."""
    line = [sys.executable, "-m", "hotrow.cli.main", "--repo", str(repository.path), *arguments, "--json"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Load:
    """Pushes and reads of a few drivers by several threads, and one that only reads, since a push may wait for longer
    than Redis stands still; values of a driver only grow.
    """

    def __init__(self, address):
        self.address = address
        self.acknowledged = [0.0] * DRIVERS
        self.reads = self.failures = 0
        self.wrong = []
        self.slowest_s = 0.0
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(driver,)) for driver in range(DRIVERS)]
        self._threads.append(threading.Thread(target=self._only_read))
        for thread in self._threads:
            thread.start()

    def _run(self, driver):
        with Caller(self.address) as caller:
            number = 0.0
            while not self._ended.is_set():
                number += 1
                began_s = time.monotonic()
                try:
                    if caller.push({driver: number}).written == 1:
                        self.acknowledged[driver] = number
                    (found,) = caller.read(driver)
                    self.reads += 1
                    if found < self.acknowledged[driver]:
                        self.wrong.append((driver, self.acknowledged[driver], found))
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        self.wrong.append((driver, error.code(), error.details()))
                    self.failures += 1
                    time.sleep(0.02)
                self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)

    def _only_read(self):
        with Caller(self.address) as caller:
            while not self._ended.is_set():
                least = list(self.acknowledged)
                try:
                    found = caller.read(*range(DRIVERS))
                    self.wrong += [one for one in zip(range(DRIVERS), least, found, strict=True) if one[2] < one[1]]
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        self.wrong.append((error.code(), error.details()))
                    self.failures += 1
                time.sleep(0.02)

    def end(self):
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def check_found(self, caller):
        """Calls failed with UNAVAILABLE alone, no read was older than its push, and what was acknowledged is there."""
        assert self.wrong == []
        assert self.failures > 0
        found = read_once_connected(caller)
        assert all(value >= least for value, least in zip(found, self.acknowledged, strict=True))


def read_once_connected(caller):
    """Each server worker has a connection of its own, and the one that answers may not have made it anew yet."""
    found = []

    def read():
        try:
            found[:] = caller.read(*range(DRIVERS))
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 - the next try decides
            return False
        return True

    until(read, 30)
    return found


def disturbed(load, disturb):
    """Some calls pass before, and every driver's after."""
    until(lambda: min(load.acknowledged) > 3)
    disturb()
    before = list(load.acknowledged)
    until(lambda: all(now > then + 3 for now, then in zip(load.acknowledged, before, strict=True)), 60)


def test_what_was_acknowledged_is_found_after_kills(repository, run, redis):
    """Redis is killed three times under load: callers see UNAVAILABLE alone, and no acknowledged row is lost."""

    def kill():
        redis.kill()
        time.sleep(0.3)
        redis.start()

    run("serve").wait_ready()
    load = Load(repository.settings.server.address)
    try:
        for _ in range(3):
            disturbed(load, kill)
    finally:
        load.end()
    with Caller(repository.settings.server.address) as caller:
        load.check_found(caller)
        again = caller.push({1: 1e9}, request_id="once")
        assert caller.push({1: 1e9}, request_id="once").results == again.results
        assert caller.read(1, min_token=again.token) == [1e9]


def test_a_redis_that_stands_still_holds_nobody_for_long(repository, run, redis):
    """Stopped for 5 s: reads and pushes fail in time, go on after it, and nobody gets another's rows."""

    def stop():
        os.kill(redis.process.pid, signal.SIGSTOP)
        time.sleep(5)
        os.kill(redis.process.pid, signal.SIGCONT)

    run("serve").wait_ready()
    load = Load(repository.settings.server.address)
    try:
        disturbed(load, stop)
    finally:
        load.end()
    with Caller(repository.settings.server.address) as caller:
        load.check_found(caller)


def test_the_registry_is_there_too(repository, redis, run):
    """No folder of it on this machine; workers take the next head while they serve, also after the server was away."""
    shutil.rmtree(repository.path / "registry")
    file = repository.path / "hotrow.toml"
    file.write_text(f'registry = "{redis.url}"\n' + file.read_text())
    repository.apply()
    assert not (repository.path / "registry").exists()
    run("serve").wait_ready()
    with Caller(repository.settings.server.address) as caller:
        first = caller.head()
        redis.kill()
        time.sleep(1)
        redis.start()
        repository.apply("more")
        until(lambda: caller.head() != first)
        until(lambda: served(caller) == [1.0])


def served(caller):
    """What is read after a push, None while the server is away."""
    try:
        caller.push({1: 1.0})
        return caller.read(1)
    except grpc.RpcError:
        return None


def test_the_store_commands_work_on_redis(repository, run):
    """Beside a running `hotrow serve`: info, verify and gc; a rebuild is refused there, and works without it."""
    serve = run("serve")
    serve.wait_ready()
    with Caller(repository.settings.server.address) as caller:
        caller.push({number: float(number) for number in range(50)})
    info = command(repository, "store", "info", "--views")
    assert (info["type"], info["rows"], info["views"][0]["rows"]) == ("redis", 50, 50)
    assert info["details"]["persistence"] == "append-only file, fsync always"
    assert command(repository, "store", "verify")["sound"]
    assert command(repository, "store", "gc")["scanned"] == 50
    refused = run("store", "rebuild", "--yes")
    assert refused.wait(60) != 0
    assert "stop" in refused.log()
    assert serve.stop() == 0
    rebuilt = run("store", "rebuild", "--yes")
    assert rebuilt.wait(100) == 0, rebuilt.log()
    again = command(repository, "store", "info")
    assert (again["id"], again["epoch"], again["rows"]) == (info["id"], info["epoch"] + 1, 0)


def test_a_wrong_password_keeps_serve_from_starting(repository, redis, run):
    """At once, with the name of the setting; with the right one it serves, here by the ordinary server."""
    redis.ask("CONFIG", "SET", "requirepass", "right")
    serve = run("serve", HOTROW_STORE_PASSWORD="wrong")
    assert serve.wait(90) != 0
    assert "HOTROW_STORE_PASSWORD" in serve.log()
    right = run("serve", HOTROW_STORE_PASSWORD="right", HOTROW_SERVER_LANE="off")
    right.wait_ready()
    with Caller(repository.settings.server.address) as caller:
        assert caller.push({1: 1.0}).written == 1
        assert caller.read(1) == [1.0]


def test_a_full_redis_refuses_pushes_and_answers_reads(repository, run, redis):
    """RESOURCE_EXHAUSTED without a hint; when there is room again, pushes are taken."""
    run("serve").wait_ready()
    with Caller(repository.settings.server.address) as caller:
        caller.push({1: 1.0})
        redis.ask("CONFIG", "SET", "maxmemory", "1000000")
        with pytest.raises(grpc.RpcError) as refusal:
            caller.push({1: 2.0})
        assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert caller.read(1) == [1.0]
        redis.ask("CONFIG", "SET", "maxmemory", "0")
        assert caller.push({1: 3.0}).written == 1
    store = open_store(repository.settings.online_store, project="", writable=False)
    assert store.info().rows == 1
    store.close()
