"""Section `kernels`: decoding rows and encoding a reply, and encoding the rows of a push, in this process, a value."""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from hotrow import clock
from hotrow.codec.lookup import rows_from_list
from hotrow.codec.pushed import Times, plan_rows, rows_from_request
from hotrow.codec.response import write_response
from hotrow.codec.wire import Shape, bits, scan_request
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.entity import Entity
from hotrow.schema.field import Field
from hotrow.schema.view import FeatureView
from hotrow.types import Int64
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import PushFeaturesRequest
from hotrow_server.plan import plan_read

from tests.bench.check import check_read
from tests.bench.dataset import PUSHES, READS, VIEWS, Read, fields, push_request, read_requests
from tests.bench.measure import Ratio, interval
from tests.bench.record import Figures, Section, Table, Value
from tests.bench.section import Bench

_REQUEST_ROWS = 4  # the field of a push that holds its columns
_PUSH = Shape(PushFeaturesRequest, columns=bits(_REQUEST_ROWS), volatile=0)
_RUNS = 31
_RUN_NS = 20_000_000


def measure_kernels(_bench: Bench) -> Section:
    """With what Python does around each kernel; the plans are made before."""
    driver = Entity("driver", join_keys={"driver_id": Int64})
    schemas = {view: [Field(name, type_) for name, type_ in fields(view)] for view in VIEWS}
    views = {view: FeatureView(view, entities=[driver], ttl=None, schema=schema) for view, schema in schemas.items()}
    snapshot = Snapshot("bench", entities={"driver": driver}, views=views)
    figures: Figures = {
        f"{name}: decode rows and encode the reply, ns a value": _ns_a_value(
            _reading(snapshot, read), read.entities * len(read.names)
        )
        for name, read in READS.items()
    }
    figures |= {
        f"{name}: encode keys and rows of a push, ns a value": _ns_a_value(
            _pushing(views["a"], rows), rows * (len(views["a"].fields) + 1)
        )
        for name, rows in PUSHES.items()
    }
    rows: list[tuple[Value, ...]] = [(name.partition(", ns")[0], value) for name, value in figures.items()]
    return Section([Table("Kernels", ("kernel", "ns a value"), rows)], figures)


def _reading(snapshot: Snapshot, read: Read) -> Callable[[], object]:
    """Rows to a reply, whose values are checked."""
    (request,) = read_requests(read, 1)
    drivers = np.array(GetOnlineFeaturesRequest.FromString(request).entities[0].int64.values, np.int64)
    plan = plan_read(snapshot, GetOnlineFeaturesRequest(features=FeatureNames(names=read.names)))
    stored = rows_from_list([row for view in read.views for row in _rows(snapshot.view(view), drivers)])
    now_us = clock.now_us()
    check_read(request, write_response(plan.response, stored, read.entities, now_us))
    return lambda: write_response(plan.response, stored, read.entities, now_us)


def _rows(view: FeatureView, drivers: npt.NDArray[np.int64]) -> list[bytes]:
    plan, now_us = plan_rows(view, _REQUEST_ROWS, delete=False), clock.now_us()
    scanned = scan_request(push_request(view.name, drivers), _PUSH)
    return rows_from_request(plan, scanned, Times(now_us, now_us)).stamped(now_us).rows()


def _pushing(view: FeatureView, count: int) -> Callable[[], object]:
    """Columns of a request to keys and rows."""
    plan, now_us = plan_rows(view, _REQUEST_ROWS, delete=False), clock.now_us()
    scanned = scan_request(push_request(view.name, np.arange(count, dtype="<i8")), _PUSH)
    return lambda: rows_from_request(plan, scanned, Times(now_us, now_us))


def _ns_a_value(once: Callable[[], object], values: int) -> Ratio:
    """CPU time of this thread; the median over runs of some milliseconds."""
    once()
    times = []
    for _ in range(_RUNS):
        calls, begun_ns = 0, time.thread_time_ns()
        while (spent_ns := time.thread_time_ns() - begun_ns) < _RUN_NS:
            once()
            calls += 1
        times.append(spent_ns / calls / values)
    return interval(times)
