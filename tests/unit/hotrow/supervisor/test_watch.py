"""What the supervisor lets through of a registry: what is there and can be served."""

from pathlib import Path

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.registry.open import open_registry
from hotrow.registry.refs import refs_to_json
from hotrow.settings import Settings
from hotrow.supervisor.control import Refs
from hotrow.supervisor.transform_check import TransformCheck
from hotrow.supervisor.watch import RegistryWatch

from .conftest import apply, snapshot_of


def watch(settings: Settings) -> RegistryWatch:
    return RegistryWatch(open_registry(settings.registry), "rides", lambda id_: TransformCheck(settings.registry, id_))


def damage(settings: Settings, snapshot_id: str) -> None:
    (file,) = [path for path in Path(settings.registry).rglob("*") if path.is_file() and snapshot_id[2:] in path.name]
    file.chmod(0o600)
    file.write_text("{}")


def test_before_the_first_apply_one_is_told_to_apply(settings: Settings) -> None:
    with pytest.raises(HotrowError, match="run `hotrow apply` first") as caught:
        watch(settings).initial()
    assert caught.value.code is Code.FAILED_PRECONDITION


def test_heads_branches_and_pins_are_let_through_once(settings: Settings) -> None:
    first = apply(settings, "a")
    watched = watch(settings)
    assert watched.initial() == Refs((first,))
    assert watched.poll() is None
    second = apply(settings, "a", "b")
    assert watched.poll() == Refs((second, first))
    assert watched.poll() is None
    open_registry(settings.registry).pin("rides", "v1", first)
    assert watched.poll() == Refs((second, first), pins={"v1": first})


def test_a_damaged_head_is_kept_out_and_the_one_before_it_stays(settings: Settings) -> None:
    first = apply(settings, "a")
    watched = watch(settings)
    watched.initial()
    second = apply(settings, "a", "b")
    damage(settings, second)
    assert watched.poll() is None
    assert list(watched.rejected) == [second]
    assert "damaged" in watched.rejected[second]
    third = apply_on_top(settings, second)
    assert watched.poll() == Refs((third, first))


def apply_on_top(settings: Settings, head: str) -> str:
    """A new head over one that cannot be read, as a writer of the registry's files would make it."""
    registry = open_registry(settings.registry)
    other = apply_elsewhere(settings)
    registry._backend.put_object(other, open_registry(str(settings.repo / "other"))._backend.get_object(other))
    document, refs = registry._read_refs("rides")
    assert refs.head == head
    assert registry._backend.swap_refs(
        "rides", expected=document, new=refs_to_json(refs.with_head(other)), log_entry=b"{}"
    )
    return other


def apply_elsewhere(settings: Settings) -> str:
    return open_registry(str(settings.repo / "other")).apply(snapshot_of("c"), expected_head=None, author="test")


def test_when_no_head_can_be_served_the_start_says_why(settings: Settings) -> None:
    damage(settings, apply(settings, "a"))
    with pytest.raises(HotrowError, match=r"no applied snapshot that can be served: .*damaged"):
        watch(settings).initial()


def test_a_registry_that_is_away_changes_nothing(settings: Settings) -> None:
    first = apply(settings, "a")
    watched = watch(settings)
    watched.initial()
    folder = Path(settings.registry)
    second = apply(settings, "a", "b")
    for path in folder.rglob("refs*"):
        hidden = path.read_bytes() if path.is_file() else b""
        if hidden:
            path.write_text("nonsense")
            assert watched.poll() is None
            assert watched.poll() is None
            path.write_bytes(hidden)
    assert watched.poll() == Refs((second, first))
