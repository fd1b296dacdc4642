"""The bytes of requests are what protobuf would write."""

import numpy as np
import pyarrow as pa
import pytest
from hotrow.codec.column import encode_column as encode_plain
from hotrow.offline.conversion import convert
from hotrow.offline.wire import (
    Target,
    column_parts,
    encode_request,
    repeated_blobs,
    row_parts,
    time_parts,
)
from hotrow.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp
from hotrow.v1.column_pb2 import BytesValues, Column
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsRequest
from hypothesis import given
from hypothesis import strategies as st

SAMPLES = [
    (Float64, [1.5, None, float("inf")], pa.float64()),
    (Float32, [1.5, 2.5], pa.float32()),
    (Int64, [-1, 2**62, None], pa.int64()),
    (Int32, [-1, 5], pa.int32()),
    (Bool, [True, None, False], pa.bool_()),
    (String, ["", "é", None, "x" * 300], pa.string()),
    (Bytes, [b"\0\xff", b"", b"y" * 20_000], pa.binary()),
    (UnixTimestamp, [0, -5], pa.timestamp("us")),
    (Array(Float32), [[1.0, 2.0], [], None], pa.list_(pa.float32())),
    (Array(String), [["a", ""], [], ["z" * 200]], pa.list_(pa.string())),
    (Array(Bool), [[True], [False, True]], pa.list_(pa.bool_())),
    (Array(Int64), [[1] * 200, [2]], pa.list_(pa.int64())),
]


@pytest.mark.parametrize(("declared", "values", "held"), SAMPLES, ids=lambda v: getattr(v, "name", None))
def test_a_column_is_what_the_column_codec_and_protobuf_write(declared, values, held):
    """Arrow columns and plain values come to the same canonical bytes."""
    out = b"".join(column_parts("amount", convert(pa.array(values, held), declared), declared, "SEK"))
    assert out == encode_plain("amount", values, type=declared, unit="SEK")
    message = Column.FromString(out)
    assert message.SerializeToString(deterministic=True) == out
    assert (message.name, message.unit, message.WhichOneof("values")) == ("amount", "SEK", declared.wire_name)


@given(st.lists(st.binary(max_size=300), max_size=40), st.integers(0, 10))
def test_blobs_of_any_length(values, start):
    """Tags, lengths and data stand where protobuf puts them, for slices too."""
    array = pa.array(values, pa.large_binary())[start:]
    expected = BytesValues(values=values[start:]).SerializeToString()
    assert repeated_blobs(1, array) == expected


def test_a_blob_whose_length_takes_three_bytes():
    """Lengths from 16,384 on take a third byte of a varint."""
    values = [b"a" * 16_383, b"b" * 16_384, b"", b"c" * 2_097_152]
    assert repeated_blobs(1, pa.array(values, pa.large_binary())) == BytesValues(values=values).SerializeToString()


def test_a_request_reads_back():
    """Every field of MaterializeRowsRequest is in its place."""
    column = column_parts("n", convert(pa.array([1, 2]), Int64), Int64, "")
    times = np.array([-1, 5], np.int64)
    rows = b"".join(row_parts([column, column]) + time_parts(times, times * 2))
    request = MaterializeRowsRequest.FromString(encode_request(Target("rides", "v", "abc"), rows, watermark_us=-9))
    assert (request.project, request.view, request.snapshot, request.watermark_us) == ("rides", "v", "abc", -9)
    assert [list(c.int64.values) for c in request.rows] == [[1, 2], [1, 2]]
    assert (list(request.event_time_us), list(request.created_time_us)) == ([-1, 5], [-2, 10])


def test_a_request_with_nothing_but_a_watermark():
    """A view without rows in the interval still moves its watermark; what is absent is absent."""
    request = MaterializeRowsRequest.FromString(encode_request(Target("", "v", ""), watermark_us=0))
    assert request == MaterializeRowsRequest(view="v", watermark_us=0)
    assert not MaterializeRowsRequest.FromString(encode_request(Target("", "v", ""))).HasField("watermark_us")
