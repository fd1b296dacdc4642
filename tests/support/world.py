"""Reads and pushes in one process: the services over the memory store, called as a door calls them."""

import math
import threading
from datetime import timedelta

from hotrow.errors import HotrowError
from hotrow.registry.refs import Refs
from hotrow.registry.served import ServedSet
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.entity import Entity
from hotrow.schema.field import Field
from hotrow.schema.push_source import PushSource
from hotrow.schema.service import FeatureService
from hotrow.schema.view import FeatureView
from hotrow.stores.memory import MemoryStore
from hotrow.types import Bool, Float32, Float64, Int64, String
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsReply
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply, GetServerInfoReply
from hotrow.v1.push_pb2 import PushFeaturesReply
from hotrow_ingest.batcher import Batcher
from hotrow_ingest.pipeline import Pipeline
from hotrow_server.plan import compile_snapshot
from hotrow_server.service import About, ReadService

PROJECT = "rides"
WAIT_S = 10.0
DAY_US = 86_400_000_000
FUTURE_US = 60_000_000

DRIVER = Entity("driver", join_keys={"driver_id": Int64})
USER = Entity("user", join_keys={"user": String})


class RecordingCall:
    """A call that keeps its answer."""

    method, metadata, peer, timer = "/test", (), "test", None

    def __init__(self, *, deadline_s: float = math.inf, caller: str = ""):
        self.deadline_s, self.caller, self.request_id = deadline_s, caller, "call-1"
        self.answers: list[bytes | HotrowError] = []
        self.trailers = ()
        self.gone = False
        self._ended = threading.Event()

    def cancelled(self) -> bool:
        return self.gone

    def put_off(self, work) -> bool:
        return False

    def reply(self, message: bytes, trailers=()) -> None:
        self.answers.append(message)
        self.trailers = trailers
        self._ended.set()

    def fail(self, error: HotrowError) -> None:
        self.answers.append(error)
        self._ended.set()

    def result(self, message=None):
        """The answer, as a message; raises the error that was answered."""
        assert self._ended.wait(WAIT_S), "the call was not answered"
        [answer] = self.answers
        if isinstance(answer, HotrowError):
            raise answer
        return answer if message is None else message.FromString(answer)


def stats_view(*, fields: tuple[Field, ...] = (), ttl: timedelta | None = timedelta(days=1)) -> FeatureView:
    """The view `stats` of a driver, with more fields or another ttl."""
    own = (Field("trips", Int64), Field("fare", Float64, unit="SEK"), Field("note", String, default="none"))
    return FeatureView("stats", entities=[DRIVER], schema=[*own, *fields], ttl=ttl)


def snapshot_of(stats: FeatureView | None = None) -> Snapshot:
    """Three views: of a driver, of a driver and a user, and of nobody."""
    stats = stats or stats_view()
    pair = FeatureView("pair", entities=[DRIVER, USER], schema=[Field("score", Float32), Field("trips", Int64)])
    state = FeatureView("state", schema=[Field("open", Bool)])
    return Snapshot(
        PROJECT,
        entities={"driver": DRIVER, "user": USER},
        views={"stats": stats, "pair": pair, "state": state},
        push_sources={"stats_push": PushSource("stats_push", view=stats)},
        services={"both": FeatureService("both", features=[stats[["fare", "trips"]], pair[["score"]]])},
    )


class World:
    """A store, the services over it, and what is served: heads, newest first, and names."""

    def __init__(self, *heads: Snapshot, store=None, names: dict[str, Snapshot] | None = None, queue_rows=10_000):
        self.store = store or MemoryStore()
        self.reads: ServedSet = ServedSet(compile_snapshot)
        self.writes: ServedSet = ServedSet(lambda snapshot: snapshot)
        self.serve(*(heads or (snapshot_of(),)), names=names)
        self.service = ReadService(self.store, self.reads, About("1", PROJECT, "memory", "on", 7, 8))
        self.batcher = Batcher(self.store, queue_rows=queue_rows, max_batch_rows=10_000)
        self.pipeline = Pipeline(self.store, self.writes, self.batcher, project=PROJECT, max_future_us=FUTURE_US)

    def serve(self, *heads: Snapshot, names: dict[str, Snapshot] | None = None) -> None:
        self.head = heads[0]
        known = {one.id: one for one in (*heads, *(names or {}).values())}
        pins = {name: snapshot.id for name, snapshot in (names or {}).items()}
        refs = Refs(heads=tuple(head.id for head in heads), branches={}, pins=pins)
        for served in (self.reads, self.writes):
            assert served.update(refs, known.__getitem__) == []
        for snapshot in known.values():
            self.store.put_schemas({view.fingerprint: view.schema_bytes for view in snapshot.stored_views.values()})

    def start(self, handler, request, call: RecordingCall | None = None) -> RecordingCall:
        """Hand the request to a handler, and what it raises to the call, as the gate does."""
        call = call or RecordingCall()
        try:
            handler(request if isinstance(request, bytes) else request.SerializeToString(), call)
        except HotrowError as error:
            call.fail(error)
        return call

    def read(self, request, call: RecordingCall | None = None) -> GetOnlineFeaturesReply:
        return self.start(self.service.get_online_features, request, call).result(GetOnlineFeaturesReply)

    def push(self, request, call: RecordingCall | None = None) -> PushFeaturesReply:
        return self.start(self.pipeline.push_features, request, call).result(PushFeaturesReply)

    def materialize(self, request) -> MaterializeRowsReply:
        return self.start(self.pipeline.materialize_rows, request).result(MaterializeRowsReply)

    def server_info(self) -> GetServerInfoReply:
        return self.start(self.service.get_server_info, b"").result(GetServerInfoReply)

    def close(self) -> None:
        assert self.batcher.drain(WAIT_S)
