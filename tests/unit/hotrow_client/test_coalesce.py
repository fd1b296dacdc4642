"""Reads that wait for a call in flight share the next; each caller gets its own rows, errors and deadline."""

import asyncio
import threading
import time

import grpc
import numpy as np
import pytest
from hotrow.errors import Code
from hotrow.v1.column_pb2 import PRESENT, Column
from hotrow.v1.feature_server_pb2 import EventTimes, GetOnlineFeaturesReply
from hotrow_client import AsyncClient, Client, HotrowRpcError
from hotrow_client.coalesce import MOST_ROWS

BAD = 13


@pytest.fixture
def echo(server):
    """The server answers each id with itself, as a value and a string; BAD is refused. `gate` holds calls back."""
    gate, sizes = threading.Event(), []
    gate.set()

    def answer(request, context):
        gate.wait(10)
        ids = list(request.entities[0].int64.values)
        sizes.append(len(ids))
        if BAD in ids:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{BAD} is no id")
        return GetOnlineFeaturesReply(
            columns=[
                Column(name="a", int64={"values": ids}, statuses=[PRESENT] * len(ids)),
                Column(name="s", string={"values": map(str, ids)}),
                Column(name="l", int32_list={"values": ids, "lengths": [1] * len(ids)}),
            ],
            event_times=[EventTimes(view="v", values=[i + 1 for i in ids])],
            snapshot="x",
        )

    server.answers.answer = answer
    server.gate, server.sizes = gate, sizes
    yield server
    gate.set()


class Caller(threading.Thread):
    """A read in a thread of its own; `result()` returns or raises what it got."""

    def __init__(self, client, ids, **options):
        super().__init__()
        self._arguments = client, ids, options
        self._outcome = None
        self.start()

    def run(self):
        client, ids, options = self._arguments
        try:
            self._outcome = client.read("v:a", {"id": ids}, **options)
        except BaseException as error:  # noqa: BLE001 - told by result()
            self._outcome = error

    def result(self):
        self.join(20)
        assert not self.is_alive()
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome


def until(holds):
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def waiting(client):
    return sum(map(len, client._coalescer._queue._waiting.values()))


def idle(client):
    queue = client._coalescer._queue
    return not queue._waiting and not queue._running


@pytest.fixture
def client(echo):
    with Client(echo.address, coalesce=1, timeout_s=10) as client:
        yield client


def held(client, echo, reads):
    """A first call in flight, and `reads` that wait for it, in order; then they are let go."""
    echo.gate.clear()
    callers = [Caller(client, [0])]
    until(lambda: len(echo.answers.requests) == 1)
    for number, (ids, options) in enumerate(reads, 1):
        callers.append(Caller(client, ids, **options))
        until(lambda number=number: waiting(client) == number)
    return callers[1:]


def test_each_gets_its_rows(echo, client):
    """Of every part of the reply, in one call."""
    callers = held(client, echo, [([n, n + 100], {}) for n in range(20, 30)])
    echo.gate.set()
    for n, caller in enumerate(callers, 20):
        reply = caller.result()
        assert reply.to_dict() == {"a": [n, n + 100], "s": [str(n), str(n + 100)], "l": [[n], [n + 100]]}
        assert reply.event_times("v").data.astype(int).tolist() == [n + 1, n + 101]
        assert reply.snapshot == "x"
    assert echo.sizes == [1, 20]
    assert idle(client)


def test_other_selections_do_not_wait(echo, client):
    """Nor do other types, options or tokens; nor a read without rows."""
    (waits,) = held(client, echo, [([1], {})])
    echo.gate.set()
    echo.gate.clear()
    before = len(echo.answers.requests)
    others = [Caller(client, [1], **o) for o in ({"min_token": b"t"}, {"matrix": True}, {"event_timestamps": True})]
    others.append(Caller(client, np.array([1], np.int32)))
    until(lambda: len(echo.answers.requests) >= before + 3)
    echo.gate.set()
    for caller in (waits, *others[:3]):
        caller.result()
    others[3].join(20)
    until(lambda: idle(client))


def test_one_callers_mistake_is_its_own(echo, client):
    """The others get their rows, each by a call of its own."""
    callers = held(client, echo, [([1], {}), ([BAD], {}), ([2], {})])
    echo.gate.set()
    assert [callers[n].result()["a"].tolist() for n in (0, 2)] == [[1], [2]]
    with pytest.raises(HotrowRpcError, match="13 is no id") as raised:
        callers[1].result()
    assert raised.value.code is Code.INVALID
    assert idle(client)


def test_one_callers_deadline_is_its_own(echo, client):
    """Who waits, or shares a call, leaves at its own deadline; the others stay."""
    short, long = held(client, echo, [([1], {"timeout_s": 0.3}), ([2], {})])
    with pytest.raises(HotrowRpcError, match="deadline") as raised:
        short.result()
    assert raised.value.status is grpc.StatusCode.DEADLINE_EXCEEDED
    echo.gate.set()
    assert long.result()["a"].tolist() == [2]
    assert echo.sizes == [1, 1]


def test_a_shared_call_outlives_its_shortest_deadline(echo, client):
    """The one with the most time sends it."""
    echo.gate.clear()
    first = Caller(client, [0], timeout_s=0.4)
    until(lambda: len(echo.answers.requests) == 1)
    short, long = Caller(client, [1], timeout_s=0.8), Caller(client, [2])
    with pytest.raises(HotrowRpcError):
        first.result()
    with pytest.raises(HotrowRpcError):
        short.result()
    echo.gate.set()
    assert long.result()["a"].tolist() == [2]
    until(lambda: idle(client))


def test_a_batch_is_bounded(echo, client):
    """Beyond a thousand rows the next one starts; a larger read goes alone, at once."""
    half = list(range(1000, 1000 + MOST_ROWS // 2))
    callers = held(client, echo, [(half, {}), (half, {}), ([1], {})])
    big = Caller(client, list(range(20, 20 + MOST_ROWS + 1)))
    until(lambda: len(echo.answers.requests) == 2)
    echo.gate.set()
    assert [len(c.result()) for c in (*callers, big)] == [500, 500, 1, 1001]
    assert sorted(echo.sizes) == [1, 1, 1000, 1001]


def test_several_calls_in_flight(echo):
    """As many as was said, before reads wait."""
    echo.gate.clear()
    with Client(echo.address, coalesce=2) as client:
        callers = [Caller(client, [n]) for n in range(6)]
        until(lambda: len(echo.answers.requests) == 2 and waiting(client) == 4)
        echo.gate.set()
        assert [c.result()["a"].tolist() for c in callers] == [[n] for n in range(6)]
        assert len(echo.sizes) <= 4


def test_strings_and_nulls_are_joined(server, echo):
    """In what is sent."""
    with Client(echo.address, coalesce=1) as client:
        reads = [({"d": ["x", None]}, [1, 2]), ({"d": ["", "y"]}, [3, 4])]
        echo.gate.clear()
        threads = [threading.Thread(target=client.read, args=("v:a", {"id": [0, 0]}),
                                    kwargs={"request_data": {"d": ["", ""]}})]  # fmt: skip
        threads[0].start()
        until(lambda: len(echo.answers.requests) == 1)
        for place, (data, ids) in enumerate(reads):
            threads.append(
                threading.Thread(target=client.read, args=("v:a", {"id": ids}), kwargs={"request_data": data})
            )
            threads[-1].start()
            until(lambda place=place: waiting(client) == place + 1)
        echo.gate.set()
        for thread in threads:
            thread.join(10)
    (data,) = echo.answers.requests[1].request_data
    assert data == Column(name="d", string={"values": ["x", "", "", "y"]}, statuses=[1, 2, 1, 1])
    assert list(echo.answers.requests[1].entities[0].int64.values) == [1, 2, 3, 4]


async def read_all(client, ids, **options):
    return await asyncio.gather(*(client.read("v:a", {"id": [n]}, **options) for n in ids), return_exceptions=True)


async def settled(holds):
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


async def test_coroutines_share_calls(echo):
    """With asyncio as with threads: own rows, own mistakes."""
    async with AsyncClient(echo.address, coalesce=1) as client:
        replies = await read_all(client, range(10, 20))
    assert [r.to_dict()["a"] for place, r in enumerate(replies) if place != BAD - 10] == [
        [n] for n in range(10, 20) if n != BAD
    ]
    assert "13 is no id" in str(replies[BAD - 10])
    assert echo.sizes[:2] == [1, 9]
    assert idle(client)


async def test_a_coroutine_that_is_cancelled_hurts_no_other(echo):
    """Neither the first, whose call it was, nor one that waits, nor one in a batch that is on its way."""
    async with AsyncClient(echo.address, coalesce=1) as client:
        echo.gate.clear()
        tasks = [asyncio.create_task(client.read("v:a", {"id": [n]})) for n in range(5)]
        await settled(lambda: len(echo.answers.requests) == 1 and waiting(client) == 4)
        tasks[0].cancel()
        tasks[1].cancel()
        await settled(lambda: len(echo.answers.requests) == 2)
        tasks[2].cancel()
        await asyncio.sleep(0.05)
        echo.gate.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(o) for o in outcomes[:3]] == [asyncio.CancelledError] * 3
    assert [o["a"].tolist() for o in outcomes[3:]] == [[3], [4]]
    assert idle(client)


async def test_a_coroutines_deadline_is_its_own(echo):
    async with AsyncClient(echo.address, coalesce=1) as client:
        echo.gate.clear()
        timeouts = (9, 0.2, 9)
        tasks = [asyncio.create_task(client.read("v:a", {"id": [n]}, timeout_s=t)) for n, t in enumerate(timeouts)]
        with pytest.raises(HotrowRpcError, match="DEADLINE_EXCEEDED"):
            await tasks[1]
        echo.gate.set()
        assert [(await tasks[n])["a"].tolist() for n in (0, 2)] == [[0], [2]]
