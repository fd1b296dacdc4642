"""Snapshots: their bytes, their ids, the ids of views."""

import hashlib
import json
import math
from datetime import timedelta

import pytest
from hotrow import (
    Array,
    Bool,
    Bytes,
    Code,
    Entity,
    FeatureService,
    FeatureView,
    Field,
    Float32,
    Float64,
    HotrowError,
    Int32,
    Int64,
    ParquetSource,
    PushSource,
    String,
    UnixTimestamp,
)
from hotrow.registry.snapshot import (
    Snapshot,
    check_distinct_ids,
    check_view_ids,
    in_namespace,
    snapshot_from_json,
    with_generations,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SCALARS = {
    Int32: st.integers(-(2**31), 2**31 - 1),
    Int64: st.integers(-(2**63), 2**63 - 1),
    UnixTimestamp: st.integers(-(2**63), 2**63 - 1),
    Float32: st.floats(width=32),
    Float64: st.floats(),
    Bool: st.booleans(),
    String: st.text(),
    Bytes: st.binary(),
}
TYPES = SCALARS | {Array(type_): st.lists(values, max_size=3) for type_, values in SCALARS.items()}
NAMES = st.from_regex(r"[a-z](_?[a-z0-9]){0,8}", fullmatch=True)
TEXTS = st.text(max_size=8)
TAGS = st.dictionaries(st.text(min_size=1, max_size=4), TEXTS, max_size=2)


@st.composite
def fields(draw, name):
    type_ = draw(st.sampled_from(list(TYPES)))
    options = {"default": draw(st.none() | TYPES[type_])} if draw(st.booleans()) else {}
    unit = draw(st.sampled_from(["", "SEK", "m/s²"]))
    return Field(name, type_, unit=unit, description=draw(TEXTS), tags=draw(TAGS), **options)


@st.composite
def snapshots(draw):
    key_types = st.sampled_from([Int32, Int64, String, Bytes, Bool, UnixTimestamp])
    entities = {
        name: Entity(name, join_keys={f"{name}_k{n}": draw(key_types) for n in range(draw(st.integers(1, 2)))})
        for name in draw(st.sets(NAMES, max_size=2))
    }
    views = {}
    for name in draw(st.sets(NAMES, max_size=3)):
        field_names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
        views[name] = FeatureView(
            name,
            entities=draw(st.lists(st.sampled_from(list(entities.values())), unique=True)) if entities else [],
            ttl=draw(st.none() | st.timedeltas(timedelta(microseconds=1), timedelta(days=100_000))),
            schema=[draw(fields(f"f_{field}")) for field in field_names],
            source=draw(st.none() | st.builds(ParquetSource, TEXTS.filter(bool), event_time=st.just("t"))),
            tags=draw(TAGS),
            owner=draw(TEXTS),
            description=draw(TEXTS),
        )
    some = list(views.values())
    return Snapshot(
        draw(NAMES),
        draw(st.sampled_from(["", "branch-1"])),
        entities=entities,
        views=views,
        push_sources={f"{view.name}_push": PushSource(f"{view.name}_push", view=view) for view in some},
        services={"all": FeatureService("all", features=some[::-1], tags=draw(TAGS))} if some else {},
    )


@settings(deadline=None)  # other processes share the machine
@given(snapshots())
def test_json_round_trips(snapshot):
    """Whatever can be defined comes back equal, with the same bytes, id, view ids and fingerprints."""
    data = snapshot.to_json()
    again = snapshot_from_json(data)
    assert again == snapshot
    assert again.to_json() == data
    assert again.id == snapshot.id == hashlib.sha256(data).hexdigest()
    for name, view in snapshot.views.items():
        assert again.view_id(name) == snapshot.view_id(name)
        assert again.views[name].fingerprint == view.fingerprint
        assert again.views[name].ttl_us == view.ttl_us
        assert [repr(field.default) for field in again.views[name].fields] == [
            repr(field.default) for field in view.fields
        ]
    document = json.loads(data, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert document["project"] == snapshot.project


def test_golden_bytes(make_snapshot):
    """The bytes of a snapshot are its name for ever: a change here orphans every registry and every stored row."""
    user, article = Entity("user", join_keys={"user_id": String}), Entity("article", join_keys={"article_id": Int32})
    view = FeatureView(
        "visits",
        entities=[user, article],
        ttl=timedelta(hours=1),
        schema=[
            Field("seen", Array(Float32), default=[math.nan, 0.1]),
            Field("blob", Bytes, default=b"\xff\x00"),
            Field("fare", Float64, unit="SEK", default=None),
        ],
        source=ParquetSource("data/v.parquet", event_time="at"),
        tags={"team": "å"},
    )
    snapshot = make_snapshot(PushSource("push", view=view), FeatureService("s", features=[view["fare"], view["seen"]]))
    assert snapshot.to_json().decode() == (
        '{"entities":{"article":{"join_keys":{"article_id":"Int32"}},"user":{"join_keys":{"user_id":"String"}}},'
        '"format":1,"namespace":"","project":"rides","push_sources":{"push":{"view":"visits"}},'
        '"services":{"s":{"features":[["visits","fare"],["visits","seen"]]}},'
        '"views":{"visits":{"entities":["article","user"],"fields":['
        '{"default":["NaN",0.1],"name":"seen","type":"Array(Float32)"},'
        '{"default":"/wA=","name":"blob","type":"Bytes"},'
        '{"default":null,"name":"fare","type":"Float64","unit":"SEK"}],'
        '"source":{"event_time":"at","path":"data/v.parquet","type":"parquet"},"tags":{"team":"å"},"ttl_us":3600000000}}}'
    )
    identity = b'["rides","","visits",[["article_id","integer"],["user_id","string"]]]'
    assert snapshot.view_identity("visits") == identity
    assert snapshot.view_id("visits") == hashlib.sha256(identity).digest()[:8]
    assert snapshot.view_id("visits").hex() == hashlib.sha256(identity).hexdigest()[:16]


def test_view_id_follows_what_rows_depend_on(make_snapshot, make_view):
    """Project, namespace, view and key encodings count; entity names, integer widths, fields and texts do not."""

    def view_id(*, name="stats", project="rides", namespace="", entity="driver", key="driver_id", type_=Int64, **more):
        view = make_view(name, entities=[Entity(entity, join_keys={key: type_})], **more)
        return make_snapshot(view, project=project, namespace=namespace).view_id(name)

    base = view_id()
    assert base == view_id(type_=Int32) == view_id(entity="rider") == view_id(description="x", ttl=timedelta(1))
    others = [
        view_id(name="stats_2"),
        view_id(project="other"),
        view_id(namespace="branch"),
        view_id(key="rider_id"),
        view_id(type_=String),
        view_id(type_=Bytes),
        view_id(generation=1),
        view_id(generation=2),
    ]
    assert len({base, *others}) == 9
    assert view_id(generation=0) == base


def test_generations(make_snapshot, make_view):
    """They are in the stored form, with what refers to the view, and a first generation leaves no trace."""
    view = make_view()
    first = make_snapshot(view, PushSource("push", view=view), FeatureService("all", features=[view]))
    assert b"generation" not in first.to_json()
    assert with_generations(first, {"stats": 0}) is first
    second = with_generations(first, {"stats": 2})
    assert snapshot_from_json(second.to_json()) == second != first
    assert second.push_sources["push"].view.generation == second.views["stats"].generation == 2
    assert with_generations(second, {"stats": 0}) == first
    for wrong in (-1, True, "1"):
        with pytest.raises(HotrowError, match=r"generation is .*leave it out"):
            make_view(generation=wrong)


def test_collisions(make_snapshot, make_view):
    """Two views of one id are refused, naming both; the same view in two snapshots is none."""
    snapshot = make_snapshot(make_view())
    check_view_ids([snapshot, make_snapshot(make_view(ttl=timedelta(1))), in_namespace(snapshot, "b")])
    with pytest.raises(HotrowError, match=r"views \[1\] and \[2\] have the same id 78.*rename one") as caught:
        check_distinct_ids([(b"x", b"[1]"), (b"y", b"[2]"), (b"x", b"[1]"), (b"x", b"[2]")])
    assert caught.value.code is Code.INVALID


def test_references_stay_inside(make_view):
    """A snapshot holds what its definitions refer to, in the very form that they refer to."""
    view = make_view()
    with pytest.raises(HotrowError, match="feature view 'stats' refers to entity 'driver'"):
        Snapshot("rides", views={"stats": view})
    entities = {"driver": view.entities[0]}
    with pytest.raises(HotrowError, match="push source 'p' refers to feature view 'stats'"):
        Snapshot("rides", entities=entities, push_sources={"p": PushSource("p", view=view)})
    other = make_view("stats", Field("x", Int64))
    with pytest.raises(HotrowError, match="feature service 's' refers to feature view 'stats'"):
        Snapshot(
            "rides", entities=entities, views={"stats": other}, services={"s": FeatureService("s", features=[view])}
        )
    twin = make_view(entities=[Entity("driver", join_keys={"driver_id": String})])
    with pytest.raises(HotrowError, match="feature view 'stats' refers to entity 'driver'"):
        Snapshot("rides", entities=entities, views={"stats": view}, push_sources={"p": PushSource("p", view=twin)})


def test_unknown_view(make_snapshot, make_view):
    """The nearest name comes along."""
    with pytest.raises(HotrowError, match=r"unknown feature view 'stat'; .*stats") as caught:
        make_snapshot(make_view()).view_id("stat")
    assert caught.value.code is Code.NOT_FOUND


@pytest.mark.parametrize("change", [{"project": "Rides"}, {"project": ""}, {"namespace": "a b"}, {"namespace": "head"}])
def test_bad_names(change):
    """Of project and namespace."""
    with pytest.raises(HotrowError) as caught:
        Snapshot(**{"project": "rides", **change})
    assert caught.value.code is Code.INVALID


def _damaged(snapshot, *path, value):
    document = json.loads(snapshot.to_json())
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_what_is_no_snapshot(make_snapshot, make_view):
    """Anything but the bytes that are written is refused, as INVALID and with a reason."""
    snapshot = make_snapshot(make_view())
    good = snapshot.to_json()
    bad = [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        good[:-1],
        good + b"\n",
        good.replace(b'"format":1', b'"format":2'),
        _damaged(snapshot, "more", value={}),
        _damaged(snapshot, "views", "stats", "online", value=True),
        _damaged(snapshot, "views", "stats", "fields", 0, "type", value="Decimal"),
        _damaged(snapshot, "views", "stats", "fields", 0, "default", value="x"),
        _damaged(snapshot, "views", "stats", "fields", value=[]),
        _damaged(snapshot, "views", "stats", "entities", value=["nobody"]),
        _damaged(snapshot, "views", "stats", "ttl_us", value=-1),
        _damaged(snapshot, "views", "stats", "ttl_us", value="x"),
        _damaged(snapshot, "views", value=[]),
        _damaged(snapshot, "push_sources", value={"p": {"view": "nothing"}}),
        _damaged(snapshot, "services", value={"s": {"features": [["stats"]]}}),
    ]
    for data in bad:
        with pytest.raises(HotrowError, match="snapshot") as caught:
            snapshot_from_json(data)
        assert caught.value.code is Code.INVALID
    assert snapshot_from_json(good) == snapshot


def test_equality_and_hash(make_snapshot, make_view):
    """Snapshots are values, and can be keys."""
    assert {make_snapshot(make_view())} == {make_snapshot(make_view())}
    assert make_snapshot(make_view()) != make_snapshot(make_view(), namespace="b")
