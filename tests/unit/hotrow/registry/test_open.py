"""Opening a registry by its location."""

import pytest
from hotrow import Code, HotrowError
from hotrow.registry.open import open_registry
from hotrow.registry.redis import RedisBackend
from support.ports import free_ports


def test_a_redis(redis_server, monkeypatch):
    """Opening makes nothing; a server that is away is UNAVAILABLE, a password that lacks is asked for by name."""
    redis_server.ask("FLUSHALL")
    registry = open_registry(redis_server.url)
    assert (registry.head("rides"), registry.location) == (None, redis_server.url)
    assert redis_server.ask("DBSIZE") == b":0"
    (port,) = free_ports(1)
    with pytest.raises(HotrowError, match="the registry at redis://") as away:
        open_registry(f"redis://127.0.0.1:{port}").head("rides")
    assert away.value.code is Code.UNAVAILABLE
    redis_server.ask("CONFIG", "SET", "requirepass", "right")
    try:
        with pytest.raises(HotrowError, match="HOTROW_REGISTRY_PASSWORD") as refused:
            open_registry(redis_server.url).head("rides")
        assert refused.value.code is Code.FAILED_PRECONDITION
        monkeypatch.setenv("HOTROW_REGISTRY_PASSWORD", "right")
        registry = open_registry(redis_server.url)
        assert registry.head("rides") is None
    finally:
        RedisBackend(redis_server.url, "right")._client.ask("CONFIG", "SET", "requirepass", "")


def test_a_cluster_is_one_that_the_url_calls_so(redis_cluster):
    """Without it the first swap, or the first key of another node, says how."""
    redis_cluster.flush()
    registry = open_registry(f"{redis_cluster.url}?cluster=true")
    assert (registry.head("rides"), registry.location) == (None, f"{redis_cluster.url}?cluster=true")
    alone = open_registry(redis_cluster.servers[0].url)
    with pytest.raises(HotrowError, match=r"add \?cluster=true") as refused:
        [alone.head(f"project_{number}") for number in range(50)]
    assert refused.value.code is Code.FAILED_PRECONDITION


def test_a_password_in_the_url_is_refused():
    """It would be shown in messages."""
    with pytest.raises(HotrowError, match="HOTROW_REGISTRY_PASSWORD") as caught:
        open_registry("redis://:word@127.0.0.1")
    assert caught.value.code is Code.INVALID
    assert "word@" not in caught.value.message


def test_a_folder(tmp_path):
    """Opening makes nothing; a folder that is not there yet is an empty registry."""
    registry = open_registry(str(tmp_path / "registry"))
    assert registry.head("rides") is None
    assert not (tmp_path / "registry").exists()
    assert registry.location == str(tmp_path / "registry")


@pytest.mark.parametrize(("location", "code"), [("", Code.INVALID), ("s3://bucket/x", Code.UNIMPLEMENTED)])
def test_no_registry(location, code):
    """Each says what to give."""
    with pytest.raises(HotrowError, match="folder") as caught:
        open_registry(location)
    assert caught.value.code is code
    assert caught.value.field == "registry"
