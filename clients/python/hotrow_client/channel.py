"""Connections to one address, and calls on them that are tried again while it is of use."""

import itertools
import random
from typing import Final

import grpc
from hotrow.clock import monotonic_s, sleep_s
from hotrow.rpc.tls import ChannelTls, channel_credentials

from hotrow_client.rpc_error import HotrowRpcError

_FIRST_BACKOFF_S: Final = 0.02
_LAST_BACKOFF_S: Final = 1.0

_OPTIONS: Final = (
    # Workers of a server share one port, and the kernel deals out connections, not calls: without its own pool of
    # subchannels every channel of this process to one address would be one connection, to one worker.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # gRPC's own pause before it connects again grows to two minutes; ours decides.
    ("grpc.initial_reconnect_backoff_ms", 50),
    # In spite of its name this is how long an attempt may take: with 50 ms a busy machine is found unreachable.
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class ChannelPool:
    """A few connections to one address, used in turn; each is made when it is first used. Safe from any thread."""

    def __init__(self, address: str, tls: ChannelTls | None, *, connections: int) -> None:
        options: list[tuple[str, int | str]] = list(_OPTIONS)
        if tls is not None and tls.server_name:
            options.append(("grpc.ssl_target_name_override", tls.server_name))
        credentials = None if tls is None else channel_credentials(tls)
        self._channels = [
            grpc.insecure_channel(address, options)
            if credentials is None
            else grpc.secure_channel(address, credentials, options)
            for _ in range(connections)
        ]
        self._turns = itertools.cycle(range(connections))

    def call(self, method: str, request: bytes, *, timeout_s: float) -> bytes:
        """The reply's bytes; raises HotrowRpcError.

        A call that may succeed later is sent again, on the next connection, after a pause: the one that the server
        asked for, or else one that doubles, with jitter. When the next pause would outlast `timeout_s`, which counts
        for all attempts together, the last error is raised at once.
        """
        deadline_s = monotonic_s() + timeout_s
        backoff_s = _FIRST_BACKOFF_S
        while True:
            try:
                return self._send(method, request, deadline_s - monotonic_s())
            except grpc.RpcError as error:
                failure = HotrowRpcError(error)
                if not failure.retryable:
                    raise failure from error
                pause_s = max(backoff_s * random.uniform(0.5, 1), failure.retry_after_s or 0)
                if monotonic_s() + pause_s >= deadline_s:
                    raise failure from error
            sleep_s(pause_s)
            backoff_s = min(2 * backoff_s, _LAST_BACKOFF_S)

    def close(self) -> None:
        """End every connection; calls that run fail."""
        for channel in self._channels:
            channel.close()

    def _send(self, method: str, request: bytes, timeout_s: float) -> bytes:
        send = self._channels[next(self._turns)].unary_unary(method, None, None)
        reply: bytes = send(request, timeout=timeout_s)
        return reply
