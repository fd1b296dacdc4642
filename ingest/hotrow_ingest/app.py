"""Composition root of the ingest worker: the one place that puts its parts together."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hotrow import clock, log
from hotrow.failpoint import Reached, reached_from_text
from hotrow.registry.open import open_registry
from hotrow.registry.registry import Registry
from hotrow.registry.served import ServedSet
from hotrow.registry.snapshot import Snapshot
from hotrow.rpc.call import Handler
from hotrow.rpc.frame_server import FrameServer
from hotrow.rpc.gate import Gate
from hotrow.rpc.listener import Endpoint, Listener, ListenerOptions, serve
from hotrow.settings import Settings
from hotrow.stores.open import open_store
from hotrow.stores.port import OnlineStore
from hotrow.supervisor.control import Ready, Refs, Serving, Start
from hotrow.supervisor.serving import serve_first, serve_next
from hotrow.supervisor.store_watch import StoreWatch, note_store

from hotrow_ingest.batcher import Batcher
from hotrow_ingest.collect import Collector
from hotrow_ingest.log_drain import LogDrain
from hotrow_ingest.pipeline import Pipeline

SERVICE = "/hotrow.v1.FeatureIngest/"
_STORE_WAIT_S = 5.0
_BURST_ROWS = 256  # some milliseconds, for which the thread that serves takes no calls
_SCRIPT_ROWS = 4000  # of a commit in a server, which serves nobody else meanwhile, and more of which cost more each
_COMMIT_S = 5.0  # what a drain leaves for the last commits, whatever its grace
_LOG_S = 3.0  # likewise, for what waits to be logged; the supervisor kills a worker 5 s behind its grace

_log = log.logger(__name__)


@dataclass(frozen=True, slots=True)
class IngestWorker:
    """The ingest worker, serving; see `hotrow.supervisor.worker.Worker`. `listener` is None where it has no port."""

    store: OnlineStore
    served: ServedSet[Snapshot]
    registry: Registry
    batcher: Batcher
    collector: Collector
    log_drain: LogDrain
    frames: FrameServer
    listener: Listener | None
    watch: StoreWatch
    message: Ready

    def ready(self) -> Ready:
        return self.message

    def publish(self, refs: Refs) -> Serving:
        return serve_next(self.served, refs, self.registry)

    def clear_readers(self) -> None:
        self.store.clear_stale_readers()

    def drain(self, grace_s: float) -> None:
        """Calls end first, and their rows are committed by that; then nothing can come, rows are logged, and the store
        closes.
        """
        end_s = clock.monotonic_s() + grace_s
        alone = self.collector.stop(_COMMIT_S)
        ended = self.listener is None or self.listener.stop(grace_s)
        ended &= self.frames.stop(max(0.0, end_s - clock.monotonic_s()))
        if not ended:
            _log.warning("pushes did not end in time and were answered UNAVAILABLE", grace_s=grace_s)
        if not self.batcher.drain(max(_COMMIT_S, end_s - clock.monotonic_s())):
            _log.error("rows that wait are not committed, and their producers have no answer")
            alone = False
        alone &= self.log_drain.stop(max(_LOG_S, end_s - clock.monotonic_s()))
        self.watch.stop()
        if alone:
            self.store.close()


def build_worker(start: Start) -> IngestWorker:
    """The worker that serves what the message says; raises HotrowError for what keeps it from it."""
    settings = start.decoded_settings()
    reached = reached_from_text(settings.failpoint)
    store = open_store(
        settings.online_store,
        project=settings.project,
        writable=True,
        durability=settings.ingest.durability,
        wait_s=_STORE_WAIT_S,
        reached=reached,
    )
    note_store(settings, store)
    served = ServedSet(lambda snapshot: _prepared(snapshot, store))
    registry = open_registry(settings.registry)
    serving = serve_first(served, start.refs, registry)
    offline = settings.offline_store
    log_drain = LogDrain(store, offline.path, interval_s=offline.flush_interval_s, reached=reached)
    batcher = _batcher(settings, store, reached)
    max_future_us = round(settings.ingest.max_future_s * 1_000_000)
    pipeline = Pipeline(store, served, batcher, project=settings.project, max_future_us=max_future_us)
    gate = Gate()
    handlers = methods(pipeline, log_drain)
    frames = FrameServer(Path(start.socket), handlers, gate, max_message_bytes=_frame_bytes(settings))
    listener = _listen(settings, handlers, gate, insecure=start.insecure) if start.listen else None
    message = Ready(
        serving,
        address=settings.ingest.address if listener else "",
        socket=start.socket,
        lane=listener.lane if listener else "",
    )
    collector = Collector(store, served, interval_s=settings.ingest.gc_interval_s)
    watch = StoreWatch(store, lambda here: listener.set_serving(serving=here) if listener else None)
    return IngestWorker(store, served, registry, batcher, collector, log_drain, frames, listener, watch, message)


def _batcher(settings: Settings, store: OnlineStore, reached: Reached) -> Batcher:
    ingest = settings.ingest
    at_once = ingest.durability == "os" and settings.online_store.embedded  # no commit waits for a disk or a server
    return Batcher(
        store,
        queue_rows=ingest.queue_rows,
        queue_bytes=ingest.queue_mib << 20,
        max_batch_rows=commit_rows(settings),
        burst_rows=_BURST_ROWS if at_once else 0,
        reached=reached,
    )


def commit_rows(settings: Settings) -> int:
    """How many rows make a commit full."""
    store, most = settings.online_store, settings.ingest.max_batch_rows
    in_one_script = not store.embedded and store.mode != "cluster"
    return min(most, _SCRIPT_ROWS) if in_one_script else most


def methods(pipeline: Pipeline, log_drain: LogDrain) -> dict[str, Handler]:
    """What the ingest worker answers, by path."""
    return {
        SERVICE + "PushFeatures": pipeline.push_features,
        SERVICE + "MaterializeRows": pipeline.materialize_rows,
        SERVICE + "FlushLog": log_drain.flush_log,
    }


def _prepared(snapshot: Snapshot, store: OnlineStore) -> Snapshot:
    """No row is written before the store knows what its fingerprint stands for, and transforms are proven."""
    at_push = [transform for transform in snapshot.transforms.values() if transform.at == "push"]
    if at_push:
        from hotrow.transforms.certificate import verify  # noqa: PLC0415 - loads the compiler

        verify(at_push)
    store.put_schemas({view.fingerprint: view.schema_bytes for view in snapshot.stored_views.values()})
    return snapshot


def _frame_bytes(settings: Settings) -> int:
    """A server worker hands on what it accepts, with some bytes around it."""
    return (max(settings.server.max_message_mib, settings.ingest.max_message_mib) + 1) << 20


def _listen(settings: Settings, handlers: Mapping[str, Handler], gate: Gate, *, insecure: bool) -> Listener:
    ingest = settings.ingest
    options = ListenerOptions(
        lane=settings.server.lane,
        max_message_mib=ingest.max_message_mib,
        max_connection_age_s=ingest.max_connection_age_s,
        share_port=False,
    )
    return serve(Endpoint(ingest.address, ingest.tls, insecure), handlers, gate=gate, options=options)
