"""A view that has every type, scalars and lists: its definition, a push to it and a read of it."""

from typing import Any

import numpy as np
from hotrow.codec.column import decode_column, encode_column
from hotrow.codec.protowire import length_delimited
from hotrow.types import BY_NAME, Int64, ValueType
from hotrow.v1.column_pb2 import Column, Int64s
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesReply, GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import PushFeaturesReply

from tests.bench.check import WrongReplyError

FIELDS = {f"f{number:02}": type_ for number, type_ in enumerate(BY_NAME.values())}
_VALUES: dict[str, Any] = {
    "Float64": 1.5,
    "Float32": 2.5,
    "Int64": 3,
    "Int32": 4,
    "Bool": True,
    "String": "five",
    "Bytes": b"six",
    "UnixTimestamp": 7_000_000,
}


def definitions() -> str:
    """The Python file of a repository that has the view."""
    schema = ", ".join(f'Field("{name}", {type_.name})' for name, type_ in FIELDS.items())
    return (
        f"from hotrow import Array, Entity, FeatureView, Field, PushSource, {', '.join(_VALUES)}\n"
        'driver = Entity("driver", join_keys={"driver_id": Int64})\n'
        f'every = FeatureView("every", entities=[driver], ttl=None, schema=[{schema}])\n'
        'every_push = PushSource("every_push", view=every)\n'
    )


def push_request() -> bytes:
    """A PushFeaturesRequest of one row."""
    columns = [encode_column("driver_id", np.array([1], np.int64), type=Int64)]
    columns += [encode_column(name, [_value(type_)], type=type_) for name, type_ in FIELDS.items()]
    return length_delimited(2, b"every_push") + b"".join(length_delimited(4, column) for column in columns)


def read_request() -> bytes:
    """A GetOnlineFeaturesRequest of that row."""
    return GetOnlineFeaturesRequest(
        features=FeatureNames(names=[f"every:{name}" for name in FIELDS]),
        entities=[Column(name="driver_id", int64=Int64s(values=[1]))],
    ).SerializeToString()


def check_push(reply: bytes) -> None:
    """Raises WrongReplyError where the row was not written."""
    pushed = PushFeaturesReply.FromString(reply)
    if pushed.written != 1:
        raise WrongReplyError(f"a push of every type wrote {pushed.written} rows: {pushed.rejections}")


def check_read(reply: bytes) -> None:
    """Raises WrongReplyError where a type or a value is not what was pushed."""
    for (name, type_), message in zip(FIELDS.items(), GetOnlineFeaturesReply.FromString(reply).columns, strict=True):
        column = decode_column(message)
        got = column.values[0]
        got = got.tolist() if type_.is_list or isinstance(got, np.generic) else got
        if (column.name, column.type, got) != (name, type_, _value(type_)) or not column.present.all():
            raise WrongReplyError(f"{name}: {got!r} of type {column.type}, pushed as {_value(type_)!r} of {type_}")


def _value(type_: ValueType) -> Any:
    value = _VALUES[type_.name.removeprefix("Array(").removesuffix(")")]
    return [value] * 3 if type_.is_list else value
