"""The refs document."""

import json

import pytest
from hotrow import Code, HotrowError
from hotrow.registry.refs import Refs, refs_from_json, refs_to_json

REFS = Refs(("a", "b"), {"exp": "c"}, {"stable": "b"}, {"exp": None}, 7)


def test_round_trip():
    """Every part comes back."""
    assert refs_from_json(refs_to_json(REFS), "x") == REFS
    assert refs_from_json(refs_to_json(Refs()), "x") == Refs()


def test_served_lists_each_once():
    """Heads first, then what has a name only; a snapshot with several names has them together."""
    refs = Refs(("a", "b"), {"exp": "c"}, {"stable": "b", "also": "a", "z": "c"})
    assert refs.served() == {"a": ("head", "also"), "b": ("stable",), "c": ("exp", "z")}
    assert list(refs.served()) == ["a", "b", "c"]
    assert Refs().served() == {}


def test_every_change_is_another_document():
    """The revision counts, so that no two documents are the same bytes, though the refs are."""
    pinned = REFS.with_pin("p", "a")
    assert pinned.without("p").heads == REFS.heads
    assert refs_to_json(pinned.without("p")) != refs_to_json(REFS)
    assert [refs.revision for refs in (REFS.with_head("x"), REFS.with_branch("n", "x", "a"), pinned)] == [8, 8, 8]


def test_refs_are_read_only():
    """They are shared between threads."""
    with pytest.raises(TypeError):
        REFS.pins["x"] = "y"


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"heads": [1]}, {"heads": None}, {"pins": []}, {"pins": {"a": 1}}, {"revision": "x"}]
)
def test_bad_documents(change):
    """Name where they came from."""
    data = json.dumps({**json.loads(refs_to_json(REFS)), **change}).encode()
    with pytest.raises(HotrowError, match="the refs in /some/place cannot be read") as caught:
        refs_from_json(data, "/some/place")
    assert caught.value.code is Code.FAILED_PRECONDITION
