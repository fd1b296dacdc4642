"""Reads before a worker is ready: they are reads as any other, and nothing that they meet keeps it from being ready."""

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.entity import Entity
from hotrow.schema.field import Field
from hotrow.schema.view import FeatureView
from hotrow.stores.memory import MemoryStore
from hotrow.types import JOIN_KEY_TYPES, Float64, Int64, String
from hotrow.v1.column_pb2 import NOT_FOUND
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply
from hotrow_server.rehearsal import READS, read_request, rehearse
from support.world import PROJECT, World, snapshot_of


class CountingStore(MemoryStore):
    """Counts reads, and fails those behind `last`."""

    reads = 0
    last = READS

    def read(self, wanted, keys):
        self.reads += 1
        if self.reads > self.last:
            raise HotrowError(Code.UNAVAILABLE, "away")
        return super().read(wanted, keys)


@pytest.mark.parametrize("type_", JOIN_KEY_TYPES, ids=str)
def test_a_read_of_a_view_is_one_that_is_answered(type_):
    entity = Entity("one", join_keys={"key": type_, "other": Int64})
    view = FeatureView("view", entities=[entity], schema=[Field("a", Float64), Field("b", String)], ttl=None)
    world = World(Snapshot(PROJECT, entities={"one": entity}, views={"view": view}))
    reply = world.read(read_request(view))
    world.close()
    assert isinstance(reply, GetOnlineFeaturesReply)
    assert {column.name: list(column.statuses) for column in reply.columns} == {"a": [NOT_FOUND], "b": [NOT_FOUND]}


def test_views_are_read_in_turn_and_a_bounded_number_of_times():
    store = CountingStore()
    world = World(store=store)
    rehearse(world.service, snapshot_of().views.values())
    rehearse(world.service, [])
    world.close()
    assert store.reads == READS


def test_a_store_that_fails_ends_it():
    store = CountingStore()
    store.last = 2
    world = World(store=store)
    rehearse(world.service, snapshot_of().views.values())
    world.close()
    assert store.reads == 3
