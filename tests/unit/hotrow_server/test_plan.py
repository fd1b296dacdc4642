"""Plans: what a selection means, and what is wrong with one, told by name."""

from datetime import timedelta

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.registry.signature import feature_signature
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.entity import Entity
from hotrow.schema.field import Field
from hotrow.schema.view import FeatureView
from hotrow.types import Float64, Int32, Int64, String
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest, ReadOptions
from hotrow_server.plan import compile_snapshot, plan_read, with_layout
from support.world import snapshot_of, stats_view

SNAPSHOT = snapshot_of()


def request(*names, **fields):
    return GetOnlineFeaturesRequest(features=FeatureNames(names=names), **fields)


def test_a_plan_has_the_columns_in_the_order_asked():
    """Views in the order of their first feature, with their ids, and one key set for each distinct one."""
    plan = plan_read(SNAPSHOT, request("pair:score", "stats:note", "state:open", "stats:fare"))
    assert plan.shape.names == ("score", "note", "open", "fare")
    assert [view.name for view in plan.views] == ["pair", "stats", "state"]
    assert plan.wanted.view_ids == tuple(SNAPSHOT.view_id(name) for name in ("pair", "stats", "state"))
    assert [view.columns for view in plan.columns] == [(0,), (1, 3), (2,)]
    assert len(set(plan.wanted.sets)) == 3


def test_views_of_the_same_entities_share_a_key_set():
    """Their keys are encoded once."""
    other = FeatureView("other", entities=stats_view().entities, schema=[Field("x", Int64)])
    base = SNAPSHOT
    snapshot = Snapshot("rides", entities=base.entities, views={**base.views, "other": other})
    plan = plan_read(snapshot, request("stats:trips", "pair:score", "other:x"))
    assert plan.wanted.sets == (0, 1, 0)


def test_a_service_is_its_features():
    """In its order."""
    plan = plan_read(SNAPSHOT, GetOnlineFeaturesRequest(feature_service="both"))
    assert plan.shape.names == ("fare", "trips", "score")


def test_full_names_name_the_view():
    """Which equal names need."""
    plan = plan_read(SNAPSHOT, request("stats:trips", "pair:trips", options=ReadOptions(full_names=True)))
    assert plan.shape.names == ("stats__trips", "pair__trips")


@pytest.mark.parametrize(
    ("selection", "code", "message"),
    [
        (request("stats:trips", "pair:trips"), Code.INVALID, "'stats:trips' and 'pair:trips' would both be called"),
        (request("stats:trips", "stats:trips"), Code.INVALID, "'stats:trips' is asked 2 times"),
        (request("stats:tripz"), Code.NOT_FOUND, "unknown feature 'stats:tripz'.*stats:trips"),
        (request("stat:trips"), Code.NOT_FOUND, "unknown feature view or transform 'stat'.*stats"),
        (request("trips"), Code.INVALID, "'trips' is not of the form"),
        (request("stats:"), Code.INVALID, "'stats:' is not of the form"),
        (request(":trips"), Code.INVALID, "':trips' is not of the form"),
        (request(), Code.INVALID, "nothing is selected"),
        (GetOnlineFeaturesRequest(), Code.INVALID, "nothing is selected"),
        (GetOnlineFeaturesRequest(feature_service="bot"), Code.NOT_FOUND, "unknown feature service 'bot'.*both"),
        (request("stats:note", options=ReadOptions(matrix=True)), Code.INVALID, "'stats:note' is String, and a matrix"),
        (request("stats:trips", signature="x"), Code.FAILED_PRECONDITION, "other features .signature 'x'."),
    ],
)
def test_what_is_wrong_with_a_selection_is_told(selection, code, message):
    """By name, with what is near to it."""
    with pytest.raises(HotrowError, match=message) as caught:
        plan_read(SNAPSHOT, selection)
    assert caught.value.code is code
    assert caught.value.field


def test_the_signature_of_the_features_is_accepted():
    """It says names, types, units and order."""
    selected = plan_read(SNAPSHOT, GetOnlineFeaturesRequest(feature_service="both"))
    signature = feature_signature(SNAPSHOT, SNAPSHOT.services["both"].features)
    again = plan_read(SNAPSHOT, GetOnlineFeaturesRequest(feature_service="both", signature=signature))
    assert again.shape == selected.shape
    with pytest.raises(HotrowError, match=signature):
        plan_read(SNAPSHOT, request("stats:trips", "stats:fare", "pair:score", signature=signature))


def test_one_join_key_of_two_classes_cannot_be_read_at_once():
    """An integer in one view and a string in another; Int32 and Int64 are one class."""
    views = {}
    for name, type_ in (("a", Int64), ("b", String), ("c", Int32)):
        entity = Entity(f"e_{name}", join_keys={"id": type_})
        views[name] = FeatureView(name, entities=[entity], schema=[Field(f"x_{name}", Float64)])
    entities = {view.entities[0].name: view.entities[0] for view in views.values()}
    snapshot = Snapshot("rides", entities=entities, views=views)
    assert plan_read(snapshot, request("a:x_a", "c:x_c")).keys.n_sets == 2
    with pytest.raises(HotrowError, match="join key 'id' is Int64 in one of these views and String in 'b'"):
        plan_read(snapshot, request("a:x_a", "b:x_b"))


def test_a_layout_of_another_type_or_unit_is_refused():
    """Such rows are never read as something else."""
    plan = plan_read(SNAPSHOT, request("stats:fare"))
    for field in (Field("fare", Float64, unit="EUR"), Field("fare", Int64, unit="SEK")):
        old = FeatureView("stats", entities=stats_view().entities, schema=[field], ttl=timedelta(days=1))
        with pytest.raises(HotrowError, match="view 'stats': stored rows have 'fare' as") as caught:
            with_layout(plan, 0, old.fingerprint, {old.fingerprint: old.schema_bytes})
        assert caught.value.code is Code.FAILED_PRECONDITION


def test_a_layout_that_nobody_knows_is_lost_data():
    """The store keeps what fingerprints stand for; this one it never saw."""
    with pytest.raises(HotrowError, match="rows of schema 0101010101010101, which the store does not know") as caught:
        with_layout(plan_read(SNAPSHOT, request("stats:fare")), 0, b"\1" * 8, {})
    assert caught.value.code is Code.DATA_LOSS


def test_a_snapshot_is_compiled_with_all_its_plans():
    """What a worker could not serve shows before it serves."""
    assert compile_snapshot(SNAPSHOT).snapshot is SNAPSHOT
