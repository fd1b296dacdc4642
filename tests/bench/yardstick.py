"""Servers to measure against: an empty handler on grpcio ("echo"), on the lane and on the ordinary door, and replies
from protobuf objects.

`python -m tests.bench.yardstick KIND PORT SIZES`: SIZES is JSON, bytes of the reply by workload. Methods are
/bench.Yardstick/WORKLOAD.
"""

import json
import signal
import sys
import threading
from collections.abc import Callable
from concurrent import futures
from functools import partial
from typing import Any

import grpc
from hotrow.rpc.call import Call, Handler
from hotrow.rpc.gate import Gate
from hotrow.rpc.listener import Endpoint, ListenerOptions, serve
from hotrow.types import BYTES, STRING
from hotrow.v1.column_pb2 import PRESENT
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply, GetOnlineFeaturesRequest

from tests.bench.dataset import READS, fields

METHOD = "/bench.Yardstick/"
THREADS = 2


class _Generic(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    def __init__(self, handlers: dict[str, Callable[[bytes, Any], bytes]]) -> None:
        self._handlers = {METHOD + name: grpc.unary_unary_rpc_method_handler(h) for name, h in handlers.items()}

    def service(self, handler_call_details: Any) -> Any:
        return self._handlers.get(handler_call_details.method)


def _ordinary(port: int, handlers: dict[str, Callable[[bytes, Any], bytes]]) -> Any:
    server = grpc.server(futures.ThreadPoolExecutor(THREADS), options=[("grpc.max_receive_message_length", 64 << 20)])
    server.add_generic_rpc_handlers((_Generic(handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server


def _echo(port: int, sizes: dict[str, int]) -> Any:
    def handler(size: int) -> Callable[[bytes, Any], bytes]:
        reply = bytes(size)
        return lambda _request, _context: reply

    return _ordinary(port, {name: handler(size) for name, size in sizes.items()})


def _listener(port: int, sizes: dict[str, int], lane: str) -> Any:
    def handler(size: int) -> Handler:
        reply = bytes(size)

        def answer(_request: bytes, call: Call) -> None:
            call.reply(reply)

        return answer

    methods = {METHOD + name: handler(size) for name, size in sizes.items()}
    return serve(Endpoint(f"127.0.0.1:{port}"), methods, gate=Gate(), options=ListenerOptions(lane=lane))


def _objects(port: int, sizes: dict[str, int]) -> Any:
    """Parse the request, build the reply value by value and serialize it; the values are at hand in memory."""
    rows = {
        view: {name: f"{name}-1234" if type_.kind in (STRING, BYTES) else 1234 for name, type_ in fields(view)}
        for view in ("a", "b", "c")
    }
    wire = {f"{view}:{name}": type_.wire_name for view in rows for name, type_ in fields(view)}

    def handler(request: bytes, _context: Any) -> bytes:
        asked = GetOnlineFeaturesRequest.FromString(request)
        drivers = list(asked.entities[0].int64.values)
        reply = GetOnlineFeaturesReply()
        for name in asked.features.names:
            view, _, feature = name.partition(":")
            column = reply.columns.add(name=feature)
            values = getattr(column, wire[name]).values
            for _driver in drivers:
                values.append(rows[view][feature])
                column.statuses.append(PRESENT)
        return reply.SerializeToString()

    return _ordinary(port, {name: handler for name in sizes if name in READS})


def main() -> None:
    kind, port, sizes = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    kinds: dict[str, Callable[[int, dict[str, int]], Any]] = {
        "echo": _echo,
        "lane": partial(_listener, lane="auto"),
        "door": partial(_listener, lane="off"),
        "objects": _objects,
    }
    server = kinds[kind](port, sizes)  # a server ends with its last reference
    print("ready", flush=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    stop.wait()
    del server


if __name__ == "__main__":
    main()
