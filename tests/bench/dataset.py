"""The data of the workloads: 10,000 drivers, three views, every value derived from its place."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hotrow.codec.column import encode_column
from hotrow.types import Float32, Float64, Int64, String, ValueType
from hotrow.v1.column_pb2 import Column, Int64s
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest

DRIVERS = 10_000
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
    """The feature repository's Python file."""
    lines = [
        "from hotrow import Entity, FeatureView, Field, Float32, Float64, Int64, PushSource, String",
        'driver = Entity("driver", join_keys={"driver_id": Int64})',
    ]
    for view in VIEWS:
        schema = ", ".join(f'Field("{name}", {type_.name})' for name, type_ in fields(view))
        lines.append(f'{view} = FeatureView("{view}", entities=[driver], ttl=None, schema=[{schema}])')
        lines.append(f'{view}_push = PushSource("{view}_push", view={view})')
    return "\n".join(lines) + "\n"


def make_repository(folder: Path, **settings: object) -> None:
    """Write a feature repository with the settings given: server_port, ingest_port, workers, lane, durability."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hotrow.toml").write_text(TOML.format(**settings))
    (folder / "features.py").write_text(definitions())


def rows_of(view: str, drivers: np.ndarray) -> bytes:
    """The columns of a push of these drivers, as `rows` fields of a request."""
    columns = [encode_column("driver_id", drivers, type=Int64)]
    for number, (name, type_) in enumerate(fields(view)):
        if type_ is String:
            values: object = [f"{name}-{driver}" for driver in drivers.tolist()]
        elif type_ is Int64:
            values = drivers * 31 + number
        else:
            values = ((drivers * 7 + number) % 1000 / 10).astype("<f8" if type_ is Float64 else "<f4")
        columns.append(encode_column(name, values, type=type_))
    return b"".join(b"\x22" + _varint(len(column)) + column for column in columns)


def push_request(view: str, drivers: np.ndarray) -> bytes:
    """A serialized PushFeaturesRequest."""
    source = f"{view}_push".encode()
    return b"\x12" + _varint(len(source)) + source + rows_of(view, drivers)


def fill_requests(drivers: int = DRIVERS, batch: int = 5000) -> Iterator[bytes]:
    """Pushes that fill the store with every driver's rows."""
    for view in VIEWS:
        for start in range(0, drivers, batch):
            yield push_request(view, np.arange(start, min(start + batch, drivers), dtype="<i8"))


def read_requests(read: Read, count: int, seed: int = 7) -> list[bytes]:
    """Serialized GetOnlineFeaturesRequests with random drivers."""
    generator = np.random.default_rng(seed)
    head = GetOnlineFeaturesRequest(features=FeatureNames(names=read.names)).SerializeToString()
    requests = []
    for _ in range(count):
        column = Column(name="driver_id", int64=Int64s(values=generator.integers(0, DRIVERS, read.entities)))
        requests.append(head + GetOnlineFeaturesRequest(entities=[column]).SerializeToString())
    return requests


def push_requests(rows: int, count: int, seed: int = 7) -> list[bytes]:
    """Serialized pushes of `rows` random drivers to view a."""
    generator = np.random.default_rng(seed)
    return [push_request("a", generator.choice(DRIVERS, rows, replace=False).astype("<i8")) for _ in range(count)]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
