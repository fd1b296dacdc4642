"""`python -m tests.bench`: the table on the screen, and everything in JSON beside it."""

import argparse
import json
import tempfile
from pathlib import Path

import grpc

from tests.bench.dataset import PUSHES, READS, push_requests, read_requests
from tests.bench.load import LoadGenerator
from tests.bench.measure import Contender, Sample, interleaved, median, ratio
from tests.bench.process import Target, hotrow, yardstick

READ_METHOD = "/hotrow.v1.FeatureServer/GetOnlineFeatures"
PUSH_METHOD = "/hotrow.v1.FeatureServer/PushFeatures"
INGEST_METHOD = "/hotrow.v1.FeatureIngest/PushFeatures"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", default="R1,R2,R3,R4,W1,W1000")
    parser.add_argument("--callers", default="1,16,64")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--lane", default="auto")
    parser.add_argument("--durability", default="os")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"))
    options = parser.parse_args()
    workloads = options.workloads.split(",")
    requests = {name: tuple(read_requests(read, 500)) for name, read in READS.items() if name in workloads}
    requests |= {name: tuple(push_requests(rows, 50)) for name, rows in PUSHES.items() if name in workloads}
    results = []
    with (
        tempfile.TemporaryDirectory() as folder,
        hotrow(Path(folder) / "os", durability=options.durability, lane=options.lane) as served,
    ):
        sizes = json.dumps({name: reply_size(served, name, asked[0]) for name, asked in requests.items()})
        with yardstick("echo", sizes) as echo, yardstick("lane", sizes) as lane, yardstick("objects", sizes) as objects:
            load = LoadGenerator()
            for name, asked in requests.items():
                for callers in map(int, options.callers.split(",")):
                    contenders = _contenders(name, served, {"echo": echo, "lane": lane, "objects": objects})
                    samples = interleaved(
                        load, contenders, asked, callers=callers, seconds=options.seconds, pairs=options.pairs
                    )
                    results.append(_row(name, callers, samples))
            load.close()
        memory = served.anonymous_mib()
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"results": results, "anonymous_mib": memory}, indent=1))


def reply_size(served: Target, name: str, request: bytes) -> int:
    """Bytes of hotrow's own reply, which the yardsticks send too."""
    with grpc.insecure_channel(served.address) as channel:
        reply: bytes = channel.unary_unary(READ_METHOD if name in READS else PUSH_METHOD)(request, timeout=30)
    return len(reply)


def _contenders(name: str, served: Target, yardsticks: dict[str, Target]) -> dict[str, Contender]:
    if name in READS:
        contenders = {"hotrow": Contender(served, served.address, READ_METHOD)}
    else:
        contenders = {
            "hotrow": Contender(served, served.ingest, INGEST_METHOD),
            "through": Contender(served, served.address, PUSH_METHOD),
        }
    for kind, target in yardsticks.items():
        if kind != "objects" or name in READS:
            contenders[kind] = Contender(target, target.address, f"/bench.Yardstick/{name}")
    return contenders


def _row(name: str, callers: int, samples: dict[str, list[Sample]]) -> dict[str, object]:
    row: dict[str, object] = {"workload": name, "callers": callers}
    for kind, runs in samples.items():
        row[kind] = {what: round(median(runs, what), 1) for what in ("cpu_us", "rate", "p50_us", "p99_us", "p999_us")}
        if kind != "echo":
            row[f"{kind}/echo"] = str(ratio(runs, samples["echo"]))
    if "objects" in samples:
        row["hotrow/objects"] = str(ratio(samples["hotrow"], samples["objects"]))
    shown = {key: value if isinstance(value, str | int) else value["cpu_us"] for key, value in row.items()}  # type: ignore[index]
    print("  ".join(f"{key} {value}" for key, value in shown.items()), flush=True)
    return row


if __name__ == "__main__":
    main()
