"""What is derived from served snapshots is made once, and never outlives them."""

from hotrow.registry import derived
from hotrow.registry.derived import Derived
from hotrow.registry.refs import Refs
from hotrow.registry.served import ServedSet
from hotrow.registry.snapshot import Snapshot

FIRST, SECOND = Snapshot("rides"), Snapshot("rides", "branch")


def served_set(snapshot=FIRST):
    """A set that serves one snapshot."""
    served = ServedSet(lambda one: one)
    serve(served, snapshot)
    return served


def serve(served, snapshot):
    """Make the snapshot the head."""
    served.update(Refs(heads=(snapshot.id,), branches={}, pins={}), {FIRST.id: FIRST, SECOND.id: SECOND}.get)


def test_an_entry_is_made_once():
    """The arguments reach what makes it."""
    made = []
    entries = Derived(served_set())
    assert [entries.get("key", lambda one: made.append(one) or one * 2, 21) for _ in range(3)] == [42] * 3
    assert made == [21]


def test_another_head_makes_it_anew():
    """What was derived from the old one is gone."""
    served = served_set()
    entries = Derived(served)
    assert entries.get("key", lambda: served.head_id) == FIRST.id
    serve(served, SECOND)
    assert entries.get("key", lambda: served.head_id) == SECOND.id


def test_an_entry_made_while_the_set_changes_is_not_found_again():
    """It was begun with the old set, so the new one's requests make their own."""
    served = served_set()
    entries = Derived(served)

    def make():
        before = served.head_id
        serve(served, SECOND)
        entries.get("other", lambda: True)  # a thread that comes meanwhile
        return before

    assert entries.get("key", make) == FIRST.id
    assert entries.get("key", lambda: served.head_id) == SECOND.id


def test_it_is_bounded(monkeypatch):
    """However many keys come, no more than MOST are kept."""
    monkeypatch.setattr(derived, "MOST", 10)
    entries = Derived(served_set())
    for key in range(1, 26):
        entries.get(key, lambda key=key: key)
    again = [key for key in range(1, 26) if entries.get(key, lambda: -1) == key]
    assert len(again) <= 10


def test_an_entry_is_improved_only_in_place_of_the_one_it_came_from():
    """Two threads that widen the same plan, or a plan of a set that is gone: the cache keeps what it has."""
    entries = Derived(served_set())
    old = entries.get("key", object)
    new = object()
    entries.improve("key", object(), new)
    assert entries.get("key", object) is old
    entries.improve("key", old, new)
    assert entries.get("key", object) is new
