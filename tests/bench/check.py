"""One reply of each workload is looked at before it is measured: a wrong answer must not count as a quick one."""

import numpy as np
from hotrow import clock
from hotrow.v1.column_pb2 import PRESENT, Column, Int64s
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesReply, GetOnlineFeaturesRequest, ReadOptions
from hotrow.v1.push_pb2 import PushFeaturesReply, PushFeaturesRequest

from tests.bench.dataset import PUSHES, READS, values_of
from tests.bench.process import PUSH, READ, Target, call


class WrongReplyError(Exception):
    """A reply that is not the right one; its text says what differs."""


def checked_reply(served: Target, workload: str, request: bytes) -> bytes:
    """The reply of hotrow to a request of a workload; raises WrongReplyError where it is not what the data says."""
    if workload in READS:
        reply = call(served.address, READ, request)
        check_read(request, reply)
        return reply
    return _checked_push(served, workload, request)


def check_read(request: bytes, reply: bytes) -> None:
    """Every value of a read that asks for all features of some views; raises WrongReplyError."""
    asked = GetOnlineFeaturesRequest.FromString(request)
    drivers = np.array(asked.entities[0].int64.values, np.int64)
    views = dict.fromkeys(name.partition(":")[0] for name in asked.features.names)
    expected = [one for view in views for one in values_of(view, drivers)]
    columns = GetOnlineFeaturesReply.FromString(reply).columns
    if [column.name for column in columns] != [name for name, _, _ in expected]:
        raise WrongReplyError(f"columns {[column.name for column in columns]}")
    for column, (name, type_, values) in zip(columns, expected, strict=True):
        got = list(getattr(column, type_.wire_name).values)
        if got != list(values) or list(column.statuses) not in ([], [PRESENT] * len(drivers)):
            raise WrongReplyError(f"{name} of drivers {drivers[:3]}...: {got[:3]}..., statuses {column.statuses[:3]}")


def _checked_push(served: Target, workload: str, request: bytes) -> bytes:
    """Pushed to the server, and read back with the push's token: the rows must be later than the call."""
    begun_us = clock.now_us()
    reply = call(served.address, PUSH, request)
    pushed = PushFeaturesReply.FromString(reply)
    if pushed.written != PUSHES[workload]:
        raise WrongReplyError(f"{workload} wrote {pushed.written} rows: {pushed.rejections[:3]}")
    drivers = PushFeaturesRequest.FromString(request).rows[0].int64.values
    asked = GetOnlineFeaturesRequest(
        features=FeatureNames(names=READS["R1"].names),
        entities=[Column(name="driver_id", int64=Int64s(values=drivers))],
        min_token=pushed.token,
        options=ReadOptions(event_timestamps=True),
    ).SerializeToString()
    read = call(served.address, READ, asked)
    check_read(asked, read)
    times_us = GetOnlineFeaturesReply.FromString(read).event_times[0].values
    if min(times_us) < begun_us:
        raise WrongReplyError(f"{workload}: a row read after the push is older than it")
    return reply


def check_yardsticks(yardsticks: dict[str, Target], workload: str, request: bytes, reply: bytes) -> None:
    """The empty handlers answer as many bytes as hotrow, and the objects are as many columns and rows."""
    for kind, target in yardsticks.items():
        if kind == "objects" and workload not in READS:
            continue
        got = call(target.address, f"/bench.Yardstick/{workload}", request)
        if kind != "objects" and len(got) != len(reply):
            raise WrongReplyError(f"{kind} {workload}: {len(got)} bytes, hotrow's are {len(reply)}")
        if kind == "objects" and _shape(got) != _shape(reply):
            raise WrongReplyError(f"{kind} {workload}: {_shape(got)} columns and rows, hotrow's are {_shape(reply)}")


def _shape(reply: bytes) -> list[tuple[str, int]]:
    columns = GetOnlineFeaturesReply.FromString(reply).columns
    return [(column.name, len(getattr(column, str(column.WhichOneof("values"))).values)) for column in columns]
