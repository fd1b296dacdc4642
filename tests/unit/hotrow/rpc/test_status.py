"""Errors go over the wire and come back."""

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from hotrow.errors import Code, HotrowError
from hotrow.rpc.status import DETAILS_KEY, STATUS, error_from_rpc, status_from_error


class _Answered(grpc.RpcError):
    """What a caller of gRPC holds."""

    def __init__(self, status, message, trailers):
        self._parts = (status, message, trailers)

    def code(self):
        return self._parts[0]

    def details(self):
        return self._parts[1]

    def trailing_metadata(self):
        return self._parts[2]


def _back(wire):
    return error_from_rpc(_Answered(wire.status, wire.message, wire.trailers))


def test_every_code_has_a_status_of_its_own():
    assert set(STATUS) == set(Code)
    assert len(set(STATUS.values())) == len(Code)


def test_an_error_without_details_has_no_trailers():
    wire = status_from_error(HotrowError(Code.NOT_FOUND, "no such view"))
    assert (wire.status, wire.number, wire.message, wire.trailers) == (grpc.StatusCode.NOT_FOUND, 5, "no such view", ())


def test_a_retry_hint_is_retry_info():
    """As any gRPC client reads it: google.rpc.Status with google.rpc.RetryInfo, in grpc-status-details-bin."""
    wire = status_from_error(HotrowError(Code.EXHAUSTED, "full", retry_after_s=1.25))
    ((key, packed),) = wire.trailers
    status, retry = Status.FromString(packed), RetryInfo()
    assert (key, status.code, status.message) == (DETAILS_KEY, 8, "full")
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.ToTimedelta().total_seconds() == 1.25


@pytest.mark.parametrize(("field", "retry_after_s"), [("", None), ("rows.pulse", None), ("", 0.5), ("a", 60.0)])
@pytest.mark.parametrize("code", Code)
def test_an_error_comes_back_as_it_went(code, field, retry_after_s):
    error = _back(status_from_error(HotrowError(code, "wröng", field=field, retry_after_s=retry_after_s)))
    assert (error.code, error.message, error.field, error.retry_after_s) == (code, "wröng", field, retry_after_s)


def test_a_long_message_fits_into_headers():
    """A message of any length and alphabet stays below the 8 KiB of headers that a peer takes."""
    wire = status_from_error(HotrowError(Code.INVALID, "名" * 10_000, field="f" * 10_000, retry_after_s=1))
    percent_encoded = len(wire.message.encode()) * 3
    base64 = sum(len(value) for _, value in wire.trailers) * 4 // 3
    assert percent_encoded + base64 < 7000
    assert wire.message.endswith("名...")


def test_what_utf8_cannot_say_is_replaced():
    assert status_from_error(HotrowError(Code.INVALID, "a\ud800b")).message == "a?b"


@pytest.mark.parametrize("packed", [b"\xff\xff", b"", Status(code=5).SerializeToString()])
def test_details_of_others_are_passed_over(packed):
    error = error_from_rpc(_Answered(grpc.StatusCode.NOT_FOUND, None, ((DETAILS_KEY, packed), ("a", "b"))))
    assert (error.code, error.message, error.retry_after_s) == (Code.NOT_FOUND, "NOT_FOUND", None)
