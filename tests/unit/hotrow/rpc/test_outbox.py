"""An outbox sends in order, never waits for its peer, and bounds what waits."""

import socket
import threading

import pytest
from hotrow.clock import monotonic_s
from hotrow.rpc.outbox import Outbox


@pytest.fixture
def ends():
    left, right = socket.socketpair()
    yield left, right
    left.close()
    right.close()


def _read(connection, count):
    got = bytearray()
    while len(got) < count:
        part = connection.recv(1 << 20)
        assert part
        got += part
    return bytes(got)


def test_frames_arrive_in_order_from_a_slow_reader(ends):
    """Far more than the socket takes is put at once, without a wait, and arrives as it was put."""
    left, right = ends
    outbox = Outbox(left, 64 << 20)
    bodies = [bytes([i]) * (100_000 + i) for i in range(100)]
    started_s = monotonic_s()
    assert all(outbox.put(b"%02d" % i, body) for i, body in enumerate(bodies))
    assert monotonic_s() - started_s < 2
    wanted = b"".join(b"%02d" % i + body for i, body in enumerate(bodies))
    assert _read(right, len(wanted)) == wanted
    assert outbox.flush(5)
    outbox.close()


def test_too_much_is_refused_whole(ends):
    left, right = ends
    outbox = Outbox(left, 1 << 20)
    accepted = 0
    while outbox.put(b"", bytes(100_000)):
        accepted += 1
        assert accepted < 100
    assert accepted >= 10
    got = _read(right, accepted * 100_000)
    assert outbox.flush(5)
    assert len(got) == accepted * 100_000
    assert outbox.put(b"", b"x")
    assert right.recv(10) == b"x"
    outbox.close()


def test_threads_do_not_mix_their_frames(ends):
    left, right = ends
    outbox = Outbox(left, 64 << 20)

    def put(number):
        for _ in range(200):
            outbox.put(bytes([number]), bytes([number]) * 999)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    got = _read(right, 4 * 200 * 1000)
    for thread in threads:
        thread.join()
    frames = [got[i : i + 1000] for i in range(0, len(got), 1000)]
    assert all(len(set(frame)) == 1 for frame in frames)
    outbox.close()


def test_closing_ends_a_send_that_waits(ends):
    left, _ = ends
    outbox = Outbox(left, 64 << 20)
    outbox.put(b"", bytes(10 << 20))
    started_s = monotonic_s()
    outbox.close()
    assert monotonic_s() - started_s < 2
    assert outbox.put(b"after", b"the end")
    assert not [thread for thread in threading.enumerate() if thread.name == "hotrow-outbox"]
