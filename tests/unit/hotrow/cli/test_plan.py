"""plan and apply."""

import contextlib
import io
import json
import shutil
import sqlite3
import subprocess
import sys

import pytest
from hotrow.cli.workspace import open_workspace
from hotrow.offline import parquet
from hotrow.schema import repository


def _materialize(repo):
    """Load the view's rows."""
    command = [sys.executable, "-m", "hotrow.cli.main", "-C", str(repo), "materialize", "2020-01-01", "now"]
    subprocess.run(command, check=True, capture_output=True, timeout=100)


def _change(repo, old, new):
    file = repo / "features.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_plan_changes_nothing(hotrow, rides):
    """It shows what apply would do."""
    outcome = hotrow("plan", "-C", rides)
    assert "+ feature view driver_hourly_stats" in outcome.out
    assert "    field fare: Float64, unit SEK" in outcome.out
    assert open_workspace(rides).registry.head("rides") is None


def test_apply_moves_the_head_and_says_so(hotrow, rides):
    """The id in the message is the head's."""
    out = hotrow("apply", "-C", rides).out
    head = open_workspace(rides).registry.head("rides")
    assert f"applied: the head of project rides is {head[:12]}" in out


def test_a_change_is_shown_with_its_sign(hotrow, rides):
    """Added, changed, removed."""
    hotrow("apply", "-C", rides)
    _change(rides, "driver_stats_push = PushSource", "other_push = PushSource")
    _change(rides, 'PushSource("driver_stats_push"', 'PushSource("other_push"')
    _change(rides, "ttl=timedelta(days=1)", "ttl=timedelta(days=2)")
    out = hotrow("plan", "-C", rides).out
    assert "+ push source other_push" in out
    assert "- push source driver_stats_push" in out
    assert "~ feature view driver_hourly_stats" in out


def test_what_stored_rows_do_not_fit_is_refused_by_both(hotrow, rides):
    """With the remedies, and the head stays."""
    hotrow("apply", "-C", rides)
    _materialize(rides)
    head = open_workspace(rides).registry.head("rides")
    _change(rides, '"avg_daily_trips", Int64', '"avg_daily_trips", Float64')
    plan = hotrow("plan", "-C", rides)
    assert plan.code == 1
    assert "not compatible" in plan.out
    assert json.loads(hotrow("plan", "-C", rides, "--json").out)["compatible"] is False
    applied = hotrow("apply", "-C", rides)
    assert applied.code == 1
    assert "avg_daily_trips" in applied.err
    assert "new name" in applied.err
    assert "hotrow apply --replace driver_hourly_stats" in applied.err
    assert open_workspace(rides).registry.head("rides") == head


def test_a_wrong_type_can_be_mended_while_nothing_is_stored(hotrow, rides):
    """The plan says why it may go."""
    hotrow("apply", "-C", rides)
    _change(rides, '"avg_daily_trips", Int64', '"avg_daily_trips", Float64')
    out = hotrow("plan", "-C", rides).out
    assert "field avg_daily_trips: type Int64 -> Float64\n    no row is stored that this does not fit" in out
    assert hotrow("apply", "-C", rides).code == 0
    _change(rides, '"avg_daily_trips", Float64', '"avg_daily_trips", Int64')
    assert hotrow("apply", "-C", rides).code == 0


def test_a_view_is_replaced_where_stored_rows_do_not_fit_it(hotrow, rides):
    """Once: the same command again, as a deployment runs it, leaves the new rows alone."""
    hotrow("apply", "-C", rides)
    _materialize(rides)
    _change(rides, '"avg_daily_trips", Int64', '"avg_daily_trips", Float64')
    arguments = ("-C", rides, "--replace", "driver_hourly_stats")
    planned = hotrow("plan", *arguments)
    assert (
        "replaces the view, generation 0 -> 1: rows that are stored are no longer read; materialize it" in planned.out
    )
    assert (planned.code, hotrow("apply", *arguments).code) == (0, 0)
    assert open_workspace(rides).snapshot().views["driver_hourly_stats"].generation == 1
    again = hotrow("apply", *arguments)
    assert (again.code, "is not replaced: no row is stored that does not fit it" in again.err) == (0, True)
    assert open_workspace(rides).snapshot().views["driver_hourly_stats"].generation == 1
    assert hotrow("plan", "-C", rides).out == "no changes\n"
    unknown = hotrow("apply", "-C", rides, "--replace", "driver_hourly_stat")
    assert (unknown.code, "known: driver_hourly_stats" in unknown.err) == (1, True)


def test_a_unit_that_nobody_knows_is_refused_by_both(hotrow, rides):
    """Every one of them, with view, field and what to write; the head stays."""
    _change(rides, '"avg_daily_trips", Int64', '"avg_daily_trips", Int64, unit="trips/day"')
    _change(rides, 'unit="SEK"', 'unit="sek"')
    for command in ("plan", "apply"):
        outcome = hotrow(command, "-C", rides)
        assert outcome.code != 0
        where = "feature view 'driver_hourly_stats', field "
        assert f"{where}'avg_daily_trips': unit 'trips/day': 'trips' is neither a currency" in outcome.err
        assert f"{where}'fare': unit 'sek': 'sek' is neither" in outcome.err
        assert "did you mean SEK?" in outcome.err
    assert open_workspace(rides).registry.head("rides") is None
    _change(rides, 'unit="trips/day"', 'unit="count/day"')
    _change(rides, 'unit="sek"', 'unit="SEK"')
    assert hotrow("apply", "-C", rides).code == 0


def test_a_head_that_moved_meanwhile_is_a_conflict(hotrow, rides, monkeypatch):
    """Two people apply at once: the second is told, and the first one's work stays."""
    hotrow("apply", "-C", rides)
    load = repository.load_definitions

    def load_slowly(folder):
        definitions = load(folder)
        monkeypatch.setattr(repository, "load_definitions", load)
        _change(rides, "ttl=timedelta(days=1)", "ttl=timedelta(days=3)")
        assert hotrow("apply", "-C", rides, "--author", "ann").code == 0
        return definitions

    _change(rides, "Statistics of drivers by the hour", "Another text")
    monkeypatch.setattr(repository, "load_definitions", load_slowly)
    outcome = hotrow("apply", "-C", rides)
    assert outcome.code == 1
    assert "(by ann)" in outcome.err
    assert "plan and apply again" in outcome.err


def test_a_branch_leaves_the_head(hotrow, rides):
    """It is published on its own."""
    hotrow("apply", "-C", rides)
    head = open_workspace(rides).registry.head("rides")
    _change(rides, "Statistics of drivers by the hour", "Another text")
    assert hotrow("apply", "-C", rides, "--branch", "try").code == 0
    refs = open_workspace(rides).registry.refs("rides")
    assert refs.head == head
    assert open_workspace(rides).snapshot("try").namespace == "try"
    assert hotrow("registry", "publish", "try", "-C", rides).code == 0
    assert open_workspace(rides).snapshot("").views["driver_hourly_stats"].description == "Another text"


def test_wait_without_anything_that_serves_is_an_error(hotrow, rides):
    """A deployment that asks for it must not go on as if it were served."""
    outcome = hotrow("apply", "-C", rides, "--wait")
    assert outcome.code == 1
    assert "hotrow serve" in outcome.err


def test_a_wrong_definition_names_file_and_line(hotrow, rides):
    """What a person has to open."""
    _change(rides, 'Field("conv_rate", Float32', 'Field("driver_id", Float32')
    outcome = hotrow("plan", "-C", rides)
    assert outcome.code == 1
    assert "features.py:" in outcome.err
    assert "Traceback" not in outcome.err


def test_all_that_is_wrong_with_sources_is_said_at_once(hotrow, rides):
    """File, column, what was found and the nearest name, by plan and by apply; --offline passes it over."""
    _change(rides, 'event_time="event_timestamp"', 'event_time="event_timestam"')
    _change(rides, 'created_time="created"', 'created_time="conv_rate"')
    _change(rides, '"avg_daily_trips", Int64', '"avg_daily_trips", String')
    _change(rides, 'Field("conv_rate", Float32', 'Field("conversion_rate", Float32')
    _change(rides, '[["conv_rate", "avg_daily_trips"]]', '[["avg_daily_trips"]]')
    (rides / "more.py").write_text(MORE)
    _change(rides, "Int64, ParquetSource", "Int64, ParquetSource, String")
    for command in ("plan", "apply"):
        outcome = hotrow(command, "-C", rides)
        assert outcome.code == 1
        for told in (
            "there is no column 'event_timestam'; did you mean event_timestamp?",
            "column 'conv_rate' does not fit timestamps of the created time: it holds float",
            "column 'avg_daily_trips' does not fit String of the field: it holds int64",
            "there is no column 'conversion_rate'; did you mean conv_rate",
            f"view missing: there is no file or folder {rides}/data/nothing.parquet",
            "view readings: ",
            "there is no column 'reed_at'; did you mean read_at",
            "--offline",
        ):
            assert told in outcome.err, told
    assert open_workspace(rides).registry.head("rides") is None
    assert hotrow("apply", "-C", rides, "--offline").code == 0


MORE = """
from hotrow import Entity, FeatureView, Field, Float64, Int64, ParquetSource, SqliteSource

sensor = Entity("sensor", join_keys={"sensor_id": Int64})
source = ParquetSource("data/nothing.parquet", event_time="at")
missing = FeatureView("missing", entities=[sensor], schema=[Field("x", Float64)], source=source)
query = SqliteSource("raw.db", query="SELECT * FROM r", event_time="reed_at")
readings = FeatureView("readings", entities=[sensor], schema=[Field("value", Float64)], source=query)
"""


@pytest.fixture(autouse=True)
def raw_db(rides):
    """A database of readings in the repository."""
    with contextlib.closing(sqlite3.connect(rides / "raw.db")) as connection:
        connection.execute("CREATE TABLE r (sensor_id INTEGER, read_at TEXT, value REAL)")


def test_a_large_folder_is_looked_at_in_a_few_places(hotrow, rides, monkeypatch):
    """A plan reads no rows, and the footers of a few files."""
    folder = rides / "data" / "parts"
    folder.mkdir()
    for number in range(30):
        shutil.copy(rides / "data" / "driver_stats.parquet", folder / f"{number:03}.parquet")
    _change(rides, "data/driver_stats.parquet", "data/parts")
    opened = []
    real = parquet._open_file
    monkeypatch.setattr(parquet, "_open_file", lambda path, *rest: (opened.append(path.name), real(path, *rest))[1])
    assert hotrow("plan", "-C", rides).code == 0
    assert opened == ["000.parquet", "001.parquet", "002.parquet", "003.parquet", "029.parquet"]


def _without_service(rides):
    file = rides / "features.py"
    text = file.read_text()
    file.write_text(text[: text.index("driver_activity = ")])


def test_removals_are_asked_for(hotrow, rides, monkeypatch):
    """Without a terminal they are an error that lists them; a no changes nothing."""
    hotrow("apply", "-C", rides)
    head = open_workspace(rides).registry.head("rides")
    _without_service(rides)
    assert hotrow("plan", "-C", rides).code == 0
    outcome = hotrow("apply", "-C", rides)
    assert outcome.code == 1
    assert "This removes feature service 'driver_activity', which this repository does not have" in outcome.err
    assert "--yes" in outcome.err
    for answer, code in (("n", 1), ("", 1), ("y", 0)):
        assert open_workspace(rides).registry.head("rides") == head
        monkeypatch.setattr("sys.stdin", _Terminal(f"{answer}\n"))
        assert hotrow("apply", "-C", rides).code == code
    assert open_workspace(rides).snapshot().services == {}


def test_removals_can_be_agreed_to_beforehand(hotrow, rides):
    """As a deployment does."""
    hotrow("apply", "-C", rides)
    _without_service(rides)
    assert hotrow("apply", "-C", rides, "--yes").code == 0


def test_an_emptied_repository_is_not_even_asked_about(hotrow, rides, monkeypatch):
    """Most often it is the wrong folder."""
    hotrow("apply", "-C", rides)
    (rides / "features.py").unlink()
    monkeypatch.setattr("sys.stdin", _Terminal("y\n"))
    outcome = hotrow("apply", "-C", rides)
    assert (outcome.code, "this repository has no definitions" in outcome.err) == (1, True)
    assert hotrow("apply", "-C", rides, "--yes").code == 0
    assert open_workspace(rides).snapshot().views == {}


class _Terminal(io.StringIO):
    def isatty(self):
        return True
