"""Feature services and push sources."""

import pytest
from hotrow import Code, FeatureService, FeatureView, Field, Float64, HotrowError, Int64, PushSource
from hotrow.schema.push_source import push_source_from_document
from hotrow.schema.service import FeatureRef, service_from_document

A = FeatureView("a", schema=[Field("x", Int64), Field("y", Float64)])
B = FeatureView("b", schema=[Field("x", Int64)])


def test_views_and_selections_in_order():
    """Features come in the order given, those of a whole view in its order."""
    service = FeatureService("s", features=[A[["y"]], B, A["x"]])
    assert service.features == (FeatureRef("a", "y"), FeatureRef("b", "x"), FeatureRef("a", "x"))
    assert service.views == (A, B)
    assert [str(reference) for reference in FeatureService("s", features=[A]).features] == ["a:x", "a:y"]


def test_document_round_trips():
    """The order of interleaved views survives."""
    service = FeatureService("s", features=[A[["y"]], B, A["x"]], description="d", tags={"k": "v"}, owner="o")
    again = service_from_document("s", service.document(), {"a": A, "b": B})
    assert again == service
    assert again.features == service.features
    assert again.views == (A, B)


def test_renamed_features():
    """They keep what they are, and are stored with the name; without one the stored form is as ever."""
    service = FeatureService("s", features=[A, B["x"].renamed({"x": "x_2"})])
    assert [(str(one), one.name) for one in service.features] == [("a:x", "x"), ("a:y", "y"), ("b:x", "x_2")]
    assert service.document() == {"features": [["a", "x"], ["a", "y"], ["b", "x", "x_2"]]}
    assert service_from_document("s", service.document(), {"a": A, "b": B}) == service
    assert service != FeatureService("s", features=[A, B])
    assert FeatureService("s", features=[A, B["x"].renamed({})]).document() == {
        "features": [["a", "x"], ["a", "y"], ["b", "x"]]
    }


def test_renames_that_are_refused():
    """What is not selected, what is no name, and what gives two features of a view one name."""
    with pytest.raises(HotrowError, match="a selection of feature view 'a' has no 'y' to rename; known: x") as caught:
        A[["x"]].renamed({"y": "z"})
    assert caught.value.code is Code.INVALID
    with pytest.raises(HotrowError, match="the new name of 'x' 'X-2'"):
        A["x"].renamed({"x": "X-2"})
    with pytest.raises(HotrowError, match="two features of 'a' are called 'y'; rename one"):
        FeatureService("s", features=[A[["x", "y"]].renamed({"x": "y"})])


@pytest.mark.parametrize("features", [[A, A[["x"]]], [A[["x"]], B, A[["x"]]]])
def test_duplicates_are_refused(features):
    """A feature comes once, and the message names it."""
    with pytest.raises(HotrowError, match="feature service 's': feature 'a:x' stands there twice; remove one"):
        FeatureService("s", features=features)


@pytest.mark.parametrize("features", [[], A, None, ["a:x"], [Field("x", Int64)]])
def test_no_features(features):
    """Anything but views and selections is refused."""
    with pytest.raises(HotrowError, match="feature service 's': ") as caught:
        FeatureService("s", features=features)
    assert caught.value.code is Code.INVALID


def test_two_views_of_one_name():
    """References are by name, so one name cannot mean two views."""
    other = FeatureView("a", schema=[Field("z", Int64)])
    with pytest.raises(HotrowError, match="feature view 'a' and another feature view 'a' have one name"):
        FeatureService("s", features=[A, other])


@pytest.mark.parametrize("name", ["S", "a__b", ""])
def test_names(name):
    """The rule for names holds for services and push sources alike."""
    with pytest.raises(HotrowError, match=r"^feature service "):
        FeatureService(name, features=[A])
    with pytest.raises(HotrowError, match=r"^push source "):
        PushSource(name, view=A)


def test_push_source():
    """It keeps its view, and counts it by name."""
    source = PushSource("p", view=A)
    assert source.view is A
    assert push_source_from_document("p", source.document(), {"a": A}) == source
    assert source != PushSource("p", view=B)
    with pytest.raises(HotrowError, match="push source 'p': view is 'a'; give a FeatureView"):
        PushSource("p", view="a")


def test_services_are_frozen():
    """As all definitions are."""
    with pytest.raises(AttributeError):
        FeatureService("s", features=[A]).owner = "x"
