"""Transforms at push: their columns stand behind those of the request, which stay as they came."""

import math

import pytest
from hotrow import Entity, FeatureView, Field, Float64, Int64, String, transform
from hotrow.codec.wire import scan_request
from hotrow.errors import HotrowError
from hotrow.registry.snapshot import Snapshot
from hotrow.transforms.pushed import PushTransforms
from hotrow.v1.column_pb2 import NULL_VALUE, PRESENT, Column, Float64s, Int64s, Strings
from hotrow.v1.push_pb2 import PushFeaturesRequest
from hotrow_ingest.pipeline import PUSH, ROWS

DRIVER = Entity("driver", join_keys={"driver_id": Int64})
RIDES = FeatureView("rides", entities=[DRIVER], schema=[Field("fare", Float64), Field("city", String)])


@transform(sources=[RIDES], outputs=[Field("log", Float64), Field("short", String)], at="push")
def logs(fare, city):
    return math.log(fare), city[:2]


@transform(sources=[logs], outputs=[Field("twice", Float64)], at="push")
def twice(log):
    return 2.0 * log


@transform(sources=[RIDES], outputs=[Field("read", Float64)])
def at_read(fare):
    return fare


@pytest.fixture(scope="module")
def push() -> PushTransforms:
    made = {one.transform.name: one.transform for one in (logs, twice, at_read)}
    return PushTransforms(
        Snapshot("rides", entities={"driver": DRIVER}, views={"rides": RIDES}, transforms=made), "rides", ROWS
    )


def request(fares, cities):
    keys = Column(name="driver_id", int64=Int64s(values=range(len(fares))))
    statuses = [PRESENT if fare is not None else NULL_VALUE for fare in fares]
    fare = Column(name="fare", float64=Float64s(values=[fare or 0.0 for fare in fares]), statuses=statuses)
    return PushFeaturesRequest(
        view="rides", request_id="r", rows=[keys, fare, Column(name="city", string=Strings(values=cities))]
    )


def extended(push, given):
    data = given.SerializeToString(deterministic=True)
    made = push.extended(scan_request(data, PUSH)).data
    assert made.startswith(data)
    return PushFeaturesRequest.FromString(made)


def values(column):
    held = getattr(column, column.WhichOneof("values")).values
    statuses = column.statuses or [PRESENT] * len(held)
    return [v if s == PRESENT else None for v, s in zip(held, statuses, strict=True)]


def test_outputs_come_behind_the_columns_that_came(push):
    """Null where an input is, and where the function raises; nothing of what runs at a read."""
    given = request([1.0, None, -1.0, 100.0], ["ab", "abc", "åäö", ""])
    made = extended(push, given)
    assert made.rows[: len(given.rows)] == given.rows
    assert {column.name: values(column) for column in made.rows[len(given.rows) :]} == {
        "log": [0.0, None, None, math.log(100.0)],
        "short": ["ab", None, None, ""],
        "twice": [0.0, None, None, 2.0 * math.log(100.0)],
    }


def test_what_raises_is_said_with_the_inputs_of_the_first_row(push):
    """Of the transform that raises, and of one that takes its value; nothing of a null."""
    given = request([1.0, None, -1.0, -2.0], ["ab", "abc", "åäö", ""])
    raised = push.extended(scan_request(given.SerializeToString(), PUSH)).raised
    assert [(one.transform, one.rows, one.row) for one in raised] == [("logs", 2, 2), ("twice", 2, 2)]
    assert raised[0].reason == (
        "ValueError: math domain error, at line 2, `return math.log(fare), city[:2]`, with fare=-1.0, city='åäö'"
    )
    assert raised[1].reason == "an input is of a transform that raises"
    assert push.extended(scan_request(request([1.0], ["a"]).SerializeToString(), PUSH)).raised == ()


def test_a_request_of_no_row_is_one_of_no_row(push):
    """Its outputs have none either."""
    assert all(values(column) == [] for column in extended(push, request([], [])).rows)


def test_what_a_push_refuses_is_refused(push):
    """Before anything is computed, by the name of the column."""
    given = request([1.0], ["a"])
    given.rows.append(Column(name="log", float64=Float64s(values=[1.0])))
    with pytest.raises(HotrowError, match="column 'log' is not known"):
        extended(push, given)
