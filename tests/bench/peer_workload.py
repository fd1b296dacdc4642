"""The workloads as a peer is given them: hotrow's own requests, read back into plain values, in a file."""

import json
import pickle
from pathlib import Path
from typing import Any, TypeAlias

from hotrow.codec.column import column_from_message
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import PushFeaturesRequest

from tests.bench.dataset import DRIVERS, PUSHES, READS, VIEWS, fields, fill_requests, workload_requests

# Pushes ready for one burst, each with a later time than the last: more than a peer answers in it.
PUSHES_A_BURST = {"W1": 2000, "W1000": 60}

Bodies: TypeAlias = dict[str, tuple[tuple[bytes, ...], ...]]
"""What to send to one server: by workload, the requests of each round. A workload it cannot do is left out."""


def own_bodies(workloads: list[str]) -> Bodies:
    """What hotrow is sent, the same in every round: a push without a time has the time of receipt."""
    return {name: (workload_requests(name),) for name in workloads}


def write_workload(folder: Path, workloads: list[str], rounds: int) -> None:
    """Write workload.json: types, every driver's rows, and the keys and rows of the very requests hotrow is sent."""
    rows: dict[str, dict[str, list[Any]]] = {view: {} for view in VIEWS}
    for request in fill_requests(0, DRIVERS):
        push = PushFeaturesRequest.FromString(request)
        for name, values in _table(push).items():
            rows[push.push_source.removesuffix("_push")].setdefault(name, []).extend(values)
    reads = {name: _reads(name) for name in workloads if name in READS}
    pushes = {name: _pushes(name) for name in workloads if name in PUSHES}
    types = {view: {name: type_.name for name, type_ in fields(view)} for view in VIEWS}
    workload = {"rounds": rounds, "types": types, "rows": rows, "reads": reads, "pushes": pushes}
    (folder / "workload.json").write_text(json.dumps(workload), encoding="utf-8")


def read_bodies(folder: Path) -> tuple[str, dict[str, Bodies]]:
    """The peer's version and, by server, the requests it made of workload.json."""
    made = pickle.loads((folder / "requests.pickle").read_bytes())
    return made["version"], {server: _bodies(made[server]) for server in ("grpc", "http")}


def _bodies(made: dict[str, list[list[bytes]]]) -> Bodies:
    return {name: tuple(map(tuple, rounds)) for name, rounds in made.items()}


def _reads(name: str) -> dict[str, Any]:
    return {"features": READS[name].names, "drivers": [_drivers(request) for request in workload_requests(name)]}


def _pushes(name: str) -> dict[str, Any]:
    tables = [_table(PushFeaturesRequest.FromString(request)) for request in workload_requests(name)]
    return {"rows": PUSHES[name], "count": PUSHES_A_BURST[name], "tables": tables}


def _table(push: PushFeaturesRequest) -> dict[str, list[Any]]:
    columns = [column_from_message(column) for column in push.rows]
    return {column.name: column.to_list() for column in columns}


def _drivers(request: bytes) -> list[int]:
    return list(GetOnlineFeaturesRequest.FromString(request).entities[0].int64.values)
