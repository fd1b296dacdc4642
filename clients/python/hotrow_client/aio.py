"""The client for asyncio: the same calls as `hotrow_client.client`, awaited."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar, Unpack

from hotrow.rpc.tls import ChannelTls

from hotrow_client.argument import checked_address, checked_tls
from hotrow_client.call import INGEST, Call, Calls, ServerInfo
from hotrow_client.channel import AsyncChannelPool, PoolOptions, pool_options
from hotrow_client.coalesce import AsyncCoalescer, can_share
from hotrow_client.progress import reporter
from hotrow_client.push import PushOptions, PushReply
from hotrow_client.reply import Reply
from hotrow_client.request import ReadOptions
from hotrow_client.rows import Rows
from hotrow_client.rpc_error import HotrowRpcError

T = TypeVar("T")


class AsyncClient:
    """`Client` for one event loop: the same arguments, replies and errors.

        async with AsyncClient("127.0.0.1:6565") as client:
            reply = await client.read(["driver_hourly_stats:fare"], {"driver_id": [1, 2]})

    A caller that is cancelled no longer waits; its call ends by itself, with the reply or at its deadline, and is not
    sent again.
    """

    def __init__(
        self,
        address: str,
        *,
        project: str = "",
        ingest_address: str = "",
        tls: ChannelTls | None = None,
        timeout_s: float = 10.0,
        **pool: Unpack[PoolOptions],
    ) -> None:
        connections, coalesce = pool_options(pool)
        address = checked_address("address", address)
        ingest_address = ingest_address and checked_address("ingest_address", ingest_address)
        checked_tls(tls)
        self._calls = Calls(project, timeout_s, to_ingest=bool(ingest_address))
        self._server = AsyncChannelPool(address, tls, connections=connections)
        self._ingest = (
            AsyncChannelPool(ingest_address, tls, connections=connections) if ingest_address else self._server
        )
        self._coalescer = AsyncCoalescer(coalesce, self._send) if coalesce else None

    async def read(
        self,
        features: Sequence[str] | str = (),
        entities: Rows | None = None,
        *,
        feature_service: str = "",
        **options: Unpack[ReadOptions],
    ) -> Reply:
        """As `Client.read`."""
        read = self._calls.read(features, entities, feature_service, options)
        if self._coalescer is not None and can_share(read):
            return await self._coalescer.read(read)
        return await self._send(read.call)

    get_online_features = read
    """As `Client.get_online_features`."""

    async def push(
        self, push_source: str = "", rows: Rows = (), *, view: str = "", **options: Unpack[PushOptions]
    ) -> PushReply:
        """As `Client.push`. Cancelled, it may have been written: push again with the same `request_id` to know."""
        push = self._calls.push(push_source, rows, view, options)
        report = reporter(options.get("progress"), push.request.rows)
        for part, call in push.calls():
            try:
                push.add(part, await self._send(call))
            except HotrowRpcError as error:
                raise push.interrupted(part, error) from None
            report(part.stop)
        return push.reply()

    async def server_info(self, *, timeout_s: float | None = None) -> ServerInfo:
        """As `Client.server_info`."""
        return await self._send(self._calls.server_info(timeout_s))

    async def _send(self, call: Call[T]) -> T:
        pool = self._ingest if call.method == INGEST else self._server
        return call.decode(await pool.call(call.method, call.request, call.attempts))

    async def close(self) -> None:
        """As `Client.close`."""
        await self._server.close()
        await self._ingest.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
