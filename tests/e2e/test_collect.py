"""A running `hotrow serve` removes rows past their ttl itself, beside its reads and pushes."""

import time
from datetime import timedelta
from pathlib import Path

from hotrow import Entity, FeatureView, Field, Float64, Int64, PushSource
from hotrow.registry.open import open_registry
from hotrow.registry.snapshot import Snapshot
from hotrow.stores.open import open_store
from hotrow.v1.column_pb2 import Column, Float64s, Int64s
from hotrow.v1.push_pb2 import PushFeaturesRequest

from .processes import Caller, Program, Repository, until

DAY_US = 86_400_000_000


def apply(repository: Repository) -> Snapshot:
    """The view `stats`, with a ttl of a second."""
    driver = Entity("driver", join_keys={"driver_id": Int64})
    stats = FeatureView("stats", entities=[driver], schema=[Field("value", Float64)], ttl=timedelta(seconds=1))
    source = PushSource("stats_push", view=stats)
    snapshot = Snapshot(
        "rides", entities={"driver": driver}, views={"stats": stats}, push_sources={"stats_push": source}
    )
    open_registry(repository.settings.registry).apply(snapshot, expected_head=None, author="test")
    return snapshot


def test_an_expired_row_leaves_the_store_and_a_fresh_one_stays(tmp_path: Path) -> None:
    repository = Repository(tmp_path, "gc_interval_s = 0.2")
    view_id = apply(repository).view_id("stats")
    serve = Program(repository, "serve", "--workers", "1")
    try:
        serve.wait_ready()
        reader = open_store(repository.settings.online_store, project="", writable=False)
        with Caller(repository.settings.server.address) as caller:
            now_us = time.time_ns() // 1000
            request = PushFeaturesRequest(
                push_source="stats_push",
                rows=[
                    Column(name="driver_id", int64=Int64s(values=[1, 2])),
                    Column(name="value", float64=Float64s(values=[1.0, 2.0])),
                ],
                event_time_us=[now_us - 2 * DAY_US, now_us],
            )
            assert caller.server.PushFeatures(request, timeout=10).written == 2
            until(lambda: "old rows removed" in serve.log(), 10)
            (left,) = reader.scan(view_id)
            assert left.key.endswith(b"\x02")
            assert caller.push({1: 3.0}).written == 1
            assert caller.read(1) == [3.0]
        reader.close()
        assert serve.stop() == 0
    finally:
        serve.end()
