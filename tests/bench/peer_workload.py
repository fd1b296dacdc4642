"""The workloads as a peer is given them: hotrow's own requests, read back into plain values, in a file."""

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotrow.codec.column import column_from_message
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import PushFeaturesRequest

from tests.bench.dataset import PUSHES, READS, VIEWS, fields, fill_requests, push_requests, read_requests

READ_REQUESTS = 500
PUSH_TABLES = {"W1": 500, "W1000": 30}
# Pushes ready for one burst, each with a later time than the last: more than a peer answers in it.
PUSHES_A_BURST = {"W1": 2000, "W1000": 60}


@dataclass(frozen=True, slots=True)
class Bodies:
    """What to send to one server: by workload, the requests of each round. A workload it cannot do is left out."""

    by_workload: dict[str, list[list[bytes]]]

    def of(self, workload: str, number: int) -> tuple[bytes, ...]:
        """The requests of a round."""
        return tuple(self.by_workload[workload][number])


def own_bodies(workloads: list[str], rounds: int) -> Bodies:
    """What hotrow is sent. A push without a time has the time of receipt, so those of one round serve all."""
    bodies = {name: read_requests(read, READ_REQUESTS) for name, read in READS.items() if name in workloads}
    bodies |= {name: push_requests(rows, PUSH_TABLES[name]) for name, rows in PUSHES.items() if name in workloads}
    return Bodies({name: [requests] * rounds for name, requests in bodies.items()})


def write_workload(folder: Path, workloads: list[str], rounds: int) -> None:
    """Write workload.json: types, every driver's rows, and the keys and rows of the very requests hotrow is sent."""
    rows: dict[str, dict[str, list[Any]]] = {view: {} for view in VIEWS}
    for request in fill_requests():
        push = PushFeaturesRequest.FromString(request)
        for name, values in _table(push).items():
            rows[push.push_source.removesuffix("_push")].setdefault(name, []).extend(values)
    reads = {
        name: {
            "features": READS[name].names,
            "drivers": [_drivers(r) for r in read_requests(READS[name], READ_REQUESTS)],
        }
        for name in workloads
        if name in READS
    }
    pushes = {name: _pushes(name) for name in workloads if name in PUSHES}
    types = {view: {name: type_.name for name, type_ in fields(view)} for view in VIEWS}
    workload = {"rounds": rounds, "types": types, "rows": rows, "reads": reads, "pushes": pushes}
    (folder / "workload.json").write_text(json.dumps(workload), encoding="utf-8")


def read_bodies(folder: Path) -> tuple[str, dict[str, Bodies]]:
    """The peer's version and, by server, the requests it made of workload.json."""
    made = pickle.loads((folder / "requests.pickle").read_bytes())
    return made["version"], {server: Bodies(made[server]) for server in ("grpc", "http")}


def _pushes(name: str) -> dict[str, Any]:
    requests = push_requests(PUSHES[name], PUSH_TABLES[name])
    tables = [_table(PushFeaturesRequest.FromString(request)) for request in requests]
    return {"rows": PUSHES[name], "count": PUSHES_A_BURST[name], "tables": tables}


def _table(push: PushFeaturesRequest) -> dict[str, list[Any]]:
    columns = [column_from_message(column) for column in push.rows]
    return {column.name: column.to_list() for column in columns}


def _drivers(request: bytes) -> list[int]:
    return list(GetOnlineFeaturesRequest.FromString(request).entities[0].int64.values)
