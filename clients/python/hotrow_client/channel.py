"""Connections to one address, and calls on them that are tried again while it is of use: blocking, and for asyncio."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final, TypedDict

import grpc
import grpc.aio
from hotrow.clock import sleep_s
from hotrow.rpc.tls import ChannelTls, channel_credentials

from hotrow_client.argument import checked_options
from hotrow_client.retry import Attempts
from hotrow_client.rpc_error import error_from_rpc

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
    # Finds out that the other machine is gone: no answer to a ping for 20 s ends the connection.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)


_CONNECTIONS: Final = 4


class PoolOptions(TypedDict, total=False):
    """`connections`: how many there are, 4 unless said. `coalesce`: how many calls of one selection may be in flight
    before reads wait and go together; 0, unless said: any number.
    """

    connections: int
    coalesce: int


def pool_options(given: PoolOptions) -> tuple[int, int]:
    """`connections` and `coalesce`; raises TypeError for others."""
    options = checked_options("a client", given, PoolOptions)
    connections, coalesce = options.get("connections", _CONNECTIONS), options.get("coalesce", 0)
    if not isinstance(connections, int) or connections < 1:
        raise TypeError(f"connections is a positive number, not {connections!r}")
    if not isinstance(coalesce, int) or coalesce < 0:
        raise TypeError(f"coalesce is the number of calls in flight, or 0, not {coalesce!r}")
    return connections, coalesce


class ChannelPool:
    """A few connections to one address, used in turn; each is made when it is first used. Safe from any thread."""

    def __init__(self, address: str, tls: ChannelTls | None, *, connections: int) -> None:
        self._address = address
        channels = [_dial(grpc, address, tls) for _ in range(connections)]
        self._turns = _Turns(channels)

    def call(self, method: str, request: bytes, attempts: Attempts) -> bytes:
        """The reply's bytes; raises HotrowRpcError.

        A call that may succeed later is sent again, on the next connection, as `attempts` says.
        """
        while True:
            send = self._turns.next(method)
            try:
                reply: bytes = send(request, timeout=max(attempts.left_s(), 0))
            except grpc.RpcError as error:
                failure = error_from_rpc(error, method, self._address)
                pause_s = attempts.pause_s(failure)
                if pause_s is None:
                    raise attempts.final(failure) from None
            else:
                return reply
            sleep_s(pause_s)

    def close(self) -> None:
        """End every connection; calls that run fail."""
        for channel in self._turns.close():
            channel.close()


class AsyncChannelPool:
    """The same in an event loop, the one in which it is first used."""

    def __init__(self, address: str, tls: ChannelTls | None, *, connections: int) -> None:
        self._address, self._tls, self._connections = address, tls, connections
        self._turns: _Turns | None = None

    async def call(self, method: str, request: bytes, attempts: Attempts) -> bytes:
        """As `ChannelPool.call`."""
        if self._turns is None:
            # Here, because a channel belongs to the loop that runs.
            self._turns = _Turns([_dial(grpc.aio, self._address, self._tls) for _ in range(self._connections)])
        while True:
            send = self._turns.next(method)
            try:
                reply: bytes = await _answer(send(request, timeout=max(attempts.left_s(), 0)))
            except grpc.RpcError as error:
                failure = error_from_rpc(error, method, self._address)
                pause_s = attempts.pause_s(failure)
                if pause_s is None:
                    raise attempts.final(failure) from None
            else:
                return reply
            await asyncio.sleep(pause_s)

    async def close(self) -> None:
        """End every connection; calls that run fail."""
        if self._turns is None:
            self._turns = _Turns([])
        for channel in self._turns.close():
            await channel.close()


async def _answer(call: Any) -> Any:
    """The reply to a call of `grpc.aio`; raises what that raises.

    A caller who is cancelled leaves the call to end by itself, with its reply or at its deadline: of every call that is
    cancelled grpcio 1.85 keeps 500 to 3,000 bytes for ever.
    """
    ended = asyncio.get_running_loop().create_future()
    call.add_done_callback(lambda _: None if ended.done() else ended.set_result(None))
    await ended
    return await call


class _Turns:
    """Which connection a call goes to. In turn, not the one with the fewest calls: that is the one that is broken."""

    def __init__(self, channels: list[Any]) -> None:
        self._channels = channels
        self._methods: dict[str, Iterator[Callable[..., Any]]] = {}
        self._closed = False

    def next(self, method: str) -> Callable[..., Any]:
        """What sends a call of the method; raises RuntimeError once the client is closed."""
        if self._closed:
            raise RuntimeError("the client is closed")
        turns = self._methods.get(method)
        if turns is None:
            turns = itertools.cycle([channel.unary_unary(method, None, None) for channel in self._channels])
            self._methods[method] = turns
        return next(turns)

    def close(self) -> list[Any]:
        """The channels, each to be closed; no call is sent any more."""
        self._closed = True
        return self._channels


def _dial(library: Any, address: str, tls: ChannelTls | None) -> Any:
    """A channel of `grpc` or `grpc.aio`."""
    if tls is None:
        return library.insecure_channel(address, _OPTIONS)
    name = (("grpc.ssl_target_name_override", tls.server_name),) if tls.server_name else ()
    return library.secure_channel(address, channel_credentials(tls), (*_OPTIONS, *name))
