"""A full map and a full disk: pushes are refused, nothing is lost, reads go on, and space makes pushes work again."""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from hotrow.rpc.status import error_from_rpc
from hotrow.v1.column_pb2 import BytesValues, Column, Float32Lists, Float64s, Int64s, Strings
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply
from hotrow.v1.push_pb2 import DELETE, WRITTEN, PushFeaturesReply, PushFeaturesRequest

from . import trip
from .load import PUSH, READ, dial
from .serving import Repository, Serve, all_gone, digest

pytestmark = pytest.mark.timeout(300)

Start = Callable[..., Serve]
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
LABEL_BYTES = 60_000


class Writer:
    """Pushes rows of some size, and knows what was acknowledged."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.labels: dict[int, str] = {}
        self._push = channel.unary_unary(PUSH, None, None)
        self._read = channel.unary_unary(READ, None, None)

    def push(self, key: int, label_bytes: int = LABEL_BYTES) -> grpc.RpcError | None:
        """The refusal, if it is one."""
        label = f"{key}-".ljust(label_bytes, "x")
        request = PushFeaturesRequest(
            push_source="trips_push",
            rows=[
                Column(name="driver_id", int64=Int64s(values=[key])),
                Column(name="stamp", int64=Int64s(values=[1])),
                Column(name="amount", float64=Float64s(values=[1.0])),
                Column(name="label", string=Strings(values=[label])),
                Column(name="embedding", float32_list=Float32Lists(lengths=[0])),
                Column(name="note", bytes=BytesValues(values=[b""])),
            ],
        )
        error = self._answer(request)
        if error is None:
            self.labels[key] = label
        return error

    def delete(self, key: int) -> grpc.RpcError | None:
        keys = [Column(name="driver_id", int64=Int64s(values=[key]))]
        error = self._answer(PushFeaturesRequest(push_source="trips_push", op=DELETE, rows=keys))
        if error is None:
            self.labels[key] = ""
        return error

    def fill(self, most: int = 5000) -> grpc.RpcError:
        """Push until it is refused; returns the refusal."""
        for key in range(len(self.labels), most):
            error = self.push(key)
            if error is not None:
                return error
        raise AssertionError(f"{most} rows of {LABEL_BYTES} bytes did not fill it")

    def check(self) -> None:
        """Whatever was acknowledged reads as it was pushed."""
        keys = list(self.labels)
        for start in range(0, len(keys), 50):
            part = keys[start : start + 50]
            reply = GetOnlineFeaturesReply.FromString(self._read(trip.read_bytes(part), timeout=30))
            (label,) = [column for column in reply.columns if column.name == "label"]
            assert list(label.string.values) == [self.labels[key] for key in part]

    def _answer(self, request: PushFeaturesRequest) -> grpc.RpcError | None:
        try:
            reply = PushFeaturesReply.FromString(self._push(request.SerializeToString(), timeout=30))
        except grpc.RpcError as error:
            return error
        assert list(reply.results) == [WRITTEN]
        return None


def check_refusal(error: grpc.RpcError, *words: str) -> None:
    """RESOURCE_EXHAUSTED and what to do, without a hint to come again: it does not pass by itself."""
    assert error.code() is EXHAUSTED
    for word in words:
        assert word in error.details()
    assert error_from_rpc(error).retry_after_s is None


def test_a_full_map(tmp_path: Path, serve: Start) -> None:
    repository = Repository(tmp_path, size_gib=0.02)
    running = serve(repository).ready()
    pids = running.pids()
    store = repository.open_store()
    with dial(repository.settings.server.address) as channel:
        writer = Writer(channel)
        check_refusal(writer.fill(), "is full", "online_store.size_gib")
        assert len(writer.labels) > 100
        before = digest(store)
        for key in range(10_000, 10_020):
            refusal = writer.push(key)
            assert refusal is not None
            check_refusal(refusal)
        assert digest(store) == before
        writer.check()
        for key in list(writer.labels)[:50]:
            assert writer.delete(key) is None
        for key in range(20_000, 20_030):
            assert writer.push(key) is None
        check_refusal(writer.fill(), "is full")
        writer.check()
        assert running.pids() == pids
    assert store.verify() == []
    store.close()
    assert running.stop() == 0


def test_a_full_disk(tmp_path: Path, serve: Start) -> None:
    """Everything of the store, and of what runs on it, is on a small disk that another file fills up."""
    with small_disk(tmp_path / "disk", "64m") as disk:
        repository = Repository(tmp_path / "rides", store=str(disk / "online"))
        running = serve(repository).ready()
        store = repository.open_store()
        filler = disk / "filler"
        filler.write_bytes(bytes(24 << 20))
        with dial(repository.settings.server.address) as channel:
            writer = Writer(channel)
            check_refusal(writer.fill(), "full", "make space")
            assert len(writer.labels) > 100
            before = digest(store)
            for key in range(10_000, 10_020):
                refusal = writer.push(key)
                assert refusal is not None
                check_refusal(refusal)
            assert digest(store) == before
            writer.check()
            killed = running.kill_worker("ingest")  # one that starts on a full disk says the same
            until_answered(writer, EXHAUSTED)
            assert all_gone([killed])
            writer.check()
            filler.unlink()
            for key in range(20_000, 20_200):
                assert writer.push(key) is None
            writer.check()
        assert store.verify() == []
        store.close()
        assert running.stop() == 0


def until_answered(writer: Writer, code: grpc.StatusCode) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        error = writer.push(30_000)
        assert error is not None
        if error.code() is code:
            return
        assert error.code() is grpc.StatusCode.UNAVAILABLE, error
        time.sleep(0.1)
    raise AssertionError(f"not answered {code} in 60 s")


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """A file system of that size; the test is skipped where none can be mounted."""
    if os.geteuid():
        pytest.skip("only root may mount a small disk")
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
