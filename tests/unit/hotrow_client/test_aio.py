"""AsyncClient is Client, awaited."""

import asyncio
import inspect
import time

import grpc
import pytest
from hotrow.v1.column_pb2 import Column, Status
from hotrow_client import AsyncClient, Client, HotrowRpcError
from hotrow_client import Status as ClientStatus

from .test_channel import failure


@pytest.fixture
async def client(server):
    async with AsyncClient(server.address, project="rides", timeout_s=5) as client:
        yield client


def _public(of):
    return {name: inspect.signature(one) for name, one in vars(of).items() if not name.startswith("_")}


def test_both_have_the_same_methods():
    """With the same parameters, all of them coroutines in one."""
    assert _public(AsyncClient) == _public(Client)
    assert inspect.signature(AsyncClient.__init__) == inspect.signature(Client.__init__)
    assert all(inspect.iscoroutinefunction(vars(AsyncClient)[name]) for name in _public(Client))


def test_statuses_are_those_of_the_protocol():
    assert {one.name: one.value for one in ClientStatus} == {n: v for n, v in Status.items() if v}


async def test_a_read_and_a_push(server, client):
    """What is sent and what comes back is that of the other client."""
    server.answers.reply.columns.append(Column(name="a", float64={"values": [1.5]}))
    reply = await client.read("v:a", {"id": [1]}, full_names=True)
    again = await client.get_online_features(["v:a"], {"id": [1]}, full_names=True)
    assert reply["a"].tolist() == again["a"].tolist() == [1.5]
    pushed = await client.push("p", {"id": [1]})
    assert (await client.server_info()).worker == 3
    with Client(server.address, project="rides") as other:
        other.read("v:a", {"id": [1]}, full_names=True)
        other.push("p", {"id": [1]}, request_id=pushed.request_id)
    requests = server.answers.requests
    assert requests[0] == requests[1] == requests[4]
    assert requests[2] == requests[5]


async def test_a_push_is_retried_with_its_request_id(server, client):
    server.answers.failures += [
        failure(grpc.StatusCode.UNAVAILABLE),
        failure(grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after_s=0.3),
    ]
    began = time.monotonic()
    reply = await client.push("p", {"id": [1]})
    assert 0.3 <= time.monotonic() - began < 3
    assert [r.request_id for r in server.answers.requests] == [reply.request_id] * 3


async def test_an_error_says_what_and_where(server, client):
    server.answers.failures.append(failure(grpc.StatusCode.NOT_FOUND, "unknown view", field="features.names[0]"))
    with pytest.raises(HotrowRpcError, match="NOT_FOUND: unknown view") as raised:
        await client.read("v:a")
    assert raised.value.field == "features.names[0]"
    with pytest.raises(TypeError, match="no option 'full_name'"):
        await client.read("v:a", full_name=True)


async def test_a_cancelled_call_ends(server, client):
    """It is the caller's, and is not sent again."""
    server.answers.failures.append(lambda _context: time.sleep(0.5))
    task = asyncio.create_task(client.read("v:a"))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.5)
    assert len(server.answers.requests) == 1


async def test_a_deadline(server, client):
    server.answers.failures.append(lambda _context: time.sleep(0.6))
    with pytest.raises(HotrowRpcError) as raised:
        await client.read("v:a", timeout_s=0.2)
    assert raised.value.status is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_calls_are_spread_over_connections(server):
    async with AsyncClient(server.address, connections=3) as client:
        for _ in range(6):
            await client.read("v:a")
    assert len(set(server.answers.peers)) == 3


async def test_a_closed_client_says_so(server):
    client = AsyncClient(server.address)
    await client.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        await client.read("v:a")
    other = Client(server.address)
    other.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        other.read("v:a")
