"""SIGTERM: health says NOT_SERVING, running calls finish, queued pushes are committed, and all exit with 0."""

import os
import queue
import signal
import time
from collections.abc import Callable

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from hotrow.codec.token import Token, encode_token
from hotrow.stores.port import read_rows
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply, GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import PushFeaturesReply

from . import trip
from .load import INGEST_PUSH, PUSH, READ, dial
from .serving import Load, Repository, Serve, all_gone, audit, bindable

pytestmark = pytest.mark.timeout(300)

Start = Callable[..., Serve]
Drive = Callable[..., Load]
BATCH = 5_000
BATCHES = 24
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def test_running_calls_finish_and_queued_pushes_are_committed(repository: Repository, serve: Start) -> None:
    """Large pushes on both listeners and a read that waits for their commits are under way. Streams that callers keep
    open, of health and reflection, end with it.
    """
    settings = repository.settings
    running = serve(repository).ready()
    pids = running.pids()
    store = repository.open_store()
    with dial(settings.server.address) as channel, dial(settings.ingest.address) as direct:
        push = channel.unary_unary(PUSH, None, None)
        PushFeaturesReply.FromString(push(trip.push_bytes([1], 4), timeout=30))
        watches = [
            health_pb2_grpc.HealthStub(each).Watch(health_pb2.HealthCheckRequest(), timeout=60)
            for each in (channel, direct)
        ]
        for watch in watches:
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        asked: queue.SimpleQueue[ServerReflectionRequest | None] = queue.SimpleQueue()
        asked.put(ServerReflectionRequest(list_services=""))
        reflection = ServerReflectionStub(channel).ServerReflectionInfo(iter(asked.get, None), timeout=60)
        assert next(reflection).list_services_response.service
        requests = [trip.push_bytes(keys_of(batch), 8) for batch in range(BATCHES)]
        pushes = [push, direct.unary_unary(INGEST_PUSH, None, None)]
        later = Token(store.id, store.epoch, store.sequence() + 2)
        waiting_read = GetOnlineFeaturesRequest.FromString(trip.read_bytes([1]))
        waiting_read.min_token = encode_token(later)
        read = channel.unary_unary(READ, None, None).future(waiting_read.SerializeToString(), timeout=30)
        calls = [pushes[batch % 2].future(request, timeout=60) for batch, request in enumerate(requests)]
        calls[0].result()
        answered = sum(call.done() for call in calls)
        running.signal(signal.SIGTERM)
        signalled_s = time.monotonic()
        for watch in watches:
            assert next(watch).status == NOT_SERVING
        for call in calls:
            assert PushFeaturesReply.FromString(call.result()).written == BATCH
        assert GetOnlineFeaturesReply.FromString(read.result()).columns
        asked.put(None)
        assert running.wait() == 0
        assert time.monotonic() - signalled_s < repository.settings.server.drain_s  # watches do not hold it up
        assert answered < BATCHES
        with pytest.raises(grpc.RpcError) as refused:
            push(trip.push_bytes([1], 12), timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    for batch in range(BATCHES):
        names = [trip.stored_name(key) for key in keys_of(batch)]
        assert all(read_rows(store, [trip.VIEW_ID], [names]))
    store.close()
    assert all_gone(pids)
    assert bindable(settings.server.address)
    assert bindable(settings.ingest.address)


def test_a_drain_under_load_loses_nothing(repository: Repository, serve: Start, load: Drive) -> None:
    """Twice: producers and readers go on with the next `hotrow serve` as if nothing had been."""
    driven = None
    for _ in range(2):
        running = serve(repository).ready()
        driven = driven or load(repository, readers=2)
        driven.until_done(driven.done + 400)
        assert running.stop() == 0
    last = serve(repository).ready()
    assert driven is not None
    driven.until_done(driven.done + 400)
    seen = driven.stop()
    assert seen.violations == []
    audit(repository, driven, seen)
    assert last.stop() == 0


@pytest.mark.parametrize("role", ["ingest", "server"])
def test_a_worker_that_is_starting_again_does_not_spoil_the_exit(
    repository: Repository, serve: Start, role: str
) -> None:
    running = serve(repository).ready()
    os.kill(running.worker(role).pid, signal.SIGKILL)
    end = time.monotonic() + 30
    while running.worker(role).status != "starting":
        assert time.monotonic() < end
        time.sleep(0.001)
    assert running.stop() == 0


def keys_of(batch: int) -> list[int]:
    start = trip.LEDGER * (batch + 1)
    return list(range(start, start + BATCH))
