"""For how long a store is told that rows may be needed: pushed, deleted and materialized ones alike."""

from datetime import timedelta

import pytest
from hotrow import clock
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.field import Field
from hotrow.schema.view import FeatureView
from hotrow.stores.maintenance import GRACE_US
from hotrow.stores.memory import MemoryStore
from hotrow.types import Int64
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsRequest
from support.pushing import delete, stats
from support.world import DAY_US, DRIVER, PROJECT, USER, snapshot_of, stats_view


class Recording(MemoryStore):
    """Keeps what it was told."""

    def __init__(self):
        super().__init__()
        self.kept_us = []

    def write(self, writes):
        self.kept_us += [one.kept_us for one in writes]
        return super().write(writes)


def with_view(entity, ttl, namespace=""):
    """A snapshot with a view beside `stats`."""
    stats, more = stats_view(), FeatureView("more", entities=[entity], schema=[Field("x", Int64)], ttl=ttl)
    entities = {one.name: one for one in (DRIVER, USER)}
    return Snapshot(PROJECT, namespace, entities=entities, views={"stats": stats, "more": more})


def told(worlds, *heads, names=None):
    """What the store is told of a row of `stats`, whose ttl is a day."""
    world = worlds(*heads, store=Recording(), names=names)
    world.push(stats([1], [1]))
    world.push(delete([1]))
    rows = MaterializeRowsRequest(view="stats", rows=stats([2], [1]).rows, event_time_us=[clock.now_us()])
    assert world.materialize(rows).written == 1
    (one,) = set(world.store.kept_us)
    assert len(world.store.kept_us) == 3
    return one


@pytest.mark.parametrize(
    ("entity", "ttl", "expected_us"),
    [
        (DRIVER, timedelta(days=5), 5 * DAY_US),
        (DRIVER, timedelta(hours=1), DAY_US),
        (DRIVER, None, None),
        (USER, None, DAY_US),
        (USER, timedelta(days=5), DAY_US),
    ],
)
def test_the_longest_ttl_of_the_entity_holds(worlds, entity, ttl, expected_us):
    """And a day on top; for ever where one of its views has none. Another entity's views do not count."""
    assert told(worlds, with_view(entity, ttl)) == (None if expected_us is None else expected_us + GRACE_US)


def test_older_heads_and_branches_count(worlds):
    """What they serve is served from the same keys."""
    head, longer = snapshot_of(stats_view()), snapshot_of(stats_view(ttl=timedelta(days=9)))
    assert told(worlds, head, longer) == 9 * DAY_US + GRACE_US
    branch = with_view(DRIVER, timedelta(days=30), namespace="try")
    assert told(worlds, head, longer, names={"try": branch}) == 30 * DAY_US + GRACE_US


def test_what_is_served_from_now_on_counts_from_now_on(worlds):
    """A plan is made anew with it."""
    world = worlds(snapshot_of(), store=Recording())
    world.push(stats([1], [1]))
    world.serve(snapshot_of(stats_view(ttl=None)), snapshot_of())
    world.push(stats([1], [2]))
    assert world.store.kept_us == [DAY_US + GRACE_US, None]
