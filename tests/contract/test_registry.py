"""What every registry backend does, and what the registry does on each of them."""

import hashlib
import threading
from datetime import timedelta

import pytest
from hotrow import Code, Entity, FeatureService, FeatureView, Field, Float64, HotrowError, Int64, PushSource, String
from hotrow.registry.folder import FolderBackend
from hotrow.registry.redis import RedisBackend
from hotrow.registry.registry import Registry
from hotrow.registry.snapshot import Snapshot, in_namespace, snapshot_from_definitions
from hotrow.schema.definitions import Found, collect_definitions

BACKENDS = {
    "folder": lambda folder, _: FolderBackend(folder / "registry"),
    "redis": lambda _, server: RedisBackend(server.url),
    "cluster": lambda _, cluster: RedisBackend(f"{cluster.url}?cluster=true"),
}
DRIVER = Entity("driver", join_keys={"driver_id": Int64})
PROJECT = "rides"


@pytest.fixture(params=sorted(BACKENDS))
def backends(request, tmp_path):
    """Opens the same, at first empty, registry again and again."""
    server = None
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        server.ask("FLUSHALL")
    if request.param == "cluster":
        server = request.getfixturevalue("redis_cluster")
        server.flush()
    return lambda: BACKENDS[request.param](tmp_path, server)


@pytest.fixture
def backend(backends):
    return backends()


@pytest.fixture
def registry(backend):
    return Registry(backend)


def _view(name="stats", *fields, **options) -> FeatureView:
    return FeatureView(name, entities=[DRIVER], schema=fields or [Field("fare", Float64, unit="SEK")], **options)


def _snapshot(*definitions, namespace="") -> Snapshot:
    found = collect_definitions(Found(definition, "here") for definition in definitions)
    return snapshot_from_definitions(PROJECT, found, namespace)


ONE, TWO, THREE = (_snapshot(_view(ttl=timedelta(days=days))) for days in (1, 2, 3))


def _code(call, *args, **kwargs) -> Code:
    with pytest.raises(HotrowError) as caught:
        call(*args, **kwargs)
    assert caught.value.message
    return caught.value.code


# The port


def test_objects(backend, backends):
    """What is put can be got, by another one too; what was not put is None; putting twice is once."""
    object_id = hashlib.sha256(b"data").hexdigest()
    assert backend.get_object(object_id) is None
    backend.put_object(object_id, b"data")
    backend.put_object(object_id, b"data")
    assert backends().get_object(object_id) == b"data"
    assert backends().get_object("0" * 64) is None


def test_refs_move_by_compare_and_swap(backend, backends):
    """Only from what is there, None for nothing; the log grows with each move and with no refused one."""
    swap = backend.swap_refs
    assert backend.get_refs("p") is None
    assert backend.read_log("p") == []
    assert not swap("p", expected=b"something", new=b"1", log_entry=b"no")
    assert swap("p", expected=None, new=b"1", log_entry=b"first")
    assert not swap("p", expected=None, new=b"2", log_entry=b"no")
    assert not swap("p", expected=b"2", new=b"3", log_entry=b"no")
    assert swap("p", expected=b"1", new=b"2\nmore\n", log_entry=b"second")
    assert backends().get_refs("p") == b"2\nmore\n"
    assert backends().read_log("p") == [b"first", b"second"]


def test_projects_are_apart(backend):
    """Refs and logs are a project's own."""
    backend.swap_refs("p", expected=None, new=b"1", log_entry=b"a")
    assert backend.get_refs("q") is None
    assert backend.read_log("q") == []
    assert backend.version("q") != backend.version("p")


def test_version_changes_with_every_swap(backend, backends):
    """However fast they follow one another, and for every reader; without a swap it stays."""
    seen = [backend.version("p")]
    content = None
    for number in range(50):
        new = b"%02d" % (number % 2)
        assert backend.swap_refs("p", expected=content, new=new, log_entry=b"x")
        content = new
        seen.append(backends().version("p"))
        assert backend.version("p") == seen[-1]
    assert len(set(seen)) == 51


def test_swaps_of_threads(backend):
    """Of threads that swap from one state, one wins each time."""
    wins: list[int] = []

    def work(number: int) -> None:
        for _ in range(10):
            done = False
            while not done:
                old = backend.get_refs("p")
                done = backend.swap_refs("p", expected=old, new=(old or b"") + b"x", log_entry=b"%d" % number)
            wins.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert backend.get_refs("p") == b"x" * 40
    assert sorted(backend.read_log("p")) == sorted(b"%d" % number for number in wins)


# The registry on it


def test_nothing_applied(registry):
    """An empty registry is read without making anything, and resolving says what to run."""
    assert registry.head(PROJECT) is None
    assert registry.log(PROJECT) == []
    assert registry.refs(PROJECT).heads == ()
    assert _code(registry.resolve, PROJECT, "") is Code.FAILED_PRECONDITION
    assert _code(registry.resolve, PROJECT, "nothing") is Code.NOT_FOUND
    assert _code(registry.snapshot, "0" * 64) is Code.NOT_FOUND
    assert _code(registry.snapshot, "../refs/rides") is Code.NOT_FOUND


@pytest.mark.parametrize("call", ["head", "refs", "version", "log"])
def test_a_project_is_a_name(registry, call):
    """Paths and other odd texts never reach the backend."""
    assert _code(getattr(registry, call), "../rides") is Code.INVALID


def test_apply_and_read_back(registry, backends):
    """A snapshot with everything in it comes back equal from another backend, and the log says who and when."""
    view = _view()
    snapshot = _snapshot(view, PushSource("push", view=view), FeatureService("all", features=[view]))
    assert registry.apply(snapshot, expected_head=None, author="ada") == snapshot.id
    other = Registry(backends())
    assert other.head(PROJECT) == snapshot.id
    assert other.snapshot(snapshot.id) == snapshot
    (entry,) = other.log(PROJECT)
    assert (entry.id, entry.parent, entry.author, entry.action, entry.ref) == (snapshot.id, None, "ada", "apply", "")
    assert entry.time_us > 1_600_000_000_000_000


def test_unchanged_apply_is_nothing(registry):
    """The id that comes back is the expected head, no ref moves and the log does not grow."""
    registry.apply(ONE, expected_head=None, author="ada")
    version = registry.version(PROJECT)
    assert registry.apply(ONE, expected_head=ONE.id, author="bob") == ONE.id
    assert registry.version(PROJECT) == version
    assert len(registry.log(PROJECT)) == 1


def test_conflict(registry):
    """The second of two that planned on one head is told so, and who was first; nothing of it is kept."""
    registry.apply(ONE, expected_head=None, author="ada")
    registry.apply(TWO, expected_head=ONE.id, author="bob")
    with pytest.raises(HotrowError, match=rf"is {TWO.id[:12]} \(by bob\).* planned on {ONE.id[:12]}.*apply again") as e:
        registry.apply(THREE, expected_head=ONE.id, author="cyd")
    assert e.value.code is Code.CONFLICT
    assert registry.head(PROJECT) == TWO.id
    assert _code(registry.snapshot, THREE.id) is Code.NOT_FOUND
    assert _code(registry.apply, THREE, expected_head=None, author="cyd") is Code.CONFLICT


def test_heads_are_five_newest_first(registry):
    """Going back to an earlier head brings it to the front once."""
    snapshots = [_snapshot(_view(ttl=timedelta(days=days))) for days in range(1, 8)]
    head = None
    for snapshot in snapshots:
        head = registry.apply(snapshot, expected_head=head, author="a")
    ids = [snapshot.id for snapshot in snapshots]
    assert list(registry.refs(PROJECT).heads) == ids[:1:-1]
    registry.apply(snapshots[4], expected_head=head, author="a")
    assert list(registry.refs(PROJECT).heads) == [ids[4], ids[6], ids[5], ids[3], ids[2]]
    assert [entry.id for entry in registry.log(PROJECT)] == [ids[4], *reversed(ids)]
    assert registry.log(PROJECT)[0].parent == ids[6]


def test_incompatible_changes_are_refused(registry):
    """Whoever forgets to look at the plan is stopped all the same."""
    registry.apply(ONE, expected_head=None, author="a")
    dollars = _snapshot(_view("stats", Field("fare", Float64, unit="USD")))
    with pytest.raises(HotrowError, match=r"'stats': field fare: unit SEK -> USD; .*new name") as caught:
        registry.apply(dollars, expected_head=ONE.id, author="a")
    assert caught.value.code is Code.FAILED_PRECONDITION
    assert not registry.plan(dollars, base=ONE.id).compatible


def test_incompatible_in_two_steps_is_refused_too(registry):
    """Taking a field or view away and bringing it back with another unit would read the old rows wrongly."""
    registry.apply(ONE, expected_head=None, author="a")
    without = _snapshot(_view("other"))
    registry.apply(without, expected_head=ONE.id, author="a")
    dollars = _snapshot(_view("other"), _view("stats", Field("fare", Float64, unit="USD")))
    with pytest.raises(HotrowError, match=f"field fare: was Float64, unit SEK in snapshot {ONE.id[:12]}"):
        registry.apply(dollars, expected_head=without.id, author="a")
    registry.apply(_snapshot(_view("other"), _view()), expected_head=without.id, author="a")


def test_resolve(registry):
    """Head, id, prefix, branch and pin; a prefix of another project's snapshot is unknown."""
    registry.apply(ONE, expected_head=None, author="a")
    registry.apply(TWO, expected_head=ONE.id, author="a")
    registry.pin(PROJECT, "stable", ONE.id[:8])
    branch = in_namespace(THREE, "new-fares")
    registry.apply(branch, expected_head=TWO.id, author="a", branch="new-fares")
    for ref, expected in [
        ("", TWO.id),
        ("head", TWO.id),
        (ONE.id, ONE.id),
        (ONE.id[:8], ONE.id),
        ("stable", ONE.id),
        ("new-fares", branch.id),
    ]:
        assert registry.resolve(PROJECT, ref) == expected
    assert _code(registry.resolve, PROJECT, ONE.id[:7]) is Code.NOT_FOUND
    assert _code(registry.resolve, "other", ONE.id) is Code.NOT_FOUND
    with pytest.raises(HotrowError, match="did you mean stable"):
        registry.resolve(PROJECT, "stabel")


def test_ambiguous_prefix(registry, backend):
    """All that it could be are named."""
    ids = ["a" * 63 + "1", "a" * 63 + "2"]
    lines = [b'{"action":"apply","author":"","id":"%s","parent":null,"ref":"","time_us":1}' % i.encode() for i in ids]
    registry.apply(ONE, expected_head=None, author="a")
    for line in lines:
        refs = backend.get_refs(PROJECT)
        assert backend.swap_refs(PROJECT, expected=refs, new=refs, log_entry=line)
    with pytest.raises(HotrowError, match=f"{ids[0]}, {ids[1]}; give more digits"):
        registry.resolve(PROJECT, "a" * 20)


def test_branch_and_publish(registry):
    """A branch leaves the head alone; publishing makes its definitions the head in the production namespace."""
    registry.apply(ONE, expected_head=None, author="a")
    branch = in_namespace(TWO, "exp")
    assert registry.apply(branch, expected_head=ONE.id, author="a", branch="exp") == branch.id
    assert registry.head(PROJECT) == ONE.id
    assert registry.refs(PROJECT).branches == {"exp": branch.id}
    assert branch.view_id("stats") != TWO.view_id("stats")
    assert registry.publish(PROJECT, "exp", author="bob") == TWO.id
    assert registry.refs(PROJECT).heads == (TWO.id, ONE.id)
    entry = registry.log(PROJECT)[0]
    assert (entry.id, entry.parent, entry.author, entry.action, entry.ref) == (TWO.id, ONE.id, "bob", "publish", "exp")
    assert registry.publish(PROJECT, "exp", author="bob") == TWO.id
    assert len(registry.log(PROJECT)) == 3


def test_published_branch_goes_on(registry):
    """After publishing the branch stands on the new head, and can be changed and published again."""
    registry.apply(ONE, expected_head=None, author="a")
    registry.apply(in_namespace(TWO, "exp"), expected_head=ONE.id, author="a", branch="exp")
    registry.publish(PROJECT, "exp", author="a")
    registry.apply(in_namespace(THREE, "exp"), expected_head=TWO.id, author="a", branch="exp")
    assert registry.publish(PROJECT, "exp", author="a") == THREE.id


def test_publish_conflict(registry):
    """A head that moved since the branch was made stops it, even if the branch was applied again meanwhile."""
    registry.apply(ONE, expected_head=None, author="a")
    registry.apply(in_namespace(TWO, "exp"), expected_head=ONE.id, author="a", branch="exp")
    registry.apply(THREE, expected_head=ONE.id, author="bob")
    assert _code(registry.publish, PROJECT, "exp", author="a") is Code.CONFLICT
    again = in_namespace(_snapshot(_view(ttl=None)), "exp")
    registry.apply(again, expected_head=THREE.id, author="a", branch="exp")
    with pytest.raises(HotrowError, match=rf"is {THREE.id[:12]} \(by bob\).*made on {ONE.id[:12]}") as caught:
        registry.publish(PROJECT, "exp", author="a")
    assert caught.value.code is Code.CONFLICT
    registry.remove_branch(PROJECT, "exp", author="a")
    registry.apply(again, expected_head=THREE.id, author="a", branch="exp")
    assert registry.publish(PROJECT, "exp", author="a") == in_namespace(again, "").id


def test_a_branch_is_made_on_the_head_that_its_maker_saw(registry):
    """Another one's publishing keeps nobody from a branch; it is told when that is published in turn."""
    registry.apply(ONE, expected_head=None, author="a")
    registry.apply(TWO, expected_head=ONE.id, author="bob")
    registry.apply(in_namespace(THREE, "exp"), expected_head=ONE.id, author="a", branch="exp")
    assert registry.refs(PROJECT).bases == {"exp": ONE.id}
    with pytest.raises(HotrowError, match=rf"is {TWO.id[:12]} \(by bob\).*made on {ONE.id[:12]}") as caught:
        registry.publish(PROJECT, "exp", author="a")
    assert caught.value.code is Code.CONFLICT


def test_branch_conflicts(registry):
    """Where the caller says what was seen of the branch."""
    registry.apply(ONE, expected_head=None, author="a")
    first, second = in_namespace(TWO, "exp"), in_namespace(THREE, "exp")
    apply = registry.apply
    assert apply(first, expected_head=ONE.id, author="a", branch="exp", expected_branch=None) == first.id
    code = _code(apply, second, expected_head=ONE.id, author="b", branch="exp", expected_branch=None)
    assert code is Code.CONFLICT
    assert apply(second, expected_head=ONE.id, author="b", branch="exp", expected_branch=first.id) == second.id
    version = registry.version(PROJECT)
    assert apply(second, expected_head=ONE.id, author="b", branch="exp") == second.id
    assert registry.version(PROJECT) == version


def test_namespace_belongs_to_the_branch(registry):
    """A snapshot for a branch cannot become the head unpublished, nor the other way round."""
    assert _code(registry.apply, in_namespace(ONE, "exp"), expected_head=None, author="a") is Code.INVALID
    assert _code(registry.apply, ONE, expected_head=None, author="a", branch="exp") is Code.INVALID
    code = _code(registry.apply, in_namespace(ONE, "other"), expected_head=None, author="a", branch="exp")
    assert code is Code.INVALID


def test_a_branch_is_compared_with_itself(registry):
    """Its rows are its own: a unit may differ from production, not from the branch before."""
    registry.apply(ONE, expected_head=None, author="a")
    dollars = _snapshot(_view("stats", Field("fare", Float64, unit="USD")), namespace="exp")
    registry.apply(dollars, expected_head=ONE.id, author="a", branch="exp")
    euros = _snapshot(_view("stats", Field("fare", Float64, unit="EUR")), namespace="exp")
    code = _code(registry.apply, euros, expected_head=ONE.id, author="a", branch="exp")
    assert code is Code.FAILED_PRECONDITION
    assert _code(registry.publish, PROJECT, "exp", author="a") is Code.FAILED_PRECONDITION


def _applied(registry, *snapshots) -> list[str]:
    head = None
    for snapshot in snapshots:
        head = registry.apply(snapshot, expected_head=head, author="a")
    return [snapshot.id for snapshot in snapshots]


def test_rollback(registry, backends):
    """The head goes back by compare-and-swap, the log says so, and what was the head stays served."""
    one, two, three = _applied(registry, ONE, TWO, THREE)
    assert registry.rollback(PROJECT, two, expected_head=three, author="ada") == two
    assert Registry(backends()).refs(PROJECT).heads == (two, three, one)
    entry = registry.log(PROJECT)[0]
    assert (entry.id, entry.parent, entry.author, entry.action, entry.ref) == (two, three, "ada", "rollback", "")
    assert _code(registry.rollback, PROJECT, one, expected_head=three, author="b") is Code.CONFLICT
    version = registry.version(PROJECT)
    assert registry.rollback(PROJECT, two, expected_head=two, author="b") == two
    assert registry.version(PROJECT) == version


def test_earlier_heads_by_name(registry):
    """head@N goes back over what was applied and not undone, so that two rollbacks go back two heads."""
    one, two, three = _applied(registry, ONE, TWO, THREE)
    assert [registry.resolve(PROJECT, f"head@{n}") for n in range(3)] == [three, two, one]
    with pytest.raises(HotrowError, match="no head@3: the earliest is head@2") as caught:
        registry.resolve(PROJECT, "head@3")
    assert caught.value.code is Code.NOT_FOUND
    for expected in (two, one):
        head = registry.head(PROJECT)
        registry.rollback(PROJECT, registry.resolve(PROJECT, "head@1"), expected_head=head, author="a")
        assert registry.head(PROJECT) == expected
    assert _code(registry.resolve, PROJECT, "head@1") is Code.NOT_FOUND
    registry.rollback(PROJECT, three, expected_head=one, author="a")
    assert registry.heads(PROJECT) == [three, one]


def test_rollback_to_what_was_never_the_head(registry):
    """A branch has rows of its own, so its snapshot cannot be the head; one of another project is unknown."""
    (one,) = _applied(registry, ONE)
    branch = in_namespace(TWO, "exp")
    registry.apply(branch, expected_head=one, author="a", branch="exp")
    with pytest.raises(HotrowError, match="never the head") as caught:
        registry.rollback(PROJECT, branch.id, expected_head=one, author="a")
    assert caught.value.code is Code.NOT_FOUND
    assert _code(registry.rollback, "other", one, expected_head=None, author="a") is Code.NOT_FOUND
    assert registry.publish(PROJECT, "exp", author="a") == TWO.id
    assert registry.resolve(PROJECT, "head@1") == one


def test_what_was_rolled_back_is_still_in_the_stores_past(registry):
    """Rows were written under it, so a field of it cannot come back with another type."""
    fare, tip = Field("fare", Float64, unit="SEK"), Field("tip", Float64, default=None)
    one, two = _applied(registry, _snapshot(_view("stats", fare)), _snapshot(_view("stats", fare, tip)))
    registry.rollback(PROJECT, one, expected_head=two, author="a")
    other = _snapshot(_view("stats", fare, Field("tip", String, default=None)))
    with pytest.raises(HotrowError, match=f"field tip: was Float64 in snapshot {two[:12]}"):
        registry.apply(other, expected_head=one, author="a")


def test_pins(registry):
    """Set, moved, removed, each in the log; an unchanged one is nothing."""
    registry.apply(ONE, expected_head=None, author="a")
    registry.apply(TWO, expected_head=ONE.id, author="a")
    assert registry.pin(PROJECT, "stable", ONE.id, author="ada") == ONE.id
    registry.pin(PROJECT, "stable", ONE.id)
    assert registry.refs(PROJECT).pins == {"stable": ONE.id}
    registry.pin(PROJECT, "stable", "")
    registry.unpin(PROJECT, "stable", author="bob")
    assert registry.refs(PROJECT).pins == {}
    assert [(e.action, e.author, e.id, e.parent) for e in registry.log(PROJECT)[:3]] == [
        ("unpin", "bob", TWO.id, TWO.id),
        ("pin", "", TWO.id, ONE.id),
        ("pin", "ada", ONE.id, None),
    ]
    assert _code(registry.unpin, PROJECT, "stable") is Code.NOT_FOUND
    assert _code(registry.pin, PROJECT, "stable", "nothing") is Code.NOT_FOUND


@pytest.mark.parametrize("name", ["", "head", "Upper", "a b", "../x", "0123456789abcdef", "x" * 64, "é", "-x"])
def test_names_of_branches_and_pins(registry, name):
    """None that looks like an id, a path or the head."""
    registry.apply(ONE, expected_head=None, author="a")
    assert _code(registry.pin, PROJECT, name, "") is Code.INVALID
    code = _code(registry.apply, ONE, expected_head=ONE.id, author="a", branch=name)
    assert code is Code.INVALID


def test_a_name_is_a_branch_or_a_pin(registry):
    """One name never means two snapshots."""
    registry.apply(ONE, expected_head=None, author="a")
    registry.apply(in_namespace(TWO, "exp"), expected_head=ONE.id, author="a", branch="exp")
    registry.pin(PROJECT, "stable", "")
    assert _code(registry.pin, PROJECT, "exp", "") is Code.INVALID
    code = _code(registry.apply, in_namespace(TWO, "stable"), expected_head=ONE.id, author="a", branch="stable")
    assert code is Code.INVALID
    assert _code(registry.unpin, PROJECT, "exp") is Code.NOT_FOUND
    assert _code(registry.remove_branch, PROJECT, "stable") is Code.NOT_FOUND


def test_damaged_object(registry, backend):
    """An object that does not have its hash is an error that names it, never a wrong snapshot; and can be healed."""
    registry.apply(ONE, expected_head=None, author="a")
    backend.put_object(ONE.id, ONE.to_json().replace(b"SEK", b"USD"))
    with pytest.raises(HotrowError, match=f"snapshot {ONE.id}.*damaged.*restore it") as caught:
        registry.snapshot(ONE.id)
    assert caught.value.code is Code.FAILED_PRECONDITION
    backend.put_object(ONE.id, ONE.to_json())
    assert registry.snapshot(ONE.id) == ONE


def test_object_that_is_no_snapshot(registry, backend):
    """Right by its hash, and yet nothing that can be read."""
    data = b'{"format":2}'
    object_id = hashlib.sha256(data).hexdigest()
    backend.put_object(object_id, data)
    with pytest.raises(HotrowError, match=f"{object_id}.*has format 2; this version of hotrow reads 1") as caught:
        registry.snapshot(object_id)
    assert caught.value.code is Code.FAILED_PRECONDITION


def test_damaged_refs_and_log(registry, backend):
    """What is no refs document or no entry names the registry."""
    registry.apply(ONE, expected_head=None, author="a")
    refs = backend.get_refs(PROJECT)
    backend.swap_refs(PROJECT, expected=refs, new=b"{}", log_entry=b"nonsense")
    with pytest.raises(HotrowError, match=r"refs in .*restore"):
        registry.head(PROJECT)
    with pytest.raises(HotrowError, match=r"entry of the log in .*restore"):
        registry.log(PROJECT)


def test_appliers_that_retry_lose_nothing(backends):
    """Threads that add a view each, again after a conflict, end with all of them."""

    def work(number: int) -> None:
        registry = Registry(backends())
        while True:
            head = registry.head(PROJECT)
            views = [] if head is None else list(registry.snapshot(head).views.values())
            snapshot = _snapshot(*views, _view(f"view_{number}"), Entity(f"entity_{number}", join_keys={"k": String}))
            try:
                registry.apply(snapshot, expected_head=head, author=str(number))
            except HotrowError as error:
                assert error.code is Code.CONFLICT  # noqa: PT017 - anything else ends the thread, and the test
            else:
                return

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    registry = Registry(backends())
    assert len(registry.snapshot(registry.head(PROJECT)).views) == 6
    log = registry.log(PROJECT)
    assert [entry.parent for entry in log] == [*(entry.id for entry in log[1:]), None]
