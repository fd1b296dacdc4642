"""Transforms as definitions: parameters and fields, the document, chains and circles, and what is refused."""

import pytest
from hotrow import Entity, FeatureView, Field, Float64, Int64, RequestSource, transform
from hotrow.errors import Code, HotrowError
from hotrow.schema.transform import in_order, transform_from_document, transforms_from_documents

DRIVER = Entity("driver", join_keys={"driver_id": Int64})
RIDES = FeatureView("rides", entities=[DRIVER], schema=[Field("fare", Float64), Field("trips", Int64)])
OTHER = FeatureView("other", entities=[DRIVER], schema=[Field("fare", Float64)])
ASKED = RequestSource("asked", schema=[Field("distance", Float64)])
SOURCES = {("view", "rides"): RIDES, ("view", "other"): OTHER, ("request", "asked"): ASKED}
RATE = 1.25


@transform(sources=[RIDES, ASKED], outputs=[Field("per_km", Float64, unit="SEK/km"), Field("n", Int64)], owner="me")
def per_km(fare, trips, trips_is_null, distance):
    """What a kilometer costs."""
    return fare * RATE / distance, 0 if trips_is_null else trips


@transform(sources=[per_km, OTHER], outputs=[Field("more", Float64)])
def chained(per_km, fare):
    return per_km + fare


def test_parameters_are_fields_and_masks():
    """In the order of the function's."""
    taken = [(one.parameter, one.source.name, one.field.name, one.is_mask) for one in per_km.transform.inputs]
    assert taken == [
        ("fare", "rides", "fare", False),
        ("trips", "rides", "trips", False),
        ("trips_is_null", "rides", "trips", True),
        ("distance", "asked", "distance", False),
    ]
    assert per_km.transform.masked == {"trips"}
    assert per_km.transform.description == "What a kilometer costs."
    assert [source.name for source in chained.transform.sources] == ["per_km", "other"]
    assert [view.name for view in chained.transform.views] == ["rides", "other"]


def test_a_document_is_the_inverse():
    """Of one transform, and of a chain in any order."""
    back = transform_from_document("per_km", per_km.transform.document(), SOURCES)
    assert back == per_km.transform
    assert back.document() == per_km.transform.document()
    documents = {"chained": chained.transform.document(), "per_km": per_km.transform.document()}
    made = transforms_from_documents(documents, {"rides": RIDES, "other": OTHER}, {"asked": ASKED})
    assert made["chained"] == chained.transform
    assert made["chained"].inputs[0].source is made["per_km"]


def test_transforms_in_a_circle_are_refused():
    """A snapshot that was written by hand could have them."""
    one = {
        **chained.transform.document(),
        "inputs": [["per_km", "transform", "b", "more"], ["fare", "view", "other", "fare"]],
    }
    two = {**one, "inputs": [["per_km", "transform", "a", "more"], ["fare", "view", "other", "fare"]]}
    with pytest.raises(HotrowError, match="the transforms a, b take one another, in a circle"):
        transforms_from_documents({"a": one, "b": two}, {"rides": RIDES, "other": OTHER}, {})


def test_a_document_whose_inputs_are_not_the_parameters_is_refused():
    """What would otherwise be called with another column."""
    document = per_km.transform.document()
    swapped = [document["inputs"][1], document["inputs"][0], *document["inputs"][2:]]
    with pytest.raises(HotrowError, match="the inputs are not the parameters of its function"):
        transform_from_document("per_km", {**document, "inputs": swapped}, SOURCES)


def test_each_comes_after_what_it_takes_and_once():
    """Whatever the order in which they are given."""
    ordered = in_order([chained.transform, per_km.transform])
    assert [one.name for one in ordered] == ["per_km", "chained"]


def _define(function, **options):
    return transform(**{"sources": [RIDES], "outputs": [Field("out", Float64)], **options})(function)


def _of_fare(fare):
    return fare


def _of_distance(distance):
    return distance


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (_of_fare, {"outputs": []}, "has no outputs; give at least one Field"),
        (_of_fare, {"outputs": ["out"]}, "give a list of Field objects"),
        (_of_fare, {"outputs": [Field("a", Float64), Field("a", Int64)]}, "'a'"),
        (_of_fare, {"outputs": [Field("a", Float64, default=0.0)]}, "has a default, and is always made"),
        (_of_fare, {"mode": "row"}, "mode is 'row'; give one of rows, columns, python"),
        (_of_fare, {"at": "write"}, "at is 'write'; give one of read, push"),
        (_of_fare, {"sources": [RIDES, OTHER]}, "rides__fare"),
        (_of_distance, {"sources": [ASKED], "at": "push"}, "runs at push, where there is no request source 'asked'"),
        (_of_fare, {"name": "Fare"}, "'Fare'"),
        (_of_distance, {}, "'distance'"),
    ],
)
def test_what_is_wrong_is_told_where_it_is_defined(function, options, said):
    """By name, with the remedy."""
    with pytest.raises(HotrowError, match=said) as caught:
        _define(function, **{"name": "it", **options})
    assert caught.value.code is Code.INVALID


def test_a_push_takes_no_transform_of_a_read_and_one_view():
    """Its outputs are stored with the row of that view."""
    with pytest.raises(HotrowError, match=r'transform .per_km. at a read; give that one at="push" too'):
        transform(sources=[per_km], outputs=[Field("out", Float64)], at="push", name="it")(of_per_km)
    with pytest.raises(HotrowError, match="on rows of one view, and takes rides, other"):
        transform(sources=[RIDES, OTHER], outputs=[Field("out", Float64)], at="push", name="it")(of_two)


def of_per_km(per_km):
    return per_km


def of_two(trips, other__fare):
    return trips + other__fare


def test_an_unknown_output_comes_with_the_nearest():
    """As a field of a view does."""
    with pytest.raises(HotrowError, match=r"transform 'per_km': unknown feature 'per_k'.*per_km") as caught:
        per_km.transform.field("per_k")
    assert caught.value.code is Code.NOT_FOUND
