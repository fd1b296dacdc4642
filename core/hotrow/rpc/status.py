"""From an error's neutral code to a gRPC status with details, and back."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from hotrow.errors import Code, HotrowError
from hotrow.rpc.lost import LOST_DOMAIN, LOST_REASON, is_broken
from hotrow.rpc.metadata import Metadata

STATUS = {
    Code.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Code.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Code.FAILED_PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    Code.CONFLICT: grpc.StatusCode.ABORTED,
    Code.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Code.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Code.DEADLINE: grpc.StatusCode.DEADLINE_EXCEEDED,
    Code.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Code.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Code.UNIMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
    Code.DATA_LOSS: grpc.StatusCode.DATA_LOSS,
    Code.INTERNAL: grpc.StatusCode.INTERNAL,
}
_CODES = {status: code for code, status in STATUS.items()} | {
    grpc.StatusCode.OUT_OF_RANGE: Code.INVALID,
    grpc.StatusCode.ALREADY_EXISTS: Code.CONFLICT,
    grpc.StatusCode.CANCELLED: Code.UNAVAILABLE,
}

DETAILS_KEY = "grpc-status-details-bin"

# A status travels in HTTP/2 headers, of which a peer takes 8 KiB: the message is percent-encoded (at worst three
# times as long) and stands twice more, in base64, in the details.
_MESSAGE_BYTES = 1024
_FIELD_BYTES = 256


@dataclass(frozen=True, slots=True)
class WireStatus:
    """An error as gRPC sends it: status, message and the trailers that hold the details."""

    status: grpc.StatusCode
    message: str
    trailers: Metadata

    @property
    def number(self) -> int:
        """The status as a number."""
        return int(self.status.value[0])


def status_from_error(error: HotrowError) -> WireStatus:
    """The status of an error: a retry hint becomes `google.rpc.RetryInfo`, a field `google.rpc.BadRequest`, a lost
    worker `google.rpc.ErrorInfo`.
    """
    message, field = _cut(error.message, _MESSAGE_BYTES), _cut(error.field, _FIELD_BYTES)
    return _wire_status(error.code, message, field, error.retry_after_s, lost=error.lost)


@functools.lru_cache(maxsize=256)  # a server under load gives one answer many times; texts come cut, and keep little
def _wire_status(code: Code, message: str, field: str, retry_after_s: float | None, *, lost: bool) -> WireStatus:
    status = STATUS[code]
    if not field and retry_after_s is None and not lost:
        return WireStatus(status, message, ())
    details = Status(code=status.value[0], message=message)
    if field:
        violation = BadRequest.FieldViolation(field=field, description=message)
        details.details.add().Pack(BadRequest(field_violations=[violation]))
    if retry_after_s is not None:
        delay = Duration()
        delay.FromNanoseconds(round(retry_after_s * 1e9))
        details.details.add().Pack(RetryInfo(retry_delay=delay))
    if lost:
        details.details.add().Pack(ErrorInfo(reason=LOST_REASON, domain=LOST_DOMAIN))
    return WireStatus(status, message, ((DETAILS_KEY, details.SerializeToString()),))


def error_from_rpc(error: grpc.RpcError) -> HotrowError:
    """The error that a peer answered with, or UNAVAILABLE where none answered, as the caller's own error."""
    status = error.code()
    message = error.details() or status.name
    field, retry_after_s, lost = _read_details(error.trailing_metadata() or ())
    lost = lost or (status is grpc.StatusCode.UNAVAILABLE and retry_after_s is None and is_broken(message))
    code = _CODES.get(status, Code.INTERNAL)
    return HotrowError(code, message, field=field, retry_after_s=retry_after_s, lost=lost)


def _read_details(trailers: Iterable[Any]) -> tuple[str, float | None, bool]:
    field, retry_after_s, lost = "", None, False
    packed = next((value for key, value in trailers if key == DETAILS_KEY), None)
    if not isinstance(packed, bytes):
        return field, retry_after_s, lost
    request, retry, info = BadRequest(), RetryInfo(), ErrorInfo()
    try:
        for detail in Status.FromString(packed).details:
            if detail.Unpack(retry):
                retry_after_s = retry.retry_delay.ToNanoseconds() / 1e9
            elif detail.Unpack(request) and request.field_violations:
                field = request.field_violations[0].field
            elif detail.Unpack(info):
                lost = info.reason == LOST_REASON
    except DecodeError:  # details of a peer that is not hotrow's: the message stands without them
        pass
    return field, retry_after_s, lost


def _cut(text: str, limit: int) -> str:
    encoded = text.encode(errors="replace")
    if len(encoded) <= limit:
        return encoded.decode()
    return encoded[: limit - 3].decode(errors="ignore") + "..."
