"""What a push sends: one `hotrow.v1.PushFeaturesRequest`, or, of more rows than fit into one, several in their order.

Each part has a request id of its own, made of the push's and the part's number, and the same rows are cut at the same
places: so a push that is made again under its id is applied once, wherever the first one stopped.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from hotrow.clock import UnitError, us_from_text
from hotrow.codec.column import encode_dense
from hotrow.codec.column_values import AnyArray, dense_values
from hotrow.codec.protowire import length_delimited
from hotrow.errors import invalid
from hotrow.types import UnixTimestamp
from hotrow.v1.push_pb2 import Destination, Operation, PushFeaturesRequest

from hotrow_client.push import PushOptions
from hotrow_client.rows import Column, Rows, columns_from_rows, dense_columns, plain_values

PART_ROWS: Final = 50_000
PART_BYTES: Final = 16 << 20
ATOMIC_BYTES: Final = 64 << 20
"""What a server takes in one message, unless its settings say otherwise."""
_ROWS, _EVENT_TIMES = 4, 5
_DESTINATIONS: Final[Mapping[str, Destination.ValueType]] = {
    name.lower(): number for name, number in Destination.items()
}
_OPERATIONS: Final[Mapping[str, Operation.ValueType]] = {name.lower(): number for name, number in Operation.items()}


@dataclass(frozen=True, slots=True)
class Part:
    """A message, and which rows of the push it has."""

    message: bytes
    start: int
    stop: int


@dataclass(frozen=True, slots=True, eq=False)
class PushRequest:
    """A push before its bytes: its target (`head`), rows, their event times where they are given, and options."""

    head: bytes
    columns: tuple[Column, ...]
    times: AnyArray | None
    tail: PushFeaturesRequest

    @property
    def request_id(self) -> str:
        return self.tail.request_id

    @property
    def rows(self) -> int:
        """Of the first column; the server refuses others that have more or fewer."""
        return self.columns[0].dense.rows if self.columns else 0

    def parts(self) -> Iterator[Part]:
        """The messages to send, one after another; none where nothing says what columns there would be.

        Raises INVALID for an atomic push that does not fit into one.
        """
        if not self.columns:
            return
        rows, atomic = self.rows, self.tail.atomic
        divisible = not atomic and self._even()
        most = PART_ROWS if divisible else max(rows, 1)
        ahead = [(start, min(start + most, rows)) for start in range(0, max(rows, 1), most)][::-1]
        number = 0
        while ahead:
            start, stop = ahead.pop()
            message = self._message(start, stop, number)
            if divisible and len(message) > PART_BYTES and stop - start > 1:
                middle = (start + stop) // 2
                ahead += [(middle, stop), (start, middle)]
                continue
            if atomic and len(message) > ATOMIC_BYTES:
                raise invalid(
                    f"an atomic push is one message of at most {ATOMIC_BYTES} bytes, and these {rows} rows have "
                    f"{len(message)}; push fewer at once, or without `atomic`",
                    field="atomic",
                )
            number += 1
            yield Part(message, start, stop)

    def _even(self) -> bool:
        """Whether all columns have as many rows; others go to the server in one piece, which names the column."""
        counts = {column.dense.rows for column in self.columns}
        return len(counts) < 2 and (self.times is None or len(self.times) == self.rows)

    def _message(self, start: int, stop: int, number: int) -> bytes:
        columns, times, tail = self.columns, self.times, self.tail
        if stop - start < self.rows:
            columns = tuple(Column(one.name, one.dense.slice(start, stop), one.unit) for one in columns)
            times = None if times is None else times[start:stop]
            tail = PushFeaturesRequest()
            tail.CopyFrom(self.tail)
            tail.request_id += f"/{number}"
        encoded = [length_delimited(_ROWS, encode_dense(one.name, one.dense, one.unit)) for one in columns]
        if times is not None and len(times):
            encoded.append(length_delimited(_EVENT_TIMES, times.tobytes()))
        return b"".join((self.head, *encoded, tail.SerializeToString()))


def push_request(project: str, push_source: str, view: str, rows: Rows, options: PushOptions) -> PushRequest:
    """Raises TypeError or HotrowError, naming the column, for what cannot be sent."""
    if bool(push_source) == bool(view):
        raise TypeError("push to a push source or to a view: give one of the two")
    given = columns_from_rows(rows)
    values, event_time = dict(given.values), options.get("event_time")
    if isinstance(event_time, str):
        event_time = values.pop(event_time) if event_time in values else _time(event_time, values)
    units = {name: unit for name, unit in given.units.items() if name in values} | dict(options.get("units", {}))
    columns = tuple(dense_columns(values, options.get("types", {}), units))
    head = PushFeaturesRequest(project=project)
    if view:
        head.view = view
    else:
        head.push_source = push_source
    tail = PushFeaturesRequest(
        to=_chosen("to", options.get("to", "online"), _DESTINATIONS),
        op=_chosen("op", options.get("op", "upsert"), _OPERATIONS),
        request_id=options.get("request_id") or uuid.uuid4().hex,
        atomic=options.get("atomic", False),
        dry_run=options.get("dry_run", False),
        snapshot=options.get("snapshot", ""),
    )
    times = _event_times(event_time, columns[0].dense.rows if columns else 0)
    return PushRequest(head.SerializeToString(), columns, times, tail)


def _time(text: str, columns: Mapping[str, Any]) -> Any:
    """The time that an `event_time` says which names no column; without rows any column may be meant."""
    try:
        return np.datetime64(us_from_text(text), "us")
    except UnitError as error:
        raise invalid(f"event_time {text} is {error}", field="event_time") from None
    except (ValueError, OverflowError):
        if not columns:
            return None
        raise TypeError(
            f"event_time {text!r} is neither a column nor a time; columns: {', '.join(columns)}; a time is a datetime, "
            "or text such as 2024-05-01T12:00:00Z (no zone: UTC)"
        ) from None


def _event_times(event_time: Any, rows: int) -> AnyArray | None:
    """Microseconds: one time for all rows, one a row, or None (the time of receipt)."""
    if event_time is None:
        return None
    for_all = isinstance(event_time, (date, np.datetime64, int, np.integer))
    given = [event_time] if for_all else plain_values("event_time", event_time)
    times = dense_values("event_time", given, UnixTimestamp)
    if times.absent is not None:
        raise TypeError("event_time has a null: every row has an event time, or none has one")
    values = np.asarray(times.values)
    return np.repeat(values, rows) if for_all else values


def _chosen(option: str, word: str, words: Mapping[str, Any]) -> Any:
    if word not in words:
        raise TypeError(f"{option} is one of {', '.join(words)}, not {word!r}")
    return words[word]
