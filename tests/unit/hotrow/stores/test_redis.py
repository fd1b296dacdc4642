"""The store in Redis: what its server does to it."""

import itertools
import os
import queue
import re
import signal
import threading
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from hotrow.codec.lookup import keys_from_lists, wanted_views
from hotrow.errors import Code, HotrowError
from hotrow.section import OnlineStoreSettings
from hotrow.stores.open import check_exists, open_store
from hotrow.stores.port import ABSENT, WRITTEN, Mark, Write, read_rows
from hotrow.stores.redis import store as redis
from hotrow.stores.redis.store import RedisStore, create_fresh
from support.pki import make_pki
from support.ports import free_ports
from support.redis import RedisServer
from support.stored import OTHER, VIEW, check_own_rows, eventually, put, row

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


def fill(store, written):
    """Write 20 rows and an entry at a time, counting, until that is refused."""
    for number in range(1000):
        keys = [b"%d-%d" % (number, place) for place in range(20)]
        store.write([Write(VIEW, keys, [row(1, bytes(2000))] * 20, outbox=[b"e"])])
        next(written)


@pytest.fixture
def start(tmp_path):
    """Starts servers of the test's own."""
    started = []

    def start_one(*options, config=()):
        server = RedisServer(tmp_path / f"redis{len(started)}", *options, config=config)
        started.append(server)
        return server.start()

    yield start_one
    for server in started:
        server.kill()


@pytest.fixture
def open_(request):
    """Opens stores, which are closed at the end."""

    def open_one(server, password="", **more):
        opened = RedisStore(settings_of(server, **more), password=password, writable=True)
        request.addfinalizer(opened.close)
        return opened

    return open_one


def settings_of(server, **more):
    return OnlineStoreSettings(**{"type": "redis", "url": server.url, "timeout_s": 0.5, "write_timeout_s": 2.0} | more)


def test_a_killed_server_comes_back_with_what_was_acknowledged(start, open_):
    """With its log synced at every write: reads and writes fail at once while it is away, and go on by themselves."""
    server = start(*DURABLE)
    store = open_(server)
    first = put(store, [b"a"], mark=Mark(b"m", b"d"), watermark_us=7, outbox=[b"entry"])
    assert read_rows(store, [VIEW], [[b"a"]]) == [row(1, b"a")]
    server.kill()
    for act in (lambda: put(store, [b"b"]), lambda: read_rows(store, [VIEW], [[b"a"]]), store.sequence, store.info):
        began_s = time.monotonic()
        with pytest.raises(HotrowError, match="cannot be reached") as refusal:
            act()
        assert refusal.value.code is Code.UNAVAILABLE
        assert refusal.value.retry_after_s
        assert time.monotonic() - began_s < 10
    server.start()
    assert eventually(lambda: read_rows(store, [VIEW], [[b"a", b"b"]])) == [row(1, b"a"), ABSENT]
    assert eventually(lambda: put(store, [b"a"], mark=Mark(b"m", b"d"))) == first._replace(replayed=True)
    assert (store.watermark_us(VIEW), [entry.data for entry in store.read_outbox(0)]) == (7, [b"entry"])
    assert put(store, [b"b"]).outcomes == bytes([WRITTEN])


def test_a_server_that_forgot_the_script_is_told_it_again(start, open_):
    """Scripts are named by their hash, and sent where the server does not know them."""
    server = start()
    store = open_(server)
    put(store, [b"a"])
    server.ask("SCRIPT", "FLUSH")
    assert put(store, [b"b"]).outcomes == bytes([WRITTEN])


def test_a_server_that_lost_its_rows_is_not_the_store_any_more(start, open_):
    """One without a log comes back empty: calls are refused, and not answered as if nothing had ever been there."""
    server = start()
    store = open_(server)
    put(store, [b"a"])
    read_rows(store, [VIEW], [[b"a"]])
    server.kill()
    server.start()
    for act in (lambda: put(store, [b"a"]), lambda: read_rows(store, [VIEW], [[b"a"]])):
        with pytest.raises(HotrowError, match="not the one that was opened") as refusal:
            eventually(act)
        assert refusal.value.code is Code.FAILED_PRECONDITION


def test_a_rebuilt_store_refuses_its_old_writer(start, open_):
    """The same id, the next epoch, and nothing in it; other keys of the server stay."""
    server = start()
    store = open_(server, prefix="h*[1]:")
    other = open_(server, prefix="hx[1]:")
    for one in (store, other):
        put(one, [b"a"], watermark_us=1, mark=Mark(b"m", b"d"), outbox=[b"e"])
    assert create_fresh(settings_of(server, prefix="h*[1]:"), "")
    assert not create_fresh(settings_of(server, prefix="none"), "")
    for act in (lambda: put(store, [b"b"]), lambda: store.remove_outbox(1), lambda: store.reserve_outbox(9)):
        with pytest.raises(HotrowError, match="rebuilt"):
            act()
    again = open_(server, prefix="h*[1]:")
    assert (again.id, again.epoch) == (store.id, store.epoch + 1)
    assert (list(again.scan()), again.read_outbox(0), again.watermark_us(VIEW)) == ([], [], None)
    assert len(list(other.scan())) == other.info().rows == 1


def test_a_full_server_keeps_nothing_of_a_refused_write(start, open_):
    """EXHAUSTED without a hint to retry; reads go on, though such a server takes nothing into a transaction."""
    server = start("--maxmemory", "4mb", "--maxmemory-policy", "noeviction")
    store = open_(server)
    put(store, [b"a"])
    written = itertools.count()
    with pytest.raises(HotrowError, match="maxmemory") as refusal:
        fill(store, written)
    written = next(written)
    assert (refusal.value.code, refusal.value.retry_after_s) == (Code.EXHAUSTED, None)
    assert written > 10
    assert store.info().rows == len(list(store.scan())) == 1 + 20 * written
    assert len({entry.number for entry in store.read_outbox(0)}) == min(written, 100)
    assert read_rows(store, [VIEW], [[b"a"]]) == [row(1, b"a")]
    many = [b"%d-%d" % (number, place) for number in range(written) for place in range(20)]
    large, nothing = row(1, bytes(2000)), [ABSENT] * len(many)
    assert server.ask("SCRIPT", "FLUSH") == b"+OK"
    found = store.read(wanted_views([VIEW, OTHER], [0, 0]), keys_from_lists([many])).listed()
    assert found == [large] * len(many) + nothing
    found = store.read(wanted_views([OTHER, VIEW, VIEW], [0, 1, 0]), keys_from_lists([[b"a", b"0-0"], [b"no", b"0-1"]]))
    assert found.listed() == [ABSENT, ABSENT, ABSENT, large, row(1, b"a"), large]
    with pytest.raises(HotrowError, match="maxmemory"):
        put(store, [b"a"], 2)


@pytest.mark.parametrize("password", ["", "wrong"])
def test_wrong_credentials_name_the_setting(start, password):
    """With no password or a wrong one, FAILED_PRECONDITION, which shows neither."""
    server = start("--requirepass", "right")
    with pytest.raises(HotrowError, match="HOTROW_STORE_PASSWORD") as refusal:
        RedisStore(settings_of(server), password=password, writable=True)
    assert refusal.value.code is Code.FAILED_PRECONDITION
    assert "wrong" not in refusal.value.message.replace("WRONGPASS", "")
    assert "right" not in refusal.value.message


def test_the_password_is_from_the_environment_or_a_file(start, tmp_path, monkeypatch):
    """The environment goes first; a file that is not there is named."""
    server = start("--requirepass", "right")
    file = tmp_path / "password"
    settings = settings_of(server, password_file=file)
    with pytest.raises(HotrowError, match="password_file"):
        open_store(settings, project="", writable=True)
    file.write_text("right\n", encoding="utf-8")
    open_store(settings, project="", writable=True).close()
    file.write_text("wrong", encoding="utf-8")
    monkeypatch.setenv("HOTROW_STORE_PASSWORD", "right")
    store = open_store(settings, project="", writable=False)
    assert store.info().type == "redis"
    store.close()


def test_a_server_that_stands_still_is_given_up_in_time(start, open_):
    """Reads under way fail after the timeout, later ones at once; when it goes on, everybody gets their own rows."""
    server = start()
    store = open_(server)
    put(store, [b"a", b"b"])
    read_rows(store, [VIEW], [[b"a"]])
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        began_s = time.monotonic()
        with pytest.raises(HotrowError, match="in time"):
            read_rows(store, [VIEW], [[b"a"]])
        assert time.monotonic() - began_s >= 0.5
        with pytest.raises(HotrowError, match="cannot be reached"):
            put(store, [b"c"])
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    assert eventually(lambda: read_rows(store, [VIEW], [[b"b"]])) == [row(1, b"b")]


def test_threads_share_a_connection_and_get_their_own_rows(start, open_):
    """Replies of any size, many under way at once; meanwhile the connections are cut, and nobody gets another's."""
    server = start()

    def cut():
        for _ in range(5):
            time.sleep(0.05)
            server.ask("CLIENT", "KILL", "TYPE", "normal")

    check_own_rows(open_(server, timeout_s=20.0), cut)


def test_what_lies_behind_the_last_key_is_not_looked_at(start, open_):
    """Keys come with room behind their last offset, whose bytes mean nothing."""
    store = open_(start())
    put(store, [b"a"])
    keys = keys_from_lists([[b"a"]])
    keys.offsets = np.concatenate((keys.offsets, np.full(3, 1 << 60)))
    assert store.read(wanted_views([VIEW], [0]), keys).listed() == [row(1, b"a")]


def test_a_sentinel_names_the_next_primary(start, open_, tmp_path):
    """The primary dies: calls fail until its replica has taken over, which has what had reached it, and then go on."""
    primary = start()
    replica = start("--replicaof", "127.0.0.1", str(primary.port))
    file = tmp_path / "sentinel.conf"
    file.write_text(
        f"sentinel monitor rides 127.0.0.1 {primary.port} 1\n"
        "sentinel down-after-milliseconds rides 500\nsentinel failover-timeout rides 2000\n"
    )
    sentinel = start(config=(str(file), "--sentinel"))
    url = f"redis://127.0.0.1:{free_ports(1)[0]},127.0.0.1:{sentinel.port}/0"
    store = open_(primary, url=url, mode="sentinel", primary="rides")
    first = put(store, [b"a"], mark=Mark(b"m", b"d"))
    assert read_rows(store, [VIEW], [[b"a"]]) == [row(1, b"a")]
    eventually_true(lambda: sentinel.ask("SENTINEL", "REPLICAS", "rides") == b"*1")
    eventually_true(lambda: sentinel_sees_link(sentinel))
    eventually_true(lambda: has_rows(replica))
    primary.kill()
    assert eventually(lambda: put(store, [b"b"]).outcomes) == bytes([WRITTEN])
    assert eventually(lambda: read_rows(store, [VIEW], [[b"a", b"b"]])) == [row(1, b"a"), row(1, b"b")]
    assert put(store, [b"a"], mark=Mark(b"m", b"d")) == first._replace(replayed=True)
    primary.start()
    eventually_true(lambda: has_rows(primary, 3))
    assert put(store, [b"c"]).outcomes == bytes([WRITTEN])
    assert read_rows(store, [VIEW], [[b"c"]]) == [row(1, b"c")]


def has_rows(server, keys=2):
    """Whether the row, and what goes with it, are there."""
    return int(server.ask("DBSIZE").removeprefix(b":")) > keys


def sentinel_sees_link(sentinel):
    """Whether it has heard that the replica is linked to the primary, without which it would not choose it."""
    return b"\r\nmaster-link-status\r\n$2\r\nok\r\n" in sentinel.reply("SENTINEL", "REPLICAS", "rides")


def eventually_true(holds, timeout_s=30.0):
    """Wait for it."""
    until_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_tls(start, open_, tmp_path):
    """An authority and, where the server asks for one, a certificate are named in the URL; none, and a wrong one, are
    refused. Threads that read and write at once share the connection.
    """
    pki = make_pki(tmp_path)
    (port,) = free_ports(1)
    files = ("--tls-cert-file", str(pki.server_cert), "--tls-key-file", str(pki.server_key))
    server = start("--tls-port", str(port), *files, "--tls-ca-cert-file", str(pki.ca), "--tls-auth-clients", "yes")
    url = f"rediss://localhost:{port}/0?ssl_ca_certs={pki.ca}"
    certificate = f"&ssl_certfile={pki.client_cert}&ssl_keyfile={pki.client_key}"
    for refused in (f"rediss://localhost:{port}/0", url, url + certificate.replace("client", "stranger")):
        with pytest.raises(HotrowError) as refusal:
            open_(server, url=refused)
        assert refusal.value.code is Code.UNAVAILABLE
    check_own_rows(open_(server, url=url + certificate, timeout_s=20.0))


def test_an_expired_certificate_is_named(start, open_, tmp_path):
    """UNAVAILABLE, and the message says that it has expired."""
    pki = make_pki(tmp_path, valid=timedelta(minutes=-1))
    (port,) = free_ports(1)
    files = ("--tls-cert-file", str(pki.server_cert), "--tls-key-file", str(pki.server_key))
    server = start("--tls-port", str(port), *files, "--tls-ca-cert-file", str(pki.ca), "--tls-auth-clients", "no")
    with pytest.raises(HotrowError, match="certificate has expired") as refusal:
        open_(server, url=f"rediss://localhost:{port}/0?ssl_ca_certs={pki.ca}")
    assert refusal.value.code is Code.UNAVAILABLE


def test_a_server_that_was_emptied_is_noticed_on_an_open_connection(start, open_):
    """Within a second: FAILED_PRECONDITION, also where another process has made a new store there meanwhile."""
    server = start()
    store = open_(server)
    put(store, [b"a"])
    for _ in range(2):
        assert read_rows(store, [VIEW], [[b"a"]]) == [row(1, b"a")]
        server.ask("FLUSHALL")
        other = open_(server)
        with pytest.raises(HotrowError, match="not the one that was opened") as refusal:
            until_refused(lambda store=store: read_rows(store, [VIEW], [[b"a"]]))
        assert refusal.value.code is Code.FAILED_PRECONDITION
        store = other
        put(store, [b"a"])


def until_refused(act):
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        eventually(act)
        time.sleep(0.02)


def test_what_comes_by_tls_is_deciphered_to_the_end(start, open_, tmp_path):
    """A connection that is given up while replies arrive ends, and its bytes are not taken for rows as they are."""
    pki = make_pki(tmp_path)
    (port,) = free_ports(1)
    files = ("--tls-cert-file", str(pki.server_cert), "--tls-key-file", str(pki.server_key))
    server = start("--tls-port", str(port), *files, "--tls-ca-cert-file", str(pki.ca), "--tls-auth-clients", "no")
    url = f"rediss://localhost:{port}/0?ssl_ca_certs={pki.ca}"
    large, outcomes = row(1, bytes(range(256)) * 16384), queue.SimpleQueue()
    open_(server).write([Write(VIEW, [b"a"], [large])])
    for number in range(20):
        store = open_(server, url=url, timeout_s=20.0)
        read_rows(store, [VIEW], [[b"none"]])
        for _ in range(3):
            store.read_later(wanted_views([VIEW], [0]), keys_from_lists([[b"a"]]), outcomes.put)
        time.sleep(0.0005 * (number % 12))
        store.close()
        for _ in range(3):
            outcome = outcomes.get(timeout=20)
            if isinstance(outcome, HotrowError):
                assert "not one to a read" not in outcome.message
            else:
                assert outcome.listed() == [large]


def test_a_closed_store_fails_reads(start, open_):
    """And closing twice is nothing."""
    store = open_(start())
    read_rows(store, [VIEW], [[b"a"]])
    store.close()
    store.close()
    with pytest.raises(HotrowError, match="closed"):
        read_rows(store, [VIEW], [[b"a"]])


def test_a_reader_comes_before_the_writer(start, open_):
    """UNAVAILABLE until there is a store; `check_exists` says what makes it."""
    server = start()
    with pytest.raises(HotrowError, match="no store") as refusal:
        open_store(settings_of(server), project="", writable=False)
    assert refusal.value.code is Code.UNAVAILABLE
    with pytest.raises(HotrowError, match="hotrow materialize") as missing:
        check_exists(settings_of(server))
    assert missing.value.code is Code.NOT_FOUND
    threading.Timer(0.3, lambda: open_(server)).start()
    open_store(settings_of(server), project="", writable=False, wait_s=20).close()
    check_exists(settings_of(server))


def test_a_writer_waits_for_a_server_that_starts(start, open_):
    """They are started together, as containers are."""
    server = start()
    server.kill()
    starting = threading.Timer(0.5, server.start)
    starting.start()
    open_store(settings_of(server), project="", writable=True, wait_s=30).close()
    starting.join()


def test_a_store_of_another_format_is_refused(start, open_):
    """By name, with what to do."""
    server = start()
    open_(server)
    server.ask("HSET", "hotrow:meta", "format", "9")
    with pytest.raises(HotrowError, match="format 9"):
        open_store(settings_of(server), project="", writable=False)


def test_verify_finds_what_does_not_fit(start, open_):
    """Marks without their order, and an entry beyond the numbers given out."""
    server = start()
    store = open_(server)
    put(store, [b"a"], mark=Mark(b"m", b"d"), outbox=[b"e"])
    assert store.verify() == []
    server.ask("DEL", "hotrow:mark_order")
    server.ask("HSET", "hotrow:meta", "outbox", "0")
    assert len(store.verify()) == 2


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        (DURABLE, []),
        (("--appendonly", "yes", "--appendfsync", "everysec"), ["everysec"]),
        (("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), ["no append-only file", "allkeys-lru"]),
    ],
)
def test_a_server_that_may_lose_rows_is_told_of(start, open_, monkeypatch, options, reasons):
    """A warning for whoever starts the writer, with the reason."""
    told = []
    monkeypatch.setattr(redis, "_log", SimpleNamespace(warning=lambda _event, reason: told.append(reason)))
    open_(start(*options))
    assert len(told) == len(reasons)
    assert all(reason in line for reason, line in zip(reasons, told, strict=True))


def test_a_user_with_the_rights_that_the_page_lists(start):
    """Everything the store does works for it, but for what it may not see; one with fewer is refused by name."""
    rights = re.search(
        r"a user with `([^`]+)`", (Path(__file__).parents[4] / "docs/redis.md").read_text(encoding="utf-8")
    )[1]
    assert "+config\\|get" in rights
    rights = rights.replace("+config\\|get ", "")
    server = start("--appendonly", "yes")
    server.ask("ACL", "SETUSER", "hotrow", "on", ">secret", *rights.split())
    server.ask("ACL", "SETUSER", "less", "on", ">secret", *rights.replace("+@write", "").split())
    server.ask("ACL", "SETUSER", "default", "off")
    store = RedisStore(settings_of(server, username="hotrow"), password="secret", writable=True)
    put(store, [b"b"], kept_us=10**12)
    put(store, [b"a", b"b"], 2, watermark_us=1, mark=Mark(b"m", b"d"), outbox=[b"e"])
    assert read_rows(store, [VIEW], [[b"a", b"b"]]) == [row(2, b"a"), row(2, b"b")]
    store.put_schemas({b"schema_1": b"x"})
    assert (store.schemas(), store.watermark_us(VIEW), store.verify()) == ({b"schema_1": b"x"}, 1, [])
    assert store.remove(list(store.scan())) == 2
    (entry,) = store.read_outbox(0)
    store.reserve_outbox(entry.number + 9)
    assert store.remove_outbox(entry.number) == 1
    assert store.info().details["persistence"] == "append-only file, fsync as configured"
    store.close()
    assert create_fresh(settings_of(server, username="hotrow"), "secret")
    less = RedisStore(settings_of(server, username="less"), password="secret")
    with pytest.raises(HotrowError, match=r"docs/redis\.md") as refusal:
        put(less, [b"a"])
    less.close()
    assert refusal.value.code is Code.FAILED_PRECONDITION


def test_valkey_is_the_same_adapter(start):
    """The type is what the user calls it."""
    settings = msgspec.structs.replace(settings_of(start()), type="valkey")
    store = open_store(settings, project="", writable=True)
    assert store.info().type == "valkey"
    store.close()


def test_the_sequence_comes_late_too(start, open_):
    """On the thread of the connection, from which the next read may be asked for; an error comes the same way."""
    server = start()
    store = open_(server)
    sequence = put(store, [b"a"]).sequence
    keys, outcomes = keys_from_lists([[b"a"]]), queue.SimpleQueue()

    def found(outcome):
        outcomes.put(outcome)
        store.read_later(wanted_views([VIEW], [0]), keys, outcomes.put)

    store.sequence_later(found)
    assert outcomes.get(timeout=20) == sequence == store.sequence()
    assert outcomes.get(timeout=20).listed() == [row(1, b"a")]
    server.kill()
    store.sequence_later(outcomes.put)
    assert outcomes.get(timeout=20).code is Code.UNAVAILABLE
