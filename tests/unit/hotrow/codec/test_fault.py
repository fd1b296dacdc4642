"""Every fault that a kernel can tell has a message that names the field and the remedy."""

import pytest
from hotrow.codec import kernel_key, kernel_match
from hotrow.codec.fault import ROW_REASONS, Expected, request_fault
from hotrow.codec.wire import scan_request
from hotrow.errors import Code
from hotrow.types import Float64, Int64
from hotrow.v1.push_pb2 import PushFeaturesRequest
from reference.column import column
from support.codec import PUSH

REQUEST_FAULTS = ("MISSING", "WRONG_KIND", "RAGGED", "UNKNOWN", "REPEATED", "BAD_STATUS", "WRONG_UNIT", "RAGGED_TIMES")
ROW_FAULTS = ("NULL_KEY", "KEY_TOO_LONG", "NOT_UTF8", "OUT_OF_RANGE", "FUTURE")


@pytest.mark.parametrize("name", REQUEST_FAULTS + ROW_FAULTS)
def test_every_fault_has_a_message(name):
    """INVALID, with the name of what is at fault."""
    expected = Expected([("id", Int64, ""), ("fare", Float64, "SEK")], 1, "view 'stats'")
    rows = [column("fare", "string", ["x"]), column("id", "int64", [1])]
    scanned = scan_request(PushFeaturesRequest(rows=rows).SerializeToString(), PUSH)
    error = request_fault(
        getattr(kernel_match if name in REQUEST_FAULTS else kernel_key, name), 0, 1, expected, scanned
    )
    assert error.code is Code.INVALID
    assert error.field in ("fare", "id", "event_time_us")
    assert error.field in error.message


def test_every_fault_of_a_row_has_a_reason():
    """And there are no others."""
    assert set(ROW_REASONS) == {getattr(kernel_key, name) for name in ROW_FAULTS}


def test_a_name_that_is_no_text_can_be_told():
    """A column whose name is not UTF-8."""
    data = PushFeaturesRequest(rows=[column("abc", "int64", [1])]).SerializeToString().replace(b"abc", b"a\xffc")
    expected = Expected([("id", Int64, "")], 1, "view 'stats'")
    error = request_fault(kernel_match.UNKNOWN, 0, 0, expected, scan_request(data, PUSH))
    assert "'a\ufffdc' is not known" in error.message
