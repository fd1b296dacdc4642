"""The one exception of a call that failed, and what its status details say.

The details are a `google.rpc.Status` in the trailer `grpc-status-details-bin`
(https://google.aip.dev/193): `google.rpc.BadRequest` names the field, `google.rpc.RetryInfo` says when to come back.
They are read by hand, because a client needs nothing else of googleapis-common-protos.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

import grpc
from hotrow.codec.protowire import WireError, read_fields, read_varint
from hotrow.errors import Code, HotrowError
from hotrow.rpc.lost import LOST_REASON, is_broken

_DETAILS_KEY: Final = "grpc-status-details-bin"
_BAD_REQUEST: Final = b"type.googleapis.com/google.rpc.BadRequest"
_ERROR_INFO: Final = b"type.googleapis.com/google.rpc.ErrorInfo"
_RETRY_INFO: Final = b"type.googleapis.com/google.rpc.RetryInfo"

_UNREACHED: Final = ("failed to connect to all addresses", "errors resolving", "DNS resolution failed")
_TOO_LARGE: Final = re.compile(r"Received message larger than max \((\d+) vs\. (\d+)\)")

_CODES: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: Code.INVALID,
    grpc.StatusCode.OUT_OF_RANGE: Code.INVALID,
    grpc.StatusCode.NOT_FOUND: Code.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION: Code.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED: Code.CONFLICT,
    grpc.StatusCode.ALREADY_EXISTS: Code.CONFLICT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Code.EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE: Code.UNAVAILABLE,
    grpc.StatusCode.CANCELLED: Code.UNAVAILABLE,  # by the other side: gRPC does so to calls that meet a drain
    grpc.StatusCode.DEADLINE_EXCEEDED: Code.DEADLINE,
    grpc.StatusCode.UNAUTHENTICATED: Code.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED: Code.DENIED,
    grpc.StatusCode.UNIMPLEMENTED: Code.UNIMPLEMENTED,
    grpc.StatusCode.DATA_LOSS: Code.DATA_LOSS,
}


class HotrowRpcError(HotrowError):
    """A call that the server refused, or that did not reach it.

    `code` and `message` say what and why, `field` which part of the request (empty where none is at fault),
    `retry_after_s` when to come back, `lost` that the worker died while it had the call, `status` is gRPC's own code.
    """

    def __init__(
        self,
        status: grpc.StatusCode,
        message: str,
        *,
        field: str = "",
        retry_after_s: float | None = None,
        lost: bool = False,
    ) -> None:
        self.status = status
        code = _CODES.get(status, Code.INTERNAL)
        super().__init__(code, message, field=field, retry_after_s=retry_after_s, lost=lost)

    def __str__(self) -> str:
        return f"{self.status.name}: {self.message}"

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later: nobody answered, or the server is full and said when to return.

        RESOURCE_EXHAUSTED without a hint is final, as a message over the size limit is.
        """
        return self.code is Code.UNAVAILABLE or (self.code is Code.EXHAUSTED and self.retry_after_s is not None)


def error_from_rpc(error: Any, method: str, address: str) -> HotrowRpcError:
    """What gRPC raised (`grpc.RpcError`, of either of its libraries) for a call of the method at the address."""
    status: grpc.StatusCode = error.code()
    details = error.details() or status.name
    field, retry_after_s, lost = _read_details(error.trailing_metadata() or ())
    lost = lost or (status is grpc.StatusCode.UNAVAILABLE and retry_after_s is None and is_broken(details))
    message = _in_own_words(status, details, method, address)
    return HotrowRpcError(status, message, field=field, retry_after_s=retry_after_s, lost=lost)


def _in_own_words(status: grpc.StatusCode, details: str, method: str, address: str) -> str:
    """A message of gRPC's own with what helps; those of a server as they are."""
    if status is grpc.StatusCode.UNIMPLEMENTED and details == "Method not found!":
        return (
            f"what listens at {address} has no {method}: reads, pushes and server_info go to the address of "
            "`hotrow serve` (server.address in hotrow.toml); an ingest worker's (ingest.address) is for ingest_address"
        )
    if status is grpc.StatusCode.UNAVAILABLE and details.startswith(_UNREACHED):
        return f"no server is reached at {address}; start `hotrow serve`, or correct the address ({details})"
    if status is grpc.StatusCode.DEADLINE_EXCEEDED and details == "Deadline Exceeded":
        return f"no answer from {address} within the timeout; timeout_s gives a call more time"
    sizes = _TOO_LARGE.search(details) if status is grpc.StatusCode.RESOURCE_EXHAUSTED else None
    if sizes:
        return (
            f"the message has {sizes[1]} bytes, and the server takes {sizes[2]} at most (max_message_mib in its "
            "hotrow.toml); send fewer rows in each call"
        )
    return details


def _read_details(trailers: Iterable[Any]) -> tuple[str, float | None, bool]:
    """The field at fault, the retry hint in seconds, and whether a worker was lost, where the details hold them."""
    packed = next((value for key, value in trailers if key == _DETAILS_KEY), b"")
    field, retry_after_s, lost = "", None, False
    if not isinstance(packed, bytes):
        return field, retry_after_s, lost
    try:
        for detail in _messages(packed, 3):
            kind, body = b"".join(_messages(detail, 1)), b"".join(_messages(detail, 2))
            if kind == _RETRY_INFO:
                retry_after_s = _seconds(b"".join(_messages(body, 1)))
            elif kind == _ERROR_INFO:
                lost = b"".join(_messages(body, 1)) == LOST_REASON.encode()
            elif kind == _BAD_REQUEST:
                violations = _messages(body, 1)
                field = b"".join(_messages(violations[0], 1)).decode() if violations else ""
    except (WireError, UnicodeDecodeError):  # another server's details: the message stands without them
        pass
    return field, retry_after_s, lost


def _messages(data: bytes, field: int) -> list[bytes]:
    return [data[at] for number, _, at in read_fields(data) if number == field]


def _seconds(duration: bytes) -> float:
    """Seconds of a `google.protobuf.Duration`; none is negative here."""
    parts = {number: read_varint(duration, at.start)[0] for number, _, at in read_fields(duration)}
    return parts.get(1, 0) + parts.get(2, 0) / 1e9
