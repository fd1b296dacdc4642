"""Bad input to GetOnlineFeatures."""

import random
import struct
from collections.abc import Callable

from hotrow.v1.column_pb2 import NULL_VALUE, Column
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest, ReadOptions

from .definitions import VIEWS, everything
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
        return Input("null key", message.SerializeToString(), frozenset({OK}))  # an entity that is not found

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
        return Input("long key", message.SerializeToString(), frozenset({OK}))  # likewise

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
        return Input("large key", message.SerializeToString(), frozenset({OK}))  # an entity that is not found

    def large_name(self) -> Input:
        return refused("large name", self._changed("user_id", lambda c: setattr(c, "name", "n" * LARGE_BYTES)))

    def large_view(self) -> Input:
        return refused("large view", self._names("\u00e5" * (LARGE_BYTES // 2) + ":f_int64"), NOT_FOUND, "feature view")

    def large_service(self) -> Input:
        message = self._with(lambda m: setattr(m, "feature_service", "s" * LARGE_BYTES))
        return refused("large service", message, NOT_FOUND, names="feature service")


def read_inputs(seed: int) -> Inputs:
    rng = random.Random(seed)
    faults = ReadFaults(rng)
    return Inputs(rng, valid=faults.valid, faults=faults.faults(), large=faults.large(), columns="entities")
