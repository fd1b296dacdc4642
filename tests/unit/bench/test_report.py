"""The pages that hold figures."""

import pytest

from tests.bench.goal import GOALS
from tests.bench.measure import Ratio
from tests.bench.record import Record, Section, Table, read_record
from tests.bench.report import FIGURES, ROOT, ReportError, documents, page_filled

RECORD = Record(
    {"cores": "2", "cpu": "A CPU", "python": "3.11"},
    {"kernels": Section([Table("t", ("kernel", "ns"), [("R1", Ratio(5.0, 4.0, 6.0))])], {}, ["A note."])},
)
PAGE = "before\n<!-- benchmark kernels -->\nold\n<!-- end -->\nafter\n"


def test_a_part_is_written_anew_and_the_rest_of_the_page_stays():
    filled = page_filled(PAGE, RECORD)
    assert filled == (
        "before\n<!-- benchmark kernels -->\n\n| kernel | ns |\n| --- | --: |\n| R1 | 5 (4 to 6) |\n\nA note.\n\n"
        "<!-- end -->\nafter\n"
    )
    assert page_filled(filled, RECORD) == filled


def test_the_machine_is_named():
    assert "2 cores, A CPU; python 3.11." in page_filled(PAGE.replace("kernels", "machine"), RECORD)


@pytest.mark.parametrize(("part", "remedy"), [("rows", "SECTIONS=rows"), ("short", "SECTIONS=R1,R2,R3,R4,W1,W1000")])
def test_a_part_that_was_not_measured_is_refused_with_the_command_that_does(part, remedy):
    with pytest.raises(ReportError, match=remedy):
        page_filled(PAGE.replace("kernels", part), RECORD)


def test_the_pages_are_what_the_figures_say():
    """Nobody has changed a number by hand, and the last figures are in all of them."""
    record = read_record(ROOT / FIGURES)
    assert record is not None
    written = documents(record, lambda page: (ROOT / page).read_text(encoding="utf-8"))
    assert [str(path) for path, text in written.items() if (ROOT / path).read_text(encoding="utf-8") != text] == []


def test_every_target_has_its_figure():
    """A target whose figure is called otherwise would never be told as missed."""
    record = read_record(ROOT / FIGURES)
    assert record is not None
    told = "\n".join(
        page for page in documents(record, lambda page: (ROOT / page).read_text(encoding="utf-8")).values()
    )
    assert [goal.figure for goal in GOALS if f"| {goal.figure} |" not in told] == []
