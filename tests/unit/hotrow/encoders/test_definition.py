"""Encoders as definitions: what is refused, in words for their author, and what a snapshot holds."""

import pandas as pd
import pytest
from hotrow import FeatureView, Field, Float64, HotrowError, Int64, RequestSource, String, encoders
from hotrow.registry.snapshot import Snapshot, snapshot_from_json

REFUSED = [
    (lambda view: encoders.standard_scale("e", view["text"]), "it takes numbers, and field 'text' is String"),
    (lambda view: encoders.standard_scale("e", view["x"], mean=1.0), "give all of mean, scale, or none"),
    (lambda view: encoders.standard_scale("e", view[["x", "n"]]), "takes one field, and is given x, n"),
    (lambda view: encoders.standard_scale("e", view), "takes one field, such as"),
    (lambda view: encoders.impute("e", view["n"], fill="x"), "fill 'x' is no Int64"),
    (lambda view: encoders.clip("e", view["x"]), "give lower, upper or both"),
    (lambda view: encoders.clip("e", view["x"], lower=2, upper=1), "lower 2.0 is not below upper 1.0"),
    (lambda view: encoders.bucketize("e", view["x"]), "give either edges, or the number of buckets"),
    (lambda view: encoders.bucketize("e", view["x"], edges=[2, 1]), "the edges do not rise"),
    (lambda view: encoders.one_hot("e", view["x"]), "it takes a String, an integer or a Bool"),
    (lambda view: encoders.one_hot("e", view["text"], categories=["a", "a"]), "has one value twice"),
    (lambda view: encoders.one_hot("e", view["n"], categories=[2, 1]), "the integers do not rise"),
    (lambda view: encoders.one_hot("e", view["text"], categories=[1]), "give a list of str"),
    (lambda view: encoders.multi_hot("e", view["text"], labels=["a"]), "a separator goes with a String"),
    (lambda view: encoders.hashed("e", view["text"], width=1 << 20), "give 1 to 16384"),
    (lambda view: encoders.char_ngrams("e", view["text"], n=(3, 2)), "give the lowest and the highest n"),
    (lambda view: encoders.word_ngrams("e", view["text"], terms="a b"), "give a list, or Frequent"),
    (lambda view: encoders.date_parts("e", view["at"], parts=["months"]), "unknown part 'months'; did you mean month"),
    (lambda view: encoders.one_hot("e", view["n"], categories=[5 * 10**18, -5 * 10**18]), "the integers do not rise"),
    (lambda view: encoders.one_hot("e", view["n"], categories=[1, 2**63]), "an integer that 64 bits do not hold"),
    (lambda view: encoders.one_hot("e", view["text"], categories=["\ud800"]), "half of a surrogate pair"),
    (lambda view: encoders.impute("e", view["x"], fill=float("nan")), "fill has nan; give a finite number"),
    (lambda view: encoders.impute("e", view["x"], fill=10**400), "an integer that 64 bits do not hold"),
    (lambda view: encoders.impute("e", view["small"], fill=2**31), "fill 2147483648 does not fit Int32"),
    (lambda view: encoders.impute("e", view["raw"], strategy="most_frequent"), "single values that are no Bytes"),
    (lambda view: encoders.clip("e", view["x"], lower=float("-inf"), upper=1.0), "lower has -inf"),
    (lambda view: encoders.standard_scale("e", view["x"], mean=float("inf"), scale=1.0), "mean has inf"),
    (lambda view: encoders.min_max_scale("e", view["x"], feature_range=(0.0, float("inf"))), "feature_range has inf"),
    (lambda view: encoders.bucketize("e", view["x"], edges=["a"]), "give a list of numbers"),
    (lambda view: encoders.bucketize("e", view["x"], edges=[10**400]), "give a list of numbers"),
    (lambda view: encoders.clip("e", view["x"], percentiles=(float("nan"), 1.0)), "percentiles has nan"),
    (lambda view: encoders.date_parts("e", view["n"]), "it takes a UnixTimestamp"),
]


@pytest.mark.parametrize(("make", "reason"), REFUSED)
def test_what_is_wrong_is_refused_by_name(view, make, reason):
    """Where it is defined, and not when rows come."""
    with pytest.raises(HotrowError) as refused:
        make(view)
    assert "encoder 'e'" in refused.value.message or reason.startswith("give a list, or")
    assert reason in refused.value.message


def test_an_unfitted_encoder_is_in_no_snapshot(view):
    """The refusal names the command."""
    scaled = encoders.standard_scale("scaled", view["x"])
    with pytest.raises(HotrowError, match="run `hotrow fit scaled`"):
        Snapshot("p", views={"rows": view}, transforms={"scaled": scaled})


def test_a_snapshot_holds_all_that_was_fitted(view, run):
    """Read back from its bytes, the chain computes the same."""
    filled = encoders.impute("filled", view["x"], strategy="mean")
    scaled = encoders.fit(encoders.min_max_scale("scaled", filled), pd.DataFrame({"x": [1.0, None, 5.0]}))
    filled = scaled.sources[0]
    snapshot = Snapshot("p", views={"rows": view}, transforms={"filled": filled, "scaled": scaled})
    read = snapshot_from_json(snapshot.to_json())
    assert read.id == snapshot.id
    assert read.transforms["filled"].encoder["statistics"]["mean"] == 3.0
    assert run(read.transforms["scaled"], [1.0, 3.0, 5.0, None]) == [0.0, 0.5, 1.0, None]


def test_request_data_and_their_encoders(run):
    """Given parameters need no rows; a frame fits what no source can."""
    request = RequestSource("ride", schema=[Field("distance", Float64, unit="km"), Field("stops", Int64)])
    given = encoders.clip("near", request["distance"], upper=10.0)
    assert given.fields[0].unit == "km"
    assert run(given, [3.0, 30.0]) == [3.0, 10.0]
    fitted = encoders.fit(
        encoders.bucketize("stops_bucket", request["stops"], buckets=2), pd.DataFrame({"stops": [0, 1, 2, 3]})
    )
    assert run(fitted, [0, 1, 2, 9]) == [0, 0, 1, 1]


def test_a_frame_that_does_not_fit_is_refused(view):
    """A missing column and another type, with the names; infinite values where a mean is wanted."""
    scaled = encoders.standard_scale("scaled", view["x"])
    for frame, reason in (
        (pd.DataFrame({"y": [1.0]}), "no column 'x'"),
        (pd.DataFrame({"x": ["a"]}), "does not fit Float64"),
        (pd.DataFrame([[1.0, 2.0]], columns=["x", "x"]), "column 'x' is there 2 times"),
        (pd.DataFrame({"x": [float("inf"), 1.0]}), "1 values are infinite"),
        (pd.DataFrame({"x": [float("nan")]}), "there is no value to fit on"),
    ):
        with pytest.raises(HotrowError, match=reason):
            encoders.fit(scaled, frame)


def test_columns_are_named_after_their_categories():
    """Names that fields may have, each once."""
    view = FeatureView("rows", schema=[Field("city", String)])
    made = encoders.one_hot("city", view["city"], categories=["New York", "new york", "日本", "b"], columns=True)
    assert [field.name for field in made.fields] == ["city_new_york", "city_c1", "city_c2", "city_b", "city_unknown"]
