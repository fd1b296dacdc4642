"""The fast lane: hot methods served by gRPC's core directly, beside an ordinary `grpc.Server` on the same port.

grpcio's server hands each call to a thread pool and spends five events and two thirds of its CPU time in Python. The
lane registers its methods, and a completion queue of its own, with the core under the same server, and one thread
polls that queue. An event costs some 10 us, so a call has as few as can be: the request, its message, and one batch
that sends the answer and waits for the end. A call that is answered later has one more, its end, so that a caller
who goes away is seen while the answer is still being made.

This is grpcio's private interface. No other module imports it; `self_test` says whether it works here, and where it
does not the same handlers are served by the ordinary door.
"""

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
from hotrow.rpc.call import NEVER_S, Handler, Metadata
from hotrow.rpc.gate import Gate
from hotrow.rpc.status import status_from_error

ARMED = 64  # requests asked for ahead, a method
_CLOSE_S = 5.0

# Operations that carry nothing in and whose result nobody reads are shared by all calls.
_SEND_NO_METADATA = cygrpc.SendInitialMetadataOperation((), 0)
_END_OF_CALL = cygrpc.ReceiveCloseOnServerOperation(0)

_INTERNAL = HotrowError(Code.INTERNAL, "the answer could not be sent")
_NO_MESSAGE = HotrowError(Code.UNIMPLEMENTED, "the method takes exactly one request message")


class Lane:
    """Serves `methods` of `server`, which must not have been started.

    `start` after the server's start, `close` after its end.
    """

    def __init__(self, server: grpc.Server, methods: Mapping[str, Handler], gate: Gate) -> None:
        self.core = server._cy_server  # type: ignore[attr-defined]  # noqa: SLF001 - see the module's docstring
        self.queue = cygrpc.CompletionQueue()
        self.core.register_completion_queue(self.queue)
        self.gate = gate
        self.open = 0  # calls that may yet start a batch; with `armed`, changed on the lane's thread alone
        self.armed = 0
        self.thread_id = 0
        self.current: _LaneCall | None = None  # whose handler runs on the lane's thread
        self.log = log.logger(__name__)
        self._methods = [_Method(self, path, handler) for path, handler in methods.items()]
        for method in self._methods:
            self.core.register_method(method.path)
        self._idle = threading.Event()
        if not self._methods:
            self._idle.set()
        self._thread = threading.Thread(target=self._serve, name="hotrow-lane", daemon=True)

    def start(self) -> None:
        """Ask for calls and serve them on a thread of the lane's own."""
        for method in self._methods:
            for _ in range(ARMED):
                method.arm()
                self.armed += 1
        self._thread.start()

    def close(self) -> None:
        """Release the queue. The server has been stopped and has cancelled what still ran.

        The core aborts the process when a batch is started on a queue that was shut down, so that is left out, and
        said, should a call be left that may still be answered.
        """
        if not self._idle.wait(_CLOSE_S):
            self.log.warning("the lane has calls left", calls=self.open, armed=self.armed)
            return
        self.queue.shutdown()
        self._thread.join(_CLOSE_S)

    def note_idle(self) -> None:
        """Called when a call has ended or an armed request came back empty: the server stops, it may be the last."""
        if not self.armed and not self.open:
            self._idle.set()

    def _serve(self) -> None:
        self.thread_id = threading.get_ident()
        poll = self.queue.poll
        while True:
            event = poll()
            tag = event.tag
            if tag is None:  # the queue was shut down
                return
            try:
                tag(event)
            except Exception:
                self.log.exception("the lane failed to handle an event")
            event = tag = None  # frees a call before the wait for the next one


class _Method:
    __slots__ = ("begin_tag", "handler", "lane", "path")

    def __init__(self, lane: Lane, path: str, handler: Handler) -> None:
        self.lane = lane
        self.path = path
        self.handler = handler
        self.begin_tag = self.begin

    def arm(self) -> None:
        """Ask for one call more."""
        lane = self.lane
        lane.core.request_registered_call(lane.queue, lane.queue, self.path, self.begin_tag)

    def begin(self, event: Any) -> None:
        """A call has come, or (without success) the server stops."""
        lane = self.lane
        if not event.success:
            lane.armed -= 1
            lane.note_idle()
            return
        lane.open += 1
        call = _LaneCall(self, event)
        event.call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), call.received)
        try:
            lane.core.request_registered_call(lane.queue, lane.queue, self.path, self.begin_tag)
        except ValueError:  # the server has been told to stop since
            lane.armed -= 1


class _LaneCall:
    """One call of the lane, see `hotrow.rpc.call.Call`."""

    __slots__ = ("_core_call", "_ending", "_gone", "_lane", "_method", "_request_id", "deadline_s", "metadata")

    caller = ""

    def __init__(self, method: _Method, event: Any) -> None:
        self._method = method
        self._lane = method.lane
        self._core_call = event.call
        self._ending = False  # a batch that waits for the call's end was started
        self._gone = False
        self._request_id = ""
        deadline_s: float = event.call_details.deadline
        self.deadline_s = deadline_s if deadline_s < NEVER_S else math.inf
        self.metadata: Metadata = event.invocation_metadata

    @property
    def method(self) -> str:
        return self._method.path

    @property
    def peer(self) -> str:
        core_call = self._core_call
        if core_call is None:
            return ""
        name = core_call.peer()
        return name.decode() if isinstance(name, bytes) else str(name)

    @property
    def request_id(self) -> str:
        if not self._request_id:
            self._request_id = self._lane.gate.request_id(self.metadata)
        return self._request_id

    def cancelled(self) -> bool:
        return self._gone or self.deadline_s <= now_s()

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

    def received(self, event: Any) -> None:
        """The request's message has come; None: it was too large, or the caller went away, or sent none."""
        lane = self._lane
        message = event.batch_operations[0].message()
        lane.current = self
        try:
            if message is None:
                lane.gate.count_abandoned()
                self._send_error(_NO_MESSAGE)
            else:
                lane.gate.admit(self._method.handler, message, self)
        finally:  # whatever was raised, the call's end is waited for, or the lane could never be closed
            lane.current = None
            if not self._ending:
                self._ending = True
                self._core_call.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(0),), self.ended)

    def ended(self, event: Any) -> None:
        """A call whose handler returned without an answer is over, with or without one."""
        self._gone = event.batch_operations[0].cancelled()
        if self._lane.gate.claim(self):
            self._lane.gate.count_abandoned()
            self.answered(event)

    def answered(self, _event: Any) -> None:
        """Nothing will be started on this call any more."""
        self._core_call = None
        lane = self._lane
        lane.open -= 1
        if not lane.armed:
            lane.note_idle()

    def _fail(self, error: HotrowError) -> None:
        self._lane.gate.count_failed(error.code)
        self._send_error(error)

    def _send_error(self, error: HotrowError) -> None:
        wire = status_from_error(error)
        status = cygrpc.SendStatusFromServerOperation(wire.trailers, wire.number, wire.message.encode(), 0)
        self._answer(_SEND_NO_METADATA, status)

    def _answer(self, *operations: Any) -> None:
        """Start the last batch; on the lane's thread and inside the handler it also takes in the end of the call."""
        lane = self._lane
        if lane.current is self and threading.get_ident() == lane.thread_id:
            self._core_call.start_server_batch((_END_OF_CALL, *operations), self.answered)
            self._ending = True
        else:
            self._core_call.start_server_batch(operations, self.answered)


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
        lane.close()
    right = reply == b"lane" and trailers.get("trailer") == "kept"
    return "" if right else f"grpcio {grpc.__version__}: a test call came back as {reply!r} with {trailers!r}"
