"""The store on Valkey, where that answers otherwise than Redis. The contract suite runs on it, too."""

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.section import OnlineStoreSettings
from hotrow.stores.open import open_store
from hotrow.stores.port import Write
from hotrow.stores.redis.store import RedisStore

VIEW, ROW = b"horses__", bytes(40)


def settings_of(server, **more):
    return OnlineStoreSettings(type="valkey", url=server.url, prefix="valkey:", **more)


def test_the_store_says_what_its_server_is(valkey_server):
    store = open_store(settings_of(valkey_server), project="", writable=True)
    info = store.info()
    store.close()
    assert info.type == "valkey"
    assert info.details["server"].startswith("valkey ")


def test_a_user_who_may_not_write_is_told_what_to_allow(valkey_server):
    """Valkey has words of its own for what a script's user may not do."""
    RedisStore(settings_of(valkey_server), writable=True).close()
    valkey_server.ask("ACL", "SETUSER", "less", "on", ">secret", "+@all", "-hset", "~*")
    store = RedisStore(settings_of(valkey_server, username="less"), password="secret")
    with pytest.raises(HotrowError, match=r"docs/redis\.md") as refusal:
        store.write([Write(VIEW, [b"a"], [ROW])])
    store.close()
    assert refusal.value.code is Code.FAILED_PRECONDITION
