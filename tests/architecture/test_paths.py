"""The way of a read and of a push through the code is the one that docs/architecture.md shows.

Both workers are put together by their composition roots, in this process, on a real store and real ports. A profiler
sees every Python function that a request enters. A kernel is machine code, which no profiler sees, so every kernel's
name is given a stand-in that notes the call.
"""

import importlib
import pkgutil
import re
import threading
from contextlib import contextmanager
from pathlib import Path

import grpc
import hotrow.codec
import msgspec
import pytest
from hotrow import Entity, FeatureView, Field, Float64, Int64
from hotrow.registry.open import open_registry
from hotrow.registry.snapshot import Snapshot
from hotrow.rpc.frame_server import FrameServer
from hotrow.rpc.gate import Gate
from hotrow.settings import encode_settings, settings_from_file
from hotrow.supervisor.control import Refs, Start
from hotrow.v1 import column_pb2, feature_ingest_pb2_grpc, feature_server_pb2, feature_server_pb2_grpc, push_pb2
from numba.core.dispatcher import Dispatcher
from support.ports import free_ports

LINE = re.compile(r"^(READ|PUSH|HANDED ON):((?:[ \n]+\S+\.py(?: >)?)+)", re.MULTILINE)
PUSH = "/hotrow.v1.FeatureIngest/PushFeatures"
FOLDERS = ("core/hotrow", "server/hotrow_server", "ingest/hotrow_ingest")


class Recorder:
    """Notes the files of hotrow that are entered on any thread while it is on, the first time of each, in order."""

    def __init__(self, root: Path) -> None:
        self._names = {str(root / folder): folder.split("/")[1] for folder in FOLDERS}
        self.files: list[str] = []
        self.on = False

    def note(self, filename: str) -> None:
        for folder, package in self._names.items():
            if filename.startswith(f"{folder}/"):
                name = package + filename.removeprefix(folder)
                if name not in self.files:
                    self.files.append(name)

    def profile(self, frame, event, _argument) -> None:
        if self.on and event == "call":
            self.note(frame.f_code.co_filename)

    def stand_in(self, kernel):
        def call(*arguments):
            if self.on:
                self.note(kernel.py_func.__code__.co_filename)
            return kernel(*arguments)

        return call

    def line(self) -> str:
        """What the page would have to say."""
        return " > ".join(self.files)

    @contextmanager
    def recording(self):
        self.files = []
        self.on = True
        try:
            yield
        finally:
            self.on = False


@pytest.fixture
def recorder(root, monkeypatch):
    """A recorder that every thread started from now on reports to, and through which every kernel is called."""
    recorder = Recorder(root)
    for module in pkgutil.iter_modules(hotrow.codec.__path__, "hotrow.codec."):
        namespace = importlib.import_module(module.name)
        if ".kernel_" in module.name:
            continue  # kernels call one another as machine code
        for name, value in vars(namespace).copy().items():
            if isinstance(value, Dispatcher):
                monkeypatch.setattr(namespace, name, recorder.stand_in(value))
            elif getattr(value, "__name__", "").startswith("hotrow.codec.kernel_"):
                for inner, kernel in vars(value).copy().items():
                    if isinstance(kernel, Dispatcher):
                        monkeypatch.setattr(value, inner, recorder.stand_in(kernel))
    threading.setprofile(recorder.profile)
    yield recorder
    threading.setprofile(None)


@pytest.fixture(scope="module")
def snapshot():
    driver = Entity("driver", join_keys={"driver_id": Int64})
    view = FeatureView("stats", entities=[driver], schema=[Field("rate", Float64)])
    return Snapshot("paths", "", entities={"driver": driver}, views={"stats": view}, push_sources={}, services={})


@pytest.fixture
def start(tmp_path, snapshot):
    """Makes the message that starts a worker of a repository to which the snapshot has been applied."""
    ports = free_ports(2)
    (tmp_path / "hotrow.toml").write_text(
        f'project = "paths"\n[online_store]\nsize_gib = 0.1\n[server]\naddress = "127.0.0.1:{ports[0]}"\n'
        f'[ingest]\naddress = "127.0.0.1:{ports[1]}"\n'
    )
    settings = settings_from_file(tmp_path, {})
    head = open_registry(settings.registry).apply(snapshot, expected_head=None, author="test")
    return Start(msgspec.Raw(encode_settings(settings)), Refs((head,)), socket=str(tmp_path / "ingest.sock"))


@contextmanager
def _running(module, start, recorder):
    """A worker, and its channel."""
    worker = importlib.import_module(module).build_worker(start)
    try:
        with grpc.insecure_channel(worker.ready().address) as channel:
            yield channel
    finally:
        assert not recorder.on
        worker.drain(1)


def _push(event_time_us):
    keys = column_pb2.Column(name="driver_id", int64=column_pb2.Int64s(values=[7]))
    rates = column_pb2.Column(name="rate", float64=column_pb2.Float64s(values=[0.5]))
    return push_pb2.PushFeaturesRequest(view="stats", rows=[keys, rates], event_time_us=[event_time_us])


def _read():
    keys = column_pb2.Column(name="driver_id", int64=column_pb2.Int64s(values=[7]))
    names = feature_server_pb2.FeatureNames(names=["stats:rate"])
    return feature_server_pb2.GetOnlineFeaturesRequest(features=names, entities=[keys])


def _documented(root, name) -> list[str]:
    lines = LINE.findall((root / "docs/architecture.md").read_text(encoding="utf-8"))
    return [path for found, paths in lines if found == name for path in re.findall(r"\S+\.py", paths)]


def test_a_push_goes_where_the_page_says(root, recorder, start):
    """One push to the ingest worker, whose plan an earlier one has made, enters the files of the PUSH line."""
    with _running("hotrow_ingest.app", start, recorder) as channel:
        stub = feature_ingest_pb2_grpc.FeatureIngestStub(channel)
        stub.PushFeatures(_push(1), timeout=30)
        with recorder.recording():
            assert stub.PushFeatures(_push(2), timeout=30).written == 1
    assert sorted(recorder.files) == sorted(_documented(root, "PUSH")), recorder.line()


def test_a_read_goes_where_the_page_says(root, recorder, start):
    """One read, whose plan an earlier one has made, enters the files of the READ line, in that order."""
    with _running("hotrow_ingest.app", start, recorder) as channel:
        feature_ingest_pb2_grpc.FeatureIngestStub(channel).PushFeatures(_push(1), timeout=30)
    with _running("hotrow_server.app", start, recorder) as channel:
        stub = feature_server_pb2_grpc.FeatureServerStub(channel)
        stub.GetOnlineFeatures(_read(), timeout=30)
        with recorder.recording():
            reply = stub.GetOnlineFeatures(_read(), timeout=30)
    assert list(reply.columns[0].float64.values) == [0.5]
    assert recorder.files == _documented(root, "READ"), recorder.line()


def test_a_push_is_handed_on_as_the_page_says(root, recorder, start):
    """One push to a server worker enters the files of the HANDED ON line; what is behind them is that of a push."""
    with _running("hotrow_ingest.app", start, recorder):
        pass  # makes the store
    answer = push_pb2.PushFeaturesReply(written=1).SerializeToString()
    frames = FrameServer(Path(start.socket), {PUSH: lambda _request, call: call.reply(answer)}, Gate())
    with _running("hotrow_server.app", start, recorder) as channel:
        stub = feature_server_pb2_grpc.FeatureServerStub(channel)
        stub.PushFeatures(_push(1), timeout=30)
        with recorder.recording():
            assert stub.PushFeatures(_push(2), timeout=30).written == 1
    frames.stop(1)
    assert sorted(recorder.files) == sorted(_documented(root, "HANDED ON")), recorder.line()
