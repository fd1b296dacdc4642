"""Sends frames on a socket without waiting for the peer."""

import contextlib
import socket
import threading

_JOIN_BYTES = 1 << 20  # frames are joined for one call up to here; beyond it the copy costs more than the calls
_END_S = 5.0


class Outbox:
    """The sending side of one connection, for any thread.

    A frame goes out at once where the socket takes it; what it does not take, and what comes after that, is sent by
    a thread of the outbox's own, all that is ready in one call. When the socket fails it is shut down, which the
    reader of the connection sees.
    """

    def __init__(self, connection: socket.socket, limit_bytes: int) -> None:
        self._socket = connection
        self._limit_bytes = limit_bytes
        self._changed = threading.Condition(threading.Lock())
        self._queue: list[memoryview] = []
        self._queued_bytes = 0
        self._writing = False  # the thread has frames to send, newer ones queue behind them
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(self, prefix: bytes, body: bytes) -> bool:
        """Send a frame; False, and nothing of it is sent, when too much is waiting. A closed outbox takes all."""
        with self._changed:
            if self._closed:
                return True
            size = len(prefix) + len(body)
            if self._queued_bytes and self._queued_bytes + size > self._limit_bytes:
                return False
            sent = 0 if self._writing else self._try_send(prefix, body)
            if sent < size:
                self._enqueue(memoryview(prefix)[sent:], memoryview(body)[max(0, sent - len(prefix)) :])
        return True

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing waits; returns whether nothing does."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or not self._writing, timeout_s)

    def shut(self) -> None:
        """Break the connection, from any thread; its reader wakes."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Break the connection and drop what waits; afterwards the socket may be closed. Not for its own thread."""
        self.shut()
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_END_S)

    def _try_send(self, prefix: bytes, body: bytes) -> int:
        try:
            return self._socket.sendmsg((prefix, body), (), socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:  # the reader of the connection sees it too, and ends what is pending
            return len(prefix) + len(body)

    def _enqueue(self, *parts: memoryview) -> None:
        self._queue += [part for part in parts if part]
        self._queued_bytes += sum(map(len, parts))
        self._writing = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="hotrow-outbox", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _write(self) -> None:
        while True:
            with self._changed:
                if not self._queue:
                    self._writing = False
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._queue or self._closed)
                if self._closed:
                    return
                ready, self._queue = self._queue, []
            size = sum(map(len, ready))
            try:
                for part in [b"".join(ready)] if size <= _JOIN_BYTES else ready:
                    self._socket.sendall(part)
            except OSError:
                self.shut()
                return
            with self._changed:
                self._queued_bytes -= size
