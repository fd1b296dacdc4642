"""Feast's side of `make bench-peers`: run by the Python of an environment that has Feast and not hotrow.

`prepare FOLDER` reads workload.json there, makes a feature repository of it, fills its online store and writes
requests.pickle: the bodies of every request. `check FOLDER GRPC HTTP` asks both servers and compares with the data.
"""

import itertools
import json
import pickle
import sys
import urllib.request
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import feast
import grpc
import numpy as np
import pandas as pd
from feast.protos.feast.serving import GrpcServer_pb2 as push_pb2
from feast.protos.feast.serving import ServingService_pb2 as read_pb2
from feast.protos.feast.types import Value_pb2 as value_pb2

TIME = "event_timestamp"
FILLED_AT = datetime(2026, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 (Feast may stand on an older Python)
KINDS = {"Int64": "int64_val", "Float64": "double_val", "Float32": "float_val", "String": "string_val"}
READ, PUSH = "/GrpcFeatureServer/GetOnlineFeatures", "/GrpcFeatureServer/Push"


def prepare(folder: Path, workload: dict[str, Any]) -> None:
    store = feast.FeatureStore(repo_path=str(folder))
    driver = feast.Entity(name="driver", join_keys=["driver_id"], value_type=feast.ValueType.INT64)
    objects: list[Any] = [driver]
    for view, types in workload["types"].items():
        rows = pd.DataFrame(workload["rows"][view])
        rows[TIME] = FILLED_AT
        rows.head(1).to_parquet(folder / f"{view}.parquet")  # a view needs a source in a file; it is not read
        source = feast.FileSource(name=f"{view}_file", path=f"{view}.parquet", timestamp_field=TIME)
        push = feast.PushSource(name=f"{view}_push", batch_source=source)
        schema = [feast.Field(name=name, dtype=getattr(feast.types, type_)) for name, type_ in types.items()]
        schema.append(feast.Field(name="driver_id", dtype=feast.types.Int64))
        objects += [
            push,
            feast.FeatureView(name=view, entities=[driver], ttl=timedelta(0), schema=schema, source=push),
        ]
    store.apply(objects)
    for view in workload["types"]:
        rows = pd.DataFrame(workload["rows"][view])
        rows[TIME] = FILLED_AT
        store.write_to_online_store(view, df=rows)
    with (folder / "requests.pickle").open("wb") as file:
        pickle.dump({"version": feast.__version__, **requests(workload)}, file)


def requests(workload: dict[str, Any]) -> dict[str, Any]:
    """Bodies by server and workload, a list a round, and the pushes of the check. Reads are the same in every round.

    Feast drops a row that is no newer than the stored one, so times rise in the order in which pushes are sent: those
    of the check first, then workload by workload, round by round and server by server.
    """
    times = (FILLED_AT + timedelta(seconds=number) for number in itertools.count(1))
    types = {"driver_id": "Int64", **workload["types"]["a"]}
    writers = {
        name: {"http": push_json} if push["rows"] > 1 else {"grpc": partial(push_message, types), "http": push_json}
        for name, push in workload["pushes"].items()
    }  # Feast's gRPC push has a value a field, so no batch
    made: dict[str, Any] = {"grpc": {}, "http": {}, "check": []}
    for name, by_server in writers.items():
        table = workload["pushes"][name]["tables"][0]
        for server, write in by_server.items():
            time = next(times)
            made["check"].append((name, server, table["driver_id"][0], time, write(table, time)))
    for name, read in workload["reads"].items():
        asked = [(read["features"], drivers) for drivers in read["drivers"]]
        made["grpc"][name] = [[read_message(*one) for one in asked]] * workload["rounds"]
        made["http"][name] = [[read_json(*one) for one in asked]] * workload["rounds"]
    for name, by_server in writers.items():
        push = workload["pushes"][name]
        for _ in range(workload["rounds"]):
            for server, write in by_server.items():
                tables = itertools.islice(itertools.cycle(push["tables"]), push["count"])
                made[server].setdefault(name, []).append([write(table, next(times)) for table in tables])
    return made


def read_json(features: list[str], drivers: list[int]) -> bytes:
    return json.dumps({"features": features, "entities": {"driver_id": drivers}}).encode()


def read_message(features: list[str], drivers: list[int]) -> bytes:
    message = read_pb2.GetOnlineFeaturesRequest(features=read_pb2.FeatureList(val=features))
    message.entities["driver_id"].val.extend(value_pb2.Value(int64_val=driver) for driver in drivers)
    return message.SerializeToString()


def push_message(types: dict[str, str], table: dict[str, list[Any]], time: datetime) -> bytes:
    message = push_pb2.PushRequest(stream_feature_view="a_push", allow_registry_cache=True, to="online")
    for name, (value,) in table.items():
        setattr(message.typed_features[name], KINDS[types[name]], value)
    message.typed_features[TIME].string_val = time.isoformat()
    return message.SerializeToString()


def push_json(table: dict[str, list[Any]], time: datetime) -> bytes:
    rows = len(table["driver_id"])
    body = {"push_source_name": "a_push", "df": {**table, TIME: [time.isoformat()] * rows}}
    return json.dumps(body).encode()


def check(folder: Path, workload: dict[str, Any], grpc_address: str, http_address: str) -> None:
    """Compare a read of each kind with the data, and see that a push of each kind is there to be read."""
    with (folder / "requests.pickle").open("rb") as file:
        bodies = pickle.load(file)
    with grpc.insecure_channel(grpc_address) as channel:
        for name, read in workload["reads"].items():
            compare(f"{name} over gRPC", workload, read, read_grpc(channel, bodies["grpc"][name][0][0]))
            reply = post(http_address, "/get-online-features", bodies["http"][name][0][0])
            columns = [result["values"] for result in reply["results"]]
            found = dict(zip(reply["metadata"]["feature_names"], columns))  # noqa: B905
            compare(f"{name} over HTTP", workload, read, found)
        feature = f"a:{next(iter(workload['types']['a']))}"
        for name, server, driver, time, body in bodies["check"]:
            if server == "grpc":
                channel.unary_unary(PUSH)(body, timeout=60)
            else:
                post(http_address, "/push", body)
            found = event_time(channel, feature, driver)
            if found != time:
                raise SystemExit(
                    f"{name} over {server}: the row of {time} was pushed, and a read finds that of {found}"
                )


def event_time(channel: grpc.Channel, feature: str, driver: int) -> datetime:
    reply = channel.unary_unary(READ)(read_message([feature], [driver]), timeout=60)
    answer = read_pb2.GetOnlineFeaturesResponse.FromString(reply)
    return answer.results[-1].event_timestamps[0].ToDatetime(timezone.utc)  # noqa: UP017


def read_grpc(channel: grpc.Channel, request: bytes) -> dict[str, list[Any]]:
    """A read's columns by name."""
    answer = read_pb2.GetOnlineFeaturesResponse.FromString(channel.unary_unary(READ)(request, timeout=60))
    columns = [[getattr(value, value.WhichOneof("val")) for value in result.values] for result in answer.results]
    return dict(zip(answer.metadata.feature_names.val, columns))  # noqa: B905


def compare(what: str, workload: dict[str, Any], read: dict[str, Any], found: dict[str, list[Any]]) -> None:
    drivers = read["drivers"][0]
    for feature in read["features"]:
        view, _, name = feature.partition(":")
        kind = np.float32 if workload["types"][view][name] == "Float32" else object  # JSON has it in fewer digits
        expected = [workload["rows"][view][name][driver] for driver in drivers]  # driver n is row n
        if np.array(found.get(name), kind).tolist() != np.array(expected, kind).tolist():
            raise SystemExit(f"{what}: {feature} is {found.get(name)}, and the data says {expected}")


def post(address: str, path: str, body: bytes) -> Any:
    asked = urllib.request.Request(f"http://{address}{path}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=60) as reply:
        return json.loads(reply.read() or b"null")


if __name__ == "__main__":
    command, where = sys.argv[1], Path(sys.argv[2])
    handed = json.loads((where / "workload.json").read_text(encoding="utf-8"))
    if command == "prepare":
        prepare(where, handed)
    else:
        check(where, handed, *sys.argv[3:])
