"""What both facades send: a call prepared, with what becomes of its answer. Nothing is sent here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from hotrow.clock import datetime_from_us
from hotrow.v1 import feature_server_pb2 as pb

from hotrow_client.argument import checked_features, checked_name, checked_options, checked_timeout_s
from hotrow_client.push import PushOptions, PushReply, RejectedRowsError
from hotrow_client.push_request import Part, PushRequest, push_request
from hotrow_client.reply import Reply
from hotrow_client.request import ReadOptions, ReadRequest, read_request
from hotrow_client.retry import Attempts
from hotrow_client.rows import Rows
from hotrow_client.rpc_error import HotrowRpcError

READ: Final = "/hotrow.v1.FeatureServer/GetOnlineFeatures"
PUSH: Final = "/hotrow.v1.FeatureServer/PushFeatures"
INFO: Final = "/hotrow.v1.FeatureServer/GetServerInfo"
INGEST: Final = "/hotrow.v1.FeatureIngest/PushFeatures"

_SHOWN: Final = 3  # features of a read, in a message

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


@dataclass(slots=True, eq=False)
class Push:
    """A push: a call for each part of its rows, sent one after another, and what comes of all."""

    request: PushRequest
    target: str
    method: str
    timeout_s: float
    raises: bool
    _replies: list[PushReply] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)

    def calls(self) -> Iterator[tuple[Part, Call[PushReply]]]:
        """Each is to be sent when the one before has its reply, which `add` takes."""
        for part in self.request.parts():
            attempts = Attempts(self.timeout_s, f"the push to {self.target}")
            yield part, Call(self.method, part.message, attempts, self._read)

    def add(self, part: Part, reply: PushReply) -> None:
        self._replies.append(reply)
        self._starts.append(part.start)

    def interrupted(self, part: Part, error: HotrowRpcError) -> HotrowRpcError:
        """The error of a part, with what to do about the parts before it."""
        if not part.start:
            return error
        return HotrowRpcError(
            error.status,
            f"{error.message} (in rows {part.start} to {part.stop - 1}; those before are done: to go on, push all rows "
            f"again with request_id={self.request.request_id!r})",
            field=error.field,
            retry_after_s=error.retry_after_s,
            lost=error.lost,
        )

    def reply(self) -> PushReply:
        """The reply to the whole; raises RejectedRowsError, if that is asked for."""
        reply = PushReply.of_parts(self._replies, self._starts, self.request.request_id)
        if reply.rejected and self.raises:
            raise RejectedRowsError(reply, dry_run=self.request.tail.dry_run)
        return reply

    def _read(self, data: bytes) -> PushReply:
        return PushReply.from_bytes(data, self.request.request_id)


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes calls of a caller's arguments, as one client is set."""

    project: str
    timeout_s: float
    to_ingest: bool

    def __post_init__(self) -> None:
        checked_name("project", self.project)
        checked_timeout_s(self.timeout_s)

    def read(
        self, features: Sequence[str] | str, entities: Rows | None, feature_service: str, options: ReadOptions
    ) -> Read:
        """Raises TypeError or HotrowError for arguments that cannot be sent."""
        given: Any = checked_options("read", options, ReadOptions)
        names, service = checked_features(features), checked_name("feature_service", feature_service)
        timeout_s = given.get("timeout_s", self.timeout_s)
        attempts = Attempts(timeout_s, f"the read of {service or _listed(names)}")
        return Read(read_request(self.project, names, service, entities, given), attempts)

    def push(self, push_source: str, rows: Rows, view: str, options: PushOptions) -> Push:
        """Raises TypeError or HotrowError for arguments that cannot be sent."""
        given: Any = checked_options("push", options, PushOptions)
        on_rejected = given.get("on_rejected", "raise")
        if on_rejected not in ("raise", "return"):
            raise TypeError(f"on_rejected is 'raise' or 'return', not {on_rejected!r}")
        source, name = checked_name("push_source", push_source), checked_name("view", view)
        request = push_request(self.project, source, name, rows, given)
        method = INGEST if self.to_ingest else PUSH
        return Push(request, source or name, method, given.get("timeout_s", self.timeout_s), on_rejected == "raise")

    def server_info(self, timeout_s: float | None) -> Call[ServerInfo]:
        attempts = Attempts(self.timeout_s if timeout_s is None else checked_timeout_s(timeout_s))
        return Call(INFO, b"", attempts, ServerInfo.from_bytes)


def _listed(features: Sequence[str]) -> str:
    """Some features, for a message."""
    return ", ".join(features[:_SHOWN]) + (", ..." if len(features) > _SHOWN else "")
