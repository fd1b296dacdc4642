"""Request sources: their fields, their document, and what is refused."""

import pytest
from hotrow import Field, Float64, RequestSource, String
from hotrow.errors import Code, HotrowError
from hotrow.schema.request_source import request_source_from_document

SOURCE = RequestSource(
    "ride_request", schema=[Field("distance", Float64, unit="km"), Field("city", String)], description="what is asked"
)


def test_a_document_is_the_inverse():
    """With units and the description."""
    document = SOURCE.document()
    back = request_source_from_document("ride_request", document)
    assert back == SOURCE
    assert back.document() == document
    assert back.field("distance").unit == "km"


def test_fields_are_selected_by_name():
    """In the order in which they are asked for."""
    assert [field.name for field in SOURCE.fields] == ["distance", "city"]
    assert SOURCE["city"].names == ("city",)
    assert SOURCE[["city", "distance"]].names == ("city", "distance")


def test_an_unknown_field_comes_with_the_nearest():
    """Names are typed by people."""
    with pytest.raises(
        HotrowError, match=r"request source 'ride_request': unknown field 'distanse'.*distance"
    ) as caught:
        SOURCE.field("distanse")
    assert caught.value.code is Code.NOT_FOUND


@pytest.mark.parametrize(
    ("name", "schema", "said"),
    [
        ("Ride", [Field("a", Float64)], "request source 'Ride'"),
        ("ride", [], "the schema is empty; give at least one Field"),
        ("ride", ["a"], "give a list of Field objects"),
        ("ride", [Field("a", Float64), Field("a", String)], "'a'"),
        ("ride", [Field("a", Float64, default=1.0)], "has a default.*let the caller send a null"),
    ],
)
def test_what_is_wrong_is_told(name, schema, said):
    """By the name of the source or the field."""
    with pytest.raises(HotrowError, match=said) as caught:
        RequestSource(name, schema=schema)
    assert caught.value.code is Code.INVALID
