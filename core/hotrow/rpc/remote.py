"""Hands calls to an ingest worker on another machine, by gRPC, as `hotrow.rpc.frame_client` does on this one."""

import math
from typing import Any

import grpc

from hotrow.clock import now_s
from hotrow.errors import Code, HotrowError
from hotrow.rpc.call import Call
from hotrow.rpc.channel import open_channel
from hotrow.rpc.gate import REQUEST_ID_KEY, passed_on
from hotrow.rpc.metadata import Metadata
from hotrow.rpc.status import error_from_rpc
from hotrow.rpc.tls import ChannelTls

_RETRY_AFTER_S = 0.5


class RemoteClient:
    """Hands calls to the ingest worker at `address`, all over one connection that is kept and renewed."""

    def __init__(self, address: str, tls: ChannelTls | None = None) -> None:
        self._channel = open_channel(address, tls)
        self._methods: dict[str, grpc.UnaryUnaryMultiCallable[bytes, bytes]] = {}

    def forward(self, method: str, request: bytes, call: Call) -> None:
        """Hand the call on and return; it is answered later, on a thread of gRPC's.

        Where the worker cannot be reached, and when the connection breaks before the answer, the call fails with
        UNAVAILABLE and a retry hint: whether the worker has carried out a call that it did not answer is not known.
        """
        send = self._methods.get(method)
        if send is None:
            send = self._methods[method] = self._channel.unary_unary(method, None, None)
        timeout_s = None if math.isinf(call.deadline_s) else max(0.0, call.deadline_s - now_s())
        metadata = ((REQUEST_ID_KEY, call.request_id), *passed_on(call.metadata))
        future = send.future(request, timeout=timeout_s, metadata=metadata)
        future.add_done_callback(lambda done: _answer(done, call))

    def close(self) -> None:
        """End the connection; calls that wait fail with UNAVAILABLE."""
        self._channel.close()


def _answer(done: Any, call: Call) -> None:
    try:
        reply = done.result()
    except grpc.FutureCancelledError:
        call.fail(_gone("was left"))
    except grpc.RpcError as error:
        failure = error_from_rpc(error)
        if failure.code is Code.UNAVAILABLE and failure.retry_after_s is None:
            failure = _gone("has ended" if failure.lost else "cannot be reached", lost=failure.lost)
        call.fail(failure)
    else:
        trailers: Metadata = tuple((key, value) for key, value in done.trailing_metadata() or ())
        timer = call.timer
        call.reply(reply, trailers if timer is None else timer.handed_on(trailers))


def _gone(what: str, *, lost: bool = False) -> HotrowError:
    message = f"the ingest worker {what}; send the call again with the same request_id"
    return HotrowError(Code.UNAVAILABLE, message, retry_after_s=_RETRY_AFTER_S, lost=lost)
