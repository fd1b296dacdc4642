"""Reads rows from Redis: requests of all threads on one connection, and one thread that ends them as replies arrive.

Redis answers in the order of the requests, so the oldest that is under way is the one whose replies come next. A
request is never taken back: whose caller is gone, its replies are read all the same, and nobody gets another's. A
connection on which anything unforeseen happens is closed, and all that was under way on it fails.
"""

import collections
import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from hotrow import clock, log
from hotrow.codec.kernel_resp import (
    AROUND_BYTES,
    COMMAND_BYTES,
    FIELD_BYTES,
    INCOMPLETE,
    find_values,
    take_values,
    write_read,
)
from hotrow.codec.lookup import Keys, Rows, Wanted
from hotrow.codec.wire import Octets, Table
from hotrow.errors import Code, HotrowError
from hotrow.redis.address import RedisAddress
from hotrow.redis.failure import away, said_by_server
from hotrow.stores.port import Done

_TICK_MS = 100  # how often what is under way is looked at while nothing arrives
_FIRST_BYTES = 1 << 18
_KEPT_BYTES = 8 << 20
_CHECK_S = 1.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 1.0  # before it is tried again to connect
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class _UnderWay(NamedTuple):
    wanted: Wanted
    n: int
    since_s: float
    done: Done


class Check(NamedTuple):
    """What a connection is asked every second, and the value that it has to answer: with another one, its server has
    lost the store or has another one, and calls get `error`.
    """

    prefix: bytes
    wanted: Wanted
    keys: Keys
    expected: bytes
    error: HotrowError


class RowReader:
    """One connection and its thread, which begin with the first read.

    `connect` gives a redis-py connection that is connected to the right store, or raises HotrowError. A request fails
    with UNAVAILABLE when for `timeout_s` nothing arrives of what is under way, and at once while there is no
    connection, which is tried again all the time.
    """

    def __init__(
        self, address: RedisAddress, connect: Callable[[], Any], *, timeout_s: float, check: Check | None = None
    ) -> None:
        self._address = address
        self._connect = connect
        self._timeout_s = timeout_s
        self._check = check
        self._checked_s = 0.0
        self._lost: HotrowError | None = None
        self._lock = threading.Lock()
        self._under_way: collections.deque[_UnderWay] = collections.deque()
        self._socket: socket.socket | None = None
        self._down = away(address, "not connected yet")
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._received: Octets = np.empty(_FIRST_BYTES, np.uint8)
        self._begin = self._end = 0
        self._heard_s = 0.0
        self._readable = select.poll()
        self._log = log.logger(__name__)

    def read(self, prefix: bytes, wanted: Wanted, keys: Keys, done: Done) -> None:
        """Ask for rows, with `prefix` before each key; `done` gets them, or the error, at once where there is no
        connection.
        """
        count = len(wanted.view_ids) * keys.n
        if not count:
            done(Rows(np.empty(1, np.uint8), np.zeros(count + 1, np.int64)))
            return
        sets = max(wanted.sets) + 1
        size = AROUND_BYTES + sets * keys.n * (COMMAND_BYTES + len(prefix)) + int(keys.offsets[sets * keys.n])
        out: Octets = np.empty(size + count * FIELD_BYTES, np.uint8)
        used = write_read(prefix, wanted.table, keys.data, keys.offsets, keys.n, out)
        under_way = _UnderWay(wanted, keys.n, clock.monotonic_s(), done)
        if self._thread is None:
            self._start()
        with self._lock:
            opened = self._socket
            if opened is not None:
                self._under_way.append(under_way)
                try:
                    self._send(opened, out.data[:used])
                except OSError:
                    with contextlib.suppress(OSError):  # the thread sees it, and fails all that is under way
                        opened.shutdown(socket.SHUT_RDWR)
        if opened is None:
            done(self._down)

    def close(self) -> None:
        """End the thread; what is under way fails."""
        self._closed.set()
        with self._lock:
            thread, self._down = self._thread, away(self._address, "the store is closed")
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
        if thread is not None and thread is not threading.current_thread():
            thread.join(self._timeout_s + 1)

    def _send(self, to: socket.socket, data: memoryview) -> None:
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

    def _start(self) -> None:
        """Connect on the thread of the first read, so that it need not fail."""
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                connection = self._connected()
                self._thread = threading.Thread(target=self._run, args=(connection,), name="hotrow-redis", daemon=True)
                self._thread.start()

    def _run(self, connection: Any) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._closed.is_set():
            if connection is None:
                self._closed.wait(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            else:
                wait_s = _FIRST_WAIT_S
                self._serve(connection)
            connection = None if self._closed.is_set() else self._connected()
        if connection is not None:
            self._fail(connection, self._down)

    def _connected(self) -> Any:
        """A connection that is ready for requests, or None and why in `_down`."""
        try:
            connection = self._connect()
        except HotrowError as error:
            self._down = error
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread goes on
            self._log.exception("connecting failed")
            self._down = away(self._address, type(error).__name__)
            return None
        opened = connection._sock  # noqa: SLF001 - redis-py connects and authenticates; the bytes are read here
        opened.setblocking(False)
        self._readable = select.poll()
        self._readable.register(opened, select.POLLIN)
        self._begin = self._end = 0
        self._lost = None
        self._heard_s = self._checked_s = clock.monotonic_s()
        self._socket = opened
        return connection

    def _serve(self, connection: Any) -> None:
        """Until the connection fails."""
        opened = connection._sock  # noqa: SLF001 - as above
        try:
            while not self._closed.is_set():
                self._receive(opened)
                self._settle()
                self._check_store()
        except HotrowError as error:
            self._fail(connection, error)
        except (OSError, ValueError) as error:
            self._fail(connection, away(self._address, str(error) or "it did not answer in time"))
        except Exception:  # noqa: BLE001 - whatever it is, callers get an answer and the thread goes on
            self._log.exception("reading from Redis failed")
            self._fail(connection, HotrowError(Code.INTERNAL, "internal error while rows were read"))
        else:
            self._fail(connection, self._down)

    def _check_store(self) -> None:
        """A server that was emptied answers as if nothing had ever been there; by this it is found out."""
        check, now_s = self._check, clock.monotonic_s()
        if check is not None and now_s - self._checked_s > _CHECK_S:
            self._checked_s = now_s
            self.read(check.prefix, check.wanted, check.keys, partial(self._checked, check))

    def _checked(self, check: Check, outcome: Rows | HotrowError) -> None:
        if isinstance(outcome, Rows) and outcome.one(0) != check.expected:
            self._lost = check.error

    def _receive(self, opened: socket.socket) -> None:
        """Take what has arrived, or wait a tick; raises OSError where the connection is at its end."""
        self._make_room()
        room = self._received.data[self._end :]
        try:
            if not isinstance(opened, ssl.SSLSocket):
                if not self._readable.poll(_TICK_MS):
                    self._check_progress()
                    return
                count = opened.recv_into(room)
            else:
                with self._lock:  # a TLS connection cannot be read and written at once
                    count = opened.recv_into(room)
        except _WOULD_BLOCK:
            if not self._readable.poll(_TICK_MS):
                self._check_progress()
            return
        if not count:
            raise OSError("it closed the connection")
        self._end += count
        self._heard_s = clock.monotonic_s()

    def _check_progress(self) -> None:
        if self._under_way:
            since_s = max(self._heard_s, self._under_way[0].since_s)
            if clock.monotonic_s() - since_s > self._timeout_s:
                raise TimeoutError

    def _make_room(self) -> None:
        waiting, size = self._end - self._begin, len(self._received)
        if not waiting:
            self._begin = self._end = 0
            if size > _KEPT_BYTES:
                self._received = np.empty(_FIRST_BYTES, np.uint8)
        elif size - self._end < size // 4:
            larger: Octets = np.empty(max(_FIRST_BYTES, 2 * waiting), np.uint8)
            larger[:waiting] = self._received[self._begin : self._end]
            self._received, self._begin, self._end = larger, 0, waiting

    def _settle(self) -> None:
        """End the requests whose replies are there."""
        while self._begin < self._end:
            if not self._under_way:
                raise OSError("it sent what nobody asked for")
            one = self._under_way[0]
            count = len(one.wanted.view_ids) * one.n
            found: Table = np.empty(count, np.int64)
            starts: Table = np.empty(count + 1, np.int64)
            at = find_values(self._received, self._begin, self._end, one.wanted.table, one.n, found, starts)
            if at == INCOMPLETE:
                return
            if at < 0:
                raise self._unexpected()
            rows: Octets = np.empty(max(1, int(starts[count])), np.uint8)
            take_values(found, starts, rows)
            self._begin = at
            self._under_way.popleft()
            self._tell(one, Rows(rows, starts))
            if self._lost is not None:
                raise self._lost

    def _unexpected(self) -> HotrowError:
        """What stands in place of the replies, which is an error of Redis as a rule."""
        said = self._received[self._begin : min(self._end, self._begin + 4096)].tobytes()
        errors = [line[1:] for line in said.split(b"\r\n") if line.startswith(b"-")]
        if errors:
            return said_by_server(self._address, errors[0].decode(errors="replace"))
        return away(self._address, "its reply is not one to a read")

    def _fail(self, connection: Any, error: HotrowError) -> None:
        with self._lock:
            self._socket, self._down = None, error
            under_way, self._under_way = self._under_way, collections.deque()
        connection.disconnect()
        for one in under_way:
            self._tell(one, error)

    def _tell(self, one: _UnderWay, outcome: Rows | HotrowError) -> None:
        try:
            one.done(outcome)
        except Exception:  # noqa: BLE001 - one caller's failure must not be that of the others
            self._log.exception("a read could not be ended")
