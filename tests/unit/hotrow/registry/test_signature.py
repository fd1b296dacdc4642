"""Signatures: what they say of features, what the registry keeps of them, and the words for a difference."""

import pytest
from hotrow import FeatureService, FeatureView, Field, Float32, Float64, Int64
from hotrow.registry.folder import FolderBackend
from hotrow.registry.registry import Registry
from hotrow.registry.signature import differences, feature_signature, signed_features
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.service import FeatureRef

PRICE, TRIPS = ("prices:price", "Float64", "USD"), ("stats:trips", "Int64", "")


def snapshot_of(*fields, view="prices"):
    made = FeatureView(view, schema=list(fields))
    return Snapshot("shop", views={view: made}, services={"pricing": FeatureService("pricing", features=[made])})


def test_a_signature_is_of_names_types_units_and_order():
    """And of nothing else: a description may change."""
    price, trips = Field("price", Float64, unit="USD"), Field("trips", Int64)
    refs = [FeatureRef("prices", "price"), FeatureRef("prices", "trips")]
    base = feature_signature(snapshot_of(price, trips), refs)
    assert base == feature_signature(snapshot_of(trips, Field("price", Float64, unit="USD", description="x")), refs)
    others = [
        feature_signature(snapshot_of(price, trips), refs[::-1]),
        feature_signature(snapshot_of(price, trips), refs[:1]),
        feature_signature(snapshot_of(Field("price", Float64, unit="SEK"), trips), refs),
        feature_signature(snapshot_of(Field("price", Float32, unit="USD"), trips), refs),
    ]
    assert len({base, *others}) == 5


@pytest.mark.parametrize(
    ("trained", "now", "told"),
    [
        ([PRICE, TRIPS], [PRICE, TRIPS], []),
        (
            [PRICE, TRIPS],
            [("prices:price", "Float64", "SEK"), TRIPS],
            ["prices:price was Float64 in USD when the model was trained and is Float64 in SEK now"],
        ),
        (
            [("prices:price", "Float32", "")],
            [("prices:price", "Float64", "")],
            ["prices:price was Float32 without a unit when the model was trained and is Float64 without a unit now"],
        ),
        (
            [PRICE, TRIPS],
            [("prices_sek:price", "Float64", "SEK"), TRIPS],
            [
                (
                    "prices:price was Float64 in USD when the model was trained, and in its place is prices_sek:price, "
                    "Float64 in SEK, now"
                )
            ],
        ),
        (
            [PRICE, TRIPS],
            [PRICE],
            ["stats:trips, Int64 without a unit, was there when the model was trained and is not now"],
        ),
        (
            [PRICE],
            [PRICE, TRIPS],
            ["stats:trips, Int64 without a unit, is there now and was not when the model was trained"],
        ),
        (
            [PRICE, TRIPS],
            [TRIPS, PRICE],
            ["the order is another: feature 1 was prices:price when the model was trained and is stats:trips now"],
        ),
        (
            [("a:x", "Int64", ""), ("b:x", "Int64", "")],
            [("b:x", "Int64", ""), ("a:x", "Int64", "")],
            ["the order is another: feature 1 was a:x when the model was trained and is b:x now"],
        ),
        (
            [(*PRICE, "1" * 64)],
            [(*PRICE, "2" * 64)],
            ["prices:price is computed otherwise now than when the model was trained"],
        ),
        (
            [PRICE, TRIPS],
            [TRIPS, ("new:price", "Float64", "USD")],
            [
                "in the place of prices:price is new:price now, of the same type and unit",
                "the order is another: feature 1 was prices:price when the model was trained and is stats:trips now",
            ],
        ),
    ],
)
def test_a_difference_is_told_feature_by_feature(trained, now, told):
    """Unit, type, another view in its place, what is gone and come, the order, the computation."""
    assert list(differences(tuple(trained), tuple(now))) == told


def test_the_registry_keeps_the_services_that_are_applied(tmp_path):
    """Under their signatures, beyond the snapshots that are served, and once."""
    registry = Registry(FolderBackend(tmp_path))
    dollars = snapshot_of(Field("price", Float64, unit="USD"))
    kronor = snapshot_of(Field("price", Float64, unit="SEK"), view="prices_sek")
    registry.apply(dollars, expected_head=None, author="ann")
    registry.apply(kronor, expected_head=dollars.id, author="ann")
    features = dollars.services["pricing"].features
    signature = feature_signature(dollars, features)
    assert registry.signed(signature) == signed_features(dollars, features) == (PRICE,)


def test_a_list_of_features_can_be_kept_too(tmp_path):
    """As a training set does; the second time nothing is written."""
    registry = Registry(FolderBackend(tmp_path))
    snapshot = snapshot_of(Field("price", Float64, unit="USD"), Field("trips", Int64))
    refs = [FeatureRef("prices", "trips")]
    signature = feature_signature(snapshot, refs)
    assert registry.signed(signature) == ()
    registry.keep_signature(snapshot, refs)
    path = tmp_path / "objects" / signature
    before = path.stat()
    registry.keep_signature(snapshot, refs)
    assert path.stat().st_ino == before.st_ino
    assert registry.signed(signature) == (("prices:trips", "Int64", ""),)


def test_what_is_no_signature_stands_for_nothing(tmp_path):
    """Other texts, paths, ids of snapshots, and what is damaged."""
    registry = Registry(FolderBackend(tmp_path))
    snapshot = snapshot_of(Field("price", Float64, unit="USD"))
    registry.apply(snapshot, expected_head=None, author="ann")
    signature = feature_signature(snapshot, snapshot.services["pricing"].features)
    for text in ("", "x", "../refs/shop", "0" * 64, signature[:8], signature.upper(), snapshot.id):
        assert registry.signed(text) == ()
    (tmp_path / "objects" / signature).write_bytes(b"[]")
    assert registry.signed(signature) == ()
