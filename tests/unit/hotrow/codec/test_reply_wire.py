"""What is read in place is what protobuf reads, and every other form is left to protobuf."""

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hotrow.codec.column import column_from_message
from hotrow.codec.protowire import WireError
from hotrow.codec.reply import decode_reply
from hotrow.codec.reply_wire import columns_from_wire
from hotrow.errors import HotrowError
from hotrow.types import BY_NAME
from hotrow.v1.column_pb2 import NULL_VALUE, PRESENT, Column
from hotrow.v1.feature_server_pb2 import EventTimes, GetOnlineFeaturesReply, Matrix
from hypothesis import given
from hypothesis import strategies as st
from reference.column import column
from support.encoding import encodings
from support.strategies import names, nullable, types

EVERY_TYPE = {
    "float64": [1.5, -0.0], "float32": [0.5, 2.0], "int64": [-(2**63), 1], "int32": [-1, 2**31 - 1],
    "bool": [True, False], "string": ["å", ""], "bytes": [b"\x00", b""], "timestamp_us": [-1, 2**60],
}  # fmt: skip


@st.composite
def replies(draw, most: int = 5):
    """Replies of any types; statuses are left out where all are PRESENT, now and then."""
    rows = draw(st.integers(0, most))
    columns = []
    for name in draw(st.lists(names, max_size=5, unique=True)):
        type_ = draw(types)
        one = column(name, type_, [draw(nullable(type_)) for _ in range(rows)], unit=draw(st.sampled_from(["", "SEK"])))
        if not one.statuses and draw(st.booleans()):
            one.statuses.extend([PRESENT] * rows)
        columns.append(one)
    times = [EventTimes(view="v", values=draw(st.lists(st.integers(0, 2**40), min_size=rows, max_size=rows)))]
    return GetOnlineFeaturesReply(columns=columns, event_times=times, snapshot=draw(names))


def same(ours, theirs):
    """The two decoded columns hold the same; NaN is the same as NaN."""
    assert (ours.name, ours.type, ours.unit, len(ours)) == (theirs.name, theirs.type, theirs.unit, len(theirs))
    assert ours.statuses.tolist() == theirs.statuses.tolist()
    for mine, other in zip(ours.values, theirs.values, strict=True):
        if isinstance(mine, (str, bytes)):
            assert mine == other
        else:
            assert np.asarray(mine).dtype == np.asarray(other).dtype
            np.testing.assert_array_equal(mine, other)


@given(replies())
def test_canonical_replies_are_read_in_place(message):
    """And the rest of the message is handed on."""
    columns, rest = columns_from_wire(message.SerializeToString())
    for ours, theirs in zip(columns, message.columns, strict=True):
        same(ours, column_from_message(theirs))
    assert GetOnlineFeaturesReply.FromString(rest) == GetOnlineFeaturesReply(
        event_times=message.event_times, snapshot=message.snapshot
    )


@given(st.data())
def test_any_encoding_is_read(data):
    """Split, unpacked, in any order, with unknown fields: as protobuf reads it."""
    message = data.draw(replies(most=3))
    encoded = data.draw(encodings(message))
    decoded = decode_reply(encoded)
    for ours, theirs in zip(decoded.columns, GetOnlineFeaturesReply.FromString(encoded).columns, strict=True):
        same(ours, column_from_message(theirs))
    assert decoded.snapshot == message.snapshot


@given(replies(), st.data())
def test_a_damaged_reply_is_refused_or_read_as_protobuf_reads_it(message, data):
    """One byte changed: no other exception than a HotrowError, and no other values than protobuf's."""
    good = bytearray(message.SerializeToString())
    if good:
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_reply(bytes(good))
    except HotrowError:
        return
    theirs = GetOnlineFeaturesReply.FromString(bytes(good))
    if not theirs.HasField("matrix"):
        for ours, other in zip(decoded.columns, theirs.columns, strict=True):
            same(ours, column_from_message(other))


@pytest.mark.parametrize("rows", [1, 20, 200, 40_000])
def test_lengths_of_any_size(rows):
    """Of one, two and three bytes."""
    message = GetOnlineFeaturesReply(
        columns=[
            Column(name="x" * 200, float64={"values": range(rows)}, unit="u" * 300, statuses=[PRESENT] * rows),
            Column(name="l", int32_list={"values": range(rows + 300), "lengths": [300] + [1] * rows}),
        ]
    )
    ours, _ = columns_from_wire(message.SerializeToString())
    for mine, other in zip(ours, message.columns, strict=True):
        same(mine, column_from_message(other))


@pytest.mark.parametrize("type_", EVERY_TYPE)
def test_numbers_are_the_callers_own(type_):
    """Aligned and writable, wherever they stood in the reply; every type has the dtype of `hotrow.types`."""
    message = GetOnlineFeaturesReply(columns=[column("abc", type_, EVERY_TYPE[type_])])
    (one,), _ = columns_from_wire(message.SerializeToString())
    assert one.values.flags.aligned
    assert one.values.flags.writeable
    assert one.to_list() == column_from_message(message.columns[0]).to_list()


def test_every_type_is_known():
    """A new type is read in place too."""
    for type_ in BY_NAME.values():
        (one,), _ = columns_from_wire(
            GetOnlineFeaturesReply(columns=[Column(name="a", **{type_.wire_name: {}})]).SerializeToString()
        )
        assert one.type == type_


@pytest.mark.parametrize(
    "message",
    [
        Column(name="a", float64={"values": [1]}, statuses=[PRESENT, NULL_VALUE]),
        Column(name="a", float64={"values": [1]}, statuses=[300]),
        Column(name="a", float64_list={"values": [1], "lengths": [2]}),
    ],
)
def test_columns_that_do_not_fit_together(message):
    """Are refused by name."""
    data = GetOnlineFeaturesReply(columns=[message]).SerializeToString()
    with pytest.raises((WireError, HotrowError)):
        columns_from_wire(data)
    with pytest.raises(HotrowError, match="'a'"):
        decode_reply(data)


@pytest.mark.parametrize("cut", range(1, 12))
def test_cut_off(cut):
    """Every end within a column is noticed."""
    data = GetOnlineFeaturesReply(columns=[Column(name="abc", string={"values": ["x"]})]).SerializeToString()
    with pytest.raises((WireError, IndexError, DecodeError)):
        columns_from_wire(data[:cut])
    with pytest.raises(HotrowError):
        decode_reply(data[:cut])


def test_a_matrix_has_its_columns():
    """As float32 columns that look into it, NaN and a status where there is no value; an unknown name is refused."""
    message = GetOnlineFeaturesReply(
        columns=[Column(name="b"), Column(name="a", statuses=[PRESENT, NULL_VALUE])],
        matrix=Matrix(values=np.array([[1, 2], [np.nan, 3]], "<f4").tobytes(), rows=2, names=["a", "b"]),
    )
    decoded = decode_reply(message.SerializeToString())
    assert [c.to_list() for c in decoded.columns] == [[2.0, 3.0], [1.0, None]]
    assert np.shares_memory(decoded.columns[0].values, decoded.matrix.values)
    message.columns[0].name = "c"
    with pytest.raises(HotrowError, match="'c' is not in the matrix"):
        decode_reply(message.SerializeToString())
    message.columns[0].float64.values.append(1)
    with pytest.raises(HotrowError, match="stands beside a matrix"):
        decode_reply(message.SerializeToString())


def test_rows_of_a_reply():
    """Every part of it, without a copy of numbers."""
    message = GetOnlineFeaturesReply(
        columns=[column("a", "int64", [1, 2, None]), column("s", "string", ["x", None, "z"])],
        event_times=[EventTimes(view="v", values=[7, 8, 9])],
        snapshot="n",
    )
    decoded = decode_reply(message.SerializeToString())
    part = decoded.rows(1, 3)
    assert [c.to_list() for c in part.columns] == [[2, None], [None, "z"]]
    assert np.shares_memory(part.columns[0].values, decoded.columns[0].values)
    assert part.event_times_us["v"].tolist() == [8, 9]
    assert part.snapshot == "n"
