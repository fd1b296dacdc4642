"""Joined views in snapshots: their JSON, the ids of views, and what plans say of them."""

import json

import pytest
from hotrow import Code, FeatureService, Field, Float64, HotrowError, Int64, transform
from hotrow.registry.diff import Change, diff
from hotrow.registry.signature import describe_feature
from hotrow.registry.snapshot import Snapshot, snapshot_from_json, with_definitions, with_generations
from hotrow.schema.definitions import Found, collect_definitions
from hotrow.schema.service import FeatureRef


@pytest.fixture
def view(make_view):
    return make_view("users")


@pytest.fixture
def buyer(view):
    return view.joined_as("buyer", {"driver_id": "buyer_id"})


def test_a_snapshot_holds_it_and_reads_it_back(make_snapshot, view, buyer):
    """A transform and a service that take it among the rest; without one, the JSON is as ever."""

    @transform(sources=[buyer], outputs=[Field("half", Float64)])
    def half(fare):
        return fare / 2

    snapshot = make_snapshot(FeatureService("s", features=[buyer, half]))
    assert set(snapshot.views) == {"users"}  # found by what refers to it
    assert json.loads(snapshot.to_json())["joined_views"] == {
        "buyer": {"view": "users", "join_keys": {"driver_id": "buyer_id"}}
    }
    again = snapshot_from_json(snapshot.to_json())
    assert (again, again.id) == (snapshot, snapshot.id)
    assert again.transforms["half"].sources[0].join_keys == buyer.join_keys
    assert "joined_views" not in json.loads(make_snapshot(view).to_json())


def test_its_view_id_is_that_of_the_view(make_snapshot, buyer):
    """In every generation of it."""
    snapshot = make_snapshot(buyer)
    assert snapshot.view_id("buyer") == snapshot.view_id("users") == make_snapshot(buyer.of).view_id("users")
    second = with_generations(snapshot, {"users": 1})
    assert second.view_id("buyer") == second.view_id("users") != snapshot.view_id("users")


def test_it_follows_its_view(make_snapshot, view, buyer, make_view):
    """One that is replaced has its new fields; a definition made of the old form is refused."""
    wider = make_view("users", Field("fare", Float64, unit="SEK"), Field("trips", Int64))
    found = collect_definitions([Found(wider, "here")])
    assert with_definitions(make_snapshot(buyer), found).joined_views["buyer"].fields == wider.fields
    entities = {one.name: one for one in view.entities}
    with pytest.raises(HotrowError, match=r"joined view 'buyer' refers to feature view 'users'.*not hold") as caught:
        Snapshot("rides", entities=entities, views={"users": wider}, joined_views={"buyer": buyer})
    assert caught.value.code is Code.INVALID
    service = FeatureService("s", features=[buyer])
    fresh = wider.joined_as("buyer", {"driver_id": "buyer_id"})
    with pytest.raises(HotrowError, match="refers to feature view 'users'"):
        Snapshot(
            "rides", entities=entities, views={"users": wider}, joined_views={"buyer": fresh}, services={"s": service}
        )


def test_names_are_apart(make_snapshot, make_view, view):
    """A reference names one thing."""
    with pytest.raises(HotrowError, match="joined view 'stats' and feature view 'stats' have one name; rename one"):
        make_snapshot(make_view("stats"), view.joined_as("stats", {"driver_id": "other_id"}))

    @transform(sources=[view], outputs=[Field("x", Float64)], name="buyer")
    def of_that_name(fare):
        return fare

    with pytest.raises(HotrowError, match="transform 'buyer' and joined view 'buyer' have one name; rename one"):
        make_snapshot(of_that_name.transform, view.joined_as("buyer", {"driver_id": "other_id"}))


def test_an_output_at_push_may_not_have_the_name_of_its_key(make_snapshot, view, buyer):
    """It would be a field and a join key of the rows."""

    @transform(sources=[view], outputs=[Field("buyer_id", Float64)], at="push")
    def made(fare):
        return fare

    with pytest.raises(HotrowError, match="joined view 'buyer': field 'buyer_id' has the name of a join key"):
        make_snapshot(made.transform, buyer)


def test_plans_say_what_it_is(make_snapshot, view, buyer):
    """Its changes touch no row; those of the view are said of the view alone."""
    other = view.joined_as("buyer", {"driver_id": "payer_id"})
    assert diff(make_snapshot(view), make_snapshot(buyer)).changes == (
        Change("added", "joined view", "buyer", ("view users by driver_id as buyer_id",)),
    )
    assert diff(make_snapshot(buyer), make_snapshot(other)).changes == (
        Change(
            "changed",
            "joined view",
            "buyer",
            ("view: users by driver_id as buyer_id -> users by driver_id as payer_id",),
        ),
    )
    assert diff(make_snapshot(buyer), make_snapshot(view)).removed == ("joined view 'buyer'",)


def test_changes_of_the_view_are_said_once(make_snapshot, make_view):
    """With whether rows fit."""
    before, after = (make_view("users", Field("fare", type_), description=type_.name) for type_ in (Float64, Int64))
    plan = diff(*(make_snapshot(one.joined_as("buyer", {"driver_id": "buyer_id"})) for one in (before, after)))
    assert [(change.kind, change.compatible) for change in plan.changes] == [("feature view", False)]
    assert plan.unfit_views == ("users",)


def test_a_signature_names_it(make_snapshot, buyer):
    """A model takes the buyer's fare for another feature than the seller's."""
    assert describe_feature(make_snapshot(buyer), FeatureRef("buyer", "fare")) == ("buyer:fare", "Float64", "SEK")
