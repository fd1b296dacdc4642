"""A wrong reply is not measured."""

import numpy as np
import pytest
from hotrow.v1.column_pb2 import NULL_VALUE, PRESENT
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply, GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import PushFeaturesReply, PushFeaturesRequest

from tests.bench.check import WrongReplyError, check_read
from tests.bench.dataset import READS, read_requests, values_of
from tests.bench.every_type import FIELDS, check_push
from tests.bench.every_type import check_read as check_every_type
from tests.bench.every_type import push_request as push_every_type


@pytest.fixture
def request_bytes():
    return read_requests(READS["R2"], 1)[0]


@pytest.fixture
def reply(request_bytes):
    """The right one, built by protobuf."""
    drivers = np.array(GetOnlineFeaturesRequest.FromString(request_bytes).entities[0].int64.values)
    reply = GetOnlineFeaturesReply()
    for view in READS["R2"].views:
        for name, type_, values in values_of(view, drivers):
            column = reply.columns.add(name=name, statuses=[PRESENT])
            getattr(column, type_.wire_name).values.extend(values)
    return reply


def test_the_right_reply_passes(request_bytes, reply):
    check_read(request_bytes, reply.SerializeToString())


def _value(reply):
    reply.columns[0].float64.values[0] += 1


def _status(reply):
    reply.columns[20].statuses[0] = NULL_VALUE


def _name(reply):
    reply.columns[49].name += "x"


def _count(reply):
    del reply.columns[30]


@pytest.mark.parametrize("damage", [_value, _status, _name, _count])
def test_a_wrong_reply_is_noticed(request_bytes, reply, damage):
    damage(reply)
    with pytest.raises(WrongReplyError):
        check_read(request_bytes, reply.SerializeToString())


def _read_of_pushed():
    """The reply that has the values of the push of every type, built by protobuf."""
    pushed = PushFeaturesRequest.FromString(push_every_type())
    columns = [column for column in pushed.rows if column.name in FIELDS]
    for column in columns:
        column.statuses.append(PRESENT)
    return GetOnlineFeaturesReply(columns=columns)


def test_a_read_of_every_type_is_compared_with_the_push():
    check_every_type(_read_of_pushed().SerializeToString())


@pytest.mark.parametrize("place", range(len(FIELDS)))
def test_a_type_that_is_read_otherwise_is_noticed(place):
    """As null."""
    reply = _read_of_pushed()
    reply.columns[place].statuses[0] = NULL_VALUE
    with pytest.raises(WrongReplyError):
        check_every_type(reply.SerializeToString())


def test_a_value_that_is_read_otherwise_is_noticed():
    reply = _read_of_pushed()
    reply.columns[-1].timestamp_us_list.values[1] += 1
    with pytest.raises(WrongReplyError):
        check_every_type(reply.SerializeToString())


def test_a_push_that_was_not_written_is_noticed():
    check_push(PushFeaturesReply(written=1).SerializeToString())
    with pytest.raises(WrongReplyError):
        check_push(PushFeaturesReply(skipped_stale=1).SerializeToString())
