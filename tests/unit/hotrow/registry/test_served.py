"""The served set."""

import sys
import threading
from datetime import timedelta

import pytest
from hotrow import Code, HotrowError
from hotrow.registry.refs import Refs
from hotrow.registry.served import ServedSet
from hotrow.registry.snapshot import in_namespace


class Compiled:
    """What a server makes of a snapshot."""

    def __init__(self, snapshot):
        self.id = snapshot.id


@pytest.fixture
def snapshots(make_snapshot, make_view):
    return [make_snapshot(make_view(ttl=timedelta(days=days))) for days in range(1, 9)]


@pytest.fixture
def loader(snapshots):
    """Loads them, or their form on branch b, and keeps what was asked for."""

    class Loader:
        def __init__(self):
            self.known = {s.id: s for snapshot in snapshots for s in (snapshot, in_namespace(snapshot, "b"))}
            self.loaded = []

        def __call__(self, snapshot_id):
            self.loaded.append(snapshot_id)
            if snapshot_id not in self.known:
                raise HotrowError(Code.FAILED_PRECONDITION, f"{snapshot_id} is damaged")
            return self.known[snapshot_id]

    return Loader()


def _refusal(served, ref) -> str:
    with pytest.raises(HotrowError) as caught:
        served.get(ref)
    assert caught.value.code is Code.FAILED_PRECONDITION
    return caught.value.message


def test_by_every_ref(snapshots, loader):
    """Head, earlier heads by id or prefix, branches and pins by name or id."""
    ids = [snapshot.id for snapshot in snapshots]
    branch = in_namespace(snapshots[5], "b").id
    served = ServedSet(Compiled)
    problems = served.update(Refs((ids[1], ids[0]), {"b": branch}, {"stable": ids[0], "old": ids[2]}), loader)
    assert problems == []
    assert served.head_id == ids[1]
    assert [one.id for one in served.compiled()] == [ids[1], ids[0], branch, ids[2]]
    for ref, expected in [
        ("", ids[1]),
        ("head", ids[1]),
        (ids[0], ids[0]),
        (ids[0][:8], ids[0]),
        ("stable", ids[0]),
        ("old", ids[2]),
        (ids[2], ids[2]),
        ("b", branch),
        (branch, branch),
    ]:
        assert served.get(ref).id == expected
    assert served.get("stable") is served.get(ids[0])
    assert served.listing() == [(ids[1], ("head",)), (ids[0], ("stable",)), (branch, ("b",)), (ids[2], ("old",))]


def test_what_is_not_served_is_refused(snapshots, loader):
    """The message lists what is."""
    ids = [snapshot.id for snapshot in snapshots]
    served = ServedSet(Compiled)
    served.update(Refs((ids[0],), {}, {"stable": ids[1]}), loader)
    for ref in (ids[2], ids[2][:8], ids[0][:7], "Stable", "nothing", "\x00"):
        message = _refusal(served, ref)
        assert f"snapshot {ref!r} is not served; served are head = {ids[0][:12]}, stable = {ids[1][:12]} (" in message


def test_before_the_first_apply():
    """There is nothing, and the message says what to run; an update of empty refs is fine."""
    served = ServedSet(Compiled)
    assert served.head_id is None
    assert "run `hotrow apply`" in _refusal(served, "")
    assert served.update(Refs(), pytest.fail) == []
    assert served.listing() == []


def test_compiles_each_once_and_forgets(snapshots, loader):
    """A moved head compiles one snapshot; what falls out is not served any more."""
    ids = [snapshot.id for snapshot in snapshots]
    served = ServedSet(Compiled)
    refs = Refs()
    for number, snapshot_id in enumerate(ids[:6]):
        refs = refs.with_head(snapshot_id)
        served.update(refs, loader)
        assert loader.loaded == ids[: number + 1]
    kept = served.get(ids[3])
    served.update(refs.with_pin("p", ids[3]), loader)
    assert served.get("p") is kept
    assert len(loader.loaded) == 6
    _refusal(served, ids[0])


def test_a_bad_head_changes_nothing(snapshots, loader):
    """The error comes out, and the earlier set goes on."""
    good, bad = snapshots[0].id, "f" * 64
    served = ServedSet(Compiled)
    served.update(Refs((good,)), loader)
    generation = served.generation
    with pytest.raises(HotrowError, match="damaged"):
        served.update(Refs((bad, good)), loader)
    assert served.get("").id == good
    assert served.generation is generation


def test_a_bad_pin_is_left_out(snapshots, loader):
    """And said, both to who updates and to who asks for it; when it is whole again it is served."""
    good, bad = snapshots[0].id, snapshots[1].id
    whole = loader.known.pop(bad)
    served = ServedSet(Compiled)
    (problem,) = served.update(Refs((good,), {}, {"stable": bad}), loader)
    assert bad[:12] in problem
    assert "damaged" in problem
    assert "'stable' is not served" in _refusal(served, "stable")
    assert "damaged" in _refusal(served, bad)
    assert served.get("").id == good
    loader.known[bad] = whole
    assert served.update(Refs((good,), {}, {"stable": bad}), loader) == []
    assert served.get("stable").id == bad


def test_readers_see_one_state_or_the_other(snapshots, loader):
    """While heads move, the head is always one that is served whole, and reading never fails."""
    ids = [snapshot.id for snapshot in snapshots]
    served = ServedSet(Compiled)
    served.update(Refs((ids[0],)), loader)
    stop = threading.Event()
    seen, errors = set(), []

    def read():
        try:
            while not stop.is_set():
                found = served.get("").id
                seen.add(found)
                listing = served.listing()
                assert "head" in listing[0][1]
                assert len(listing) == 2 or found == ids[0]
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            errors.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [threading.Thread(target=read) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        for number in range(1, 2000):
            served.update(Refs((ids[number % 8], ids[(number + 1) % 8])), loader)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
    assert errors == []
    assert len(seen) > 1
