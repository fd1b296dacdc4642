"""A read's answer is read into arrays as protobuf reads it."""

import numpy as np
import pytest
from hotrow.codec.column import encode_column
from hotrow.codec.protowire import length_delimited
from hotrow.codec.reply import decode_reply
from hotrow.errors import HotrowError
from hotrow.v1.column_pb2 import NOT_FOUND, PRESENT, Column
from hotrow.v1.feature_server_pb2 import EventTimes, GetOnlineFeaturesReply, Matrix
from hypothesis import given
from hypothesis import strategies as st

REPLY = GetOnlineFeaturesReply(
    columns=[
        Column(name="pulse", float64={"values": [66, 0]}, statuses=[PRESENT, NOT_FOUND], unit="1/min"),
        Column(name="notes", string_list={"values": ["a", "b"], "lengths": [0, 2]}),
    ],
    event_times=[EventTimes(view="vitals", values=[1_000_000, 0]), EventTimes(view="other")],
    snapshot="abc",
)


def test_columns_event_times_and_snapshot():
    """In the order asked, times by view."""
    reply = decode_reply(REPLY.SerializeToString())
    assert [c.name for c in reply.columns] == ["pulse", "notes"]
    assert [c.to_list() for c in reply.columns] == [[66.0, None], [[], ["a", "b"]]]
    assert {view: times.tolist() for view, times in reply.event_times_us.items()} == {"vitals": [10**6, 0], "other": []}
    assert reply.snapshot == "abc"
    assert reply.matrix is None


def test_a_matrix():
    """Rows by names; columns carry statuses alone, PRESENT where they carry none."""
    message = GetOnlineFeaturesReply(
        columns=[Column(name="a"), Column(name="b", statuses=[PRESENT, NOT_FOUND])],
        matrix=Matrix(values=np.array([[1, 2], [3, np.nan]], "<f4").tobytes(), rows=2, names=["a", "b"]),
    )
    reply = decode_reply(message.SerializeToString())
    assert reply.matrix.names == ("a", "b")
    assert np.array_equal(reply.matrix.values, [[1, 2], [3, np.nan]], equal_nan=True)
    assert [c.statuses.tolist() for c in reply.columns] == [[PRESENT, PRESENT], [PRESENT, NOT_FOUND]]


def test_other_forms_are_read():
    """The matrix before the columns, split event times, an unknown field."""
    times = length_delimited(3, b"\x0a\x01v" + b"\x11" + bytes(8) + b"\x12\x08" + bytes(8))
    data = length_delimited(4, b"s") + length_delimited(9, b"?") + times + length_delimited(1, encode_column("x", [1]))
    reply = decode_reply(data)
    assert reply.event_times_us["v"].tolist() == [0, 0]
    assert reply.columns[0].values.tolist() == [1]
    assert reply.snapshot == "s"


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (GetOnlineFeaturesReply(matrix=Matrix(values=b"123", rows=1, names=["a"])).SerializeToString(), "3 bytes"),
        (
            GetOnlineFeaturesReply(
                columns=[Column(name="a", statuses=[1])], matrix=Matrix(values=bytes(8), rows=2, names=["a"])
            ).SerializeToString(),
            "1 statuses in a matrix of 2",
        ),
        (length_delimited(3, length_delimited(2, b"1234")), "cannot be read"),
        (b"\x0a\x05a", "cannot be read"),
        (length_delimited(4, b"\xff"), "cannot be read"),
    ],
)
def test_broken_replies_are_refused(data, complaint):
    """With what is wrong."""
    with pytest.raises(HotrowError, match=complaint):
        decode_reply(data)


@given(st.binary(max_size=60))
def test_random_bytes_are_refused_or_read(data):
    """No other exception than a HotrowError."""
    try:
        reply = decode_reply(data)
    except HotrowError:
        return
    assert len(reply.columns) == len(GetOnlineFeaturesReply.FromString(data).columns)
