"""A server worker's end of the unix socket on which it hands calls to the ingest worker."""

import itertools
import socket
import threading
from pathlib import Path

from hotrow import log
from hotrow.clock import now_s
from hotrow.errors import Code, HotrowError
from hotrow.rpc import frame_wire as wire
from hotrow.rpc.call import Call
from hotrow.rpc.gate import passed_on
from hotrow.rpc.outbox import Outbox

_OUTBOX_BYTES = 128 << 20
_ANSWER_BYTES = 1 << 30  # an answer says of each row why it was refused, and can be longer than any request may be
_RETRY_AFTER_S = 0.5
_RECONNECT_S = (0.02, 0.5)  # the first wait and the longest

_log = log.logger(__name__)


class FrameClient:
    """Hands calls to the `FrameServer` at the socket file `path`, all over one connection that is kept and renewed.

    A request longer than `max_message_bytes` is refused here: the server would close the connection of all calls.
    """

    def __init__(self, path: Path, *, max_message_bytes: int = wire.MAX_MESSAGE_BYTES) -> None:
        self._path = path
        self._max_message_bytes = max_message_bytes
        self._link: _Link | None = None
        self._ids = itertools.count(1)
        self._closing = threading.Event()
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hotrow-frame-client", daemon=True)
        self._thread.start()

    def forward(self, method: str, request: bytes, call: Call) -> None:
        """Hand the call on and return; it is answered later, on the client's thread.

        While nobody serves the socket, and when the connection breaks before the answer, the call fails with
        UNAVAILABLE and a retry hint: whether the worker has carried out a call that it did not answer is not known.
        """
        link = self._link
        if link is None:
            call.fail(_unavailable("is not there"))
        elif len(request) > self._max_message_bytes:
            call.fail(_too_large(len(request), self._max_message_bytes))
        else:
            link.send(next(self._ids), method, request, call)

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until there is a connection; returns whether there is."""
        return self._connected.wait(timeout_s)

    def close(self) -> None:
        """End the connection; calls that wait fail with UNAVAILABLE."""
        self._closing.set()
        link = self._link
        if link is not None:
            link.shut()
        self._thread.join()

    def _run(self) -> None:
        first_s, longest_s = _RECONNECT_S
        wait_s = first_s
        while not self._closing.is_set():
            connection = self._connect()
            if connection is None:
                self._closing.wait(wait_s)
                wait_s = min(wait_s * 2, longest_s)
                continue
            wait_s = first_s
            link = _Link(connection)
            self._link = link
            self._connected.set()
            if self._closing.is_set():
                link.shut()
            link.read()
            self._connected.clear()
            self._link = None
            link.end()

    def _connect(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with wire.socket_address(self._path) as address:
                connection.connect(address)
        except OSError:
            connection.close()
            return None
        return connection


class _Link:
    """One connection of a `FrameClient` and the calls that wait for their answer on it."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._outbox = Outbox(connection, _OUTBOX_BYTES)
        self._waiting: dict[int, Call] = {}
        self._ended = False
        self._is_shut = False

    def send(self, number: int, method: str, request: bytes, call: Call) -> None:
        head = wire.Request(
            number,
            method,
            wire.left_s(call.deadline_s, now_s()),
            call.caller,
            call.request_id,
            call.peer,
            passed_on(call.metadata),
        )
        prefix = wire.encode_prefix(head, len(request))
        self._waiting[number] = call
        if not self._outbox.put(prefix, request):
            del self._waiting[number]
            call.fail(_swamped())
        elif self._ended and self._waiting.pop(number, None) is not None:
            call.fail(_unavailable("has ended"))

    def read(self) -> None:
        """Answer calls until the connection breaks."""
        try:
            wire.read_frames(self._socket, _ANSWER_BYTES, self._answer, self._sweep)
        except OSError:
            pass
        except Exception:  # noqa: BLE001 - logged, and the connection is renewed
            _log.exception("the connection to the ingest worker failed")

    def shut(self) -> None:
        """Break the connection; `read` returns."""
        self._is_shut = True
        self._outbox.shut()

    def end(self) -> None:
        """Fail what waits."""
        self._ended = True
        self._outbox.close()
        for number in list(self._waiting):
            call = self._waiting.pop(number, None)  # None: `send` has just failed it
            if call is not None:
                call.fail(_unavailable("has ended", lost=not self._is_shut))
        self._socket.close()

    def _answer(self, head: wire.Head, body: bytes) -> None:
        if isinstance(head, wire.Request):
            raise wire.MalformedError("a request where an answer is due")
        call = self._waiting.pop(head.id, None)
        if call is None:  # it had expired
            return
        if isinstance(head, wire.Answer):
            timer = call.timer
            call.reply(body, head.trailers if timer is None else timer.handed_on(head.trailers))
        else:
            call.fail(wire.error_from_failure(head))

    def _sweep(self) -> None:
        """Forget the calls that nobody waits for."""
        for number in list(self._waiting):
            call = self._waiting.get(number)
            if call is not None and call.cancelled():
                self._waiting.pop(number, None)


def _unavailable(what: str, *, lost: bool = False) -> HotrowError:
    message = f"the ingest worker {what}; it is started again, send the call again with the same request_id"
    return HotrowError(Code.UNAVAILABLE, message, retry_after_s=_RETRY_AFTER_S, lost=lost)


def _swamped() -> HotrowError:
    message = "more waits for the ingest worker than it takes; send it again later"
    return HotrowError(Code.EXHAUSTED, message, retry_after_s=_RETRY_AFTER_S)


def _too_large(size: int, limit: int) -> HotrowError:
    return HotrowError(Code.EXHAUSTED, f"the request has {size} bytes, over the limit of {limit}: send smaller batches")
