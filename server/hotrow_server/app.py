"""Composition root of a server worker: the one place that puts its parts together."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from hotrow import clock, log
from hotrow.registry.open import open_registry
from hotrow.registry.registry import Registry
from hotrow.registry.served import ServedSet
from hotrow.rpc.address import parse_address
from hotrow.rpc.call import Call, Handler
from hotrow.rpc.frame_client import FrameClient
from hotrow.rpc.gate import Gate
from hotrow.rpc.listener import Endpoint, Listener, ListenerOptions, serve
from hotrow.rpc.remote import RemoteClient
from hotrow.rpc.tls import ChannelTls
from hotrow.settings import Settings
from hotrow.stores.open import open_store
from hotrow.stores.port import OnlineStore
from hotrow.supervisor.control import Ready, Refs, Serving, Start
from hotrow.supervisor.serving import serve_first, serve_next
from hotrow.supervisor.store_watch import StoreWatch

from hotrow_server.plan import CompiledSnapshot, compile_snapshot
from hotrow_server.rehearsal import rehearse
from hotrow_server.service import About, ReadService

SERVICE = "/hotrow.v1.FeatureServer/"
INGEST_PUSH = "/hotrow.v1.FeatureIngest/PushFeatures"
_STORE_WAIT_S = 3.0
_NEW_STORE_WAIT_S = 30.0  # for an ingest worker that starts at the same time, perhaps with its kernels to compile
_CONNECT_WAIT_S = 5.0

_log = log.logger(__name__)


class IngestClient(Protocol):
    """How pushes are handed on: by frames on this machine, by gRPC to another."""

    def forward(self, method: str, request: bytes, call: Call) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ServerWorker:
    """A server worker that serves; see `hotrow.supervisor.worker.Worker`."""

    store: OnlineStore
    served: ServedSet[CompiledSnapshot]
    registry: Registry
    ingest: IngestClient
    listener: Listener
    watch: StoreWatch
    message: Ready

    def ready(self) -> Ready:
        return self.message

    def publish(self, refs: Refs) -> Serving:
        return serve_next(self.served, refs, self.registry)

    def clear_readers(self) -> None:
        self.store.clear_stale_readers()

    def drain(self, grace_s: float) -> None:
        if not self.listener.stop(grace_s):
            _log.warning("calls did not end in time and were answered UNAVAILABLE", grace_s=grace_s)
        self.ingest.close()
        self.watch.stop()
        self.store.close()


def build_worker(start: Start) -> ServerWorker:
    """A worker that serves what the message says; raises HotrowError for what keeps it from it."""
    settings = start.decoded_settings()
    wait_s = _NEW_STORE_WAIT_S if start.socket else _STORE_WAIT_S
    store = open_store(settings.online_store, project=settings.project, writable=False, wait_s=wait_s)
    served = ServedSet(compile_snapshot)
    registry = open_registry(settings.registry)
    serving = serve_first(served, start.refs, registry)
    service = ReadService(store, served, _about(settings), registry.signed)
    ingest = _ingest_client(start.socket, settings, insecure=start.insecure)
    listener = _listen(settings, methods(service, ingest), insecure=start.insecure)
    service.set_lane(listener.lane)
    for compiled in served.compiled()[:1]:
        rehearse(service, compiled.snapshot.views.values())
    message = Ready(serving, address=settings.server.address, lane=listener.lane)
    watch = StoreWatch(store, lambda here: listener.set_serving(serving=here))
    return ServerWorker(store, served, registry, ingest, listener, watch, message)


def methods(service: ReadService, ingest: IngestClient) -> dict[str, Handler]:
    """What a server worker answers, by path."""
    return {
        SERVICE + "GetOnlineFeatures": service.get_online_features,
        SERVICE + "GetServerInfo": service.get_server_info,
        SERVICE + "PushFeatures": lambda request, call: ingest.forward(INGEST_PUSH, request, call),
    }


def _about(settings: Settings) -> About:
    return About(
        version=version("hotrow"),
        project=settings.project,
        store_type=settings.online_store.type,
        lane="",
        worker=os.getpid(),
        started_us=clock.now_us(),
    )


def _listen(settings: Settings, handlers: Mapping[str, Handler], *, insecure: bool) -> Listener:
    server = settings.server
    options = ListenerOptions(
        lane=server.lane,
        max_message_mib=server.max_message_mib,
        max_connection_age_s=server.max_connection_age_s,
    )
    return serve(Endpoint(server.address, server.tls, insecure), handlers, gate=Gate(), options=options)


def _ingest_client(socket: str, settings: Settings, *, insecure: bool) -> IngestClient:
    ingest = settings.ingest
    if socket:
        client = FrameClient(Path(socket), max_message_bytes=settings.server.max_message_mib << 20)
        client.wait_connected(_CONNECT_WAIT_S)  # else the first push would be told to come again
        return client
    trust = ingest.caller_tls
    if trust is not None:
        tls = ChannelTls(trust.ca, trust.cert, trust.key, trust.server_name)
        return RemoteClient(ingest.address, tls)
    if ingest.tls is not None:
        return RemoteClient(ingest.address, ChannelTls(ca=ingest.tls.cert))
    if not insecure and not parse_address(ingest.address).loopback:
        _log.warning("pushes go to the ingest worker without TLS; set ingest.caller_tls", address=ingest.address)
    return RemoteClient(ingest.address)
