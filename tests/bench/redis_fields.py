"""The layout of Feast's store on Redis: a hash an entity, a field a feature, and one more a view with its event time.

A field's name is a hash of four bytes of view and feature, its value a message with the value in it, and a read is a
pipeline of HMGETs a view. Here it holds the data of the workloads, so that the cost to Redis can be compared.
"""

import socket
import struct
import time
import zlib
from collections.abc import Iterator
from typing import Any

import hiredis
import numpy as np
from hotrow import clock
from hotrow.codec.protowire import length_delimited, varint
from hotrow.redis.client import packed
from hotrow.types import Float32, Float64, Int64, ValueType

from tests.bench.dataset import DRIVERS, READS, VIEWS, fields, values_of

_READ = READS["R3"]
_UNDER_WAY = 16  # reads at a time, as with 16 callers
_AT_ONCE = 500  # hashes that are written together
_TIME = length_delimited(1, b"\x08\x80\xe2\xcf\xaa\x06")


class FieldPerFeature:
    """The rows of the workloads in a Redis server, and a client that reads them."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), 60)
        self._reader = hiredis.Reader()
        self._pid = int(self._info("process_id"))

    def close(self) -> None:
        self._socket.close()

    def fill(self) -> None:
        """Write every driver's hash."""
        for first in range(0, DRIVERS, _AT_ONCE):
            drivers = np.arange(first, min(first + _AT_ONCE, DRIVERS))
            self._ask([_command(b"HSET", _key(driver), *stored) for driver, stored in _hashes(drivers)])

    def read_us(self, seconds: float) -> float:
        """Redis's CPU time a read, over reads for that long."""
        generator = np.random.default_rng(7)
        reads = [_read(generator.integers(0, DRIVERS, _READ.entities).tolist()) for _ in range(64)]
        before_ns, done, until_s = clock.process_cpu_ns(self._pid), 0, time.monotonic() + seconds
        while time.monotonic() < until_s:
            some = [reads[(done + i) % len(reads)] for i in range(_UNDER_WAY)]
            self._ask([command for read in some for command in read])
            done += _UNDER_WAY
        return (clock.process_cpu_ns(self._pid) - before_ns) / done / 1e3

    def _ask(self, commands: list[bytes]) -> list[Any]:
        self._socket.sendall(b"".join(commands))
        replies: list[Any] = []
        while len(replies) < len(commands):
            reply = self._reader.gets()
            if reply is False:
                self._reader.feed(self._socket.recv(1 << 20))
            elif isinstance(reply, Exception):
                raise reply
            else:
                replies.append(reply)
        return replies

    def _info(self, name: str) -> str:
        (text,) = self._ask([_command(b"INFO", b"server")])
        (line,) = [line for line in text.decode().splitlines() if line.startswith(f"{name}:")]
        return str(line.partition(":")[2])


def _hashes(drivers: Any) -> Iterator[tuple[int, list[bytes]]]:
    columns: list[tuple[bytes, ValueType | None, list[Any]]] = []
    for view in VIEWS:
        for name, kind, values in values_of(view, drivers):
            columns.append((_field(view, name), kind, values if isinstance(values, list) else values.tolist()))
        columns.append((_time_field(view), None, [0] * len(drivers)))
    for place, driver in enumerate(drivers.tolist()):
        yield driver, [part for name, kind, values in columns for part in (name, _value(kind, values[place]))]


def _read(drivers: list[int]) -> list[bytes]:
    """A pipeline a view."""
    return [
        _command(b"HMGET", _key(driver), *(_field(view, name) for name, _ in fields(view)), _time_field(view))
        for view in _READ.views
        for driver in drivers
    ]


def _key(driver: int) -> bytes:
    return b"driver_id" + struct.pack("<IIq", 4, 8, driver) + b"bench"


def _field(view: str, name: str) -> bytes:
    return struct.pack("<I", zlib.crc32(f"{view}:{name}".encode()))


def _time_field(view: str) -> bytes:
    return f"_ts:{view}".encode()


def _value(kind: ValueType | None, value: Any) -> bytes:
    if kind is None:
        return _TIME
    if kind is Float64:
        return b"\x29" + struct.pack("<d", value)
    if kind is Float32:
        return b"\x35" + struct.pack("<f", value)
    if kind is Int64:
        return b"\x20" + varint(value)
    return length_delimited(2, value.encode())


def _command(*parts: bytes) -> bytes:
    return packed([parts])[0]
