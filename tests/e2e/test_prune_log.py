"""`hotrow store prune-log` by real processes: beside a server and readers, and killed in the middle."""

import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hotrow import Entity, FeatureStore, FeatureView, Field, HotrowError, Int64, PushSource
from hotrow.supervisor.state import read_state

from tests.support.pushlog import files_of, write_settings

USER = Entity("user", join_keys={"user_id": Int64})
CLICKS = FeatureView("clicks", entities=[USER], schema=[Field("n", Int64)])
DAILY = FeatureView("daily", entities=[USER], schema=[Field("n", Int64)], ttl=timedelta(days=1))
USERS = list(range(40))
MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
WAIT_S = 60.0


@pytest.fixture
def store(tmp_path):
    """A store with two views that are pushed only, whose log is written when somebody asks for it."""
    write_settings(tmp_path)
    sources = [PushSource("clicks_push", view=CLICKS), PushSource("daily_push", view=DAILY)]
    return FeatureStore(tmp_path).apply([USER, CLICKS, DAILY, *sources], author="ada")


def prune(store, *arguments, before="2024-01-01", **environ):
    command = [sys.executable, "-m", "hotrow.cli.main", "--repo", str(store.repo), "store", "prune-log"]
    given = [*command, "--before", before, *arguments]
    environment = os.environ | environ
    return subprocess.run(given, capture_output=True, text=True, check=False, timeout=WAIT_S, env=environment)


def pruned(store, *arguments, **options):
    """The views of the report, by name, and what was said beside it."""
    done = prune(store, *arguments, "--json", **options)
    assert done.returncode == 0, done.stderr
    return {one["view"]: one for one in json.loads(done.stdout)["views"]}, done.stderr


def push(store, users, n, days, *, view="clicks"):
    """To OFFLINE, `n` for each user at so many days after the moment, in a file of its own."""
    times = [MOMENT + timedelta(days=day) for day in days]
    store.push(f"{view}_push", {"user_id": users, "n": [n] * len(users)}, event_time=times, to="offline")
    trained(store, [0], view=view)


def trained(store, users, *, view="clicks", days=None):
    """What a training set has of each user now, or so many days after the moment."""
    at = datetime.now(UTC) if days is None else MOMENT + timedelta(days=days)
    frame = pd.DataFrame({"user_id": users, "event_timestamp": [at] * len(users)})
    found = store.get_historical_features(frame, [f"{view}:n"])["n"]
    return [None if pd.isna(value) else int(value) for value in found]


def log_files(store):
    return [name for name in files_of(store._workspace.settings.offline_store.path) if name.endswith(".parquet")]


def history(store):
    """Of each user 1 long before the moment, in a file with a later row of another one; then 2, in files of before."""
    push(store, [*USERS, 99], 1, [-20] * len(USERS) + [20])
    for number in range(5):
        own = USERS[number * 8 : number * 8 + 8]
        push(store, own, 2, [-10] * len(own))


def test_what_was_before_goes_beside_a_server(store):
    """A dry run says it first; reads are as before, and what is pushed afterwards counts, however old it is."""
    with store.serving():
        history(store)
        push(store, [1, 2], 7, [-3, 3], view="daily")
        store.push("clicks_push", {"user_id": [5], "n": [50]}, event_time=MOMENT - timedelta(days=1), to="both")
        assert trained(store, [1, 5, 99]) == [2, 50, 1]
        files = log_files(store)
        views, _ = pruned(store, "--dry-run")
        assert log_files(store) == files
        assert {name: (one["files"], one["mixed_files"]) for name, one in views.items()} == {
            "clicks": (6, 1),
            "daily": (0, 1),
        }
        again, said = pruned(store, "--views", "clicks")
        assert again == {"clicks": views["clicks"]}
        assert "clicks has no ttl: reads may go on having rows from before" in said
        assert "daily" not in said
        assert len(log_files(store)) == len(files) - 6
        assert trained(store, [*USERS, 99]) == [None] * len(USERS) + [1]
        assert trained(store, [1], view="daily", days=-3) == [7]
        assert store.get_online_features(["clicks:n"], {"user_id": [5]}).to_rows()[0]["n"] == 50
        push(store, [3], 30, [-300])
        assert trained(store, [1, 3]) == [None, 30]
        _, said = pruned(store)
        assert "daily" not in said  # whose rows are past their ttl
        assert trained(store, [1], view="daily", days=-3) == [None]
        assert trained(store, [2], view="daily", days=3) == [7]
        (report,) = store.materialize("2020-01-01", "now", views=["clicks"])
        assert (report.read, report.written) == (1, 1)  # of user 99, as the file is read but for what was pruned


def test_views_of_branches_and_of_nobody(store):
    """Each is told apart, and pruned as any other."""
    branch = store.on_branch("try")
    with branch.serving():
        push(branch, [1], 1, [-1])
        push(store, [1], 2, [-1])
    branch.remove_branch()
    done = prune(store)
    assert done.returncode == 0, done.stderr
    rows = [line.split("  ") for line in done.stdout.splitlines() if line.startswith("clicks")]
    assert sorted(bool("(not served)" in row) for row in rows) == [False, True]
    assert "deleted 2 files" in done.stdout
    assert log_files(store) == []
    with pytest.raises(HotrowError, match="no pushed row of it is in the log"):
        trained(store, [1])


@pytest.mark.parametrize("place", ["prune_marked:1", "prune_deleted:1", "prune_deleted:3", "prune_deleted:5"])
def test_killed_in_the_middle_beside_readers(store, place):
    """Each training set has all of before or nothing, and never what had been replaced; the next run does the rest."""
    with store.serving():
        history(store)
        seen, failed, stopping = [], [], threading.Event()
        reader = threading.Thread(target=read_until, args=(store, stopping, seen, failed))
        reader.start()
        until(lambda: seen)
        done = prune(store, HOTROW_FAILPOINT=place)
        assert done.returncode == -9
        read = len(seen)
        until(lambda: len(seen) > read + 2)
        left = len(log_files(store))
        assert left == 6 - (int(place[-1]) if "deleted" in place else 0)
        views, _ = pruned(store)
        assert views["clicks"]["files"] == left - 1
        until(lambda: len(seen) > read + 4)
        stopping.set()
        reader.join(WAIT_S)
    assert all("run it again" in error for error in failed)
    whole, none = [2] * len(USERS), [None] * len(USERS)
    assert seen[0] == whole
    assert seen[-1] == none
    assert all(one in (whole, none) for one in seen)
    assert len(log_files(store)) == 1


def read_until(store, stopping, seen, failed):
    while not stopping.is_set():
        try:
            seen.append(trained(store, USERS))
        except HotrowError as error:
            failed.append(error.message)


def until(holds):
    end_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_what_was_pruned_is_not_logged_again(store, monkeypatch):
    """The worker died when its file had its name, and its entries were in the outbox; then the file is pruned."""
    monkeypatch.setenv("HOTROW_FAILPOINT", "log_renamed:1")
    with pytest.raises(HotrowError, match="did not drain"):
        serve_and_push(FeatureStore(store.repo))
    until(lambda: not read_state(store._workspace.settings).supervisors)
    assert len(log_files(store)) == 1
    views, _ = pruned(store)
    assert views["clicks"]["files"] == 1
    monkeypatch.delenv("HOTROW_FAILPOINT")
    fresh = FeatureStore(store.repo)
    with fresh.serving():
        fresh.push("clicks_push", {"user_id": [3], "n": [30]}, to="both")
        assert trained(fresh, [1, 2, 3]) == [None, None, 30]
    assert len(log_files(store)) == 1


def serve_and_push(store):
    with store.serving():
        rows = {"user_id": [1, 2], "n": [10, 20]}
        store.push("clicks_push", rows, event_time=MOMENT - timedelta(days=1), to="offline")


def test_what_cannot_be_pruned(store):
    """A view that is in no log, a time to come and one that is none are refused; an empty log is pruned."""
    assert pruned(store)[0] == {}
    with store.serving():
        push(store, [1], 1, [-1])
    for arguments, reason in (
        (["--views", "click"], "unknown view in the log of pushed rows 'click'"),
        (["--before", "2999-01-01"], "is in the future"),
        (["--before", "yesterday"], "is no time"),
    ):
        done = prune(store, *arguments)
        assert done.returncode == 1
        assert reason in done.stderr
    assert len(log_files(store)) == 1


def test_the_rows_of_another_project_stay(store, tmp_path):
    """In one folder, by mistake: what this project's registry does not know is not its to delete."""
    with store.serving():
        push(store, [1], 1, [-1])
    other = tmp_path / "other"
    other.mkdir()
    write_settings(other)
    settings = other / "hotrow.toml"
    log = store._workspace.settings.offline_store.path
    text = settings.read_text().replace(f'project = "{store.project}"', 'project = "other"')
    assert "[offline_store]" in text
    settings.write_text(text.replace("[offline_store]\n", f'[offline_store]\npath = "{log}"\n'))
    FeatureStore(other).apply([USER, CLICKS], author="bo")
    command = [sys.executable, "-m", "hotrow.cli.main", "--repo", str(other), "store", "prune-log"]
    done = subprocess.run([*command, "--before", "now"], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 views in the log are of no snapshot of this project, and are left alone" in done.stderr
    assert trained(store, [1]) == [1]
