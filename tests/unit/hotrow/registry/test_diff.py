"""The difference of snapshots, in words, and whether stored rows can still be read."""

from datetime import timedelta

import pytest
from hotrow import (
    Code,
    Entity,
    FeatureService,
    Field,
    Float32,
    Float64,
    HotrowError,
    Int32,
    Int64,
    ParquetSource,
    PushSource,
    String,
    transform,
)
from hotrow.registry.diff import Change, diff
from hotrow.schema.transform import transform_of

FARE = Field("fare", Float64, unit="SEK")
TRIPS = Field("trips", Int64)
SOURCE = ParquetSource("a.parquet", event_time="t")


@pytest.fixture
def view_change(make_snapshot, make_view):
    """The one change of a view between two forms of it, each a pair of fields and options."""

    def change(old, new):
        old_view, new_view = (make_view("stats", *fields, **options) for fields, options in (old, new))
        plan = diff(make_snapshot(old_view), make_snapshot(new_view))
        (found,) = [change for change in plan.changes if change.kind == "feature view"]
        assert (found.action, found.name) == ("changed", "stats")
        assert plan.compatible == found.compatible
        return found

    return change


def _entities(**keys):
    return {"entities": [Entity("driver", join_keys=keys)]}


COMPATIBLE = [
    (([FARE], {}), ([FARE, TRIPS], {}), ["field trips: added, Int64"]),
    (([FARE, TRIPS], {}), ([FARE], {}), ["field trips: removed"]),
    (([FARE, TRIPS], {}), ([TRIPS, FARE], {}), ["order of fields: trips, fare"]),
    (
        ([FARE], {}),
        ([Field("fare", Float64, unit="SEK", default=None)], {}),
        ["field fare: default none -> null"],
    ),
    (
        ([FARE], {}),
        ([Field("fare", Float64, unit="SEK", description="paid", tags={"pii": "no"})], {}),
        ["field fare: description: '' -> 'paid'", "field fare: tag pii: none -> no"],
    ),
    (([FARE], {"ttl": timedelta(days=1)}), ([FARE], {}), ["ttl: 1 day -> never expires"]),
    (([FARE], {}), ([FARE], {"ttl": timedelta(hours=2)}), ["ttl: never expires -> 2:00:00"]),
    (([FARE], {}), ([FARE], {"source": SOURCE}), ["source: none -> a.parquet"]),
    (
        ([FARE], {"source": SOURCE}),
        ([FARE], {"source": ParquetSource("b.parquet", event_time="t", created_time="c")}),
        ["source created_time: none -> c", "source path: a.parquet -> b.parquet"],
    ),
    (([FARE], {"owner": "a"}), ([FARE], {"owner": "b"}), ["owner: 'a' -> 'b'"]),
    (([FARE], {"tags": {"x": "1"}}), ([FARE], {"tags": {"y": "2"}}), ["tag x: 1 -> none", "tag y: none -> 2"]),
    (
        ([FARE], _entities(driver_id=Int32)),
        ([FARE], _entities(driver_id=Int64)),
        ["join keys: driver_id Int32 -> driver_id Int64"],
    ),
    (
        ([FARE], {}),
        ([FARE], {"entities": [Entity("rider", join_keys={"driver_id": Int64})]}),
        ["entities: driver -> rider"],
    ),
]
INCOMPATIBLE = [
    (([FARE], {}), ([Field("fare", Float64, unit="USD")], {}), ["field fare: unit SEK -> USD"]),
    (([FARE], {}), ([Field("fare", Float64)], {}), ["field fare: unit SEK -> none"]),
    (([FARE], {}), ([Field("fare", Float32, unit="SEK")], {}), ["field fare: type Float64 -> Float32"]),
    (
        ([FARE], _entities(driver_id=Int64)),
        ([FARE], _entities(driver_id=String)),
        ["join keys: driver_id Int64 -> driver_id String"],
    ),
    (
        ([FARE], _entities(driver_id=Int64)),
        ([FARE], _entities(driver_id=Int64, city=String)),
        ["join keys: driver_id Int64 -> city String, driver_id Int64"],
    ),
    (
        ([FARE], {}),
        ([FARE], {"entities": []}),
        ["join keys: driver_id Int64 -> none", "entities: driver -> none"],
    ),
]


@pytest.mark.parametrize(("old", "new", "details"), COMPATIBLE)
def test_compatible_changes_of_a_view(view_change, old, new, details):
    """Each is told in a line of its own, and stored rows can still be read."""
    assert view_change(old, new) == Change("changed", "feature view", "stats", tuple(details))


@pytest.mark.parametrize(("old", "new", "details"), INCOMPATIBLE)
def test_incompatible_changes_of_a_view(view_change, old, new, details):
    """A changed type, unit or key would read stored rows wrongly, or not find them."""
    change = view_change(old, new)
    assert list(change.details) == details
    assert not change.compatible
    assert set(change.faults) <= set(details)
    assert change.faults


def test_the_refusal_names_faults_and_remedy(make_snapshot, make_view):
    """Not the changes that do no harm."""
    old = make_snapshot(make_view("stats", FARE, TRIPS))
    plan = diff(old, make_snapshot(make_view("stats", Field("fare", Float32, unit="USD"))))
    with pytest.raises(HotrowError) as caught:
        plan.require_compatible()
    assert caught.value.code is Code.FAILED_PRECONDITION
    assert "'stats': field fare: type Float64 -> Float32, field fare: unit SEK -> USD; leave" in caught.value.message
    assert "new name" in caught.value.message
    assert "trips" not in caught.value.message


def test_nothing_changed(make_snapshot, make_view):
    """An empty plan is compatible and says nothing."""
    plan = diff(make_snapshot(make_view()), make_snapshot(make_view(), namespace="branch"))
    assert (plan.changes, plan.warnings, plan.compatible) == ((), (), True)
    plan.require_compatible()


def test_everything_is_new(make_snapshot, make_view):
    """Without an earlier snapshot all is added, kinds in order, with what each consists of, and without warnings."""
    view = make_view("stats", FARE, Field("trips", Int64, default=0))
    new = make_snapshot(PushSource("push", view=view), FeatureService("s", features=[view["fare"]]))
    plan = diff(None, new)
    assert plan.compatible
    assert plan.warnings == ()
    assert plan.changes == (
        Change("added", "entity", "driver", ("join keys driver_id Int64",)),
        Change(
            "added",
            "feature view",
            "stats",
            ("join keys driver_id Int64", "field fare: Float64, unit SEK", "field trips: Int64, default 0"),
        ),
        Change("added", "push source", "push", ("view stats",)),
        Change("added", "feature service", "s", ("feature stats:fare",)),
    )


def test_everything_is_removed(make_snapshot, make_view):
    """Removing is compatible: nothing reads the rows any more."""
    view = make_view()
    old = make_snapshot(PushSource("push", view=view), FeatureService("s", features=[view]))
    plan = diff(old, make_snapshot())
    kinds = ["entity", "feature view", "push source", "feature service"]
    assert [(change.action, change.kind) for change in plan.changes] == [("removed", kind) for kind in kinds]
    assert plan.compatible


def test_entities_push_sources_and_services_change(make_snapshot, make_view):
    """Every kind has its own details."""
    one, two = make_view("one", FARE, TRIPS), make_view("two")
    old = make_snapshot(
        one,
        two,
        Entity("free", join_keys={"a": Int64}, owner="x"),
        PushSource("push", view=one),
        FeatureService("s", features=[one, two["fare"]], description="d"),
        FeatureService("t", features=[one]),
    )
    new = make_snapshot(
        one,
        two,
        Entity("free", join_keys={"a": String, "b": Int64}),
        PushSource("push", view=two),
        FeatureService("s", features=[two["fare"], one["fare"]]),
        FeatureService("t", features=[one["trips"], one["fare"]]),
    )
    assert {(change.kind, change.name): change.details for change in diff(old, new).changes} == {
        ("entity", "free"): ("join keys: a Int64 -> a String, b Int64", "owner: 'x' -> ''"),
        ("push source", "push"): ("view: one -> two",),
        ("feature service", "s"): (
            "feature one:trips: removed",
            "order of features: two:fare, one:fare",
            "description: 'd' -> ''",
        ),
        ("feature service", "t"): ("order of features: one:trips, one:fare",),
    }
    assert diff(old, new).compatible


def test_an_added_field_without_default_stops_pushes(make_snapshot, make_view):
    """The warning names the push sources of the view and no other; a default, None included, makes it go away."""
    old, other = make_view("stats", FARE), make_view("other")
    new = make_view("stats", FARE, TRIPS)
    pushes = [PushSource(f"push_{n}", view=new) for n in (1, 2)]
    (warning,) = diff(
        make_snapshot(old, other), make_snapshot(*pushes, other, PushSource("push_other", view=other))
    ).warnings
    assert "feature view 'stats': field 'trips' has no default now" in warning
    assert "push sources 'push_1', 'push_2' that" in warning
    assert "push_other" not in warning
    optional = make_view("stats", FARE, Field("trips", Int64, default=None))
    assert diff(make_snapshot(old), make_snapshot(optional)).warnings == ()


def test_a_default_taken_away_stops_pushes_too(make_snapshot, make_view):
    """Producers that left the field out could rely on it."""
    old = make_view("stats", FARE, Field("trips", Int64, default=None))
    (warning,) = diff(make_snapshot(old), make_snapshot(make_view("stats", FARE, TRIPS))).warnings
    assert "field 'trips' has no default now, so pushes to the view that leave it out" in warning


def test_the_past_counts(make_snapshot, make_view):
    """A field that comes back has its former type and unit; what is new, or was in rows of other keys, may come."""
    past = [make_snapshot(make_view("stats", TRIPS)), make_snapshot(make_view("stats", FARE, TRIPS))]
    now = make_snapshot(make_view("stats", TRIPS))
    back = make_snapshot(make_view("stats", TRIPS, Field("fare", Float32)))
    plan = diff(now, back, past)
    assert [(change.compatible, change.faults) for change in plan.changes] == [
        (False, (f"field fare: was Float64, unit SEK in snapshot {past[1].id[:12]}",))
    ]
    assert diff(now, make_snapshot(make_view("stats", TRIPS, FARE)), past).compatible
    assert diff(now, make_snapshot(make_view("stats", TRIPS, Field("new", Float32))), past).compatible
    assert not diff(make_snapshot(), make_snapshot(make_view("stats", Field("fare", Float32))), past).compatible
    other_keys = make_view("stats", Field("fare", Float32), **_entities(rider_id=String))
    assert diff(make_snapshot(), make_snapshot(other_keys), past).compatible


def test_the_past_counts_for_outputs_of_transforms_at_push(make_snapshot, make_view):
    """They lie in the view's rows, and nothing of the view itself changes when a transform goes and comes."""
    view = make_view("stats", FARE)

    def doubled(type_, at="push"):
        return transform(sources=[view], outputs=[Field("double", type_)], at=at, name="doubled")(_double)

    past = make_snapshot(view, transform_of(doubled(Float64)))
    again = make_snapshot(view, transform_of(doubled(Float32)))
    plan = diff(make_snapshot(view), again, [past])
    (change,) = plan.changes
    assert (change.kind, change.faults) == ("transform", (f"field double: was Float64 in snapshot {past.id[:12]}",))
    assert plan.unfit_views == ("stats",)
    assert diff(past, again).unfit_views == ("stats",)
    assert diff(make_snapshot(view), make_snapshot(view, transform_of(doubled(Float32, "read"))), [past]).compatible


def _double(fare):
    return fare * 2.0


def test_equal_names_of_a_service_are_said(make_snapshot, make_view):
    """Of one that is new or changed, with both remedies; not where one is renamed."""
    one, two = make_view("one", FARE), make_view("two", FARE)
    service = FeatureService("model", features=[one, two])
    new = make_snapshot(one, two, service)
    (warning,) = diff(make_snapshot(one, two), new).warnings
    assert warning == (
        "feature service 'model': 'one:fare' and 'two:fare' are both called 'fare', so reads and training sets have to "
        'ask for full names (full_names=True); or rename one: two[["fare"]].renamed({"fare": "..."})'
    )
    assert diff(None, new).warnings == (warning,)
    assert diff(new, new).warnings == ()
    renamed = FeatureService("model", features=[one, two["fare"].renamed({"fare": "fare_2"})])
    plan = diff(new, make_snapshot(one, two, renamed))
    assert plan.warnings == ()
    assert plan.changes[0].details == ("feature two:fare: removed", "feature two:fare as fare_2: added")


def test_another_generation_has_rows_of_its_own(make_snapshot, make_view):
    """Any change goes with it, at push too; what counts is what was stored under the generation before."""
    old = make_snapshot(make_view("stats", FARE))
    new = make_snapshot(make_view("stats", Field("fare", Float32), generation=1))
    plan = diff(old, new, [old])
    assert plan.compatible
    replaced = "replaces the view, generation 0 -> 1: rows that are stored are no longer read; materialize it again"
    assert plan.changes[0].details == (replaced, "field fare: type Float64 -> Float32", "field fare: unit SEK -> none")
    assert "read again" in diff(new, old).changes[0].details[0]
    other = make_snapshot(make_view("stats", Field("fare", String), generation=1))
    assert diff(old, other, [old, new]).changes[0].faults == (f"field fare: was Float32 in snapshot {new.id[:12]}",)


def test_faults_go_where_no_row_is_stored(make_snapshot, make_view):
    """Of each view by itself; for the others it is said why they stay."""
    old = make_snapshot(make_view("stats", FARE), make_view("other", FARE))
    new = make_snapshot(make_view("stats", Field("fare", Float32)), make_view("other", Field("fare", Float32)))
    plan = diff(old, new)
    assert plan.unfit_views == ("other", "stats")
    excused = plan.excused(lambda view: "rows lie there" if view == "other" else "")
    assert excused.unfit_views == ("other",)
    other, stats = excused.changes
    assert other.faults[-1] == "rows lie there"
    assert (stats.compatible, stats.details[-1]) == (True, "no row is stored that this does not fit")
    with pytest.raises(HotrowError, match=r"rows lie there; leave .* `hotrow apply --replace other`"):
        excused.require_compatible()


def test_the_past_is_read_only_where_it_matters(make_snapshot, make_view):
    """Most plans add no field, and then no old snapshot is loaded."""

    def never():
        pytest.fail("the past was asked for")
        yield

    diff(make_snapshot(make_view("stats", FARE)), make_snapshot(make_view("stats", FARE, owner="x")), never())
