"""The ordinary door: handlers served by grpcio's own server, where the lane is off."""

import math
import threading
from collections.abc import Mapping

import grpc

from hotrow.clock import now_s
from hotrow.errors import HotrowError
from hotrow.rpc.burst import Work
from hotrow.rpc.call import Handler, deadline_from_grpc
from hotrow.rpc.gate import Gate
from hotrow.rpc.metadata import Metadata
from hotrow.rpc.status import status_from_error
from hotrow.rpc.timing import ASKED, StageTimer
from hotrow.rpc.turn import TurnPool

TURNS = 2  # with 16, a small read costs half as much again: docs/adr/0012
THREADS = 256


class Door(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in its stubs alone
    """Serves `methods` (by path) on a `grpc.Server`: bytes in, bytes out.

    A call that is answered later keeps its thread until it is answered or its caller goes away, and gives up its turn:
    up to `THREADS` wait so while others are served. The threads are the door's own: health checks have theirs.
    """

    def __init__(self, methods: Mapping[str, Handler], gate: Gate) -> None:
        self._methods = methods
        self._gate = gate
        self._pool = TurnPool(TURNS, THREADS, "hotrow-door")
        self._handlers = {path: self._handler(path, None) for path in methods}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        path = handler_call_details.method
        if ASKED in handler_call_details.invocation_metadata and path in self._handlers:
            return self._handler(path, StageTimer())  # grpcio asks when the call comes, before it waits for a thread
        return self._handlers.get(path)

    def _handler(self, path: str, timer: StageTimer | None) -> "grpc.RpcMethodHandler[bytes, bytes]":
        handler, gate, pool = self._methods[path], self._gate, self._pool

        def behaviour(request: bytes, context: grpc.ServicerContext) -> bytes:
            call = _DoorCall(path, gate, context, timer)
            gate.admit(handler, request, call)
            return call.finish(pool)

        behaviour.experimental_thread_pool = pool  # type: ignore[attr-defined]  # grpcio's way to say it
        return grpc.unary_unary_rpc_method_handler(behaviour)


class _DoorCall:
    """One call of the ordinary door, see `hotrow.rpc.call.Call`."""

    __slots__ = (
        "_answer",
        "_context",
        "_gate",
        "_request_id",
        "_trailers",
        "_waiting",
        "deadline_s",
        "method",
        "timer",
    )

    caller = ""

    def __init__(self, method: str, gate: Gate, context: grpc.ServicerContext, timer: StageTimer | None) -> None:
        self.method = method
        self.timer = timer
        left_s: float | None = context.time_remaining()
        self.deadline_s = math.inf if left_s is None else deadline_from_grpc(now_s() + left_s)
        self._gate = gate
        self._context = context
        self._request_id = ""
        self._answer: bytes | HotrowError | None = None
        self._trailers: Metadata = ()
        self._waiting: threading.Event | None = None

    @property
    def metadata(self) -> Metadata:
        return tuple(self._context.invocation_metadata())

    @property
    def peer(self) -> str:
        return str(self._context.peer())

    @property
    def request_id(self) -> str:
        if not self._request_id:
            self._request_id = self._gate.request_id(self.metadata)
        return self._request_id

    def cancelled(self) -> bool:
        return self.deadline_s <= now_s() or not self._context.is_active()

    def put_off(self, _work: Work) -> bool:
        return False

    def reply(self, message: bytes, trailers: Metadata = ()) -> None:
        if self._gate.claim(self):
            self._trailers = trailers
            self._set(message)

    def fail(self, error: HotrowError) -> None:
        if self._gate.claim(self):
            self._gate.count_failed(error.code)
            self._set(error)

    def finish(self, pool: TurnPool) -> bytes:
        """The answer, waited for; on the thread of the pool that grpcio gave the call."""
        if self._answer is None:
            pool.give_up_turn()
            self._wait()
        answer = self._answer
        if isinstance(answer, HotrowError):
            wire = status_from_error(answer)
            self._context.set_trailing_metadata(wire.trailers)
            self._context.abort(wire.status, wire.message)
        if self._trailers:
            self._context.set_trailing_metadata(self._trailers)
        return answer if isinstance(answer, bytes) else b""

    def _wait(self) -> None:
        waiting = threading.Event()
        self._waiting = waiting
        # One side sets the answer, then reads `_waiting`, the other the reverse: one of them sees the other's.
        if self._answer is None and self._context.add_callback(self._ended):
            waiting.wait()
        elif self._answer is None:
            self._ended()

    def _ended(self) -> None:
        """The call is over; nobody waits for an answer that has not been given yet."""
        if self._gate.claim(self):
            self._gate.count_abandoned()
            self._set(b"")

    def _set(self, answer: bytes | HotrowError) -> None:
        self._answer = answer
        waiting = self._waiting
        if waiting is not None:
            waiting.set()
