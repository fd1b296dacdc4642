"""Reads rows from Redis: requests of all threads on one connection.

Redis answers in the order of the requests, so the oldest that is under way is the one whose replies come next. A
request is never taken back: whose caller is gone, its replies are read all the same, and nobody gets another's. A
connection on which anything unforeseen happens is closed, and all that was under way on it fails.

One thread at a time receives. A thread that serves calls puts reads off, sends those of a burst together, and receives
their replies itself: a near server has them before another thread is awake. Else a thread of the reader's own receives.
"""

import collections
import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from hotrow import clock, log
from hotrow.codec.kernel_resp import AROUND_BYTES, COMMAND_BYTES, FIELD_BYTES, write_read
from hotrow.codec.lookup import Keys, Rows, Wanted
from hotrow.codec.wire import Octets
from hotrow.errors import Code, HotrowError
from hotrow.redis.address import RedisAddress
from hotrow.redis.failure import away
from hotrow.stores.port import Done, PutOff, at_once
from hotrow.stores.redis.check import StoreCheck
from hotrow.stores.redis.replies import Replies
from hotrow.stores.redis.request import Request, RowRead, scripted_read

_TICK_MS = 100  # how often what is under way is looked at while nothing arrives
_NEAR_S = 0.0005  # what replies may take for the thread of the calls to wait for them
_FAR_AFTER, _FAR_S = 8, 1.0  # so many times in a row they took longer, and for so long it does not wait then
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 1.0  # before it is tried again to connect
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class RowReader:
    """One connection and its thread, which begin with the first read.

    `connect` gives a redis-py connection that is connected to the right store, or raises HotrowError. A request fails
    with UNAVAILABLE when for `timeout_s` nothing arrives of what is under way, and at once while there is no
    connection, which is tried again all the time.
    """

    def __init__(
        self, address: RedisAddress, connect: Callable[[], Any], *, timeout_s: float, check: StoreCheck | None = None
    ) -> None:
        self._address = address
        self._connect = connect
        self._timeout_s = timeout_s
        self._check = check or StoreCheck(b"", None, away(address, "the store is not there"))
        self._lock = threading.Lock()  # of what is sent and of what is under way
        self._unsent: list[memoryview] = []
        self._under_way: collections.deque[Request] = collections.deque()
        self._connection: Any = None
        self._socket: socket.socket | None = None
        self._down = away(address, "not connected yet")
        self._thread: threading.Thread | None = None
        self._closed = False
        self._receiving = threading.Lock()  # held by the thread that receives
        self._needed = threading.Event()  # that the reader's own thread receives
        self._far_until_s, self._waited_s, self._slow = 0.0, 0.0, 0  # a single wait may be the machine's
        self._replies = Replies(address)
        self._heard_s = 0.0
        self._readable = select.poll()
        self._log = log.logger(__name__)

    def read(self, prefix: bytes, wanted: Wanted, keys: Keys, done: Done, put_off: PutOff = at_once) -> None:
        """Ask for rows, with `prefix` before each key; `done` gets them, or the error, at once where there is no
        connection. Where it is put off nothing is sent before `flush`.
        """
        count, sets = len(wanted.view_ids) * keys.n, max(wanted.sets, default=0) + 1
        if not count:
            done(Rows(np.empty(1, np.uint8), np.zeros(count + 1, np.int64)))
            return
        size = AROUND_BYTES + sets * keys.n * (COMMAND_BYTES + len(prefix)) + int(keys.offsets[sets * keys.n])
        out: Octets = np.empty(size + count * FIELD_BYTES, np.uint8)
        used = write_read(prefix, wanted.table, keys.data, keys.offsets, keys.n, out)

        def again() -> None:
            if self.enqueue(scripted_read(prefix, wanted, keys), RowRead(wanted, keys, done, scripted=True)):
                self.send()

        if self.enqueue(out.data[:used], RowRead(wanted, keys, done, again)) and not put_off(self.flush):
            self.send()

    def enqueue(self, data: memoryview, request: Request) -> bool:
        """Take commands, to be sent with the next `send`. Where there is no connection `request` ends with the reason,
        and False is returned.
        """
        if self._thread is None:
            self.start()
        with self._lock:
            connected = self._socket is not None
            if connected:
                self._under_way.append(request)
                self._unsent.append(data)
        if not connected:
            request.end(self._down)
        return connected

    def send(self) -> None:
        """Send what is unsent; the reader's own thread receives the replies."""
        self.send_only()
        self._needed.set()

    def flush(self) -> None:
        """Send what was put off, and receive the replies on this thread if that is a matter of a moment."""
        self.send_only()
        self.receive_soon()

    def receive_soon(self) -> None:
        """Receive on this thread if that is a matter of a moment; else the reader's own thread does."""
        if clock.monotonic_s() >= self._far_until_s and self._receiving.acquire(blocking=False):
            self._waited_s = 0.0
            try:
                self._receive_while(lambda: bool(self._under_way) and self._waited_s < _NEAR_S, 1)
                self._slow = self._slow + 1 if self._waited_s >= _NEAR_S else 0
            finally:
                self._receiving.release()
            if self._slow >= _FAR_AFTER:
                self._slow, self._far_until_s = 0, clock.monotonic_s() + _FAR_S
        if self._under_way:
            self._needed.set()

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._under_way)

    def close(self) -> None:
        """End the thread; what is under way fails."""
        with self._lock:
            thread, self._down = self._thread, away(self._address, "the store is closed")
            self._closed = True
            self._shut()
        self._needed.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(self._timeout_s + 1)

    def send_only(self) -> None:
        """Send what is unsent, in the order of what is under way; for who receives then."""
        with self._lock:
            opened, unsent = self._socket, self._unsent
            if opened is None or not unsent:
                return
            self._unsent = []
            try:
                self._send_all(opened, unsent[0] if len(unsent) == 1 else memoryview(b"".join(unsent)))
            except OSError:
                self._shut()  # whoever receives sees it, and fails all that is under way

    def _send_all(self, to: socket.socket, data: memoryview) -> None:
        until_s = clock.monotonic_s() + self._timeout_s
        while data:
            try:
                data = data[to.send(data) :]
            except _WOULD_BLOCK:
                left_ms = (until_s - clock.monotonic_s()) * 1000
                writable = select.poll()
                writable.register(to, select.POLLOUT)
                if left_ms <= 0 or not writable.poll(left_ms):
                    raise TimeoutError from None

    def _shut(self) -> None:
        """Break the connection, which its receiver sees. With the lock."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # that of SSLSocket would have what still comes read undeciphered
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def start(self) -> None:
        """Connect on the thread of the first read, so that it need not fail."""
        with self._lock:
            if self._thread is None and not self._closed:
                self._open()
                self._thread = threading.Thread(target=self._run, name="hotrow-redis", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        """Connect, and receive what no other thread does; look at the connection now and then while nothing comes."""
        wait_s = _FIRST_WAIT_S
        while not self._closed:
            if self._socket is None:
                if not self._open():
                    self._needed.wait(wait_s)
                    self._needed.clear()
                    wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                continue
            wait_s = _FIRST_WAIT_S
            self._needed.wait(_TICK_MS / 1000)
            self._needed.clear()
            with self._receiving:
                self._receive_while(self._is_busy, _TICK_MS)
        with self._receiving:
            self._fail(self._down)

    def _is_busy(self) -> bool:
        return not self._closed and (bool(self._under_way) or clock.monotonic_s() < self._far_until_s)

    def _open(self) -> bool:
        """Whether there is a connection now that is ready for requests; else why is in `_down`."""
        try:
            connection = self._connect()
        except HotrowError as error:
            self._down = error
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread goes on
            self._log.exception("connecting failed")
            self._down = away(self._address, type(error).__name__)
            return False
        opened = connection._sock  # noqa: SLF001 - redis-py connects and authenticates; the bytes are read here
        opened.setblocking(False)
        self._readable = select.poll()
        self._readable.register(opened, select.POLLIN)
        self._replies.clear()
        self._check.begin()
        self._heard_s = clock.monotonic_s()
        self._connection, self._socket = connection, opened
        return True

    def _receive_while(self, wanted: Callable[[], bool], wait_ms: int) -> None:
        """Receive, and end the requests whose replies are there, once at least; for who holds `_receiving`."""
        opened = self._socket
        if opened is None:
            return
        try:
            self._receive(opened, wait_ms if wanted() else 0)
            while wanted():
                self._receive(opened, wait_ms)
        except HotrowError as error:
            self._fail(error)
        except (OSError, ValueError) as error:
            self._fail(away(self._address, str(error) or "it did not answer in time"))
        except Exception:  # noqa: BLE001 - whatever it is, callers get an answer and the thread goes on
            self._log.exception("reading from Redis failed")
            self._fail(HotrowError(Code.INTERNAL, "internal error while rows were read"))

    def _receive(self, opened: socket.socket, wait_ms: int) -> None:
        """Take what has arrived, or wait a moment; raises OSError where the connection is at its end."""
        self._check.ask(self)
        room, began_s = self._replies.room(), clock.monotonic_s()
        try:
            if not isinstance(opened, ssl.SSLSocket):
                if not self._readable.poll(wait_ms):
                    self._check_progress(began_s)
                    return
                count = opened.recv_into(room)
            else:
                with self._lock:  # a TLS connection cannot be read and written at once
                    count = opened.recv_into(room)
        except _WOULD_BLOCK:
            if not self._readable.poll(wait_ms):
                self._check_progress(began_s)
            return
        if not count:
            raise OSError("it closed the connection")
        self._replies.filled(count)
        self._heard_s = clock.monotonic_s()
        self._waited_s = self._heard_s - began_s
        self._settle()

    def _check_progress(self, began_s: float) -> None:
        self._waited_s = (now_s := clock.monotonic_s()) - began_s
        if self._under_way and now_s - max(self._heard_s, self._under_way[0].since_s) > self._timeout_s:
            raise TimeoutError

    def _settle(self) -> None:
        """End the requests whose replies are there."""
        while self._replies.waiting:
            if not self._under_way:
                raise OSError("it sent what nobody asked for")
            one = self._under_way[0]
            if not self._replies.take(one):
                return
            self._under_way.popleft()
            self._tell(one, None)
            if self._check.lost is not None:
                raise self._check.lost

    def _fail(self, error: HotrowError) -> None:
        """Give the connection up; for who holds `_receiving`."""
        with self._lock:
            connection, self._connection, self._socket, self._down = self._connection, None, None, error
            under_way, self._under_way = self._under_way, collections.deque()
            self._unsent = []
        if connection is not None:
            connection.disconnect()
        for one in under_way:
            self._tell(one, error)
        self._needed.set()

    def _tell(self, one: Request, error: HotrowError | None) -> None:
        try:
            one.end(error)
        except Exception:  # noqa: BLE001 - one caller's failure must not be that of the others
            self._log.exception("a read could not be ended")
