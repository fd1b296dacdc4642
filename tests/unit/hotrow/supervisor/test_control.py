"""The control socket: messages come whole and in order, and each end sees the other's death."""

import socket
from pathlib import Path

import msgspec
import pytest
from hotrow.settings import encode_settings, settings_from_file
from hotrow.supervisor.control import (
    ClearReaders,
    Drain,
    Failed,
    Publish,
    Ready,
    Refs,
    Serving,
    Start,
    SupervisorEnd,
    WorkerEnd,
    control_pair,
    worker_end,
)

REFS = Refs(heads=("b", "a"), branches={"try": "c"}, pins={"v1": "a", "v2": "d"})


@pytest.fixture
def ends():
    supervisor, theirs = control_pair(send_timeout_s=1)
    worker = worker_end(theirs.detach())
    yield supervisor, worker
    supervisor.close()
    worker.close()


def test_ids_are_each_once_and_the_head_first() -> None:
    assert REFS.ids() == ["b", "a", "c", "d"]


def test_every_message_to_a_worker_arrives_as_it_was(ends: tuple[SupervisorEnd, WorkerEnd], tmp_path: Path) -> None:
    (tmp_path / "hotrow.toml").write_text('project = "x"')
    settings = settings_from_file(tmp_path, {})
    supervisor, worker = ends
    supervisor.send_message(Start(msgspec.Raw(encode_settings(settings)), REFS, index=3, socket="s", insecure=True))
    (start,) = worker.receive() or []
    assert isinstance(start, Start)
    assert start.decoded_settings() == settings
    assert (start.refs, start.index, start.socket, start.listen, start.insecure) == (REFS, 3, "s", True, True)
    sent = [Publish(REFS), ClearReaders(), Drain(1.5)]
    for message in sent:
        supervisor.send_message(message)
    assert worker.receive() == sent


def test_every_message_of_a_worker_arrives_as_it_was(ends: tuple[SupervisorEnd, WorkerEnd]) -> None:
    supervisor, worker = ends
    serving = Serving(("a",), {"b": "no"})
    sent = [Ready(serving, address="x:1", socket="s", lane="on"), serving, Failed("invalid", "so\nand so")]
    for message in sent:
        worker.send_message(message)
    assert supervisor.receive() == sent


def test_a_message_in_pieces_arrives_whole() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        worker = WorkerEnd(theirs)
        data = msgspec.json.encode(Publish(REFS)) + b"\n" + msgspec.json.encode(ClearReaders()) + b"\n"
        ours.sendall(data[:10])
        assert worker.receive() == []
        ours.sendall(data[10:])
        assert worker.receive() == [Publish(REFS), ClearReaders()]
        worker.close()


def test_death_is_the_end_of_the_file_for_both(ends: tuple[SupervisorEnd, WorkerEnd]) -> None:
    supervisor, worker = ends
    supervisor.close()
    assert worker.receive() is None
    worker.send_message(Serving(()))  # nobody to hear it, and no error
    other, theirs = control_pair(send_timeout_s=1)
    theirs.close()
    assert other.receive() is None
    other.close()


def test_a_worker_that_does_not_read_times_the_supervisor_out() -> None:
    supervisor, theirs = control_pair(send_timeout_s=0.05)
    with theirs, pytest.raises(TimeoutError):
        supervisor.send_message(Failed("invalid", "x" * 10_000_000))
    supervisor.close()
