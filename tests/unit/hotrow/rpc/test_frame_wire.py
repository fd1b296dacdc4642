"""Frames are taken off a stream however it is cut, and what is no frame is refused."""

import socket
import struct
import threading

import msgspec
import pytest
from hotrow.errors import Code, HotrowError
from hotrow.rpc import frame_wire as wire
from hypothesis import given, settings
from hypothesis import strategies as st

HEADS = st.one_of(
    st.builds(
        wire.Request,
        id=st.integers(0, 2**63),
        method=st.text(),
        left_s=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        caller=st.text(),
        request_id=st.text(),
        peer=st.text(),
        metadata=st.lists(st.tuples(st.text(), st.text() | st.binary())).map(tuple),
    ),
    st.builds(
        wire.Answer,
        id=st.integers(0, 2**63),
        trailers=st.lists(st.tuples(st.text(), st.text() | st.binary())).map(tuple),
    ),
    st.builds(
        wire.Failure,
        id=st.integers(0, 2**63),
        code=st.sampled_from([code.value for code in Code]),
        message=st.text(),
        field=st.text(),
        retry_after_s=st.none() | st.floats(0, 100),
    ),
)


@pytest.fixture
def ends():
    left, right = socket.socketpair()
    yield left, right
    left.close()
    right.close()


@settings(max_examples=60, deadline=None)
@given(frames=st.lists(st.tuples(HEADS, st.binary(max_size=3000)), min_size=1, max_size=8), cut=st.integers(1, 900))
def test_frames_come_back_however_the_stream_is_cut(frames, cut):
    stream = b"".join(wire.encode_prefix(head, len(body)) + body for head, body in frames)
    left, right = socket.socketpair()
    reader, got = wire.FrameReader(1 << 20), []
    with left, right:
        for start in range(0, len(stream), cut):
            left.sendall(stream[start : start + cut])
            assert reader.receive(right)
            got += list(reader)
    assert got == frames


def test_a_frame_much_larger_than_the_buffer_comes_whole(ends):
    left, right = ends
    body = bytes(range(256)) * (20 << 12)  # 20 MiB
    frame = wire.encode_prefix(wire.Answer(1, ()), len(body)) + body
    sender = threading.Thread(target=left.sendall, args=(frame * 2 + frame[:9],))
    sender.start()
    reader, got = wire.FrameReader(32 << 20), []
    while len(got) < 2:
        assert reader.receive(right)
        got += [received for _, received in reader]
    assert got == [body, body]
    sender.join()


@pytest.mark.parametrize(
    "stream",
    [
        struct.pack("<II", 1 << 31, 10),  # too large
        struct.pack("<II", 20, 0),  # no head
        struct.pack("<II", 20, 17),  # a head beyond the frame's end
        struct.pack("<II", 0, 0),
        struct.pack("<II", 2 << 20, (1 << 20) + 1),  # too large a head
        struct.pack("<II", 24, 20) + bytes(20),  # a head that is no MessagePack of a head
        struct.pack("<II", 24, 20) + b"\xc1" * 20,
        wire._PREFIX.pack(4 + 6, 6) + msgspec.msgpack.encode([2, "a", []])[:6].ljust(6, b"\0"),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_frame_is_refused(stream, ends):
    left, right = ends
    left.sendall(stream)
    reader = wire.FrameReader(1 << 20)
    reader.receive(right)
    with pytest.raises(wire.MalformedError):
        list(reader)


def test_a_reader_ticks_and_ends_with_its_peer(ends, monkeypatch):
    left, right = ends
    ticks, frames = threading.Event(), []
    done = threading.Thread(
        target=wire.read_frames, args=(right, 1 << 20, lambda head, body: frames.append((head, body)), ticks.set)
    )
    done.start()
    left.sendall(wire.encode_prefix(wire.Answer(7, ()), 2) + b"hi")
    assert ticks.wait(5)
    left.close()
    done.join(5)
    assert not done.is_alive()
    assert frames == [(wire.Answer(7, ()), b"hi")]


def test_an_error_comes_back_as_it_went():
    error = HotrowError(Code.EXHAUSTED, "full\ud800", field="rows", retry_after_s=0.5)
    back = wire.error_from_failure(wire.failure_from_error(3, error))
    assert (back.code, back.message, back.field, back.retry_after_s) == (Code.EXHAUSTED, "full?", "rows", 0.5)


def test_an_unknown_code_is_malformed():
    with pytest.raises(wire.MalformedError, match="nonsense"):
        wire.error_from_failure(wire.Failure(1, "nonsense", "", "", None))


def test_a_socket_file_may_have_a_long_path(tmp_path):
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    path = folder / "ingest.sock"
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as connecting:
        with wire.socket_address(path) as address:
            listening.bind(address)
        listening.listen()
        with wire.socket_address(path) as address:
            connecting.connect(address)
    assert path.is_socket()
