"""What both facades send: a call prepared, with what becomes of its answer. Nothing is sent here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from hotrow.clock import datetime_from_us
from hotrow.v1 import feature_server_pb2 as pb

from hotrow_client.push import PushOptions, PushReply, encode_push
from hotrow_client.reply import Reply
from hotrow_client.request import ReadOptions, ReadRequest, read_request
from hotrow_client.retry import Attempts
from hotrow_client.rows import Rows

READ: Final = "/hotrow.v1.FeatureServer/GetOnlineFeatures"
PUSH: Final = "/hotrow.v1.FeatureServer/PushFeatures"
INFO: Final = "/hotrow.v1.FeatureServer/GetServerInfo"
INGEST: Final = "/hotrow.v1.FeatureIngest/PushFeatures"

T = TypeVar("T")


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

    @classmethod
    def from_bytes(cls, data: bytes) -> "ServerInfo":
        """What a serialized `hotrow.v1.GetServerInfoReply` says."""
        info = pb.GetServerInfoReply.FromString(data)
        return cls(
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


@dataclass(frozen=True, slots=True, eq=False)
class Call(Generic[T]):
    """A method's bytes, and how to read the reply's."""

    method: str
    request: bytes
    attempts: Attempts
    decode: Callable[[bytes], T]


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A read before its bytes, so that it can share a call with others."""

    request: ReadRequest
    attempts: Attempts

    @property
    def call(self) -> Call[Reply]:
        """It alone."""
        return Call(READ, self.request.encode(), self.attempts, Reply.from_bytes)


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes calls of a caller's arguments, as one client is set."""

    project: str
    timeout_s: float
    to_ingest: bool

    def read(
        self, features: Sequence[str] | str, entities: Rows | None, feature_service: str, options: ReadOptions
    ) -> Read:
        """Raises TypeError or HotrowError for arguments that cannot be sent."""
        _check("read", options, ReadOptions)
        attempts = self._attempts(options)
        return Read(read_request(self.project, features, feature_service, entities, options), attempts)

    def push(self, push_source: str, rows: Rows, view: str, options: PushOptions) -> Call[PushReply]:
        """Raises TypeError or HotrowError for arguments that cannot be sent."""
        _check("push", options, PushOptions)
        attempts = self._attempts(options)
        request, request_id = encode_push(self.project, push_source, view, rows, options)
        method = INGEST if self.to_ingest else PUSH
        return Call(method, request, attempts, lambda data: PushReply.from_bytes(data, request_id))

    def server_info(self, timeout_s: float | None) -> Call[ServerInfo]:
        attempts = Attempts(self.timeout_s if timeout_s is None else timeout_s)
        return Call(INFO, b"", attempts, ServerInfo.from_bytes)

    def _attempts(self, options: Mapping[str, Any]) -> Attempts:
        return Attempts(options.get("timeout_s", self.timeout_s))


def _check(method: str, options: Mapping[str, Any], known: Any) -> None:
    """Refuse an option that is none: one misspelt would be left out without a word."""
    for name in options:
        if name not in known.__annotations__:
            raise TypeError(f"{method} has no option {name!r}; it has {', '.join(known.__annotations__)}")
