"""What a supervisor and a worker tell one another: a line of JSON a message, on a socket pair that the worker inherits.

The socket is also how each learns of the other's death: the kernel closes the end of a process that is gone, however
it went, and the other end reads the end of the file.
"""

import contextlib
import socket

import msgspec

from hotrow.errors import Code, HotrowError
from hotrow.settings import Settings, decode_settings

_CHUNK_BYTES = 1 << 16


class Refs(msgspec.Struct, frozen=True):
    """The snapshots to serve, all of them checked: the last heads, newest first, and the named ones, by name."""

    heads: tuple[str, ...]
    branches: dict[str, str] = {}
    pins: dict[str, str] = {}

    @property
    def head(self) -> str:
        """The id of the head; empty where only branches have been applied."""
        return self.heads[0] if self.heads else ""

    def ids(self) -> list[str]:
        """Each snapshot once, the head first."""
        return list(dict.fromkeys((*self.heads, *self.branches.values(), *self.pins.values())))


class Start(msgspec.Struct, frozen=True, tag="start"):
    """The first message to a worker: all it is to know.

    `settings` are those of `encode_settings`. `socket` is the unix socket of the ingest worker under the same
    supervisor; without one, server workers hand pushes to `ingest.address`. `listen` False: no port, the socket alone.
    """

    settings: msgspec.Raw
    refs: Refs
    index: int = 0
    socket: str = ""
    listen: bool = True
    insecure: bool = False

    def decoded_settings(self) -> Settings:
        return decode_settings(bytes(self.settings))


class Publish(msgspec.Struct, frozen=True, tag="publish"):
    """Serve these from now on; answered with `Serving`."""

    refs: Refs


class ClearReaders(msgspec.Struct, frozen=True, tag="clear_readers"):
    """A process that read the store has died: free what it held there."""


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """Answer what has been asked, for as long as `grace_s`, take nothing new, and exit."""

    grace_s: float


class Serving(msgspec.Struct, frozen=True, tag="serving"):
    """What a worker serves now, and the snapshots that it was told to serve and could not, with the reason."""

    ids: tuple[str, ...]
    failed: dict[str, str] = {}


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """A worker serves. `address` is empty where it does not listen; `socket` is the ingest worker's unix socket."""

    serving: Serving
    address: str = ""
    socket: str = ""
    lane: str = ""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Why a worker could not start; it exits after it."""

    code: str
    message: str

    def error(self) -> HotrowError:
        return HotrowError(Code(self.code), self.message)


ToWorker = Start | Publish | ClearReaders | Drain
FromWorker = Ready | Serving | Failed


class _Lines:
    """One end of the pair: whole messages out, lines in."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._rest = b""

    def fileno(self) -> int:
        return self._end.fileno()

    def close(self) -> None:
        self._end.close()

    def send_message(self, message: msgspec.Struct) -> None:
        """Raises OSError when the other end is gone or does not read."""
        self._end.sendall(msgspec.json.encode(message) + b"\n")

    def receive_lines(self) -> list[bytes] | None:
        """The lines of the next chunk, perhaps none; None at the end. Blocks until there is a chunk."""
        try:
            chunk = self._end.recv(_CHUNK_BYTES)
        except ConnectionError:
            return None
        if not chunk:
            return None
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return lines


class SupervisorEnd(_Lines):
    """The supervisor's end."""

    def receive(self) -> list[FromWorker] | None:
        """The messages of the next chunk; None when the worker is gone. Raises msgspec.DecodeError for nonsense."""
        lines = self.receive_lines()
        return None if lines is None else [msgspec.json.decode(line, type=FromWorker) for line in lines]


class WorkerEnd(_Lines):
    """The worker's end."""

    def send_message(self, message: msgspec.Struct) -> None:
        """To a supervisor that is gone nothing is said: `receive` comes to the end, and the worker exits."""
        with contextlib.suppress(ConnectionError):
            super().send_message(message)

    def receive(self) -> list[ToWorker] | None:
        """The messages of the next chunk; None when the supervisor is gone."""
        lines = self.receive_lines()
        return None if lines is None else [msgspec.json.decode(line, type=ToWorker) for line in lines]


def control_pair(*, send_timeout_s: float) -> tuple[SupervisorEnd, socket.socket]:
    """The supervisor's end, and the socket for a worker to inherit. A worker that does not read times a send out."""
    ours, theirs = socket.socketpair()
    ours.settimeout(send_timeout_s)
    return SupervisorEnd(ours), theirs


def worker_end(fd: int) -> WorkerEnd:
    """The worker's end, of the inherited descriptor; not inherited further."""
    end = socket.socket(fileno=fd)
    end.set_inheritable(False)
    return WorkerEnd(end)
