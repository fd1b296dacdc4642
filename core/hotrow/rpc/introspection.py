"""What every listener serves beside its own methods: health (grpc.health.v1) and reflection, so that `grpcurl` and
load balancers need no file.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from hotrow.v1 import feature_ingest_pb2, feature_server_pb2  # noqa: F401 - reflection shows their descriptors

HEALTH = "grpc.health.v1.Health"
REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""Both versions have the same messages; newer tools ask for v1 first. Listed is the one whose descriptor there is:
`grpcurl describe` ends at a name that has none.
"""

# A reflection stream holds its thread for as long as the caller keeps it open, and graphical tools keep it open: they
# have threads of their own, so that they cannot keep health checks waiting.
_REFLECTION_THREADS = 8


class _Health(health.HealthServicer):
    """Knows who watches: a watch ends when its caller ends it, and a drain cannot wait for that."""

    def __init__(self) -> None:
        super().__init__()
        self._watches: set[Callable[[object], None]] = set()

    def Watch(  # noqa: N802 - of the protocol
        self, request: Any, context: grpc.ServicerContext, send_response_callback: Any = None
    ) -> Any:
        if send_response_callback is not None:
            self._watches.add(send_response_callback)
            context.add_callback(lambda: self._watches.discard(send_response_callback))
        return super().Watch(request, context, send_response_callback)

    def end(self) -> None:
        self.enter_graceful_shutdown()
        for watch in list(self._watches):
            watch(None)


class _Reflection(reflection.ReflectionServicer):
    """Also finds a method, `package.Service.Method`, for which `grpcurl describe` and `ghz` ask: Python's descriptor
    pool knows the file of a service, and not of what stands in one.
    """

    def _file_containing_symbol(self, request: Any, fully_qualified_name: str) -> Any:
        service, _, method = fully_qualified_name.rpartition(".")
        try:
            known = method in self._pool.FindServiceByName(service).methods_by_name
        except KeyError:
            known = False
        return super()._file_containing_symbol(request, service if known else fully_qualified_name)


class Introspection:
    """Health, of a server as a whole (the name "") and of each of its services, and reflection of their descriptors."""

    def __init__(self, server: grpc.Server, services: Iterable[str]) -> None:
        services = tuple(services)
        self._services = ("", *services)
        self._health = _Health()
        self._reflecting: set[grpc.ServicerContext] = set()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        self._add_reflection(server, (*services, HEALTH, REFLECTION[1]))
        self.set(serving=False)

    def set(self, *, serving: bool) -> None:
        """Say SERVING or NOT_SERVING to those who ask and those who watch."""
        response = health_pb2.HealthCheckResponse
        for service in self._services:
            self._health.set(service, response.SERVING if serving else response.NOT_SERVING)

    def end(self) -> None:
        """NOT_SERVING for good; streams that callers keep open end, so that no drain waits for them."""
        self._health.end()
        for context in list(self._reflecting):
            context.cancel()  # type: ignore[no-untyped-call]

    def _add_reflection(self, server: grpc.Server, services: Iterable[str]) -> None:
        pool = futures.ThreadPoolExecutor(_REFLECTION_THREADS, thread_name_prefix="hotrow-reflection")
        servicer: Any = _Reflection(services)

        def behaviour(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            self._reflecting.add(context)
            context.add_callback(lambda: self._reflecting.discard(context))
            streamed: Iterator[Any] = servicer.ServerReflectionInfo(requests, context)
            return streamed

        behaviour.experimental_thread_pool = pool  # type: ignore[attr-defined]  # grpcio's way to say it
        method = grpc.stream_stream_rpc_method_handler(
            behaviour,
            request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
            response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        server.add_generic_rpc_handlers(
            tuple(grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method}) for name in REFLECTION)
        )
