"""Joined views: other names for a view and its join keys, and none of its rows."""

import pytest
from hotrow import (
    Code,
    Entity,
    FeatureService,
    FeatureView,
    Field,
    Float64,
    HotrowError,
    Int64,
    PushSource,
    String,
    transform,
)
from hotrow.schema.entity import JoinKey
from hotrow.schema.service import FeatureRef
from hotrow.schema.view import joined_view_from_document

USERS = FeatureView("users", entities=[Entity("user", join_keys={"user_id": Int64})], schema=[Field("age", Float64)])
PAIRS = FeatureView(
    "pairs", entities=[Entity("pair", join_keys={"a": Int64, "b": String})], schema=[Field("km", Float64)]
)
BUYER = USERS.joined_as("buyer", {"user_id": "buyer_id"})


def test_keys_have_the_new_names_in_the_order_of_the_stored_key():
    """Those that are not named stay as they are."""
    assert BUYER.join_keys == (JoinKey("buyer_id", Int64),)
    assert PAIRS.joined_as("back", {"a": "z"}).join_keys == (JoinKey("z", Int64), JoinKey("b", String))
    turned = PAIRS.joined_as("turned", {"a": "b", "b": "a"})
    assert turned.join_keys == (JoinKey("b", Int64), JoinKey("a", String))


def test_it_is_selected_as_a_view_is():
    """By its own name, and rows and fields are the view's."""
    service = FeatureService("s", features=[BUYER, USERS[["age"]].renamed({"age": "own"})])
    assert service.features == (FeatureRef("buyer", "age"), FeatureRef("users", "age", "own"))
    assert BUYER.stored_as is USERS
    assert (BUYER.fields, BUYER.ttl, BUYER.fingerprint) == (USERS.fields, USERS.ttl, USERS.fingerprint)


def test_document_round_trips():
    """It has the view's name and the new names of keys alone."""
    assert BUYER.document() == {"view": "users", "join_keys": {"user_id": "buyer_id"}}
    assert joined_view_from_document("buyer", BUYER.document(), {"users": USERS}) == BUYER
    assert USERS.joined_as("buyer", {"user_id": "payer_id"}) != BUYER


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: USERS.joined_as("users", {"user_id": "b"}), "joined view 'users' has the name of the view"),
        (lambda: USERS.joined_as("buyer", {}), r"give the new names by those of feature view 'users' \(user_id\)"),
        (lambda: USERS.joined_as("buyer", "buyer_id"), "join_keys are 'buyer_id'; give the new names"),
        (lambda: USERS.joined_as("buyer", {"users_id": "b"}), "has no join key 'users_id'.*user_id"),
        (lambda: USERS.joined_as("buyer", {"user_id": 7}), "the new name of 'user_id'"),
        (lambda: USERS.joined_as("Buyer-1", {"user_id": "b"}), "Buyer-1"),
        (lambda: USERS.joined_as("buyer", {"user_id": "age"}), "field 'age' has the name of a join key"),
        (lambda: PAIRS.joined_as("back", {"a": "b"}), "join key 'b'"),
        (lambda: FeatureView("one", schema=[Field("x", Int64)]).joined_as("two", {"a": "b"}), "no join key 'a'"),
        (lambda: BUYER.joined_as("payer", {"user_id": "p"}), "join feature view 'users'"),
        (lambda: PushSource("p", view=BUYER), "rows are pushed to feature view 'users', not to joined view 'buyer'"),
        (
            lambda: transform(sources=[BUYER], outputs=[Field("o", Float64)], at="push")(half),
            "runs at push, on rows of feature view 'users', and takes joined view 'buyer'",
        ),
    ],
)
def test_what_is_refused(make, said):
    """With what to give instead."""
    with pytest.raises(HotrowError, match=said) as caught:
        make()
    assert caught.value.code is Code.INVALID


def test_the_words_of_feast_are_answered():
    """And any other attribute that is none, as Python does."""
    for name in ("with_name", "with_join_key_map"):
        with pytest.raises(AttributeError, match=rf"{name}.*Feast's word.*joined_as\("):
            getattr(USERS, name)
    with pytest.raises(AttributeError, match=r"no attribute 'agee'$"):
        _ = USERS.agee


def half(age):
    return age / 2
