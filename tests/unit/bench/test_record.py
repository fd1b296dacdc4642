"""The file of figures."""

from tests.bench.measure import Ratio
from tests.bench.record import Record, Section, Table, machine, merged, read_record, rounded, write_record

HERE, ELSEWHERE = {"cores": "2", "cpu": "a"}, {"cores": "8", "cpu": "b"}


def _section(value):
    return Section([Table("t", ("a", "b"), [("x", value)])], {"figure": value}, ["said"])


def test_a_record_comes_back_as_it_was_written(tmp_path):
    record = Record(HERE, {"R1": _section(Ratio(1.0, 0.5, 2.0)), "R2": _section(3.5)})
    write_record(tmp_path / "new" / "bench.json", record)
    assert read_record(tmp_path / "new" / "bench.json") == record


def test_without_a_file_there_is_no_record(tmp_path):
    assert read_record(tmp_path / "bench.json") is None


def test_a_section_that_is_measured_again_replaces_itself_alone():
    before = Record(HERE, {"R1": _section(1.0), "R2": _section(2.0)})
    after = merged(before, Record(HERE, {"R2": _section(3.0)}))
    assert [section.figures["figure"] for section in after.sections.values()] == [1.0, 3.0]


def test_figures_of_two_machines_are_not_mixed():
    """Nor are those of two versions of what does the work."""
    after = Record(HERE, {"R2": _section(3.0)})
    assert merged(Record(ELSEWHERE, {"R1": _section(1.0)}), after) == after


def test_the_machine_is_named_by_cores_model_and_versions():
    assert {"cores", "cpu", "python", "grpcio", "lmdb", "numba"} <= machine().keys()
    assert all(machine().values())


def test_rounding_keeps_four_digits():
    assert [rounded(12345.6), rounded(0.00123456)] == [12350.0, 0.001235]
