"""The comparison with peers, as far as it needs no peer: what they are handed, the HTTP generator, the table."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from tests.bench.dataset import DRIVERS, READS, VIEWS, fields
from tests.bench.load import Burst
from tests.bench.measure import Contender, Ratio, Sample
from tests.bench.peer_bench import COLUMNS, Server, absent, row
from tests.bench.peer_http import HttpLoadGenerator, reply_length
from tests.bench.peer_measure import Peer, Plan, Run, burst_at
from tests.bench.peer_workload import own_bodies, write_workload
from tests.bench.process import Target


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, body))
        self.send_response(200 if body != b"bad" else 500)
        self.send_header("Content-Length", "100000")  # more than one read of a socket
        self.end_headers()
        self.wfile.write(bytes(100_000))

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        server.daemon_threads = True
        server.asked = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def load():
    with HttpLoadGenerator() as load:
        yield load


def _burst(server, *requests):
    return Burst(f"127.0.0.1:{server.server_port}", "/push", requests, callers=3, seconds=0.2)


def test_every_caller_asks_again_when_its_reply_is_whole(server, load):
    """Each reply counts once, and the requests go out in turn, whole."""
    outcome = load.run(_burst(server, b"one", b"two"))
    assert outcome.failed == {}
    assert len(outcome.latencies_us) == len(server.asked) > 3
    assert {path for path, _ in server.asked} == {"/push"}
    bodies = [body for _, body in server.asked]
    assert abs(bodies.count(b"one") - bodies.count(b"two")) <= 1
    assert 0 < outcome.latencies_us.min() <= outcome.latencies_us.max() < outcome.seconds * 1e6


def test_a_reply_that_is_not_200_is_a_failure(server, load):
    """It is counted apart, by its status line."""
    outcome = load.run(_burst(server, b"bad"))
    assert len(outcome.latencies_us) == 0
    [(line, count)] = outcome.failed.items()
    assert line.startswith("HTTP/1.1 500")
    assert count == len(server.asked)


def test_pushes_that_are_sent_twice_are_no_measurement(server, load):
    """The second time a peer would drop them, which costs less than a write."""
    target = Target(f"127.0.0.1:{server.server_port}", 1)
    contender = Contender(target, target.address, "/push", ((b"one",),))
    with pytest.raises(RuntimeError, match="prepare more"):
        burst_at(Peer(contender, load, once=True), Plan(callers=2, seconds=0.1, pairs=1), 0)


@pytest.mark.parametrize(
    ("received", "length"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", 40),
        (b"HTTP/1.1 200 OK\r\nX: 1\r\nContent-Length:2\r\n\r\n{}HTTP", 45),
    ],
)
def test_a_reply_is_as_long_as_its_head_says(received, length):
    """Head and body, whatever the case of the header's name."""
    assert reply_length(bytearray(received)) == length


def test_a_reply_of_unknown_length_is_an_error():
    """Chunks are not read, so they must not pass for an empty reply."""
    with pytest.raises(ValueError, match="Content-Length"):
        reply_length(bytearray(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"))


def test_a_peer_is_handed_the_data_and_the_requests_of_hotrow(tmp_path):
    """Every driver's row, driver n in place n, and the keys that hotrow is asked for."""
    write_workload(tmp_path, ["R3", "W1", "W1000"], rounds=2)
    handed = json.loads((tmp_path / "workload.json").read_text())
    assert handed["rows"].keys() == VIEWS.keys()
    for view, rows in handed["rows"].items():
        assert rows.keys() == {"driver_id", *(name for name, _ in fields(view))}
        assert rows["driver_id"] == list(range(DRIVERS))
        assert {len(values) for values in rows.values()} == {DRIVERS}
    asked = handed["reads"]["R3"]
    assert asked["features"] == READS["R3"].names
    assert len(asked["drivers"]) == len(own_bodies(["R3"])["R3"][0])
    assert {len(drivers) for drivers in asked["drivers"]} == {100}
    for name, rows in (("W1", 1), ("W1000", 1000)):
        assert {len(column) for pushed in handed["pushes"][name]["tables"] for column in pushed.values()} == {rows}


def _runs(cpu_s, store_us):
    return [Run(Sample(1000, 2.0, cpu_s, 0.5, np.full(1000, 100.0, np.float32)), store) for store in store_us]


def test_a_peer_is_held_against_hotrow_and_its_store_stands_apart():
    """CPU of the store is not in the ratio; hotrow has neither."""
    runs = {"hotrow": _runs(0.1, [0, 0, 0]), "Feast gRPC": _runs(0.8, [27, 90, 26])}
    ours, theirs = (dict(zip(COLUMNS, row("R1", name, runs), strict=True)) for name in runs)
    assert (ours["CPU us"], ours["x hotrow"], ours["store CPU us"]) == (100, None, None)
    assert (theirs["CPU us"], theirs["x hotrow"], theirs["store CPU us"]) == (800, Ratio(8, 8, 8), 27)
    assert (theirs["requests/s"], theirs["p50 us"], theirs["p99 us"]) == (500, 100, 100)


def test_a_server_that_cannot_do_a_workload_is_told():
    servers = {name: Server(None, None, bodies) for name, bodies in (("one", {"W1": ()}), ("two", {}))}
    assert absent(servers, ["W1"]) == ["two is not in W1: it has no push of many rows."]
    assert servers["two"].peer("two", "W1") is None
