"""The demo repository: its data is the real one, read in full, and its definitions fit it."""

import sys
from datetime import UTC, datetime, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow.schema.repository import load_definitions
from hotrow.settings import load_settings

FOLDER = Path(__file__).parents[3] / "examples/horse_colic"
ARROW = {"Float64": pa.float64(), "Int32": pa.int32(), "Bool": pa.bool_(), "String": pa.string()}


@pytest.fixture(scope="module")
def build_parquet():
    spec = spec_from_file_location("build_parquet", FOLDER / "build_parquet.py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def table(build_parquet):
    return build_parquet.read_table()


def test_every_value_of_the_file_is_there(build_parquet, table):
    """300 rows of 28 attributes; a null for each question mark, and for nothing else."""
    text = build_parquet.SOURCE.read_text()
    assert table.num_rows == 300
    assert len(build_parquet.ATTRIBUTES) == 28
    assert sum(column.null_count for column in table.columns) == text.split().count("?") == 1605


def test_a_row_as_it_is_written(table):
    """The first line: 2 1 530101 38.50 66 28 3 3 ? 2 5 4 4 ? ? ? 3 5 45.00 8.40 ? ? 2 2 11300 00000 00000 2."""
    row = {name: value for name, value in table.slice(0, 1).to_pylist()[0].items() if value is not None}
    assert row == {
        "surgery": False, "age": "adult", "hospital_number": 530101, "rectal_temp": 38.5, "pulse": 66.0,
        "respiratory_rate": 28.0, "temp_of_extremities": 3, "peripheral_pulse": 3, "capillary_refill": 2,
        "pain": "continuous severe", "peristalsis": 4, "abdominal_distension": 4, "rectal_exam_feces": 3, "abdomen": 5,
        "packed_cell_volume": 45.0, "total_protein": 8.4, "outcome": "died", "surgical_lesion": False,
        "lesion_1": "11300", "lesion_2": "00000", "lesion_3": "00000", "pathology_data": False,
        "event_timestamp": datetime(1989, 8, 6, tzinfo=UTC),
    }  # fmt: skip


def test_event_times_follow_the_file(table):
    """An hour a row; a horse that was treated twice has two event times."""
    times = table["event_timestamp"].to_pylist()
    assert times == [times[0] + timedelta(hours=n) for n in range(300)]
    assert len(set(table["hospital_number"].to_pylist())) == 284


def test_the_horse_of_the_tour_has_its_pulse(table):
    """530101 stands on one row, with a pulse of 66."""
    rows = [row for row in table.to_pylist() if row["hospital_number"] == 530101]
    assert [row["pulse"] for row in rows] == [66.0]


def test_definitions_fit_the_data(table):
    """Every attribute is a field of its type, and what else is in the file is the join key and the event time."""
    view = load_definitions(FOLDER).views["horse_vitals"]
    schema = {field.name: ARROW[field.type.name] for field in view.fields}
    schema |= {"hospital_number": pa.int64(), view.source.event_time: pa.timestamp("us", tz="UTC")}
    assert schema == dict(zip(table.schema.names, table.schema.types, strict=True))
    assert view.ttl is None


def test_building_again_gives_the_same_file(build_parquet, tmp_path):
    """Byte for byte."""
    paths = [tmp_path / name / "x.parquet" for name in "ab"]
    for path in paths:
        build_parquet.build(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert pq.read_table(paths[0]).num_rows == 300
    assert [path.name for path in paths[0].parent.iterdir()] == ["x.parquet"]


def test_settings_are_as_documented():
    """The addresses that the tour and its documentation name."""
    settings = load_settings(FOLDER)
    assert settings.project == "horse_colic"
    assert (settings.server.address, settings.ingest.address) == ("127.0.0.1:6565", "127.0.0.1:6566")
    assert settings.ingest.durability == "fsync"
