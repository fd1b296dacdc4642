"""How a command reaches the servers: a call to a server worker, or requests to the ingest worker of the store."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hotrow import clock
from hotrow.errors import Code, HotrowError

if TYPE_CHECKING:
    import grpc

    from hotrow.offline.delivery import Submit
    from hotrow.rpc.burst import Work
    from hotrow.rpc.call import Call
    from hotrow.rpc.metadata import Metadata
    from hotrow.rpc.tls import ChannelTls
    from hotrow.section import CallerTlsSettings
from hotrow.settings import Settings

MATERIALIZE = "/hotrow.v1.FeatureIngest/MaterializeRows"
FLUSH_LOG = "/hotrow.v1.FeatureIngest/FlushLog"
SERVER = "/hotrow.v1.FeatureServer/"
_CONNECT_S = 0.5
_REQUEST_S = 60.0
_FLUSH_S = 600.0  # of a log that could not be written for long
_AWAY_S, _PAUSE_S = 60.0, 0.2
_HELD_S = 600.0
"""For which a command waits for another one that has started a worker of its own on the store."""


def call_server(settings: Settings, address: str, method: str, request: bytes, timeout_s: float) -> bytes:
    """The reply of a method of FeatureServer; raises the HotrowError that it answered with, or UNAVAILABLE."""
    server = Server(settings, address or settings.server.address)
    with server.open() as channel:
        return server.call(channel, method, request, timeout_s)


@dataclass(frozen=True, slots=True)
class Server:
    """A server to call, over channels of its own."""

    settings: Settings
    address: str

    def open(self) -> grpc.Channel:
        """A connection, made at its first call."""
        from hotrow.rpc.channel import open_channel  # noqa: PLC0415

        return open_channel(self.address, channel_tls(self.settings.server.caller_tls))

    def call(self, channel: grpc.Channel, method: str, request: bytes, timeout_s: float) -> bytes:
        """As `call_server`, over a channel of `open`."""
        import grpc  # noqa: PLC0415

        from hotrow.rpc.status import error_from_rpc  # noqa: PLC0415

        try:
            reply: bytes = channel.unary_unary(SERVER + method, None, None)(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise _explained(error_from_rpc(error), self.settings, self.address) from None
        return reply


def _explained(error: HotrowError, settings: Settings, target: str) -> HotrowError:
    """That nothing listens there, in gRPC's own words, names no remedy."""
    if error.code is Code.UNAVAILABLE and error.retry_after_s is None:
        remedy = "start `hotrow serve`, or name another server with --server"
        if settings.server.tls is not None and settings.server.caller_tls is None:
            remedy = "it takes TLS: say in [server.caller_tls] who signed its certificate (ca), or start `hotrow serve`"
        return HotrowError(Code.UNAVAILABLE, f"no server answers at {target} ({error.message}); {remedy}")
    return error


def channel_tls(configured: CallerTlsSettings | None) -> ChannelTls | None:
    """What `hotrow.toml` says of how callers check the server, as a channel takes it."""
    if configured is None:
        return None
    from hotrow.rpc.tls import ChannelTls  # noqa: PLC0415

    return ChannelTls(configured.ca, configured.cert, configured.key, configured.server_name)


class _Client(Protocol):
    def forward(self, method: str, request: bytes, call: Call) -> None: ...
    def close(self) -> None: ...


class Waiting:
    """A call under way, as `hotrow.rpc` answers it (`hotrow.rpc.call.Call`) and as materialization waits for it."""

    metadata: Metadata = ()
    peer = caller = request_id = ""
    timer = None

    def __init__(self, timeout_s: float, method: str = MATERIALIZE) -> None:
        self.method = method
        self.deadline_s = clock.now_s() + timeout_s
        self._ended = threading.Event()
        self._reply = b""
        self._error: HotrowError | None = None

    def cancelled(self) -> bool:
        """Whether nobody waits any more."""
        return self._ended.is_set() or clock.now_s() > self.deadline_s

    def put_off(self, work: Work) -> bool:  # noqa: ARG002 - of the port
        """Nothing: calls come from another thread."""
        return False

    def reply(self, message: bytes, trailers: Metadata = ()) -> None:  # noqa: ARG002 - of the port
        """The answer."""
        self._reply = message
        self._ended.set()

    def fail(self, error: HotrowError) -> None:
        """The answer is an error."""
        self._error = error
        self._ended.set()

    def result(self) -> bytes:
        """Wait for the answer; raises the error that it is, or DEADLINE."""
        if not self._ended.wait(max(0.0, self.deadline_s - clock.now_s())):
            raise HotrowError(Code.DEADLINE, "the ingest worker did not answer in time")
        if self._error is not None:
            raise self._error
        return self._reply

    def cancel(self) -> None:
        """Stop waiting."""
        self._ended.set()


def quiet(settings: Settings) -> Settings:
    """The settings with a log of warnings only: a worker that is started for a while has no news."""
    import msgspec  # noqa: PLC0415

    level = settings.log.level if settings.log.level == "error" else "warning"
    return msgspec.structs.replace(settings, log=msgspec.structs.replace(settings.log, level=level))


def worker_is_remote(settings: Settings) -> bool:
    """Whether `ingest_link` goes to a worker at ingest.address whose store is not the one here."""
    from hotrow.supervisor.state import read_state  # noqa: PLC0415

    return read_state(settings).ingest_socket() is None and listens(settings.ingest.address)


def _worker_is_anothers(settings: Settings) -> bool:
    """Whether that worker is on this machine: most often, that of another repository or checkout with the same
    addresses. A worker on another machine is meant, as `hotrow.toml` names it.
    """
    from hotrow.rpc.address import parse_address  # noqa: PLC0415

    local = settings.online_store.embedded and parse_address(settings.ingest.address).local
    return local and worker_is_remote(settings)


def check_own_worker(settings: Settings) -> None:
    """Raises FAILED_PRECONDITION where a worker on this machine would take rows into a store other than this one."""
    if not _worker_is_anothers(settings):
        return
    from hotrow.rpc.address import served_store  # noqa: PLC0415

    address = settings.ingest.address
    theirs = served_store(address) or "a store that is not known here"
    raise HotrowError(
        Code.FAILED_PRECONDITION,
        f"the ingest worker at {address} writes {theirs}, and the store of this repository is "
        f"{settings.online_store.path}; stop that worker, give this repository its own addresses in hotrow.toml, or, "
        "where its store is meant, run `hotrow materialize --remote`",
        field="ingest.address",
    )


@contextlib.contextmanager
def ingest_link(settings: Settings, say: Callable[[str], None]) -> Iterator[Submit]:
    """Requests to the ingest worker: the one on this store, the one that listens at ingest.address, or one started
    for the time of the block, which may have to wait for another command's to end. Raises HotrowError where none can be
    reached or started.
    """
    with _ingest_client(settings, say, remote=True) as client:

        def submit(request: bytes) -> Waiting:
            return _sent(client, MATERIALIZE, request, _REQUEST_S)

        yield submit


def flush_log(settings: Settings, say: Callable[[str], None]) -> None:
    """Have every pushed row that was answered for in the log, for whoever reads that next.

    The ingest worker writes it; where none runs and rows wait in the store, one is started for that. Raises HotrowError
    where it cannot be reached or started, and where it cannot write the log.
    """
    give_up_s = clock.monotonic_s() + _AWAY_S
    while True:
        try:
            own = not _worker_is_anothers(settings)
            if (own and _runs(settings)) or _rows_wait(settings):
                with _ingest_client(settings, say, remote=own) as client:
                    _sent(client, FLUSH_LOG, b"", _FLUSH_S).result()
        except HotrowError as error:
            away = error.code is Code.UNAVAILABLE and error.retry_after_s is not None  # and not the log's disk
            if not away or clock.monotonic_s() >= give_up_s:
                raise
            clock.sleep_s(_PAUSE_S)  # and look again who is there: it may have ended for good
        else:
            return


def _runs(settings: Settings) -> bool:
    """Whether an ingest worker can be asked, here or elsewhere."""
    from hotrow.supervisor.state import read_state  # noqa: PLC0415

    return read_state(settings).ingest_socket() is not None or listens(settings.ingest.address)


def _rows_wait(settings: Settings) -> bool:
    """Whether a store that is here has rows that are still to be logged."""
    from hotrow.stores.open import check_exists, open_store  # noqa: PLC0415

    try:
        check_exists(settings.online_store)
    except HotrowError as error:
        if error.code is Code.NOT_FOUND:
            return False
        raise
    store = open_store(settings.online_store, project=settings.project, writable=False)
    try:
        return store.info().outbox > 0
    finally:
        store.close()


@contextlib.contextmanager
def _ingest_client(settings: Settings, say: Callable[[str], None], *, remote: bool) -> Iterator[_Client]:
    """Of the worker on this store, or, if `remote`, that which listens at ingest.address; else of one started here."""
    if remote and worker_is_remote(settings):
        from hotrow.rpc.remote import RemoteClient  # noqa: PLC0415

        with contextlib.closing(RemoteClient(settings.ingest.address, channel_tls(settings.ingest.caller_tls))) as far:
            yield far
        return
    from hotrow.rpc.frame_client import FrameClient  # noqa: PLC0415
    from hotrow.supervisor.run import ingest_socket  # noqa: PLC0415

    with ingest_socket(settings, wait_s=_HELD_S, say=say) as path, contextlib.closing(FrameClient(path)) as client:
        client.wait_connected(_CONNECT_S)
        yield client


def _sent(client: _Client, method: str, request: bytes, timeout_s: float) -> Waiting:
    waiting = Waiting(timeout_s, method)
    client.forward(method, request, waiting)
    return waiting


def listens(address: str) -> bool:
    """Whether anybody takes connections there."""
    from hotrow.rpc.address import parse_address  # noqa: PLC0415

    target = parse_address(address)
    try:
        with socket.create_connection((target.host, target.port), _CONNECT_S):
            return True
    except OSError:
        return False
