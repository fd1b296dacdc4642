"""Bad input, without end: requests that are wrong in every way we could think of, and in ways nobody thought of.

An `Input` says what may come back. `codes` are the statuses allowed; `names` is a text that the message of a refusal
(or, of a row that is refused, its rejection) has to hold: the field at fault.
"""

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
from google.protobuf.message import Message
from hotrow.types import BY_KIND
from hotrow.v1.column_pb2 import NULL_VALUE, Column
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsRequest
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest, ReadOptions
from hotrow.v1.push_pb2 import DELETE, OFFLINE, PushFeaturesRequest

from .definitions import VIEWS, everything

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


class RowFaults:
    """Requests with one thing wrong, for messages whose field `rows` holds rows to write."""

    def __init__(self, rng: random.Random, message: type[PushFeaturesRequest | MaterializeRowsRequest]) -> None:
        self.rng = rng
        self.message = message
        self.is_push = message is PushFeaturesRequest

    def valid(self) -> PushFeaturesRequest | MaterializeRowsRequest:
        rng = self.rng
        message = self.message(
            view="everything", rows=row_columns(rng), event_time_us=[NOW_US + rng.randrange(10**9) for _ in range(ROWS)]
        )
        if self.is_push:
            if rng.random() < 0.3:
                message.push_source = "everything_push"
            if rng.random() < 0.2:
                message.request_id = f"id-{rng.randrange(10**9)}"
            message.dry_run = rng.random() < 0.2
        else:
            message.created_time_us.extend(range(ROWS))
        return message

    def faults(self) -> list[Callable[[], Input]]:
        both = [
            self.missing, self.unknown, self.repeated, self.wrong_type, self.list_for_scalar, self.ragged,
            self.ragged_statuses, self.ragged_lengths, self.endless_list, self.ragged_times, self.bad_status,
            self.wrong_unit, self.no_values, self.no_columns, self.no_rows, self.null_key, self.long_key, self.not_text,
            self.too_big_for_int32, self.no_target, self.unknown_view, self.unknown_project, self.unknown_snapshot,
            self.extremes, self.many_columns,
        ]  # fmt: skip
        pushes = [
            self.unknown_source, self.unknown_op, self.offline, self.long_id, self.future, self.atomic_null_key,
            self.values_in_delete,
        ]  # fmt: skip
        return both + pushes if self.is_push else [*both, self.ragged_created]

    def large(self) -> list[Callable[[], Input]]:
        return [
            self.many_rows,
            self.ragged_many_rows,
            self.large_value,
            self.large_key,
            self.large_name,
            self.large_view,
        ]

    def _field(self) -> str:
        return self.rng.choice([field.name for field in everything.fields if not field.has_default])

    def _with(self, change: Callable[[PushFeaturesRequest], object]) -> PushFeaturesRequest:
        message = self.valid()
        if self.is_push:
            message.dry_run = False
            message.ClearField("request_id")
        change(message)
        return message

    def _changed(self, name: str, change: Callable[[Column], object]) -> PushFeaturesRequest:
        return self._with(lambda message: change(by_name(message, "rows", name)))

    def missing(self) -> Input:
        name = self.rng.choice(["article_id", "user_id", self._field()])
        message = self.valid()
        message.rows.remove(by_name(message, "rows", name))
        return refused("missing", message, names=repr(name))

    def unknown(self) -> Input:
        name = self.rng.choice((*ODD, "f_int65", "article"))
        message = self._with(lambda message: message.rows.append(column_of(self.rng, name, 3, ROWS)))
        return refused("unknown", message, names="'" + name if name.isalnum() and len(name) < 100 else "")

    def repeated(self) -> Input:
        name = self._field()
        message = self._with(lambda message: message.rows.append(by_name(message, "rows", name)))
        return refused("repeated", message, names=repr(name))

    def wrong_type(self) -> Input:
        name, kind = self.rng.choice(
            [("article_id", 6), ("user_id", 3), ("f_string", 1), ("f_int64", 1), ("f_bool", 7)]
        )
        message = self._changed(name, lambda column: column.CopyFrom(column_of(self.rng, name, kind, ROWS)))
        return refused("wrong type", message, names=repr(name))

    def list_for_scalar(self) -> Input:
        name = self.rng.choice(["article_id", "f_int64", "f_string", "f_float32"])
        message = self._changed(name, lambda column: column.CopyFrom(column_of(self.rng, name, 11, ROWS)))
        return refused("list for scalar", message, names=repr(name))

    def ragged(self) -> Input:
        name = self.rng.choice(["user_id", "f_int64", "f_string", "f_bytes", "f_bool", "f_float64"])
        kind = next((field.type.kind for field in everything.fields if field.name == name), 6)
        rows = self.rng.choice((0, 1, 2, 4, 40))
        unit = "SEK" if name == "f_float64" else ""
        message = self._changed(name, lambda column: column.CopyFrom(column_of(self.rng, name, kind, rows, unit)))
        return refused("ragged", message, names="rows")

    def ragged_statuses(self) -> Input:
        name = self._field()
        count = self.rng.choice((1, 2, 4, 9))
        return refused("statuses", self._changed(name, lambda c: c.statuses.extend([1] * count)), names=repr(name))

    def ragged_lengths(self) -> Input:
        message = self._changed("l_int64", lambda column: column.int64_list.lengths.append(1))
        return refused("lengths", message, names="'l_int64'")

    def endless_list(self) -> Input:
        def change(column: Column) -> None:
            column.float32_list.lengths[self.rng.randrange(ROWS)] = self.rng.choice((2**32 - 1, 2**31, 10**6))

        return refused("endless", self._changed("l_float32", change), names="'l_float32'")

    def ragged_times(self) -> Input:
        message = self._with(lambda message: message.event_time_us.append(NOW_US))
        return refused("times", message, names="event_time_us")

    def ragged_created(self) -> Input:
        message = self._with(lambda message: message.created_time_us.append(1))
        return refused("times", message, names="created_time_us")

    def bad_status(self) -> Input:
        name, status = self._field(), self.rng.choice((0, 3, 4, 5, 6, 127, -1))
        message = self._changed(name, lambda column: column.statuses.extend([1, status, 1]))
        return refused("status", message, names=repr(name))

    def wrong_unit(self) -> Input:
        name, unit = self.rng.choice([("f_float64", "EUR"), ("f_int64", "km"), ("f_float64", "SEK\0")])
        return refused("unit", self._changed(name, lambda c: setattr(c, "unit", unit)), names=repr(name))

    def no_values(self) -> Input:
        name = self.rng.choice(["article_id", self._field()])
        return refused("no values", self._changed(name, lambda column: column.ClearField("values")), names=repr(name))

    def no_columns(self) -> Input:
        message = self._with(lambda message: message.ClearField("rows"))
        if self.is_push:
            return refused("no columns", message, names="'article_id'")
        return Input("no columns", message.SerializeToString(), frozenset({OK}))  # a watermark may come alone

    def no_rows(self) -> Input:
        message = self._with(lambda message: message.ClearField("event_time_us"))
        message.ClearField("created_time_us") if not self.is_push else None
        del message.rows[:]
        message.rows.extend(row_columns(self.rng, rows=0))
        return Input("no rows", message.SerializeToString(), frozenset({OK}))

    def null_key(self) -> Input:
        message = self._changed("user_id", lambda column: column.statuses.extend([1, NULL_VALUE, 1]))
        return Input("null key", message.SerializeToString(), frozenset({OK}), "user_id")

    def atomic_null_key(self) -> Input:
        message = self._changed("user_id", lambda column: column.statuses.extend([1, NULL_VALUE, 1]))
        message.atomic = True
        return refused("atomic null key", message, names="user_id")

    def long_key(self) -> Input:
        message = self._changed("user_id", lambda column: column.string.values.__setitem__(1, "x" * 481))
        return Input("long key", message.SerializeToString(), frozenset({OK}), "user_id")

    def not_text(self) -> Input:
        def change(column: Column) -> None:
            column.string.values[1] = "QQQQQQQQ"

        data = self._changed("f_string", change).SerializeToString().replace(b"QQQQQQQQ", b"\xff\xfe\xc0\x80QQQQ")
        return Input("not text", data, frozenset({OK}), "f_string")

    def too_big_for_int32(self) -> Input:
        column = Column(name="f_int32", int64={"values": [1, 2**40, 3]})
        message = self._changed("f_int32", lambda old: old.CopyFrom(column))
        return Input("too big", message.SerializeToString(), frozenset({OK, INVALID}), "f_int32")

    def no_target(self) -> Input:
        def change(message: PushFeaturesRequest) -> None:
            message.view = ""

        return refused("no target", self._with(change), names="view")

    def unknown_view(self) -> Input:
        name = self.rng.choice([*ODD[1:], "everythin"])
        message = self._with(lambda message: setattr(message, "view", name))
        return refused("view", message, NOT_FOUND, names="feature view")

    def unknown_source(self) -> Input:
        name = self.rng.choice([*ODD[1:], "trips"])
        message = self._with(lambda message: setattr(message, "push_source", name))
        return refused("source", message, NOT_FOUND, names="push source")

    def unknown_project(self) -> Input:
        message = self._with(lambda message: setattr(message, "project", self.rng.choice(ODD[1:])))
        return refused("project", message, NOT_FOUND, names="project")

    def unknown_snapshot(self) -> Input:
        message = self._with(lambda message: setattr(message, "snapshot", self.rng.choice([*ODD[1:], "ab" * 32])))
        return refused("snapshot", message, PRECONDITION, names="snapshot")

    def unknown_op(self) -> Input:
        return refused(
            "op", self._with(lambda message: setattr(message, "op", self.rng.choice((2, 7, -1)))), names="op"
        )

    def offline(self) -> Input:
        return refused("to", self._with(lambda message: setattr(message, "to", OFFLINE)), UNIMPLEMENTED, names="to")

    def long_id(self) -> Input:
        message = self._with(lambda message: setattr(message, "request_id", "i" * self.rng.choice((257, 5000))))
        return refused("request id", message, names="request_id")

    def future(self) -> Input:
        def change(message: PushFeaturesRequest) -> None:
            message.event_time_us[1] = self.rng.choice((2**63 - 1, NOW_US * 1000, 10 * NOW_US))

        return Input("future", self._with(change).SerializeToString(), frozenset({OK}), "event_time_us")

    def values_in_delete(self) -> Input:
        message = self._with(lambda message: setattr(message, "op", DELETE))
        return refused("delete", message, names="DELETE")

    def extremes(self) -> Input:
        def change(message: PushFeaturesRequest) -> None:
            message.event_time_us[:] = [0, -(2**63), -1]

        return Input("extremes", self._with(change).SerializeToString(), frozenset({OK}))

    def many_columns(self) -> Input:
        message = self._with(lambda m: m.rows.extend(Column(name=f"c{number}") for number in range(4100)))
        return refused("many columns", message)

    def many_rows(self) -> Input:
        ids = [self.rng.randrange(10**9) for _ in range(MANY_ROWS)]
        message = self.message(
            view="trips",
            rows=[
                Column(name="driver_id", int64={"values": ids}),
                Column(name="stamp", int64={"values": ids}),
                Column(name="amount", float64={"values": map(float, ids)}),
                Column(name="label", string={"values": ["x"] * MANY_ROWS}),
                Column(name="embedding", float32_list={"values": [], "lengths": [0] * MANY_ROWS}),
                Column(name="note", bytes={"values": [b""] * MANY_ROWS}),
            ],
            event_time_us=[NOW_US] * MANY_ROWS,
        )
        return Input("many rows", message.SerializeToString(), frozenset({OK}))

    def ragged_many_rows(self) -> Input:
        message = self.message.FromString(self.many_rows().data)
        message.rows[2].float64.values.pop()
        return refused("ragged many rows", message, names="rows")

    def large_value(self) -> Input:
        message = self._changed("f_string", lambda column: column.string.values.__setitem__(1, "x" * LARGE_BYTES))
        return Input("large value", message.SerializeToString(), frozenset({OK}))

    def large_key(self) -> Input:
        message = self._changed("user_id", lambda column: column.string.values.__setitem__(1, "x" * LARGE_BYTES))
        return Input("large key", message.SerializeToString(), frozenset({OK}), "user_id")

    def large_name(self) -> Input:
        message = self._changed("f_string", lambda column: setattr(column, "name", "\u00e5" * (LARGE_BYTES // 2)))
        return refused("large name", message)

    def large_view(self) -> Input:
        message = self._with(lambda message: setattr(message, "view", "v" * LARGE_BYTES))
        return refused("large view", message, NOT_FOUND, names="feature view")


class ReadFaults:
    """Reads with one thing wrong."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def valid(self) -> GetOnlineFeaturesRequest:
        rng = self.rng
        options = ReadOptions(event_timestamps=rng.random() < 0.5)
        which = rng.randrange(4)
        if which == 0:
            names = ["everything:f_float64", "everything:f_int32", "everything:f_bool"]
            options.matrix = True
        elif which == 1:
            view = rng.choice(VIEWS)
            names = [f"{view.name}:{field.name}" for field in view.fields]
        else:
            wanted = rng.sample([field.name for field in everything.fields], rng.randrange(1, 6))
            names = [f"everything:{name}" for name in wanted]
        keys = [Column(name="driver_id", int64={"values": [1, 2, 3]}), *row_columns(rng, keys_only=True)]
        keys += [
            Column(name="at", timestamp_us={"values": [0, NOW_US, -1]}),
            Column(name="code", bytes={"values": [b"", b"\0", b"\xff"]}),
            Column(name="flag", bool={"values": [True, False, True]}),
            Column(name="small", int32={"values": [0, 1, -1]}),
        ]
        wanted_keys = {
            key.name for view in VIEWS if any(n.startswith(view.name + ":") for n in names) for key in view.join_keys
        }
        entities = [column for column in keys if column.name in wanted_keys]
        return GetOnlineFeaturesRequest(features=FeatureNames(names=names), entities=entities, options=options)

    def plain(self) -> GetOnlineFeaturesRequest:
        names = ["everything:f_float64", "everything:f_string"]
        return GetOnlineFeaturesRequest(
            features=FeatureNames(names=names), entities=row_columns(self.rng, keys_only=True)
        )

    def faults(self) -> list[Callable[[], Input]]:
        return [
            self.missing, self.unknown_key, self.repeated_key, self.wrong_type, self.float_key, self.list_key,
            self.ragged, self.ragged_statuses, self.null_key, self.bad_status, self.no_values, self.nothing,
            self.no_names, self.odd_feature, self.unknown_feature, self.unknown_view, self.unknown_service,
            self.twice, self.same_names, self.text_matrix, self.request_data, self.unknown_snapshot,
            self.unknown_project, self.signature,
            self.garbage_token, self.foreign_token, self.no_rows, self.not_text, self.long_key, self.many_columns,
            self.too_big_for_int32,
        ]  # fmt: skip

    def large(self) -> list[Callable[[], Input]]:
        return [
            self.many_rows,
            self.ragged_many_rows,
            self.large_key,
            self.large_name,
            self.large_view,
            self.large_service,
        ]

    def _with(self, change: Callable[[GetOnlineFeaturesRequest], object]) -> GetOnlineFeaturesRequest:
        message = self.plain()
        change(message)
        return message

    def _changed(self, name: str, change: Callable[[Column], object]) -> GetOnlineFeaturesRequest:
        return self._with(lambda message: change(by_name(message, "entities", name)))

    def _names(self, *names: str) -> GetOnlineFeaturesRequest:
        return self._with(lambda message: message.features.CopyFrom(FeatureNames(names=names)))

    def missing(self) -> Input:
        name = self.rng.choice(["article_id", "user_id"])
        message = self.plain()
        message.entities.remove(by_name(message, "entities", name))
        return refused("missing", message, names=repr(name))

    def unknown_key(self) -> Input:
        name = self.rng.choice((*ODD, "article_ids"))
        message = self._with(lambda m: m.entities.append(column_of(self.rng, name, 3, ROWS)))
        return refused("unknown key", message, names="'article_ids'" if name == "article_ids" else "")

    def repeated_key(self) -> Input:
        message = self._with(lambda m: m.entities.append(by_name(m, "entities", "user_id")))
        return refused("repeated key", message, names="'user_id'")

    def wrong_type(self) -> Input:
        name, kind = self.rng.choice([("article_id", 6), ("user_id", 3), ("article_id", 5), ("article_id", 8)])
        message = self._changed(name, lambda column: column.CopyFrom(column_of(self.rng, name, kind, ROWS)))
        return refused("wrong type", message, names=repr(name))

    def float_key(self) -> Input:
        column = column_of(self.rng, "article_id", self.rng.choice((1, 2)), ROWS)
        return refused("float key", self._changed("article_id", lambda old: old.CopyFrom(column)), names="'article_id'")

    def list_key(self) -> Input:
        column = column_of(self.rng, "article_id", 11, ROWS)
        return refused("list key", self._changed("article_id", lambda old: old.CopyFrom(column)), names="'article_id'")

    def ragged(self) -> Input:
        column = column_of(self.rng, "user_id", 6, self.rng.choice((0, 1, 2, 4, 50)))
        return refused("ragged", self._changed("user_id", lambda old: old.CopyFrom(column)), names="rows")

    def ragged_statuses(self) -> Input:
        message = self._changed("user_id", lambda column: column.statuses.extend([1, 1]))
        return refused("statuses", message, names="'user_id'")

    def null_key(self) -> Input:
        message = self._changed("user_id", lambda column: column.statuses.extend([1, NULL_VALUE, 1]))
        return refused("null key", message, names="'user_id'")

    def bad_status(self) -> Input:
        status = self.rng.choice((0, 3, 5, 99, -1))
        message = self._changed("article_id", lambda column: column.statuses.extend([1, 1, status]))
        return refused("status", message, names="'article_id'")

    def no_values(self) -> Input:
        return refused("no values", self._changed("user_id", lambda c: c.ClearField("values")), names="'user_id'")

    def nothing(self) -> Input:
        return refused("nothing", self._with(lambda message: message.ClearField("features")), names="features")

    def no_names(self) -> Input:
        return refused("no names", self._names(), names="features")

    def odd_feature(self) -> Input:
        odd = self.rng.choice([name for name in ODD if ":" not in name] + ["everything:", ":f_int64", "::"])
        return refused("odd feature", self._names("everything:f_int64", odd), names="feature")

    def unknown_feature(self) -> Input:
        odd = self.rng.choice([name for name in ODD if name] + ["f_int65"])
        return refused("unknown feature", self._names(f"everything:{odd}"), NOT_FOUND)

    def unknown_view(self) -> Input:
        odd = self.rng.choice([name for name in ODD if name and ":" not in name] + ["everythin"])
        return refused("unknown view", self._names(f"{odd}:f_int64"), NOT_FOUND, names="feature view")

    def unknown_service(self) -> Input:
        odd = self.rng.choice(ODD)
        message = self._with(lambda m: setattr(m, "feature_service", odd))
        return refused("unknown service", message, NOT_FOUND, names="feature service")

    def twice(self) -> Input:
        message = self._names("everything:f_int64", "everything:f_int64")
        return refused("twice", message, names="everything:f_int64")

    def same_names(self) -> Input:
        message = self._names("everything:f_int64", "trips:stamp", "everything:f_int64")
        return refused("same names", message, names="f_int64")

    def text_matrix(self) -> Input:
        return refused("matrix", self._with(lambda m: setattr(m.options, "matrix", True)), names="f_string")

    def request_data(self) -> Input:
        message = self._with(lambda m: m.request_data.append(column_of(self.rng, self.rng.choice(ODD), 3, ROWS)))
        return refused("request data", message, names="request_data")

    def unknown_snapshot(self) -> Input:
        message = self._with(lambda m: setattr(m, "snapshot", self.rng.choice([*ODD[1:], "ab" * 32])))
        return refused("snapshot", message, PRECONDITION, names="snapshot")

    def unknown_project(self) -> Input:
        message = self._with(lambda m: setattr(m, "project", self.rng.choice(ODD[1:])))
        return refused("project", message, NOT_FOUND, names="project")

    def signature(self) -> Input:
        message = self._with(lambda m: setattr(m, "signature", self.rng.choice(ODD[1:])))
        return refused("signature", message, PRECONDITION, names="signature")

    def garbage_token(self) -> Input:
        token = self.rng.randbytes(self.rng.choice((1, 27, 29, 300)))
        return refused("token", self._with(lambda m: setattr(m, "min_token", token)), names="min_token")

    def foreign_token(self) -> Input:
        token = self.rng.randbytes(16) + struct.pack(">IQ", 1, self.rng.randrange(2**64))
        message = self._with(lambda m: setattr(m, "min_token", token))
        return refused("foreign token", message, PRECONDITION, names="min_token")

    def no_rows(self) -> Input:
        message = self._with(lambda m: m.ClearField("entities"))
        message.entities.extend(row_columns(self.rng, rows=0, keys_only=True))
        return Input("no rows", message.SerializeToString(), frozenset({OK}))

    def not_text(self) -> Input:
        message = self._changed("user_id", lambda column: column.string.values.__setitem__(1, "QQQQQQQQ"))
        data = message.SerializeToString().replace(b"QQQQQQQQ", b"\xff\xfe\xc0\x80QQQQ")
        return Input("not text", data, frozenset({INVALID}), "'user_id'")

    def long_key(self) -> Input:
        message = self._changed("user_id", lambda column: column.string.values.__setitem__(1, "\0" * 240))
        return refused("long key", message, names="'user_id'")

    def too_big_for_int32(self) -> Input:
        message = self._names("moments:level")
        message.ClearField("entities")
        message.entities.extend(
            [
                Column(name="at", timestamp_us={"values": [1]}),
                Column(name="code", bytes={"values": [b"x"]}),
                Column(name="flag", bool={"values": [True]}),
                Column(name="small", int64={"values": [2**40]}),
            ]
        )
        return Input("too big", message.SerializeToString(), frozenset({OK, INVALID}))  # no row has such a key

    def many_columns(self) -> Input:
        message = self._with(lambda m: m.entities.extend(Column(name=f"c{number}") for number in range(4100)))
        return refused("many columns", message)

    def many_rows(self) -> Input:
        message = self._with(lambda m: m.ClearField("entities"))
        message.entities.extend(row_columns(self.rng, rows=MANY_ROWS, keys_only=True))
        return Input("many rows", message.SerializeToString(), frozenset({OK}))

    def ragged_many_rows(self) -> Input:
        message = GetOnlineFeaturesRequest.FromString(self.many_rows().data)
        message.entities[1].string.values.pop()
        return refused("ragged many rows", message, names="rows")

    def large_key(self) -> Input:
        message = self._changed("user_id", lambda column: column.string.values.__setitem__(1, "x" * LARGE_BYTES))
        return refused("large key", message, names="'user_id'")

    def large_name(self) -> Input:
        return refused("large name", self._changed("user_id", lambda c: setattr(c, "name", "n" * LARGE_BYTES)))

    def large_view(self) -> Input:
        return refused("large view", self._names("\u00e5" * (LARGE_BYTES // 2) + ":f_int64"), NOT_FOUND, "feature view")

    def large_service(self) -> Input:
        message = self._with(lambda m: setattr(m, "feature_service", "s" * LARGE_BYTES))
        return refused("large service", message, NOT_FOUND, names="feature service")


def push_inputs(seed: int) -> Inputs:
    return _row_inputs(seed, PushFeaturesRequest)


def materialize_inputs(seed: int) -> Inputs:
    return _row_inputs(seed, MaterializeRowsRequest)


def _row_inputs(seed: int, message: type[PushFeaturesRequest | MaterializeRowsRequest]) -> Inputs:
    rng = random.Random(seed)
    faults = RowFaults(rng, message)
    return Inputs(rng, valid=faults.valid, faults=faults.faults(), large=faults.large(), columns="rows")


def read_inputs(seed: int) -> Inputs:
    rng = random.Random(seed)
    faults = ReadFaults(rng)
    return Inputs(rng, valid=faults.valid, faults=faults.faults(), large=faults.large(), columns="entities")
