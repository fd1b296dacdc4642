"""`FeatureStore` as a notebook or a pipeline uses it: applied objects, branches, real workers, and conflicts."""

import pickle
import subprocess
import sys
import threading
from datetime import UTC, datetime

import pandas as pd
import pytest
from hotrow import Entity, FeatureStore, FeatureView, Field, Float32, Float64, HotrowError, Int64, PushSource
from hotrow.errors import Code

from tests.support.ports import free_ports

RATE = "driver_hourly_stats:conv_rate"
DRIVER = Entity("driver", join_keys={"driver_id": Int64}, description="Somebody who drives")


def _bonus(kind=Float64):
    return FeatureView("bonus", entities=[DRIVER], schema=[Field("sum", kind, unit="SEK")])


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    """A repository of the template rides, with ports of its own, and nothing applied."""
    folder = tmp_path_factory.mktemp("store") / "rides"
    subprocess.run([sys.executable, "-m", "hotrow.cli.main", "init", folder, "--template", "rides"], check=True)
    server, ingest = free_ports(2)
    text = (folder / "hotrow.toml").read_text().replace(":6565", f":{server}").replace(":6566", f":{ingest}")
    (folder / "hotrow.toml").write_text(text.replace("workers = 2", "workers = 1"))
    return folder


@pytest.fixture(scope="module")
def applied(repo):
    """The store after the first apply of the repository's files."""
    with pytest.raises(HotrowError, match="nothing applied") as caught:
        FeatureStore(repo).list_feature_views()
    assert caught.value.code is Code.FAILED_PRECONDITION
    return FeatureStore(repo).apply(author="ada")


@pytest.fixture(scope="module")
def served(applied):
    """The same, materialized and served for the time of the module."""
    (report,) = applied.materialize("2020-01-01", "now")
    assert (report.read, report.written, report.superseded) == (240, 5, 235)
    with applied.serving() as store:
        yield store


def test_lists_are_of_the_snapshot(applied):
    """What was applied, by name."""
    assert [view.name for view in applied.list_feature_views()] == ["driver_hourly_stats"]
    assert [entity.name for entity in applied.list_entities()] == ["driver"]
    assert [service.name for service in applied.list_feature_services()] == ["driver_activity"]
    assert [source.name for source in applied.list_push_sources()] == ["driver_stats_push"]
    assert applied.list_transforms() == applied.list_request_sources() == []


def test_reads_and_pushes_meet(served):
    """One process reads what it has pushed; features come by reference, by service, and by the service's name."""
    rows = {"driver_id": [1001, 7], "conv_rate": [0.5, 0.25], "avg_daily_trips": [1, 2]}
    assert served.push("driver_stats_push", rows).written == 2
    reply = served.get_online_features([RATE], pd.DataFrame({"driver_id": [1001, 7, 8]}))
    assert reply["conv_rate"].tolist()[:2] == [0.5, 0.25]
    assert reply.to_rows()[2] == {"conv_rate": None}
    (service,) = served.list_feature_services()
    for wanted in (service, "driver_activity"):
        assert served.get_online_features(wanted, [{"driver_id": 7}]).to_rows()[0]["conv_rate"] == 0.25


def test_training_sets_and_reads_have_the_same_values(served):
    """Of a driver whose last row is the source's."""
    entities = pd.DataFrame({"driver_id": [1002], "event_timestamp": [datetime.now(UTC)]})
    offline = served.get_historical_features(entities, [RATE])["conv_rate"].tolist()
    served.materialize("2020-01-01", "now")
    assert served.get_online_features([RATE], {"driver_id": [1002]})["conv_rate"].tolist() == offline


def test_a_dry_run_writes_nothing(served):
    """It says what would be written, beside the server."""
    branch = served.on_branch("dry")
    (planned,) = branch.materialize("2020-01-01", "now", dry_run=True)
    assert (planned.written, planned.stale, planned.superseded, planned.dry_run) == (5, 0, 235, True)
    assert branch.get_online_features([RATE], {"driver_id": [1002]}).to_rows() == [{"conv_rate": None}]
    (written,) = branch.materialize("2020-01-01", "now")
    (again,) = branch.materialize("2020-01-01", "now", dry_run=True)
    assert (written.written, again.written, again.stale) == (5, 0, 5)


def test_a_branch_has_definitions_and_rows_of_its_own(served):
    """A view of another type on each of two branches; neither is seen by the other or by the head."""
    ints, floats = served.on_branch("ints").apply([_bonus(Int64)]), served.on_branch("floats").apply([_bonus(Float32)])
    ints.push(view="bonus", rows={"driver_id": [1], "sum": [7]})
    floats.push(view="bonus", rows={"driver_id": [1], "sum": [0.5]}, types={"sum": Float32})
    assert ints.get_online_features(["bonus:sum"], {"driver_id": [1]}).to_rows() == [{"sum": 7}]
    assert floats.get_online_features(["bonus:sum"], {"driver_id": [1]}).to_rows() == [{"sum": 0.5}]
    with pytest.raises(HotrowError, match="bonus") as caught:
        served.get_online_features(["bonus:sum"], {"driver_id": [1]})
    assert caught.value.code is Code.NOT_FOUND
    assert ints.get_online_features([RATE], {"driver_id": [1002]}).to_rows() == [{"conv_rate": None}]


def test_a_branch_is_made_once(served):
    """Again while it is as it was, which is what a task does that is tried again; then its name is taken."""
    branch = served.on_branch("once")
    assert served.on_branch("once").snapshot().id == branch.snapshot().id
    changed = branch.apply([_bonus()])
    assert branch.apply([_bonus()]).snapshot().id == changed.snapshot().id
    with pytest.raises(HotrowError, match=r"'once' is there already, at .* remove-branch once") as caught:
        served.on_branch("once")
    assert caught.value.code is Code.CONFLICT


def test_a_store_goes_from_task_to_task(served):
    """Pickled, it is on the same snapshot of the same repository in another process."""
    branch = served.on_branch("tasks").apply([_bonus()])
    code = "import pickle, sys; print([v.name for v in pickle.load(sys.stdin.buffer).list_feature_views()])"
    run = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(branch), capture_output=True, check=True)
    assert run.stdout.decode().strip() == "['bonus', 'driver_hourly_stats']"


def test_publishing_moves_the_head_once(repo, served):
    """The second of two branches is told what the head is and who moved it; derived stores stay on their snapshots."""
    first = served.on_branch("first").apply([_bonus()])
    second = served.on_branch("second").apply([PushSource("more", view=served.list_feature_views()[0])])
    head = first.publish(author="bob")
    assert FeatureStore(repo).snapshot().id == head.snapshot().id
    with pytest.raises(HotrowError, match=rf"head .* is {head.snapshot().id[:12]} \(by bob\)") as caught:
        second.publish()
    assert caught.value.code is Code.CONFLICT
    with pytest.raises(HotrowError, match=r"\(by bob\)") as caught:
        served.apply([FeatureView("other", entities=[DRIVER], schema=[Field("x", Float64)])])
    assert caught.value.code is Code.CONFLICT
    # What it was made on is the head's predecessor, and so another branch of that does not mind.
    assert [view.name for view in served.on_branch("third").list_feature_views()] == ["driver_hourly_stats"]
    with pytest.raises(HotrowError, match="of no branch") as caught:
        head.publish()
    assert caught.value.code is Code.FAILED_PRECONDITION


def test_a_branch_can_be_removed(repo, served):
    """By the store that is on it; the head's is on none."""
    branch = served.on_branch("gone")
    assert (branch.branch, served.branch) == ("gone", "")
    branch.remove_branch()
    with pytest.raises(HotrowError, match="unknown snapshot, branch or pin") as caught:
        FeatureStore(repo, snapshot="gone").list_entities()
    assert caught.value.code is Code.NOT_FOUND
    with pytest.raises(HotrowError, match="of no branch"):
        served.remove_branch()


def test_branches_of_many_threads_do_not_wait_for_one_another(served):
    """Twelve at once, each with a definition of its own, and all of them are there."""
    made, failures = [], []

    def work(number):
        try:
            view = FeatureView(f"v{number}", entities=[DRIVER], schema=[Field("x", Float64)])
            made.append(served.on_branch(f"run-{number}").apply([view]))
        except HotrowError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    names = sorted({view.name for store in made for view in store.list_feature_views()})
    assert names == sorted(["driver_hourly_stats", *(f"v{number}" for number in range(12))])


def test_what_is_wrong_is_said(tmp_path, applied):
    """Before any work starts, with the remedy."""
    with pytest.raises(HotrowError, match=r"no hotrow\.toml"):
        FeatureStore(tmp_path)
    with pytest.raises(HotrowError, match="start is 'soon'; give a datetime"):
        applied.materialize("soon", "now")
    with pytest.raises(HotrowError, match="is not before END"):
        applied.materialize(datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
    with pytest.raises(HotrowError, match="unknown feature view 'nope'"):
        applied.materialize("2024-01-01", "now", views=["nope"])
    with pytest.raises(HotrowError, match="unknown feature view 'nope'"):
        applied.materialize("2024-01-01", "now", views="nope")
    other = Entity("driver", join_keys={"driver_id": Int64}, description="Another")
    with pytest.raises(HotrowError, match="defined in the definitions given and differently"):
        applied.apply([_bonus(), other])
    with pytest.raises(HotrowError, match="XXL") as caught:
        applied.apply([FeatureView("b", entities=[DRIVER], schema=[Field("x", Float64, unit="XXL")])])
    assert caught.value.code is Code.INVALID


def test_without_a_server_the_remedy_is_named(repo, tmp_path, applied):
    """At once, not after a timeout."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    server, ingest = free_ports(2)
    (folder / "hotrow.toml").write_text(
        f'project = "rides"\nregistry = "{repo / "registry"}"\n'
        f'[server]\naddress = "127.0.0.1:{server}"\n[ingest]\naddress = "127.0.0.1:{ingest}"\n'
    )
    with pytest.raises(HotrowError, match=rf"no server listens at 127\.0\.0\.1:{server}; start `hotrow serve`"):
        FeatureStore(folder).get_online_features([RATE], {"driver_id": [1]})
