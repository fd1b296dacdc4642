"""Feature views and selections."""

import hashlib
import json
from datetime import timedelta

import pytest
from hotrow import (
    Array,
    Code,
    Entity,
    FeatureView,
    Field,
    Float32,
    Float64,
    HotrowError,
    Int32,
    Int64,
    ParquetSource,
    String,
)
from hotrow.schema.canonical import canonical_json
from hotrow.schema.entity import JoinKey
from hotrow.schema.view import view_from_document

USER = Entity("user", join_keys={"user_id": String})
ARTICLE = Entity("article", join_keys={"article_id": Int64})
VISIT = Entity("visit", join_keys={"user_id": String, "article_id": Int64})
FIELDS = (Field("clicks", Int64), Field("amount", Float64, unit="SEK"))


def _refusal(**kwargs) -> str:
    with pytest.raises(HotrowError) as caught:
        FeatureView("stats", **{"schema": FIELDS, **kwargs})
    assert caught.value.code is Code.INVALID
    assert caught.value.message.startswith("feature view 'stats'")
    return caught.value.message


def test_join_keys_are_united_and_sorted():
    """Several entities, composite ones and shared keys: each key once, by name."""
    expected = (JoinKey("article_id", Int64), JoinKey("user_id", String))
    assert FeatureView("v", entities=[USER, ARTICLE], schema=FIELDS).join_keys == expected
    assert FeatureView("v", entities=[VISIT], schema=FIELDS).join_keys == expected
    assert FeatureView("v", entities=(VISIT, USER), schema=FIELDS).join_keys == expected
    assert FeatureView("v", schema=FIELDS).join_keys == ()


def test_fields_keep_their_order_and_the_fingerprint_does_not_know_it():
    """The declared order is for people; stored rows are decoded by name."""
    one, two = FeatureView("v", schema=FIELDS), FeatureView("w", schema=FIELDS[::-1])
    assert [field.name for field in one.fields] == ["clicks", "amount"]
    assert [field.name for field in two.fields] == ["amount", "clicks"]
    assert one.fingerprint == two.fingerprint
    assert one.schema_bytes == b'[["amount","Float64","SEK"],["clicks","Int64",""]]'
    assert one.fingerprint == hashlib.sha256(one.schema_bytes).digest()[:8]


@pytest.mark.parametrize(
    "field", [Field("amount", Float64), Field("amount", Float32, unit="SEK"), Field("amounts", Float64, unit="SEK")]
)
def test_fingerprint_covers_names_types_and_units(field):
    """And nothing else: texts, tags and defaults leave it alone."""
    base = FeatureView("v", schema=FIELDS).fingerprint
    assert FeatureView("v", schema=[FIELDS[0], field]).fingerprint != base
    same = Field("amount", Float64, unit="SEK", default=1.0, description="x", tags={"a": "b"})
    assert FeatureView("v", schema=[FIELDS[0], same]).fingerprint == base


def test_ttl():
    """Microseconds, or None."""
    assert FeatureView("v", schema=FIELDS).ttl_us is None
    assert FeatureView("v", schema=FIELDS, ttl=timedelta(days=1, microseconds=1)).ttl_us == 86_400_000_001


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(microseconds=-1), 3600, "1d", timedelta.max])
def test_bad_ttl(ttl):
    """A ttl is a positive timedelta that fits 64 bits of microseconds."""
    assert "ttl is" in _refusal(ttl=ttl)


def test_shadowed_join_key():
    """A field cannot have the name of a join key: a pushed column would be both."""
    message = _refusal(entities=[USER], schema=[Field("user_id", String)])
    assert "field 'user_id' has the name of a join key; rename the field" in message


def test_duplicates():
    """Fields and entities stand there once."""
    assert "field 'clicks' stands there twice" in _refusal(schema=[FIELDS[0], Field("clicks", Int32)])
    assert "entity 'user' stands there twice" in _refusal(entities=[USER, USER])


def test_one_join_key_of_two_types():
    """Two entities that share a key agree on its type, or the message names both."""
    other = Entity("account", join_keys={"user_id": Int64})
    message = _refusal(entities=[USER, other])
    assert "join key 'user_id' is Int64 in entity 'account' and String in entity 'user'" in message


@pytest.mark.parametrize(
    "change",
    [
        {"schema": []},
        {"schema": FIELDS[0]},
        {"schema": ["clicks"]},
        {"entities": USER},
        {"entities": ["user"]},
        {"source": "data.parquet"},
        {"tags": {"a": 1}},
        {"owner": None},
        {"description": 5},
    ],
)
def test_slips_name_the_view(change):
    """Whatever is wrong, the message starts with the view."""
    _refusal(**change)


def test_field_by_name():
    """An unknown one comes with the nearest."""
    view = FeatureView("v", schema=FIELDS)
    assert view.field("clicks") is FIELDS[0]
    with pytest.raises(HotrowError, match="feature view 'v': unknown feature 'click'; did you mean clicks") as caught:
        view.field("click")
    assert caught.value.code is Code.NOT_FOUND


def test_selection():
    """By a list of names, in their order, or by one name."""
    view = FeatureView("v", schema=FIELDS)
    assert view[["amount", "clicks"]].names == ("amount", "clicks")
    assert view["amount"].names == ("amount",)
    assert view["amount"].view is view


@pytest.mark.parametrize("names", [[], ["clicks", "clicks"], 0, [0], ["nothing"], None])
def test_bad_selections(names):
    """Empty, doubled, unknown, or no names at all; iterating a view ends in the same error."""
    with pytest.raises(HotrowError, match="feature view 'v'"):
        FeatureView("v", schema=FIELDS)[names]


@pytest.mark.parametrize(
    "view",
    [
        FeatureView("v", schema=FIELDS),
        FeatureView(
            "v", entities=[VISIT], schema=[Field("e", Array(Float32), default=[0.5])], ttl=timedelta(seconds=1)
        ),
        FeatureView(
            "v",
            entities=[USER, ARTICLE],
            schema=FIELDS[::-1],
            source=ParquetSource("x.parquet", event_time="t"),
            tags={"b": "1", "a": "ö"},
            owner="o",
            description='"quoted"\n',
        ),
    ],
)
def test_document_round_trips(view):
    """Every argument survives canonical JSON, the order of fields included."""
    entities = {entity.name: entity for entity in (USER, ARTICLE, VISIT)}
    again = view_from_document("v", json.loads(canonical_json(view.document())), entities)
    assert again == view
    assert again.fields == view.fields
    assert again.join_keys == view.join_keys
    assert again.ttl_us == view.ttl_us
    assert again.fingerprint == view.fingerprint
