"""Templates work as they are."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow.cli.template import TEMPLATES


@pytest.mark.parametrize("template", [t.name for t in TEMPLATES])
def test_a_template_applies_at_once(hotrow, tmp_path, template):
    """Without a change to any file."""
    folder = tmp_path / "new" / "repo"
    assert hotrow("init", folder, "-t", template).code == 0
    assert hotrow("apply", "-C", folder).code == 0
    assert hotrow("plan", "-C", folder).out == "no changes\n"


def test_the_sample_is_fresh_and_fits(hotrow, rides):
    """The ttl of the sample's view is a day, so its last row must be younger."""
    table = pq.read_table(rides / "data" / "driver_stats.parquet")
    assert set(table["driver_id"].to_pylist()) == {1001, 1002, 1003, 1004, 1005}
    assert table["fare"].null_count > 0
    assert hotrow("plan", "-C", rides).code == 0


def test_nothing_is_overwritten(hotrow, rides):
    """A repository that is there stays."""
    before = (rides / "features.py").read_text()
    outcome = hotrow("init", rides)
    assert outcome.code == 1
    assert "is there already" in outcome.err
    (rides / "hotrow.toml").unlink()
    assert "features.py is there already" in hotrow("init", rides).err
    assert (rides / "features.py").read_text() == before


def test_the_project_can_be_named(hotrow, tmp_path):
    """Two repositories on one registry need two names."""
    hotrow("init", tmp_path / "r", "--project", "taxis")
    assert json.loads(hotrow("apply", "-C", tmp_path / "r", "--json").out)["compatible"]
    assert "taxis" in (tmp_path / "r" / "hotrow.toml").read_text()


def test_an_unknown_template_is_told_with_the_known(hotrow, tmp_path):
    """The nearest names."""
    outcome = hotrow("init", tmp_path / "r", "-t", "ride")
    assert (outcome.code, outcome.err) == (1, "error: unknown template 'ride'; did you mean rides?\n")
    assert not (tmp_path / "r").exists()


NOW = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.fixture
def orders(tmp_path):
    """A file of every kind of column, two ids and two times among them, and names that no field can have."""
    path = tmp_path / "2024 Orders.parquet"
    columns = {
        "day": pa.array([date(2024, 5, 1)]),
        "event_time": pa.array([NOW], pa.timestamp("ms", tz="UTC")),
        "created_at": pa.array([NOW], pa.timestamp("ns")),
        "order_id": pa.array(["a"]).dictionary_encode(),
        "customer_id": pa.array([7], pa.int32()),
        "Amount Paid": pa.array([1.5]),
        "amount": pa.array([1.5], pa.float32()),
        "items": pa.array([[1, 2]], pa.list_(pa.int64())),
        "tags": pa.array([["x"]], pa.large_list(pa.string())),
        "vector": pa.array([[0.5, 0.5]], pa.list_(pa.float32(), 2)),
        "paid": pa.array([True]),
        "raw": pa.array([b"x"]),
        "count": pa.array([3], pa.uint8()),
        "price": pa.array([Decimal("1.50")]),
        "where": pa.array([{"city": "Lund"}]),
    }
    pq.write_table(pa.table(columns), path)
    return path


def test_definitions_from_a_file_pass_the_plan(hotrow, orders, tmp_path):
    """Each column in its type; a guess is said to be one, and so is what is left out."""
    folder = tmp_path / "shop"
    outcome = hotrow("init", folder, "--from", orders)
    assert outcome.code == 0, outcome.err
    text = (folder / "features.py").read_text()
    assert 'order = Entity("order", join_keys={"order_id": String})' in text
    assert "# The join key is a guess: customer_id could be one too" in text
    assert 'event_time="event_time", created_time="created_at"' in text
    assert "# The event time is a guess: day could be it too" in text
    assert "# 'Amount Paid' is left out: its name" in text
    assert "# 'where' is left out: hotrow has no type for struct" in text
    plan = hotrow("plan", "-C", folder)
    assert plan.code == 0, plan.err
    for line in ("amount: Float32", "items: Array(Int64)", "tags: Array(String)", "paid: Bool", "raw: Bytes"):
        assert f"field {line}" in plan.out
    for line in ("count: Int32", "customer_id: Int32", "day: UnixTimestamp"):
        assert f"field {line}" in plan.out


def test_definitions_from_a_file_as_told(hotrow, orders, tmp_path):
    """Names that are given are no guesses; the path is relative where the file lies in the repository."""
    hints = ("--entity", "client", "--key", "customer_id", "--key", "order_id", "--event-time", "day")
    assert hotrow("init", tmp_path, "--from", orders, "--project", "shop", *hints).code == 0
    text = (tmp_path / "features.py").read_text()
    assert 'client = Entity("client", join_keys={"customer_id": Int32, "order_id": String})' in text
    assert 'ParquetSource("2024 Orders.parquet", event_time="day", created_time="created_at")' in text
    assert "guess:" not in text
    assert hotrow("apply", "-C", tmp_path).code == 0


@pytest.mark.parametrize(
    ("columns", "hints", "told"),
    [
        ({"id": [1], "x": [1.0]}, (), "no column of timestamps"),
        ({"at": [NOW], "who": [1], "x": [1.0]}, (), "name it with --key, one of who"),
        ({"at": [NOW], "a_id": [1], "x": [1.0]}, ("--key", "a_idd"), "'a_idd' is no column that can be a join key"),
        ({"at": [NOW], "a_id": [1], "x": [1.0]}, ("--event-time", "x"), "'x' is no column of timestamps"),
        ({"at": [NOW], "a_id": [1]}, (), "no column beside its join keys and times"),
    ],
)
def test_definitions_that_cannot_be_told(hotrow, tmp_path, columns, hints, told):
    """Nothing is written, and what to say is."""
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    outcome = hotrow("init", tmp_path / "repo", "--from", tmp_path / "x.parquet", *hints)
    assert (outcome.code, told in outcome.err) == (1, True)
    assert not (tmp_path / "repo").exists()


def test_definitions_from_no_file(hotrow, tmp_path):
    """An error that names it."""
    (tmp_path / "x.parquet").write_text("no")
    for name, told in (("y.parquet", "there is no file or folder"), ("x.parquet", "no readable Parquet")):
        outcome = hotrow("init", tmp_path / "repo", "--from", tmp_path / name)
        assert (outcome.code, told in outcome.err) == (1, True)
