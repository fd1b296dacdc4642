"""The check of a reader's signature: silent when it fits, and with the difference when it does not."""

import pytest
from hotrow import FeatureService, FeatureView, Field, Float64
from hotrow.errors import Code, HotrowError
from hotrow.registry.signature import feature_signature, signed_features
from hotrow.registry.snapshot import Snapshot
from hotrow_server.signature import check_signature, readable, unknown


def snapshot_of(unit, names=("price",)):
    view = FeatureView("prices", schema=[Field(name, Float64, unit=unit) for name in names])
    return Snapshot("shop", views={"prices": view}, services={"pricing": FeatureService("pricing", features=[view])})


def _check(now, stated, find=unknown):
    check_signature(now, now.services["pricing"].features, stated, find)


def _signed(snapshot):
    features = snapshot.services["pricing"].features
    return feature_signature(snapshot, features), signed_features(snapshot, features)


def _never(_signature):
    raise AssertionError("the good way does not look anything up")


def test_a_signature_that_fits_is_not_looked_up():
    """Nor is one that is not stated."""
    dollars = snapshot_of("USD")
    _check(dollars, "", _never)
    _check(dollars, _signed(dollars)[0], _never)


def test_a_model_trained_on_dollars_meets_kronor():
    """The error has both units, by name."""
    signature, trained = _signed(snapshot_of("USD"))
    with pytest.raises(HotrowError) as caught:
        _check(snapshot_of("SEK"), signature, {signature: trained}.__getitem__)
    assert caught.value.code is Code.FAILED_PRECONDITION
    assert caught.value.field == "signature"
    wanted = "prices:price was Float64 in USD when the model was trained and is Float64 in SEK now"
    assert wanted in caught.value.message


def test_an_unknown_signature_is_told_plainly():
    """With the one that the features have; a text of another form is not looked up, and not repeated at length."""
    now = snapshot_of("SEK")
    for stated, find in (("0" * 64, unknown), ("x", _never), ("y" * 10_000_000, _never)):
        with pytest.raises(HotrowError, match=_signed(now)[0]) as caught:
            _check(now, stated, find)
        assert len(caught.value.message) < 1000


def test_many_differences_are_cut_short():
    """An error is a header, and headers are small."""
    names = [f"price_{i}" for i in range(1000)]
    signature, trained = _signed(snapshot_of("USD", names))
    with pytest.raises(HotrowError, match="and 992 more") as caught:
        _check(snapshot_of("SEK", names), signature, lambda _: trained)
    assert len(caught.value.message) < 2000


def test_a_registry_that_cannot_be_read_is_no_answer_to_a_reader():
    """Who learns what is wrong with the request all the same."""

    def away(_signature):
        raise HotrowError(Code.UNAVAILABLE, "the registry is away")

    with pytest.raises(HotrowError, match="other features") as caught:
        _check(snapshot_of("SEK"), "0" * 64, readable(away))
    assert caught.value.code is Code.FAILED_PRECONDITION
