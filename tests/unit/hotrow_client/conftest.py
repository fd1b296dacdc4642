"""A server that answers as the test says, on a real port, with the generated stubs' own registration."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from hotrow.v1 import feature_ingest_pb2_grpc, feature_server_pb2, feature_server_pb2_grpc, push_pb2


class Answers(feature_server_pb2_grpc.FeatureServerServicer, feature_ingest_pb2_grpc.FeatureIngestServicer):
    """Keeps every request and its peer; each of `failures` is called once, and may abort, before the answers begin."""

    def __init__(self):
        self.requests, self.peers, self.failures = [], [], []
        self.answer = None  # makes the reply to a read, in place of `reply`
        self.reply = feature_server_pb2.GetOnlineFeaturesReply()
        self.push_reply = push_pb2.PushFeaturesReply()

    def _note(self, request, context):
        self.requests.append(request)
        self.peers.append(context.peer())
        if self.failures:
            self.failures.pop(0)(context)

    def GetOnlineFeatures(self, request, context):  # noqa: N802
        self._note(request, context)
        return self.answer(request, context) if self.answer else self.reply

    def PushFeatures(self, request, context):  # noqa: N802
        self._note(request, context)
        return self.push_reply

    def GetServerInfo(self, request, context):  # noqa: N802
        self._note(request, context)
        return feature_server_pb2.GetServerInfoReply(
            version="1", project="rides", served=[feature_server_pb2.ServedSnapshot(id="ab", names=["head"])], worker=3
        )


class RunningServer:
    """`answers` behind `address`, and `ingest` behind `ingest_address`."""

    def __init__(self, *, credentials=None, port=0):
        self.answers, self.ingest = Answers(), Answers()
        self._credentials, self._servers = credentials, []
        self.address = self._start(feature_server_pb2_grpc.add_FeatureServerServicer_to_server, self.answers, port=port)
        self.ingest_address = self._start(
            feature_ingest_pb2_grpc.add_FeatureIngestServicer_to_server, self.ingest, port=0
        )

    def _start(self, register, answers, *, port):
        server = grpc.server(ThreadPoolExecutor(16))
        register(answers, server)
        address = f"127.0.0.1:{port}"
        if self._credentials:
            port = server.add_secure_port(address, self._credentials)
        else:
            port = server.add_insecure_port(address)
        server.start()
        self._servers.append(server)
        return f"127.0.0.1:{port}"

    def stop(self):
        for server in self._servers:
            server.stop(0).wait()


@pytest.fixture
def server():
    running = RunningServer()
    yield running
    running.stop()


@pytest.fixture
def start_server():
    """Start more, with credentials or on a port of the test's; all are stopped when the test ends."""
    started = []

    def start(**options):
        started.append(RunningServer(**options))
        return started[-1]

    yield start
    for running in started:
        running.stop()
