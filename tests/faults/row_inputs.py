"""Bad input to the RPCs that write: PushFeatures and MaterializeRows."""

import random
from collections.abc import Callable

from hotrow.v1.column_pb2 import NULL_VALUE, Column
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsRequest
from hotrow.v1.push_pb2 import BOTH, DELETE, OFFLINE, PushFeaturesRequest

from .definitions import everything
from .inputs import (
    INVALID,
    LARGE_BYTES,
    MANY_ROWS,
    NOT_FOUND,
    NOW_US,
    ODD,
    OK,
    PRECONDITION,
    ROWS,
    Input,
    Inputs,
    by_name,
    column_of,
    refused,
    row_columns,
)


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
            self.unknown_source, self.unknown_op, self.unknown_destination, self.logged, self.long_id, self.future,
            self.atomic_null_key, self.values_in_delete,
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
            [("article_id", 6), ("user_id", 3), ("f_string", 1), ("f_int64", 6), ("f_bool", 7)]
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
        if self.is_push or self.rng.random() < 0.5:
            return refused("no columns", message, names="'article_id'")
        message.ClearField("event_time_us")
        message.ClearField("created_time_us")
        return Input("no columns, no times", message.SerializeToString(), frozenset({OK}))  # a watermark may come alone

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

    def unknown_destination(self) -> Input:
        return refused(
            "to", self._with(lambda message: setattr(message, "to", self.rng.choice((3, 7, -1)))), names="to"
        )

    def logged(self) -> Input:
        message = self._with(lambda message: setattr(message, "to", self.rng.choice((OFFLINE, BOTH))))
        return Input("logged", message.SerializeToString(), frozenset({OK}))

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
        ids = range(MANY_ROWS)
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


def push_inputs(seed: int) -> Inputs:
    return _row_inputs(seed, PushFeaturesRequest)


def materialize_inputs(seed: int) -> Inputs:
    return _row_inputs(seed, MaterializeRowsRequest)


def _row_inputs(seed: int, message: type[PushFeaturesRequest | MaterializeRowsRequest]) -> Inputs:
    rng = random.Random(seed)
    faults = RowFaults(rng, message)
    return Inputs(rng, valid=faults.valid, faults=faults.faults(), large=faults.large(), columns="rows")
