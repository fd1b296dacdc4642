"""Who asks a running server for stage timings gets all of them, by both doors, and they fit into what the call took."""

import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from hotrow.rpc.timing import stages_ms
from hotrow.v1.column_pb2 import Column, Int64s
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest

from .processes import Caller, Program, Repository, push_request

READ = ["queue", "parse", "plan", "store", "reply"]
PUSH = ["queue", "parse", "plan", "encode", "wait", "commit", "reply"]
HANDED_ON = ["queue", "hop", *PUSH[1:]]
CALLS = 20


def stages(method: Any, request: Any, metadata: tuple[tuple[str, str], ...]) -> list[str]:
    """The names of the stages of a call; their sum is no more than the time that the call took."""
    begun = time.perf_counter()
    _, call = method.with_call(request, timeout=10, metadata=metadata)
    observed_ms = (time.perf_counter() - begun) * 1000
    trailers = tuple((key, value) for key, value in call.trailing_metadata())
    told = stages_ms(trailers)
    assert 0 < sum(told.values()) <= observed_ms or not told
    assert all(ms >= 0 for ms in told.values())
    return list(told)


@pytest.mark.parametrize("lane", ["auto", "off"])
def test_stages_are_told_to_who_asks(repository: Repository, run: Callable[..., Program], lane: str) -> None:
    serve = run("serve", "--workers", "1", HOTROW_SERVER_LANE=lane)
    serve.wait_ready()
    asked = (("hotrow-timing", "1"),)
    read = GetOnlineFeaturesRequest(
        features=FeatureNames(names=["stats:value"]),
        entities=[Column(name="driver_id", int64=Int64s(values=[1]))],
    )
    settings = repository.settings
    with Caller(settings.server.address) as caller, Caller(settings.ingest.address) as producer:
        for number in range(CALLS):
            push = push_request({1: float(number)})
            assert stages(caller.server.PushFeatures, push, asked) == HANDED_ON
            assert stages(producer.ingest.PushFeatures, push, asked) == PUSH
            assert stages(caller.server.GetOnlineFeatures, read, asked) == READ
        assert stages(caller.server.PushFeatures, push_request({1: 1.0}), ()) == []
        assert stages(caller.server.GetOnlineFeatures, read, ()) == []
        with pytest.raises(grpc.RpcError) as caught:
            caller.server.GetOnlineFeatures(GetOnlineFeaturesRequest(), timeout=10, metadata=asked)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert serve.stop() == 0
