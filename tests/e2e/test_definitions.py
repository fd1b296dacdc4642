"""Definitions that change, and go back, under a store that is served: what readers have of the rows of each time."""

import pytest
from hotrow import Entity, FeatureStore, FeatureView, Field, Float64, HotrowError, Int64, String
from hotrow.errors import Code
from hotrow.settings import load_settings
from hotrow.supervisor.state import wait_served
from hotrow_client import Client

from tests.support.ports import free_ports

DRIVER = Entity("driver", join_keys={"driver_id": Int64})
FARE, CITY = Field("fare", Float64, unit="SEK"), Field("city", String, default=None)
TIP = Field("tip", Float64, default=0.0)


def _view(*fields, **options):
    return FeatureView("stats", entities=[DRIVER], schema=fields, **options)


def _read(store, *features, driver=1):
    names = [f"stats:{feature}" for feature in features]
    return tuple(store.get_online_features(names, {"driver_id": [driver]}).to_rows()[0].values())


def _push(store, driver, **values):
    columns = {"driver_id": [driver], **{name: [value] for name, value in values.items()}}
    assert store.push(view="stats", rows=columns).written == 1


@pytest.fixture
def served(tmp_path):
    """A project with nothing but the view `stats`, served."""
    server, ingest = free_ports(2)
    (tmp_path / "hotrow.toml").write_text(
        f'project = "rides"\n[server]\naddress = "127.0.0.1:{server}"\nworkers = 1\n'
        f'[ingest]\naddress = "127.0.0.1:{ingest}"\n'
    )
    with FeatureStore(tmp_path).apply([_view(FARE, CITY)]).serving() as store:
        yield store


def test_rows_of_every_time_are_read_after_a_rollback(served):
    """Those of before, and those that were written under the definitions that are gone, field by field."""
    _push(served, 1, fare=10.0, city="Lund")
    later = served.apply([_view(FARE, TIP)])  # a field less, and a field more
    _push(later, 2, fare=20.0, tip=5.0)
    assert _read(later, "fare", "tip", driver=1) == (10.0, 0.0)
    back = later.rollback()
    assert back.snapshot().id == served.snapshot().id == FeatureStore(served.repo).snapshot().id
    assert _read(back, "fare", "city", driver=1) == (10.0, "Lund")
    assert _read(back, "fare", "city", driver=2) == (20.0, None)
    head = FeatureStore(served.repo)
    assert _read(head, "fare", "city", driver=2) == (20.0, None)
    with pytest.raises(HotrowError, match="tip") as caught:
        _read(head, "tip")
    assert caught.value.code is Code.NOT_FOUND
    _push(head, 2, fare=30.0, city="Umea")
    assert _read(later, "fare", "tip", driver=2) == (30.0, 0.0)  # what was the head is served still, by its id
    settings = load_settings(served.repo)
    wait_served(settings, back.snapshot().id, 30, as_head=True)
    with Client(settings.server.address) as client:  # one who knows of no snapshot has the head
        assert client.read(["stats:fare", "stats:city"], {"driver_id": [2]}).to_rows() == [
            {"fare": 30.0, "city": "Umea"}
        ]
    again = head.rollback(later.snapshot().id)
    assert _read(again, "fare", "tip", driver=2) == (30.0, 0.0)


def test_a_rollback_needs_the_head_that_was_seen(served):
    """Another's apply is not undone unseen; and a branch has no head to roll back."""
    later = served.apply([_view(FARE)])
    later.apply([_view(FARE, TIP)])
    with pytest.raises(HotrowError, match="this was planned on") as caught:
        later.rollback()
    assert caught.value.code is Code.CONFLICT
    with pytest.raises(HotrowError, match="on branch 'try'") as caught:
        served.on_branch("try").rollback()
    assert caught.value.code is Code.FAILED_PRECONDITION
