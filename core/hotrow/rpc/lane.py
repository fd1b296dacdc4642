"""The fast lane: hot methods served by gRPC's core directly, inside an ordinary `grpc.Server`.

grpcio's server hands each call to a thread pool and spends five events and two thirds of its CPU time in Python. The
lane registers its methods with the core under the same server and asks for their calls itself. Their events come by the
server's own queue to the server's own thread, which runs whatever an event is tagged with: so one thread reads the
connections, handles the lane's calls, and hands on all others. (A queue and a thread of the lane's own cost half as
much again: the two threads read one another's connections and wake each other, `docs/adr/0008`.) An event costs
some 5 us, so a call has as few as can be: the request, its message, and one batch that sends the answer and waits for
the end. A call that is answered later has one more, its end, so that a caller who goes away is seen while the answer
is still being made. What calls put off to share it is an event too, an empty batch: it comes behind all that have come.

This is grpcio's private interface. No other module imports it; `self_test` says whether it works here, and where it
does not the same handlers are served by the ordinary door.
"""

import contextlib
import math
import tempfile
import threading
from collections.abc import Mapping
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from hotrow import log
from hotrow.clock import now_s
from hotrow.errors import Code, HotrowError
from hotrow.rpc.burst import Burst, Work
from hotrow.rpc.call import NEVER_S, Handler
from hotrow.rpc.gate import Gate
from hotrow.rpc.metadata import Metadata
from hotrow.rpc.status import status_from_error
from hotrow.rpc.timing import ASKED, StageTimer

ARMED = 64  # requests asked for ahead, a method

_Taken = tuple[None, tuple[()]]
_TAKEN: _Taken = (None, ())
"""What the server's thread wants of an event's handler: a state of its own that has ended, and what to call now."""

# Operations that carry nothing in and whose result nobody reads are shared by all calls.
_SEND_NO_METADATA = cygrpc.SendInitialMetadataOperation((), 0)
_END_OF_CALL = cygrpc.ReceiveCloseOnServerOperation(0)

_INTERNAL = HotrowError(Code.INTERNAL, "the answer could not be sent")
_NO_MESSAGE = HotrowError(Code.UNIMPLEMENTED, "the method takes exactly one request message")


class Lane:
    """Serves `methods` of `server`, which must not have been started; `start` it after the server's start.

    It ends with the server, which waits for the lane's calls as for all others.
    """

    def __init__(self, server: grpc.Server, methods: Mapping[str, Handler], gate: Gate) -> None:
        self.core = server._cy_server  # type: ignore[attr-defined]  # noqa: SLF001 - see the module's docstring
        self.queue = server._state.completion_queue  # type: ignore[attr-defined]  # noqa: SLF001
        self.gate = gate
        self.thread_id = 0  # of the server's thread
        self.current: _LaneCall | None = None  # whose handler runs on the server's thread
        self.burst = Burst()
        self.log = log.logger(__name__)
        self._methods = [_Method(self, path, handler) for path, handler in methods.items()]
        for method in self._methods:
            self.core.register_method(method.path)

    def start(self) -> None:
        """Ask for calls."""
        for method in self._methods:
            for _ in range(ARMED):
                method.arm()

    def end_burst(self, _event: Any) -> _Taken:
        """The calls that had come when a work was put off have been handled."""
        self.burst.end()
        return _TAKEN


class _Method:
    __slots__ = ("handler", "lane", "path")

    def __init__(self, lane: Lane, path: str, handler: Handler) -> None:
        self.lane = lane
        self.path = path
        self.handler = handler

    def arm(self) -> None:
        """Ask for one call more."""
        lane = self.lane
        lane.core.request_registered_call(lane.queue, lane.queue, self.path, self)

    def __call__(self, event: Any) -> _Taken:
        """A call has come, or (without success) the server stops."""
        if event.success:
            try:
                call = _LaneCall(self, event)
                event.call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), call.received)
                with contextlib.suppress(ValueError):  # the server has been told to stop since
                    self.arm()
            except Exception:  # the server's thread must not end by it
                self.lane.log.exception("the lane failed to take a call", method=self.path)
        return _TAKEN


class _LaneCall:
    """One call of the lane, see `hotrow.rpc.call.Call`."""

    __slots__ = (
        "_core_call",
        "_ending",
        "_gone",
        "_lane",
        "_method",
        "_put_off",
        "_request_id",
        "deadline_s",
        "metadata",
        "timer",
    )

    caller = ""

    def __init__(self, method: _Method, event: Any) -> None:
        self._method = method
        self._lane = method.lane
        self._core_call = event.call
        self._ending = False  # a batch that waits for the call's end was started, or will be with the answer
        self._put_off = False
        self._gone = False
        self._request_id = ""
        deadline_s: float = event.call_details.deadline
        self.deadline_s = deadline_s if deadline_s < NEVER_S else math.inf
        self.metadata: Metadata = event.invocation_metadata
        self.timer = StageTimer() if ASKED in self.metadata else None

    @property
    def method(self) -> str:
        return self._method.path

    @property
    def peer(self) -> str:
        name = self._core_call.peer()
        return name.decode() if isinstance(name, bytes) else str(name)

    @property
    def request_id(self) -> str:
        if not self._request_id:
            self._request_id = self._lane.gate.request_id(self.metadata)
        return self._request_id

    def cancelled(self) -> bool:
        return self._gone or self.deadline_s <= now_s()

    def put_off(self, work: Work) -> bool:
        lane = self._lane
        if lane.current is not self or threading.get_ident() != lane.thread_id:
            return False
        if lane.burst.put_off(work):
            self._core_call.start_server_batch((), lane.end_burst)
        self._ending = self._put_off = True
        return True

    def reply(self, message: bytes, trailers: Metadata = ()) -> None:
        if not self._lane.gate.claim(self):
            return
        status = cygrpc.SendStatusFromServerOperation(trailers, cygrpc.StatusCode.ok, b"", 0)
        try:
            self._answer(_SEND_NO_METADATA, cygrpc.SendMessageOperation(message, 0), status)
        except Exception:
            self._lane.log.exception("a reply was refused by gRPC", method=self.method, request_id=self.request_id)
            self._fail(_INTERNAL)

    def fail(self, error: HotrowError) -> None:
        if self._lane.gate.claim(self):
            self._fail(error)

    def received(self, event: Any) -> _Taken:
        """The request's message has come; None: it was too large, or the caller went away, or sent none."""
        lane = self._lane
        lane.thread_id = threading.get_ident()
        lane.current = self
        try:
            message = event.batch_operations[0].message()
            if message is None:
                lane.gate.count_abandoned()
                self._send_error(_NO_MESSAGE)
            else:
                lane.gate.admit(self._method.handler, message, self)
        except Exception:
            lane.log.exception("the lane failed to handle a call", method=self.method)
        lane.current = None
        if not self._ending:  # without an answer, the call's end is waited for
            self._ending = True
            self._core_call.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(0),), self.ended)
        return _TAKEN

    def ended(self, event: Any) -> _Taken:
        """A call whose handler returned without an answer is over, with or without one."""
        self._gone = event.batch_operations[0].cancelled()
        if self._lane.gate.claim(self):
            self._lane.gate.count_abandoned()
        return _TAKEN

    def _fail(self, error: HotrowError) -> None:
        self._lane.gate.count_failed(error.code)
        self._send_error(error)

    def _send_error(self, error: HotrowError) -> None:
        wire = status_from_error(error)
        status = cygrpc.SendStatusFromServerOperation(wire.trailers, wire.number, wire.message.encode(), 0)
        self._answer(_SEND_NO_METADATA, status)

    def _answer(self, *operations: Any) -> None:
        """Start the last batch; where no other waits for the end of the call, it also takes that in."""
        lane = self._lane
        if self._put_off or (lane.current is self and threading.get_ident() == lane.thread_id):
            self._core_call.start_server_batch((_END_OF_CALL, *operations), _sent)
            self._ending = True
        else:
            self._core_call.start_server_batch(operations, _sent)


def _sent(_event: Any) -> _Taken:
    """Nothing will be started on the call any more."""
    return _TAKEN


def self_test(timeout_s: float = 10.0) -> str:
    """Make one real call over a lane on a private socket; returns what is wrong with it, empty when nothing is."""
    try:
        with tempfile.TemporaryDirectory(prefix="hotrow-lane-") as folder:
            return _try_call(f"unix:{Path(folder) / 'test'}", timeout_s)
    except Exception as error:  # noqa: BLE001 - whatever a grpcio of another shape raises means: no lane
        return f"grpcio {grpc.__version__}: {type(error).__name__}: {error}"


def _try_call(address: str, timeout_s: float) -> str:
    path = "/hotrow.SelfTest/Echo"
    server = grpc.server(futures.ThreadPoolExecutor(1))
    lane = Lane(server, {path: lambda request, call: call.reply(request, (("trailer", "kept"),))}, Gate())
    server.add_insecure_port(address)
    server.start()
    lane.start()
    try:
        with grpc.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
            reply, ended = channel.unary_unary(path, None, None).with_call(
                b"lane", timeout=timeout_s, wait_for_ready=True
            )
        trailers = dict(ended.trailing_metadata())
    finally:
        server.stop(timeout_s).wait()  # at once: no call is left; without a grace gRPC logs the end of the connection
    right = reply == b"lane" and trailers.get("trailer") == "kept"
    return "" if right else f"grpcio {grpc.__version__}: a test call came back as {reply!r} with {trailers!r}"
