"""A listener: one port with the fast lane or the ordinary door, health and reflection on it, and its drain."""

from collections.abc import Mapping
from concurrent import futures
from dataclasses import dataclass

import grpc

from hotrow import log
from hotrow.errors import Code, HotrowError
from hotrow.rpc.address import parse_address
from hotrow.rpc.call import Handler
from hotrow.rpc.door import Door
from hotrow.rpc.gate import Gate
from hotrow.rpc.introspection import Introspection
from hotrow.rpc.lane import Lane, self_test
from hotrow.rpc.tls import TlsSettings, server_credentials

_ANSWER_S = 1.0  # how long callers have to take the answers that a drain cut short
_END_S = 5.0
_HEALTH_THREADS = 2  # reflection and the ordinary door have their own

_log = log.logger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen. Without `tls` the host must be loopback, unless `insecure` says that it is meant."""

    address: str
    tls: TlsSettings | None = None
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """How to listen.

    `lane` is "auto" or "off". `share_port` lets several workers listen on one port. A connection is closed after
    `max_connection_age_s` (0: never), so that callers spread over the workers.
    """

    lane: str = "auto"
    max_message_mib: int = 64
    max_connection_age_s: float = 0.0
    share_port: bool = True


class Listener:
    """What `serve` returns. It serves, and says so to health checks, until `stop`."""

    def __init__(
        self, server: grpc.Server, port: int, lane: Lane | str, introspection: Introspection, gate: Gate
    ) -> None:
        self._server = server
        self._lane = lane
        self._introspection = introspection
        self._gate = gate
        self._port = port

    @property
    def port(self) -> int:
        """The port that was bound."""
        return self._port

    @property
    def lane(self) -> str:
        """Either "on", or "off: " and why."""
        return "on" if isinstance(self._lane, Lane) else f"off: {self._lane}"

    def set_serving(self, *, serving: bool) -> None:
        """What health checks are told."""
        self._introspection.set(serving=serving)

    def stop(self, grace_s: float) -> bool:
        """Drain: NOT_SERVING, no new calls, those that run have `grace_s` to end; then they are answered UNAVAILABLE.

        Returns whether all of them ended by themselves. May be called again.
        """
        self._introspection.end()
        ended = self._server.stop(grace_s + _ANSWER_S)
        drained = ended.wait(grace_s)
        if not drained:
            self._gate.fail_running()
            if not ended.wait(_ANSWER_S + _END_S):
                _log.warning("the listener did not end", port=self._port)
        return drained


def serve(
    endpoint: Endpoint, methods: Mapping[str, Handler], *, gate: Gate, options: ListenerOptions | None = None
) -> Listener:
    """Serve `methods`, by their path ("/hotrow.v1.FeatureServer/PushFeatures"), until the listener is stopped.

    Health and reflection come with them. Raises FAILED_PRECONDITION for an address that is not to be served without
    TLS or that cannot be bound, and for TLS files that are missing or wrong; INVALID_ARGUMENT for a malformed address.
    """
    options = options or ListenerOptions()
    credentials = _credentials(endpoint)
    pool = futures.ThreadPoolExecutor(_HEALTH_THREADS, thread_name_prefix="hotrow-health")
    server = grpc.server(pool, options=channel_args(options))
    services = sorted({path.split("/")[1] for path in methods})
    introspection = Introspection(server, services)
    lane = _open_lane(server, methods, gate, options)
    port = _bind(server, endpoint.address, credentials)
    server.start()
    if isinstance(lane, Lane):
        lane.start()
    introspection.set(serving=True)
    return Listener(server, port, lane, introspection, gate)


def channel_args(options: ListenerOptions) -> tuple[tuple[str, int], ...]:
    """The core's settings for a listener."""
    arguments = [
        ("grpc.max_receive_message_length", options.max_message_mib << 20),
        ("grpc.so_reuseport", int(options.share_port)),
        # Calls that nobody has asked for yet wait in the core, and by its defaults it turns some of them away from
        # 1,000 waiting on, all at 3,000, and callers see CANCELLED. Calls whose callers gave up long ago wait there
        # too, so a storm of them took healthy calls with it: 18 of 5,000 after 20,000. Here they wait, and the gate's
        # limit answers what is too much with a retry hint.
        ("grpc.server.max_pending_requests", 20_000),
        ("grpc.server.max_pending_requests_hard_limit", 40_000),
        # A caller whose machine is gone is found out in 80 s and not in hours; callers may ping as often.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]
    if options.max_connection_age_s:
        arguments += [
            ("grpc.max_connection_age_ms", round(options.max_connection_age_s * 1000)),
            ("grpc.max_connection_age_grace_ms", 60_000),
        ]
    return tuple(arguments)


def _open_lane(server: grpc.Server, methods: Mapping[str, Handler], gate: Gate, options: ListenerOptions) -> Lane | str:
    """The lane, or why it is off; then the methods are the ordinary door's."""
    if options.lane == "off":
        why = "by the settings"
    else:
        why = self_test()
        if not why:
            return Lane(server, methods, gate)
        _log.warning("the fast lane is off: its self-test failed; calls cost three times as much", reason=why)
    server.add_generic_rpc_handlers((Door(methods, gate),))
    return why


def _credentials(endpoint: Endpoint) -> grpc.ServerCredentials | None:
    if endpoint.tls is not None:
        return server_credentials(endpoint.tls)
    if endpoint.address.startswith("unix:") or parse_address(endpoint.address).loopback:
        return None
    if not endpoint.insecure:
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"{endpoint.address} can be reached from other machines and has no TLS: set tls (cert, key), listen on "
            "127.0.0.1, or say --insecure",
            field="address",
        )
    _log.warning("listening without TLS: anybody who reaches this address can read and write", address=endpoint.address)
    return None


def _bind(server: grpc.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"{address} cannot be bound: another program listens there, or the host is not this machine's",
            field="address",
        ) from error
