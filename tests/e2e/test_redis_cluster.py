"""`hotrow serve` on a cluster of Redis servers, the registry there too, with real processes, while nodes are killed."""

import shutil
import time

import grpc
import pytest
from support.redis_cluster import RedisCluster

from .processes import Caller, Repository
from .test_redis import DURABLE, Load, command, disturbed


@pytest.fixture
def cluster(tmp_path):
    """A cluster of the test's own, whose nodes sync their logs at every write."""
    started = RedisCluster(tmp_path / "cluster", *DURABLE).start()
    yield started
    started.kill()


@pytest.fixture
def repository(tmp_path, cluster):
    """On that cluster, applied; it has no folder of the registry."""
    settings = f'[online_store]\ntype = "redis"\nmode = "cluster"\nurl = "{cluster.url}"\ntimeout_s = 1.0'
    made = Repository(tmp_path, settings)
    file = made.path / "hotrow.toml"
    file.write_text(f'registry = "{cluster.url}?cluster=true"\n' + file.read_text())
    shutil.rmtree(made.path / "registry", ignore_errors=True)
    made.apply()
    assert not (made.path / "registry").exists()
    return made


def test_what_was_acknowledged_is_found_after_kills(repository, run, cluster):
    """Each node is killed under load: callers see UNAVAILABLE alone, and no acknowledged row is lost. A push of one
    entity may be atomic, and of several not.
    """

    def kill(server):
        server.kill()
        time.sleep(0.3)
        server.start()

    run("serve").wait_ready()
    load = Load(repository.settings.server.address)
    try:
        for server in cluster.servers:
            disturbed(load, lambda server=server: kill(server))
    finally:
        load.end()
    with Caller(repository.settings.server.address) as caller:
        load.check_found(caller)
        values = dict.fromkeys(range(50), 1000000000.0)
        again = caller.push(values, request_id="once")
        assert caller.push(values, request_id="once").results == again.results
        assert caller.read(*values, min_token=again.token) == [1e9] * 50
        assert caller.push({1: 2e9}, atomic=True).written == 1
        with pytest.raises(grpc.RpcError) as refusal:
            caller.push({1: 3e9, 2: 3e9}, atomic=True)
        assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "push each entity by itself" in refusal.value.details()
        assert caller.read(1, 2) == [2e9, 1e9]


def test_the_store_commands_work_on_a_cluster(repository, run):
    """Beside a running `hotrow serve`: info, verify and gc; a rebuild is refused there, and works without it."""
    serve = run("serve")
    serve.wait_ready()
    with Caller(repository.settings.server.address) as caller:
        caller.push({number: float(number) for number in range(50)})
    info = command(repository, "store", "info", "--views")
    assert (info["type"], info["rows"], info["views"][0]["rows"]) == ("redis", 50, 50)
    assert sum("append-only file, fsync always" in text for text in info["details"].values()) == 3
    assert command(repository, "store", "verify")["sound"]
    assert command(repository, "store", "gc")["scanned"] == 50
    refused = run("store", "rebuild", "--yes")
    assert refused.wait(60) != 0
    assert serve.stop() == 0
    rebuilt = run("store", "rebuild", "--yes")
    assert rebuilt.wait(100) == 0, rebuilt.log()
    again = command(repository, "store", "info")
    assert (again["id"], again["epoch"], again["rows"]) == (info["id"], info["epoch"] + 1, 0)
