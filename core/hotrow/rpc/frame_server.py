"""The ingest worker's end of the unix socket on which server workers hand it their calls."""

import contextlib
import math
import os
import socket
import threading
from collections.abc import Mapping
from pathlib import Path

from hotrow import log
from hotrow.clock import monotonic_s, now_s
from hotrow.errors import Code, HotrowError
from hotrow.rpc import frame_wire as wire
from hotrow.rpc.burst import Burst, Work
from hotrow.rpc.call import Call, Handler
from hotrow.rpc.gate import Gate
from hotrow.rpc.metadata import Metadata
from hotrow.rpc.outbox import Outbox
from hotrow.rpc.timing import ASKED, StageTimer

_BACKLOG = 128
_OUTBOX_BYTES = 128 << 20
_RETRY_AFTER_S = 0.5
_POLL_S = 0.005

_log = log.logger(__name__)


class FrameServer:
    """Serves `methods` (by path) on the socket file `path`, mode 0600, from when it is made until `stop`.

    A thread a connection reads requests and runs handlers through the gate; answers may come from any thread. Raises
    FAILED_PRECONDITION when another process serves the file; a file that nobody serves is replaced.
    """

    def __init__(
        self,
        path: Path,
        methods: Mapping[str, Handler],
        gate: Gate,
        *,
        max_message_bytes: int = wire.MAX_MESSAGE_BYTES,
    ) -> None:
        self.methods = methods
        self.gate = gate
        self.max_message_bytes = max_message_bytes
        self.stopping = False
        self._path = path
        self._connections: set[_Connection] = set()
        self._lock = threading.Lock()
        self._socket = _listen(path)
        self._thread = threading.Thread(target=self._accept, name="hotrow-frames", daemon=True)
        self._thread.start()

    def stop(self, grace_s: float) -> bool:
        """Refuse new calls, let those that run end within `grace_s`; returns whether they did. May be called again."""
        if not self.stopping:
            self.stopping = True
            self._path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            self._thread.join()
            self._socket.close()
        end_s = monotonic_s() + grace_s
        with self._lock:
            connections = list(self._connections)
        drained = [connection.drain(end_s) for connection in connections]
        return all(drained)

    def forget(self, connection: "_Connection") -> None:
        """A connection has ended."""
        with self._lock:
            self._connections.discard(connection)

    def _accept(self) -> None:
        while not self.stopping:
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                if self.stopping:
                    return
                threading.Event().wait(_POLL_S)  # out of descriptors: not a busy loop
                continue
            connection = _Connection(self, accepted)
            with self._lock:
                self._connections.add(connection)
            connection.thread.start()


class _Connection:
    """A peer of a `FrameServer`."""

    def __init__(self, server: FrameServer, connection: socket.socket) -> None:
        self.server = server
        self.closed = False
        self.calls: set[_FrameCall] = set()
        self.burst = Burst()
        self._socket = connection
        self._outbox = Outbox(connection, _OUTBOX_BYTES)
        self.thread = threading.Thread(target=self._read, name="hotrow-frames-reader", daemon=True)

    def send(self, call: "_FrameCall", prefix: bytes, body: bytes = b"") -> None:
        """Send a call's answer. A peer that lets too many answers wait is cut off."""
        sent = self._outbox.put(prefix, body)
        self.calls.discard(call)
        if not sent:
            _log.warning("a peer does not read its answers; its connection is closed")
            self._break()

    def drain(self, end_s: float) -> bool:
        """Wait for the calls that run, then close. A peer that has gone waits for none, not even for one whose answer
        was sent a moment ago and that is still counted.
        """
        while self.calls and not self.closed and monotonic_s() < end_s:
            threading.Event().wait(_POLL_S)
        drained = self.closed or (not self.calls and self._outbox.flush(max(0.0, end_s - monotonic_s())))
        for call in list(self.calls):
            call.fail(_stopping())
        self._break()
        self.thread.join(wire.TICK_S)
        return drained

    def _read(self) -> None:
        try:
            wire.read_frames(self._socket, self.server.max_message_bytes, self._begin, self._sweep, self.burst.end)
        except wire.MalformedError as error:
            _log.warning("a malformed frame came; its connection is closed", reason=str(error))
        except OSError:
            pass
        except Exception:  # noqa: BLE001 - logged, and the connection is closed
            _log.exception("a connection for frames failed")
        self.closed = True
        self._outbox.close()
        self._abandon(list(self.calls))
        self._socket.close()
        self.server.forget(self)

    def _begin(self, head: wire.Head, body: bytes) -> None:
        if not isinstance(head, wire.Request):
            raise wire.MalformedError(f"{type(head).__name__} where a request is due")
        call = _FrameCall(self, head)
        self.calls.add(call)
        handler = self.server.methods.get(head.method)
        if handler is None:
            handler = _unknown
        elif self.server.stopping:
            handler = _refuse
        self.server.gate.admit(handler, body, call)

    def _sweep(self) -> None:
        expired_s = now_s()
        self._abandon([call for call in list(self.calls) if call.deadline_s < expired_s])

    def _abandon(self, calls: list["_FrameCall"]) -> None:
        """End calls for whose answer nobody waits."""
        for call in calls:
            if self.server.gate.claim(call):
                self.server.gate.count_abandoned()
                self.calls.discard(call)

    def _break(self) -> None:
        self.closed = True
        self._outbox.shut()


class _FrameCall:
    """One call that came by a frame, see `hotrow.rpc.call.Call`."""

    __slots__ = ("_connection", "caller", "deadline_s", "id", "metadata", "method", "peer", "request_id", "timer")

    def __init__(self, connection: _Connection, head: wire.Request) -> None:
        self._connection = connection
        self.id = head.id
        self.method = head.method
        self.metadata: Metadata = tuple(head.metadata)
        self.timer = StageTimer() if ASKED in self.metadata else None
        self.deadline_s = math.inf if head.left_s is None else now_s() + head.left_s
        self.caller = head.caller
        self.request_id = head.request_id
        self.peer = head.peer

    def cancelled(self) -> bool:
        return self._connection.closed or self.deadline_s <= now_s()

    def put_off(self, work: Work) -> bool:
        self._connection.burst.put_off(work)
        return True

    def reply(self, message: bytes, trailers: Metadata = ()) -> None:
        if not self._connection.server.gate.claim(self):
            return
        try:
            prefix = wire.encode_prefix(wire.Answer(self.id, tuple(trailers)), len(message))
        except (TypeError, ValueError):
            _log.exception("a reply cannot be framed", method=self.method, request_id=self.request_id)
            self._fail(HotrowError(Code.INTERNAL, "the answer could not be sent"))
        else:
            self._connection.send(self, prefix, message)

    def fail(self, error: HotrowError) -> None:
        if self._connection.server.gate.claim(self):
            self._fail(error)

    def _fail(self, error: HotrowError) -> None:
        self._connection.server.gate.count_failed(error.code)
        failure = wire.failure_from_error(self.id, error)
        self._connection.send(self, wire.encode_prefix(failure, 0))


def _unknown(_request: bytes, call: Call) -> None:
    raise HotrowError(Code.UNIMPLEMENTED, f"the ingest worker has no method {call.method}")


def _refuse(_request: bytes, _call: Call) -> None:
    raise _stopping()


def _stopping() -> HotrowError:
    return HotrowError(Code.UNAVAILABLE, "the ingest worker stops; send it again", retry_after_s=_RETRY_AFTER_S)


def _listen(path: Path) -> socket.socket:
    """A listening socket at `path`. It is made under another name, so that it is never there without its mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and _is_served(path):
        raise HotrowError(Code.FAILED_PRECONDITION, f"another process serves {path}: stop it first")
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with wire.socket_address(fresh) as address:
            listening.bind(address)
        fresh.chmod(0o600)
        listening.listen(_BACKLOG)
        fresh.replace(path)
    except OSError as error:
        listening.close()
        raise HotrowError(Code.FAILED_PRECONDITION, f"the socket {path} cannot be made: {error.strerror}") from error
    return listening


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, wire.socket_address(path) as address:
        try:
            probe.connect(address)
        except OSError:
            return False
        return True
