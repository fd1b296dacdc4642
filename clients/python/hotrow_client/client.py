"""The client: reads, pushes and what the server says of itself."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self, TypedDict, Unpack

from hotrow.clock import datetime_from_us
from hotrow.codec.protowire import length_delimited
from hotrow.rpc.tls import ChannelTls
from hotrow.types import ValueType
from hotrow.v1 import feature_server_pb2 as pb

from hotrow_client.channel import ChannelPool
from hotrow_client.push import Push, PushReply, encode_event_times
from hotrow_client.reply import Reply
from hotrow_client.rows import Rows, columns_from_rows, encode_columns, row_count

_READ: Final = "/hotrow.v1.FeatureServer/GetOnlineFeatures"
_PUSH: Final = "/hotrow.v1.FeatureServer/PushFeatures"
_INFO: Final = "/hotrow.v1.FeatureServer/GetServerInfo"
_INGEST: Final = "/hotrow.v1.FeatureIngest/PushFeatures"
_ENTITIES, _REQUEST_DATA = 4, 5
_CONNECTIONS: Final = 4


class ReadOptions(TypedDict, total=False):
    """Options of `Client.read`. `types` and `timeout_s` (all attempts together) are the client's own, the others are
    those of `hotrow.v1.GetOnlineFeaturesRequest`; `types` gives columns whose values do not show theirs a type.
    """

    snapshot: str
    full_names: bool
    event_timestamps: bool
    matrix: bool
    min_token: bytes
    signature: str
    request_data: Mapping[str, Any]
    types: Mapping[str, ValueType]
    timeout_s: float


class PushOptions(TypedDict, total=False):
    """Options of `Client.push`. `op` is "upsert" or "delete", `to` is "online", "offline" or "both"; `event_time` one
    time for all rows or one a row (a datetime, datetime64 or microseconds), absent the time of receipt. `request_id`
    makes a push happen once; without one a new one is made, which covers this call's own retries.
    """

    event_time: Any
    op: str
    to: str
    request_id: str | None
    atomic: bool
    dry_run: bool
    snapshot: str
    types: Mapping[str, ValueType]
    units: Mapping[str, str]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server says of itself; `served` has the names ("head", branches, pins) of each snapshot id."""

    version: str
    project: str
    snapshot: str
    served: Mapping[str, tuple[str, ...]]
    store_type: str
    store_id: str
    lane: str
    worker: int
    started: datetime


class Client:
    """A server at an address such as "127.0.0.1:6565". Safe from any thread; make one and keep it.

    `project` may stay empty where the server has one alone. `timeout_s` is each call's, unless the call gives its own.
    With `ingest_address` pushes go straight to the ingest worker there. Nothing is connected before the first call.

        with Client("127.0.0.1:6565") as client:
            reply = client.read(["driver_hourly_stats:fare"], {"driver_id": [1, 2]})
            fares = reply["fare"]

    Every method raises `HotrowRpcError` for what a server refused or nobody answered, and `TypeError` or `HotrowError`
    for arguments that cannot be sent.
    """

    def __init__(
        self,
        address: str,
        *,
        project: str = "",
        ingest_address: str = "",
        tls: ChannelTls | None = None,
        timeout_s: float = 10.0,
        connections: int = _CONNECTIONS,
    ) -> None:
        if connections < 1:
            raise TypeError(f"connections is a positive number, not {connections}")
        self._project = project
        self._timeout_s = timeout_s
        self._server = ChannelPool(address, tls, connections=connections)
        self._ingest = ChannelPool(ingest_address, tls, connections=connections) if ingest_address else None

    def read(
        self,
        features: Sequence[str] | str = (),
        entities: Rows | None = None,
        *,
        feature_service: str = "",
        **options: Unpack[ReadOptions],
    ) -> Reply:
        """Features ("view:feature") or those of a feature service, of the entities whose join keys are given.

        `entities` is {join key: values} or a list of {join key: value}; leave it out for views without entities.
        """
        _check("read", options, ReadOptions)
        request = _encode_read(self._project, _selection(features, feature_service), entities or {}, options)
        return Reply.from_bytes(self._server.call(_READ, request, timeout_s=options.get("timeout_s", self._timeout_s)))

    def push(
        self, push_source: str = "", rows: Rows = (), *, view: str = "", **options: Unpack[PushOptions]
    ) -> PushReply:
        """Write rows by a push source, or to a view; once this returns, they are durable and later reads see them.

        `rows` is {name: values} or a list of {name: value}, with the join keys and the fields (None is a null); of a
        delete the join keys alone. Rows that the server refuses are in the reply's `rejections`; with `atomic` one of
        them refuses the batch, and the call raises.
        """
        _check("push", options, PushOptions)
        columns = columns_from_rows(rows)
        push = Push(
            project=self._project,
            push_source=push_source,
            view=view,
            request_id=options.get("request_id") or uuid.uuid4().hex,
            op=options.get("op", "upsert"),
            to=options.get("to", "online"),
            atomic=options.get("atomic", False),
            dry_run=options.get("dry_run", False),
            snapshot=options.get("snapshot", ""),
        )
        request = push.encode(
            encode_columns(columns, options.get("types", {}), options.get("units")),
            encode_event_times(options.get("event_time"), row_count(columns)),
        )
        timeout_s = options.get("timeout_s", self._timeout_s)
        if self._ingest is not None:
            return PushReply.from_bytes(self._ingest.call(_INGEST, request, timeout_s=timeout_s), push.request_id)
        return PushReply.from_bytes(self._server.call(_PUSH, request, timeout_s=timeout_s), push.request_id)

    def server_info(self, *, timeout_s: float | None = None) -> ServerInfo:
        """What the worker that answers says; waits for a server that is not up yet, within the timeout."""
        data = self._server.call(_INFO, b"", timeout_s=self._timeout_s if timeout_s is None else timeout_s)
        info = pb.GetServerInfoReply.FromString(data)
        return ServerInfo(
            version=info.version,
            project=info.project,
            snapshot=info.snapshot,
            served={snapshot.id: tuple(snapshot.names) for snapshot in info.served},
            store_type=info.store_type,
            store_id=info.store_id,
            lane=info.lane,
            worker=info.worker,
            started=datetime_from_us(info.started_us),
        )

    def close(self) -> None:
        """End every connection."""
        self._server.close()
        if self._ingest is not None:
            self._ingest.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check(method: str, options: Mapping[str, Any], known: Any) -> None:
    """Refuse an option that is none: one misspelt would be left out without a word."""
    for name in options:
        if name not in known.__annotations__:
            raise TypeError(f"{method} has no option {name!r}; it has {', '.join(known.__annotations__)}")


def _selection(features: Sequence[str] | str, feature_service: str) -> pb.GetOnlineFeaturesRequest:
    names = [features] if isinstance(features, str) else list(features)
    if bool(names) == bool(feature_service):
        raise TypeError("read features or a feature service: give one of the two")
    if feature_service:
        return pb.GetOnlineFeaturesRequest(feature_service=feature_service)
    return pb.GetOnlineFeaturesRequest(features=pb.FeatureNames(names=names))


def _encode_read(project: str, selection: pb.GetOnlineFeaturesRequest, entities: Rows, options: ReadOptions) -> bytes:
    """A canonical request: the columns stand between the parts that protobuf writes."""
    keys, data = columns_from_rows(entities), options.get("request_data", {})
    both = ", ".join(keys.keys() & data.keys())
    if both:
        raise TypeError(f"{both} stands among the entities and in request_data: give it once")
    selection.project = project
    tail = pb.GetOnlineFeaturesRequest(
        snapshot=options.get("snapshot", ""),
        signature=options.get("signature", ""),
        min_token=options.get("min_token", b""),
    )
    flags = {name: True for name in ("event_timestamps", "full_names", "matrix") if options.get(name)}
    if flags:
        tail.options.CopyFrom(pb.ReadOptions(**flags))
    encoded = encode_columns({**keys, **data}, options.get("types", {}))
    numbers = [_ENTITIES] * len(keys) + [_REQUEST_DATA] * len(data)
    columns = (length_delimited(number, column) for number, column in zip(numbers, encoded, strict=True))
    return b"".join((selection.SerializeToString(), *columns, tail.SerializeToString()))
