"""What a read sends: one serialized `hotrow.v1.GetOnlineFeaturesRequest`, of one caller or of several together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, Final, TypedDict

import numpy as np
from hotrow.codec.column import encode_dense
from hotrow.codec.column_values import Dense
from hotrow.codec.protowire import length_delimited
from hotrow.types import ValueType
from hotrow.v1 import feature_server_pb2 as pb

from hotrow_client.rows import Column, Rows, columns_from_rows, dense_columns

_ENTITIES, _REQUEST_DATA = 4, 5
_NO_ENTITIES: Final = Column("", Dense(None, 0, [], None, None))  # where no row says the names of the join keys


class ReadOptions(TypedDict, total=False):
    """Options of `Client.read`. `types` and `timeout_s` (all attempts together) are the client's own, the others are
    those of `hotrow.v1.GetOnlineFeaturesRequest`; `types` gives columns whose values do not show theirs a type.
    """

    snapshot: str
    full_names: bool
    event_timestamps: bool
    matrix: bool
    min_token: bytes
    signature: str
    request_data: Rows
    types: Mapping[str, ValueType]
    timeout_s: float


@dataclass(frozen=True, slots=True, eq=False)
class ReadRequest:
    """A request in its parts: what is asked (`head`, `tail`), and the columns (`fields` has the number of the field
    that each stands in).
    """

    head: bytes
    tail: bytes
    fields: tuple[int, ...]
    columns: tuple[Column, ...]

    def encode(self) -> bytes:
        """A canonical request: the columns stand between the parts that protobuf writes."""
        columns = [
            length_delimited(field, encode_dense(column.name, column.dense, column.unit))
            for field, column in zip(self.fields, self.columns, strict=True)
        ]
        return b"".join((self.head, *columns, self.tail))

    @property
    def rows(self) -> int:
        """Rows of all columns; 0 where there are none, or columns that differ: such a request is sent alone."""
        counts = {column.dense.rows for column in self.columns}
        return counts.pop() if len(counts) == 1 else 0

    @property
    def selection(self) -> tuple[Any, ...]:
        """Equal in requests whose rows can be sent together."""
        shapes = [(column.name, column.dense.type and column.dense.type.kind, column.unit) for column in self.columns]
        return (self.head, self.tail, self.fields, *shapes)


def joined(requests: Sequence[ReadRequest]) -> ReadRequest:
    """One request with the rows of all, one request's after the other's; they have one selection."""
    first = requests[0]
    if len(requests) == 1:
        return first
    columns = [
        Column(column.name, _joined([request.columns[place].dense for request in requests]), column.unit)
        for place, column in enumerate(first.columns)
    ]
    return ReadRequest(first.head, first.tail, first.fields, tuple(columns))


def read_request(
    project: str, names: tuple[str, ...], feature_service: str, entities: Rows | None, options: ReadOptions
) -> ReadRequest:
    """Raises TypeError or HotrowError, naming the column, for what cannot be sent."""
    if bool(names) == bool(feature_service):
        raise TypeError("read features or a feature service: give one of the two")
    keys = columns_from_rows({} if entities is None else entities)
    data = columns_from_rows(options.get("request_data", {}))
    both = ", ".join(keys.values.keys() & data.values.keys())
    if both:
        raise TypeError(f"{both} stands among the entities and in request_data: give it once")
    columns = dense_columns({**keys.values, **data.values}, options.get("types", {}), data.units)
    numbers = [_ENTITIES] * len(keys.values) + [_REQUEST_DATA] * len(data.values)
    if not keys.values and entities is not None:
        columns.append(_NO_ENTITIES)
        numbers.append(_ENTITIES)
    return ReadRequest(_head(project, names, feature_service), _tail(options), tuple(numbers), tuple(columns))


@lru_cache(maxsize=256)
def _head(project: str, names: tuple[str, ...], feature_service: str) -> bytes:
    if feature_service:
        request = pb.GetOnlineFeaturesRequest(project=project, feature_service=feature_service)
    else:
        request = pb.GetOnlineFeaturesRequest(project=project, features=pb.FeatureNames(names=names))
    return request.SerializeToString()


_FLAGS: Final = ("event_timestamps", "full_names", "matrix")


def _tail(options: ReadOptions) -> bytes:
    tail = pb.GetOnlineFeaturesRequest(
        snapshot=options.get("snapshot", ""),
        signature=options.get("signature", ""),
        min_token=options.get("min_token", b""),
    )
    flags = {name: True for name in _FLAGS if options.get(name)}
    if flags:
        tail.options.CopyFrom(pb.ReadOptions(**flags))
    return tail.SerializeToString()


def _joined(parts: Sequence[Dense]) -> Dense:
    """The rows of columns of one type, one after another."""
    values: Any = [part.values for part in parts]
    values = list(chain.from_iterable(values)) if isinstance(values[0], list) else np.concatenate(values)
    lengths = None if parts[0].lengths is None else np.concatenate([p.lengths for p in parts if p.lengths is not None])
    absent = None
    if any(part.absent is not None for part in parts):
        absent = np.concatenate([np.zeros(p.rows, np.bool_) if p.absent is None else p.absent for p in parts])
    return Dense(parts[0].type, sum(part.rows for part in parts), values, lengths, absent)
