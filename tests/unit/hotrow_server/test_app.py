"""A server worker's composition root: what it answers, and how its pushes go on."""

import os
import socket
from pathlib import Path

import grpc
import msgspec
import pytest
from hotrow import Entity, FeatureView, Field, Float64, Int64
from hotrow.clock import now_s
from hotrow.errors import Code, HotrowError
from hotrow.registry.open import open_registry
from hotrow.registry.snapshot import Snapshot
from hotrow.rpc.call import Call
from hotrow.rpc.frame_client import FrameClient
from hotrow.rpc.frame_server import FrameServer
from hotrow.rpc.gate import Gate
from hotrow.rpc.remote import RemoteClient
from hotrow.settings import Settings, encode_settings, settings_from_file
from hotrow.stores.open import open_store
from hotrow.supervisor.control import Refs, Start
from hotrow.v1.column_pb2 import NOT_FOUND, Column, Int64s
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest, GetServerInfoRequest
from hotrow.v1.feature_server_pb2_grpc import FeatureServerStub
from hotrow.v1.push_pb2 import PushFeaturesRequest
from hotrow_server import app
from support.world import RecordingCall


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "hotrow.toml").write_text(
        f'project = "rides"\n[online_store]\nsize_gib = 0.1\n[server]\naddress = "127.0.0.1:{port}"'
    )
    return settings_from_file(tmp_path, {})


def start_of(settings: Settings, socket: str = "") -> Start:
    driver = Entity("driver", join_keys={"driver_id": Int64})
    view = FeatureView("stats", entities=[driver], schema=[Field("a", Float64)])
    snapshot = Snapshot("rides", entities={"driver": driver}, views={"stats": view})
    head = open_registry(settings.registry).apply(snapshot, expected_head=None, author="test")
    return Start(msgspec.Raw(encode_settings(settings)), Refs((head,)), socket=socket)


@pytest.mark.parametrize("lane", ["auto", "off"])
def test_it_answers_reads_and_says_who_it_is_until_it_is_drained(settings: Settings, lane: str) -> None:
    settings = msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, lane=lane))
    open_store(settings.online_store, project="", writable=True).close()
    start = start_of(settings)
    worker = app.build_worker(start)
    with grpc.insecure_channel(settings.server.address) as channel:
        stub = FeatureServerStub(channel)
        info = stub.GetServerInfo(GetServerInfoRequest(), timeout=5)
        assert (info.project, info.snapshot, info.worker) == ("rides", start.refs.head, os.getpid())
        assert info.lane == worker.ready().lane == ("on" if lane == "auto" else "off: by the settings")
        request = GetOnlineFeaturesRequest(
            features=FeatureNames(names=["stats:a"]), entities=[Column(name="driver_id", int64=Int64s(values=[1]))]
        )
        assert list(stub.GetOnlineFeatures(request, timeout=5).columns[0].statuses) == [NOT_FOUND]
        with pytest.raises(grpc.RpcError) as caught:
            stub.PushFeatures(PushFeaturesRequest(view="stats"), timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert worker.publish(start.refs).ids == start.refs.heads
    worker.clear_readers()
    worker.drain(1)
    with socket.socket() as probe:
        host, _, port = settings.server.address.rpartition(":")
        assert probe.connect_ex((host, int(port))) != 0


def test_without_a_store_it_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_STORE_WAIT_S", 0.01)
    with pytest.raises(HotrowError) as caught:
        app.build_worker(start_of(settings))
    assert caught.value.code is Code.UNAVAILABLE


def test_pushes_go_on_by_frames_on_this_machine_and_by_grpc_to_another(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "_CONNECT_WAIT_S", 0.01)
    for socket_file, kind in ((str(tmp_path / "s"), FrameClient), ("", RemoteClient)):
        client = app._ingest_client(socket_file, settings, insecure=False)
        assert isinstance(client, kind)
        client.close()


def test_what_the_server_takes_it_hands_on(settings: Settings, tmp_path: Path) -> None:
    """A push that the listener lets in is not too long for the frames behind it, and a longer one is."""
    settings = msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, max_message_mib=65))
    taken: list[int] = []

    def take(request: bytes, call: Call) -> None:
        taken.append(len(request))
        call.reply(b"")

    frames = FrameServer(tmp_path / "s", {app.INGEST_PUSH: take}, Gate(), max_message_bytes=66 << 20)
    client = app._ingest_client(str(tmp_path / "s"), settings, insecure=False)
    assert frames_answer(client, bytes(65 << 20)) == b""
    refused = frames_answer(client, bytes((65 << 20) + 1))
    assert isinstance(refused, HotrowError)
    assert refused.code is Code.EXHAUSTED
    assert taken == [65 << 20]
    client.close()
    frames.stop(1)


def frames_answer(client: app.IngestClient, request: bytes) -> bytes | HotrowError:
    call = RecordingCall(deadline_s=now_s() + 10)
    client.forward(app.INGEST_PUSH, request, call)
    try:
        return bytes(call.result())
    except HotrowError as error:
        return error
