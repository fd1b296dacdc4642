"""Section `transforms`: what a transform of five outputs adds to a read, and to a training set of ten million rows."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from hotrow.offline.transformed import plan_computation
from hotrow.registry.needed import needed_columns
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.decorator import transform
from hotrow.schema.entity import Entity
from hotrow.schema.field import Field
from hotrow.schema.service import FeatureRef
from hotrow.schema.view import FeatureView
from hotrow.types import Float64, Int64
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest

from tests.bench.check import checked_reply
from tests.bench.dataset import READS, Read, definitions, read_requests
from tests.bench.measure import Contender, Ratio, interleaved, interval, ratio, summary
from tests.bench.process import READ, Setup, call, fill, prepare, serving
from tests.bench.record import Figures, Section, Table, Value, rounded
from tests.bench.section import COMPARED_CALLERS, Bench, say

INPUTS = ("a00_float64", "a01_float64", "a02_float64", "a03_float64", "a04_int64")
OUTPUTS = ("ratio", "spread", "mean", "clipped", "share")
ROWS = 10_000_000
_RUNS = 5

DEFINITION = """
from hotrow import transform

@transform(sources=[a], outputs=[Field(name, Float64) for name in ("ratio", "spread", "mean", "clipped", "share")])
def five(a00_float64, a01_float64, a02_float64, a03_float64, a04_int64):
    total = a00_float64 + a01_float64 + a02_float64 + a03_float64
    ratio = a00_float64 / a01_float64 if a01_float64 > 0 else 0.0
    clipped = min(max(a03_float64, 10.0), 50.0)
    share = a00_float64 / total if total > 0 else 0.0
    return ratio, a02_float64 - a03_float64 * 0.5, total / 4, clipped, share * (a04_int64 % 7)
"""


def measure_transforms(bench: Bench) -> Section:
    """Reads: five features of R2 and R3 come from a transform of the five that they stand in for, so that the reply is
    as large. Training sets: the same five outputs for ten million rows, beside NumPy written by hand.
    """
    folder = bench.folder / "transforms"
    prepare(folder, Setup(), definitions() + DEFINITION)
    figures: Figures = {}
    rows: list[tuple[Value, ...]] = []
    with serving(folder) as served:
        fill(served, Setup().drivers)
        for name in ("R2", "R3"):
            plain, computed = read_requests(READS[name], 500), _computed_requests(READS[name], 500)
            checked_reply(served, name, plain[0])
            call(served.address, READ, computed[0])
            contenders = {
                "with": Contender(served, served.address, READ, (tuple(computed),)),
                "without": Contender(served, served.address, READ, (tuple(plain),)),
            }
            samples = interleaved(
                bench.load, contenders, callers=COMPARED_CALLERS, seconds=bench.seconds, pairs=bench.pairs
            )
            added = ratio(samples["with"], samples["without"])
            say(f"  {name}: x the read without it {added}")
            figures[f"{name} with a transform x {name}"] = added
            costs = [rounded(summary(samples[one]).cpu_us) for one in ("with", "without")]
            rows.append((f"{name}, CPU us a request", *costs, added))
    taken = _offline()
    figures["a transform offline x NumPy"] = taken
    say(f"  {ROWS:,} rows offline: x NumPy {taken}")
    rows.append((f"{ROWS:,} rows of a training set", None, None, taken))
    return Section([Table("Transforms", ("what", "with", "without", "ratio"), rows)], figures)


def _computed_requests(read: Read, count: int) -> list[bytes]:
    names = [name for name in read.names if name.partition(":")[2] not in INPUTS]
    names += [f"five:{name}" for name in OUTPUTS]
    head = GetOnlineFeaturesRequest(features=FeatureNames(names=names)).SerializeToString()
    plain = GetOnlineFeaturesRequest(features=FeatureNames(names=read.names)).SerializeToString()
    return [head + request[len(plain) :] for request in read_requests(read, count)]


def _offline() -> Ratio:
    """CPU time of this process, in turns; results are compared once."""
    generator = np.random.default_rng(7)
    columns: list[npt.NDArray[Any]] = [generator.uniform(-5, 100, ROWS) for _ in INPUTS[:4]]
    columns.append(generator.integers(0, 1000, ROWS))
    ours = _our_way(columns)
    for one, other in zip(ours(), _by_hand(columns), strict=True):
        np.testing.assert_array_equal(one.to_numpy(), other)
    return interval([_cpu_s(ours) / _cpu_s(lambda: _by_hand(columns)) for _ in range(_RUNS)])


def _our_way(columns: list[npt.NDArray[Any]]) -> Callable[[], list[pa.Array]]:
    driver = Entity("driver", join_keys={"driver_id": Int64})
    a = FeatureView(
        "a", entities=[driver], schema=[Field(name, Int64 if "int" in name else Float64) for name in INPUTS]
    )
    outputs = [Field(name, Float64) for name in OUTPUTS]

    @transform(sources=[a], outputs=outputs)
    def five(a00_float64, a01_float64, a02_float64, a03_float64, a04_int64):  # type: ignore[no-untyped-def]
        total = a00_float64 + a01_float64 + a02_float64 + a03_float64
        ratio = a00_float64 / a01_float64 if a01_float64 > 0 else 0.0
        clipped = min(max(a03_float64, 10.0), 50.0)
        share = a00_float64 / total if total > 0 else 0.0
        return ratio, a02_float64 - a03_float64 * 0.5, total / 4, clipped, share * (a04_int64 % 7)

    one = five.transform  # type: ignore[attr-defined]
    snapshot = Snapshot("bench", entities={"driver": driver}, views={"a": a}, transforms={"five": one})
    needed = needed_columns(snapshot, [FeatureRef("five", name) for name in OUTPUTS], stored=False)
    computation = plan_computation(needed)
    given = {needed.column_of(a, name): pa.array(values) for name, values in zip(INPUTS, columns, strict=True)}
    numbers = [needed.column_of(one, name) for name in OUTPUTS]

    def run() -> list[pa.Array]:
        made = computation.run(given, ROWS)
        return [made[number] for number in numbers]

    return run


def _by_hand(columns: list[npt.NDArray[Any]]) -> list[npt.NDArray[np.float64]]:
    first, second, third, fourth, fifth = columns
    with np.errstate(divide="ignore", invalid="ignore"):
        total = first + second + third + fourth
        ratio = np.where(second > 0, first / second, 0.0)
        share = np.where(total > 0, first / total, 0.0)
        return [ratio, third - fourth * 0.5, total / 4, np.clip(fourth, 10.0, 50.0), share * (fifth % 7)]


def _cpu_s(run: Callable[[], object]) -> float:
    begun_ns = time.process_time_ns()
    run()
    return (time.process_time_ns() - begun_ns) / 1e9
