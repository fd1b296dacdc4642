"""Bad input, without end: requests that are wrong in every way we could think of, and in ways nobody thought of.

An `Input` says what may come back. `codes` are the statuses allowed; `names` is a text that the message of a refusal
(or, of a row that is refused, its rejection) has to hold: the field at fault.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
from google.protobuf.message import Message
from hotrow.types import BY_KIND
from hotrow.v1.column_pb2 import Column

from .definitions import everything

Code = grpc.StatusCode
OK, INVALID, NOT_FOUND = Code.OK, Code.INVALID_ARGUMENT, Code.NOT_FOUND
PRECONDITION, UNIMPLEMENTED = Code.FAILED_PRECONDITION, Code.UNIMPLEMENTED
ANY = frozenset({OK, INVALID, NOT_FOUND, PRECONDITION, UNIMPLEMENTED})
REFUSED = ANY - {OK}

NOW_US = 1_750_000_000_000_000
LARGE_BYTES = 4 << 20
MANY_ROWS = 100_000
KINDS = tuple(BY_KIND.values())
ODD = (
    "",
    " ",
    "\0",
    "\n\r\t",
    "a\0b",
    "'; DROP TABLE rows; --",
    "../../etc/passwd",
    "%s%n{0}",
    "\u202eelbisreveR",
    "e\u0301\u0327",
    "\U0001f40e\U0001f40e",
    "\ufeff\uffff\x7f\x1b[31m",
    "x" * 5000,
    "\u00e9" * 3000,
    "everything:",
    ":f_int64",
    "::",
    "trips:stamp:stamp",
    "__proto__",
)


@dataclass(frozen=True)
class Input:
    kind: str
    data: bytes
    codes: frozenset[Code] = ANY
    names: str = ""


def refused(kind: str, message: Message, code: Code = INVALID, names: str = "") -> Input:
    return Input(kind, message.SerializeToString(), frozenset({code}), names)


class Inputs:
    """Inputs for one RPC, of a seed. `faults` are its makers of requests with one thing wrong, `valid` of good ones."""

    def __init__(
        self,
        rng: random.Random,
        *,
        valid: Callable[[], Message],
        faults: list[Callable[[], Input]],
        large: list[Callable[[], Input]],
        columns: str,
    ) -> None:
        self._rng = rng
        self._valid = valid
        self._faults = faults
        self._large = large
        self._columns = columns
        self._corpus = [valid().SerializeToString() for _ in range(40)]

    def mixed(self, count: int) -> Iterator[Input]:
        rng = self._rng
        makers = (self._random, self._mutated, self._mutated, self._mutated, self._random_columns, self.fault)
        for _ in range(count):
            yield rng.choice(makers)()

    def fault(self) -> Input:
        """One thing wrong, so that exactly one answer is right."""
        return self._rng.choice(self._faults)()

    def good(self) -> Iterator[Input]:
        """What mutation begins with."""
        for data in self._corpus:
            yield Input("valid", data, frozenset({OK}))

    def large(self) -> Iterator[Input]:
        for make in self._large:
            yield make()

    def all_faults(self) -> Iterator[Input]:
        for make in self._faults:
            yield make()

    def _random(self) -> Input:
        rng = self._rng
        return Input("random", rng.randbytes(rng.choice((0, 1, 2, 3, 8, 40, 300, 3000))), ANY)

    def _mutated(self) -> Input:
        rng = self._rng
        data = bytearray(rng.choice(self._corpus))
        for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
            self._mutate(data)
        return Input("mutated", bytes(data), ANY)

    def _mutate(self, data: bytearray) -> None:
        rng = self._rng
        at = rng.randrange(len(data) + 1)
        length = rng.choice((1, 1, 2, 4, 9, 40))
        how = rng.choice((0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7))
        if how == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1 and at < len(data):
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x12))
        elif how == 2:
            data[at:at] = rng.randbytes(length)
        elif how == 3:
            del data[at : at + length]
        elif how == 4:
            del data[at:]
        elif how == 5:
            data[at:at] = data[at : at + length]
        elif how == 6:
            data[at:at] = b"\xff" * rng.randrange(1, 11) + b"\x01"
        else:
            other = rng.choice(self._corpus)
            cut = rng.randrange(len(other) + 1)
            data[at:] = other[cut:]

    def _random_columns(self) -> Input:
        rng = self._rng
        message = self._valid()
        columns = getattr(message, self._columns)
        names = [column.name for column in columns]
        for _ in range(rng.randrange(1, 4)):
            column = random_column(rng, rng.choice([*names, *ODD, "f_int64"]))
            if rng.random() < 0.5 and len(columns):
                columns[rng.randrange(len(columns))].CopyFrom(column)
            else:
                columns.append(column)
        return Input("columns", message.SerializeToString(), ANY)


def values_of(rng: random.Random, kind: int, count: int) -> list[object]:
    """Values of a scalar kind, the odd ones among them."""
    whole = (0, 1, -1, 7, 2**31 - 1, -(2**31))
    choices: dict[str, tuple[object, ...]] = {
        "Float64": (0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf"), 5e-324, 1.7e308),
        "Float32": (0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf"), 1e-45, 3e38),
        "Int64": (*whole, 2**63 - 1, -(2**63)),
        "Int32": whole,
        "Bool": (True, False),
        "String": ("", "a", "\u00e5\u00e4\u00f6", "\0", "\U0001f40e", "x" * 300),
        "Bytes": (b"", b"a", b"\0\xff", bytes(300)),
        "UnixTimestamp": (0, 1, -1, NOW_US, 2**63 - 1, -(2**63)),
    }
    return [rng.choice(choices[BY_KIND[kind].name]) for _ in range(count)]


def column_of(rng: random.Random, name: str, kind: int, rows: int, unit: str = "") -> Column:
    type_ = BY_KIND[kind]
    column = Column(name=name, unit=unit)
    values = getattr(column, type_.wire_name)
    values.SetInParent()
    if type_.is_list:
        lengths = [rng.choice((0, 1, 3)) for _ in range(rows)]
        values.lengths.extend(lengths)
        rows = sum(lengths)
    values.values.extend(values_of(rng, type_.element_kind, rows))
    return column


def random_column(rng: random.Random, name: str) -> Column:
    rows = rng.choice((0, 1, 2, 3, 3, 3, 17))
    column = column_of(rng, name, rng.choice(KINDS).kind, rows, rng.choice(("", "", "SEK", "\0")))
    if rng.random() < 0.3:
        column.statuses.extend(rng.randrange(8) for _ in range(rng.choice((rows, rows, rows + 1, 1))))
    if rng.random() < 0.05:
        column.ClearField("values")
    return column


ROWS = 3


def row_columns(rng: random.Random, *, rows: int = ROWS, keys_only: bool = False) -> list[Column]:
    """Columns of `everything`, valid."""
    columns = [
        Column(name="article_id", int64={"values": [rng.randrange(1000) for _ in range(rows)]}),
        Column(name="user_id", string={"values": [f"u{rng.randrange(1000)}" for _ in range(rows)]}),
    ]
    if not keys_only:
        fields = [field for field in everything.fields if not field.has_default]
        columns += [column_of(rng, field.name, field.type.kind, rows, field.unit) for field in fields]
    return columns


def by_name(message: Message, columns: str, name: str) -> Column:
    return next(column for column in getattr(message, columns) if column.name == name)
