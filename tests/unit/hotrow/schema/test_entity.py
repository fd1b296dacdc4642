"""Entities and join keys."""

import pytest
from hotrow import (
    Array,
    Bool,
    Bytes,
    Code,
    Entity,
    Float32,
    Float64,
    HotrowError,
    Int32,
    Int64,
    String,
    UnixTimestamp,
)
from hotrow.schema.entity import JoinKey, entity_from_document


@pytest.mark.parametrize("type_", [Float32, Float64, Array(Int64)])
def test_join_keys_are_never_floats_or_lists(type_):
    """Equality on them is not exact, so they cannot identify anything."""
    with pytest.raises(HotrowError, match="entity 'driver': join key 'driver_id': a join key cannot be") as caught:
        Entity("driver", join_keys={"driver_id": type_})
    assert caught.value.code is Code.INVALID
    assert "Int32, Int64, String, Bytes, Bool, UnixTimestamp" in caught.value.message


@pytest.mark.parametrize("keys", [{}, None, ["driver_id"], "driver_id", {"Driver": Int64}, {"a__b": Int64}, {"a": int}])
def test_bad_join_keys_name_the_entity(keys):
    """Every refusal starts with the entity at fault."""
    with pytest.raises(HotrowError, match=r"^entity 'driver'"):
        Entity("driver", join_keys=keys)


def test_composite_keys_are_sorted():
    """The order in which join keys are declared has no meaning, and leaves no trace."""
    one = Entity("visit", join_keys={"user_id": String, "article_id": Int64})
    two = Entity("visit", join_keys={"article_id": Int64, "user_id": String})
    assert one == two
    assert one.keys == (JoinKey("article_id", Int64), JoinKey("user_id", String))


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        (Int32, "integer"),
        (Int64, "integer"),
        (String, "string"),
        (Bytes, "bytes"),
        (Bool, "bool"),
        (UnixTimestamp, "time"),
    ],
)
def test_encoding_classes(type_, expected):
    """Int32 and Int64 encode alike; every other type has a class of its own."""
    assert JoinKey("k", type_).encoding_class == expected


def test_document_round_trips():
    """Texts and tags come back."""
    entity = Entity("a", join_keys={"k": Bytes}, description="ö", tags={"b": "c"}, owner="x@example.com")
    assert entity_from_document("a", entity.document()) == entity
    assert Entity("a", join_keys={"k": Bytes}).document() == {"join_keys": {"k": "Bytes"}}


def test_kinds_are_never_equal():
    """Equality needs the same kind, name and document."""
    entity = Entity("a", join_keys={"k": Int64})
    assert entity != Entity("b", join_keys={"k": Int64})
    assert entity != Entity("a", join_keys={"k": Int32})
    assert entity != "a"
