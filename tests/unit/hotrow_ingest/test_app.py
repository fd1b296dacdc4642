"""The ingest worker's composition root, in this process: it takes pushes, keeps schemas, and drains."""

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hotrow import Entity, FeatureView, Field, Float64, Int64
from hotrow.errors import HotrowError
from hotrow.registry.open import open_registry
from hotrow.registry.snapshot import Snapshot
from hotrow.rpc.frame_client import FrameClient
from hotrow.settings import Settings, encode_settings, settings_from_file
from hotrow.supervisor.control import Refs, Start
from hotrow.v1.column_pb2 import Column, Float64s, Int64s
from hotrow.v1.push_pb2 import PushFeaturesReply, PushFeaturesRequest
from hotrow_ingest.app import SERVICE, IngestWorker, build_worker, commit_rows

DRIVER = Entity("driver", join_keys={"driver_id": Int64})


class Waiting:
    """A call that a test waits for."""

    method, metadata, peer, caller, request_id = SERVICE + "PushFeatures", (), "test", "", "1"
    deadline_s, timer = float("inf"), None

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.answer: bytes | HotrowError = b""

    def cancelled(self) -> bool:
        return False

    def put_off(self, work) -> bool:
        return False

    def reply(self, message: bytes, trailers=()) -> None:
        self.answer = message
        self.ended.set()

    def fail(self, error: HotrowError) -> None:
        self.answer = error
        self.ended.set()


def apply(settings: Settings, *fields: str) -> str:
    view = FeatureView("stats", entities=[DRIVER], schema=[Field(name, Float64) for name in fields])
    snapshot = Snapshot("rides", entities={"driver": DRIVER}, views={"stats": view})
    registry = open_registry(settings.registry)
    return registry.apply(snapshot, expected_head=registry.head("rides"), author="test")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "hotrow.toml").write_text('project = "rides"\n[online_store]\nsize_gib = 0.1')
    return settings_from_file(tmp_path, {})


@pytest.fixture
def worker(settings: Settings) -> Iterator[IngestWorker]:
    settings.run_path.mkdir(parents=True)
    head = apply(settings, "a")
    socket = str(settings.ingest_socket)
    built = build_worker(Start(msgspec.Raw(encode_settings(settings)), Refs((head,)), socket=socket, listen=False))
    yield built
    built.drain(1)


def push(settings: Settings, **fields: list[float]) -> PushFeaturesReply:
    client = FrameClient(settings.ingest_socket)
    assert client.wait_connected(5)
    call = Waiting()
    rows = [Column(name=name, float64=Float64s(values=values)) for name, values in fields.items()]
    rows.append(Column(name="driver_id", int64=Int64s(values=[1])))
    client.forward(call.method, PushFeaturesRequest(view="stats", rows=rows).SerializeToString(), call)
    assert call.ended.wait(10)
    client.close()
    if isinstance(call.answer, HotrowError):
        raise call.answer
    return PushFeaturesReply.FromString(call.answer)


def test_it_takes_pushes_on_its_socket_alone_when_told_not_to_listen(settings: Settings, worker: IngestWorker) -> None:
    ready = worker.ready()
    assert (ready.address, ready.socket, ready.lane) == ("", str(settings.ingest_socket), "")
    assert push(settings, a=[1.0]).written == 1
    assert worker.store.sequence() > 0


def test_a_published_head_is_taken_and_its_schema_kept_before_its_rows(
    settings: Settings, worker: IngestWorker
) -> None:
    registry = open_registry(settings.registry)
    first = registry.head("rides") or ""
    second = apply(settings, "a", "b")
    serving = worker.publish(Refs((second, first)))
    assert (serving.ids, serving.failed) == ((second, first), {})
    view = registry.snapshot(second).views["stats"]
    assert worker.store.schemas()[view.fingerprint] == view.schema_bytes
    assert push(settings, a=[1.0], b=[2.0]).written == 1


def test_a_head_that_is_not_there_is_named_and_the_old_one_stays(settings: Settings, worker: IngestWorker) -> None:
    first = open_registry(settings.registry).head("rides") or ""
    missing = "f" * 64
    serving = worker.publish(Refs((missing, first)))
    assert serving.ids == (first,)
    assert "holds no snapshot" in serving.failed[missing]
    pinned = worker.publish(Refs((first,), pins={"v1": missing}))
    assert pinned.ids == (first,)
    assert "holds no snapshot" in pinned.failed[missing]
    assert push(settings, a=[1.0]).written == 1


def test_a_drained_worker_has_let_the_store_go(settings: Settings, worker: IngestWorker) -> None:
    assert push(settings, a=[1.0]).written == 1
    worker.drain(1)
    assert not settings.ingest_socket.exists()
    head = open_registry(settings.registry).head("rides") or ""
    start = Start(
        msgspec.Raw(encode_settings(settings)), Refs((head,)), socket=str(settings.ingest_socket), listen=False
    )
    again = build_worker(start)
    assert push(settings, a=[2.0]).written == 1
    again.drain(1)


def test_a_wrong_failpoint_is_refused_before_the_store_is_opened(settings: Settings) -> None:
    wrong = msgspec.structs.replace(settings, failpoint="after_lunch:1")
    with pytest.raises(HotrowError, match="HOTROW_FAILPOINT"):
        build_worker(Start(msgspec.Raw(encode_settings(wrong)), Refs(())))
    assert not settings.online_store.path.exists()


@pytest.mark.parametrize(
    ("store", "set_to", "rows"),
    [
        ('type = "lmdb"', 100_000, 100_000),
        ('type = "redis"\nurl = "redis://a:1/0"', 100_000, 4000),
        ('type = "valkey"\nurl = "redis://a:1/0"\nmode = "sentinel"', 100_000, 4000),
        ('type = "redis"\nurl = "redis://a:1/0"', 500, 500),
        ('type = "redis"\nurl = "redis://a:1/0"\nmode = "cluster"', 100_000, 100_000),
    ],
)
def test_a_commit_in_one_script_is_full_sooner(tmp_path, store, set_to, rows):
    """And as soon as the settings say, where that is less."""
    text = f'project = "rides"\n[ingest]\nmax_batch_rows = {set_to}\n[online_store]\n{store}'
    (tmp_path / "hotrow.toml").write_text(text)
    assert commit_rows(settings_from_file(tmp_path, {})) == rows
