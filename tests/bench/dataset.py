"""The data of the workloads: 10,000 drivers, three views, every value derived from its place."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from hotrow.codec.column import encode_column
from hotrow.codec.protowire import length_delimited
from hotrow.types import Float32, Float64, Int64, String, ValueType
from hotrow.v1.column_pb2 import Column, Int64s
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest

DRIVERS = 10_000
_FILL_DRIVERS = 5000  # of one push
VIEWS: dict[str, list[ValueType]] = {
    "a": [Float64] * 4 + [Int64] * 3 + [Float32] * 2 + [String],
    "b": [Float32] * 20,
    "c": [Int64] * 10 + [Float64] * 5 + [String] * 5,
}

TOML = """\
project = "bench"
registry = "registry"
[online_store]
type = "lmdb"
path = "data/online"
[server]
address = "127.0.0.1:{server_port}"
workers = {workers}
lane = "{lane}"
[ingest]
address = "127.0.0.1:{ingest_port}"
durability = "{durability}"
"""


@dataclass(frozen=True, slots=True)
class Read:
    """A read workload: how many entities, and of which views all features."""

    entities: int
    views: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        return [f"{view}:{name}" for view in self.views for name, _ in fields(view)]


READS = {
    "R1": Read(1, ("a",)),
    "R2": Read(1, ("a", "b", "c")),
    "R3": Read(100, ("a", "b", "c")),
    "R4": Read(1000, ("a", "b", "c")),
}
PUSHES = {"W1": 1, "W1000": 1000}


def fields(view: str) -> list[tuple[str, ValueType]]:
    """Names and types of a view's features."""
    return [(f"{view}{i:02}_{type_.name.lower()}", type_) for i, type_ in enumerate(VIEWS[view])]


def definitions() -> str:
    """The Python file of a repository that has the views of the workloads."""
    lines = [
        "from hotrow import Entity, FeatureView, Field, Float32, Float64, Int64, PushSource, String",
        'driver = Entity("driver", join_keys={"driver_id": Int64})',
    ]
    for view in VIEWS:
        schema = ", ".join(f'Field("{name}", {type_.name})' for name, type_ in fields(view))
        lines.append(f'{view} = FeatureView("{view}", entities=[driver], ttl=None, schema=[{schema}])')
        lines.append(f'{view}_push = PushSource("{view}_push", view={view})')
    return "\n".join(lines) + "\n"


def make_repository(folder: Path, features: str = "", **settings: object) -> None:
    """Write a feature repository with the settings given: server_port, ingest_port, workers, lane, durability.

    `features` is its Python file; empty: the views of the workloads.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hotrow.toml").write_text(TOML.format(**settings))
    (folder / "features.py").write_text(features or definitions())


def values_of(view: str, drivers: npt.NDArray[np.int64]) -> Iterator[tuple[str, ValueType, Any]]:
    """Name, type and values of each feature of a view for these drivers."""
    for number, (name, type_) in enumerate(fields(view)):
        if type_ is String:
            yield name, type_, [f"{name}-{driver}" for driver in drivers.tolist()]
        elif type_ is Int64:
            yield name, type_, drivers * 31 + number
        else:
            yield name, type_, ((drivers * 7 + number) % 1000 / 10).astype("<f8" if type_ is Float64 else "<f4")


def rows_of(view: str, drivers: npt.NDArray[np.int64]) -> bytes:
    """The columns of a push of these drivers, as `rows` fields of a request."""
    columns = [encode_column("driver_id", drivers, type=Int64)]
    columns += [encode_column(name, values, type=type_) for name, type_, values in values_of(view, drivers)]
    return b"".join(length_delimited(4, column) for column in columns)


def push_request(view: str, drivers: npt.NDArray[np.int64]) -> bytes:
    """A serialized PushFeaturesRequest."""
    return length_delimited(2, f"{view}_push".encode()) + rows_of(view, drivers)


def fill_requests(first: int, last: int) -> Iterator[bytes]:
    """Pushes of the rows of drivers `first` to below `last`, in the order in which the store keeps them."""
    for start in range(first, last, _FILL_DRIVERS):
        for view in VIEWS:
            yield push_request(view, np.arange(start, min(start + _FILL_DRIVERS, last), dtype="<i8"))


def read_requests(read: Read, count: int, *, drivers: int = DRIVERS, seed: int = 7) -> list[bytes]:
    """Serialized GetOnlineFeaturesRequests with random drivers of the first `drivers`."""
    generator = np.random.default_rng(seed)
    head = GetOnlineFeaturesRequest(features=FeatureNames(names=read.names)).SerializeToString()
    requests = []
    for _ in range(count):
        column = Column(name="driver_id", int64=Int64s(values=generator.integers(0, drivers, read.entities)))
        requests.append(head + GetOnlineFeaturesRequest(entities=[column]).SerializeToString())
    return requests


def push_requests(rows: int, count: int, seed: int = 7) -> list[bytes]:
    """Serialized pushes of `rows` random drivers to view a."""
    generator = np.random.default_rng(seed)
    return [push_request("a", generator.choice(DRIVERS, rows, replace=False).astype("<i8")) for _ in range(count)]


def workload_requests(name: str) -> tuple[bytes, ...]:
    """What a workload sends, in turn."""
    return tuple(read_requests(READS[name], 500) if name in READS else push_requests(PUSHES[name], 50))
