"""The client for threads: reads, pushes and what the server says of itself."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar, Unpack

from hotrow.rpc.tls import ChannelTls

from hotrow_client.argument import checked_address, checked_tls
from hotrow_client.call import INGEST, Call, Calls, ServerInfo
from hotrow_client.channel import ChannelPool, PoolOptions, pool_options
from hotrow_client.coalesce import Coalescer, can_share
from hotrow_client.progress import reporter
from hotrow_client.push import PushOptions, PushReply
from hotrow_client.reply import Reply
from hotrow_client.request import ReadOptions
from hotrow_client.rows import Rows
from hotrow_client.rpc_error import HotrowRpcError

T = TypeVar("T")


class Client:
    """A server at an address such as "127.0.0.1:6565". Safe from any thread; make one and keep it.

    `project` may stay empty where the server has one alone. `timeout_s` is each call's, unless the call gives its own;
    it counts for all attempts together. With `ingest_address` pushes go straight to the ingest worker there.
    `connections` are spread over the workers that share the address. With `coalesce` at most so many calls of one
    selection are in flight, and reads that wait for one go together in the next; 0: each is a call of its own. Nothing
    is connected before the first call.

        with Client("127.0.0.1:6565") as client:
            reply = client.read(["driver_hourly_stats:fare"], {"driver_id": [1, 2]})
            fares = reply["fare"]

    Every method raises `HotrowRpcError` for what a server refused or nobody answered, and `TypeError` or `HotrowError`
    for arguments that cannot be sent. `AsyncClient` is the same for asyncio.
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
        self._server = ChannelPool(address, tls, connections=connections)
        self._ingest = ChannelPool(ingest_address, tls, connections=connections) if ingest_address else self._server
        self._coalescer = Coalescer(coalesce, self._send) if coalesce else None

    def read(
        self,
        features: Sequence[str] | str = (),
        entities: Rows | None = None,
        *,
        feature_service: str = "",
        **options: Unpack[ReadOptions],
    ) -> Reply:
        """Features ("view:feature") or those of a feature service, of the entities whose join keys are given.

        `entities` is {join key: values}, a list of {join key: value}, or a frame of pandas, Polars or Arrow; leave it
        out for views without entities. The reply has a row for each of them, in their order.
        """
        read = self._calls.read(features, entities, feature_service, options)
        if self._coalescer is not None and can_share(read):
            return self._coalescer.read(read)
        return self._send(read.call)

    get_online_features = read
    """The name of the RPC, and of the same call in other feature stores."""

    def push(
        self, push_source: str = "", rows: Rows = (), *, view: str = "", **options: Unpack[PushOptions]
    ) -> PushReply:
        """Write rows by a push source, or to a view; once this returns, they are durable and later reads see them.

        `rows` is {name: values}, a list of {name: value}, or a frame of pandas, Polars or Arrow, with the join keys and
        the fields (None is a null, and so is NaN of pandas alone); of a delete the join keys alone. More rows
        than a message holds go in several, in their order, each written whole. Rows that the server rejects raise
        RejectedRowsError once the others are written; with `atomic` one of them refuses the batch.
        """
        push = self._calls.push(push_source, rows, view, options)
        report = reporter(options.get("progress"), push.request.rows)
        for part, call in push.calls():
            try:
                push.add(part, self._send(call))
            except HotrowRpcError as error:
                raise push.interrupted(part, error) from None
            report(part.stop)
        return push.reply()

    def server_info(self, *, timeout_s: float | None = None) -> ServerInfo:
        """What the worker that answers says; waits for a server that is not up yet, within the timeout."""
        return self._send(self._calls.server_info(timeout_s))

    def _send(self, call: Call[T]) -> T:
        pool = self._ingest if call.method == INGEST else self._server
        return call.decode(pool.call(call.method, call.request, call.attempts))

    def close(self) -> None:
        """End every connection. A call afterwards raises RuntimeError."""
        self._server.close()
        self._ingest.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
