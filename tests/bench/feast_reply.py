"""A reply in the shape of Feast's GetOnlineFeaturesResponse, for a comparison without Feast.

The messages are described here, field by field with Feast's numbers and types (`feast.serving`, `feast.types`), since
Feast is not among the dependencies: metadata with the names, and a FeatureVector a feature with a Value, a status and a
Timestamp a row.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

_FIELD = descriptor_pb2.FieldDescriptorProto
_MESSAGES: dict[str, list[tuple[str, int, int, int, str]]] = {
    "Value": [
        ("bytes_val", 1, _FIELD.TYPE_BYTES, _FIELD.LABEL_OPTIONAL, ""),
        ("string_val", 2, _FIELD.TYPE_STRING, _FIELD.LABEL_OPTIONAL, ""),
        ("int32_val", 3, _FIELD.TYPE_INT32, _FIELD.LABEL_OPTIONAL, ""),
        ("int64_val", 4, _FIELD.TYPE_INT64, _FIELD.LABEL_OPTIONAL, ""),
        ("double_val", 5, _FIELD.TYPE_DOUBLE, _FIELD.LABEL_OPTIONAL, ""),
        ("float_val", 6, _FIELD.TYPE_FLOAT, _FIELD.LABEL_OPTIONAL, ""),
        ("bool_val", 7, _FIELD.TYPE_BOOL, _FIELD.LABEL_OPTIONAL, ""),
    ],
    "FeatureList": [("val", 1, _FIELD.TYPE_STRING, _FIELD.LABEL_REPEATED, "")],
    "Metadata": [("feature_names", 1, _FIELD.TYPE_MESSAGE, _FIELD.LABEL_OPTIONAL, ".feast.FeatureList")],
    "FeatureVector": [
        ("values", 1, _FIELD.TYPE_MESSAGE, _FIELD.LABEL_REPEATED, ".feast.Value"),
        ("statuses", 2, _FIELD.TYPE_INT32, _FIELD.LABEL_REPEATED, ""),  # an enum there: the same bytes
        ("event_timestamps", 3, _FIELD.TYPE_MESSAGE, _FIELD.LABEL_REPEATED, ".google.protobuf.Timestamp"),
    ],
    "GetOnlineFeaturesResponse": [
        ("metadata", 1, _FIELD.TYPE_MESSAGE, _FIELD.LABEL_OPTIONAL, ".feast.Metadata"),
        ("results", 2, _FIELD.TYPE_MESSAGE, _FIELD.LABEL_REPEATED, ".feast.FeatureVector"),
    ],
}


def response_class() -> Any:
    """The message class of GetOnlineFeaturesResponse."""
    file = descriptor_pb2.FileDescriptorProto(name="bench_feast.proto", package="feast", syntax="proto3")
    file.dependency.append(timestamp_pb2.DESCRIPTOR.name)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if name == "Value":
            message.oneof_decl.add(name="val")
        for field, number, kind, label, type_name in fields:
            added = message.field.add(name=field, number=number, label=label, type=kind)
            if type_name:
                added.type_name = type_name
            if name == "Value":
                added.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    times = descriptor_pb2.FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(times)
    pool.Add(times)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("feast.GetOnlineFeaturesResponse"))


def response(names: list[str], values: npt.NDArray[np.float64], event_s: int) -> bytes:
    """Doubles of shape (names, rows), all PRESENT."""
    message = response_class()()
    message.metadata.feature_names.val.extend(names)
    for column in values:
        vector = message.results.add()
        vector.statuses.extend([1] * len(column))
        for value in column:
            vector.values.add(double_val=value)
            vector.event_timestamps.add(seconds=event_s)
    return bytes(message.SerializeToString())


def parsed(reply_class: Any, data: bytes) -> tuple[dict[str, list[Any]], list[list[int]]]:
    """The values as Python objects by name, and the statuses: the least that a caller has to do to use the reply."""
    message = reply_class.FromString(data)
    values = {
        name: [getattr(value, value.WhichOneof("val")) for value in vector.values]
        for name, vector in zip(message.metadata.feature_names.val, message.results, strict=True)
    }
    return values, [list(vector.statuses) for vector in message.results]
