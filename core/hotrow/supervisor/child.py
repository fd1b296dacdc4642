"""One worker process as the supervisor sees it: started by `python -m`, told things, and seen to die."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from hotrow import log
from hotrow.errors import Code, HotrowError
from hotrow.settings import Settings, encode_settings, worker_environment
from hotrow.supervisor.control import (
    Failed,
    FromWorker,
    Publish,
    Ready,
    Refs,
    Serving,
    Start,
    SupervisorEnd,
    control_pair,
)

PROGRAMS: Mapping[str, tuple[str, ...]] = {
    # -P: a feature repository is often the working directory, and its files must not stand in for installed modules
    "server": (sys.executable, "-P", "-m", "hotrow_server"),
    "ingest": (sys.executable, "-P", "-m", "hotrow_ingest"),
}

_SEND_TIMEOUT_S = 2.0
_BEHIND_READS = 10  # how much nicer than the server workers an ingest worker beside them is
_REAP_TIMEOUT_S = 5.0

_log = log.logger(__name__)


@dataclass(frozen=True, slots=True)
class Fleet:
    """What one supervisor runs: so many server workers, and the ingest worker or not.

    `role` is "serve", "server", "ingest" or "run". `listen` False: no ports, the ingest worker's unix socket alone.
    """

    role: str
    servers: int
    ingest: bool
    listen: bool = True
    insecure: bool = False
    programs: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: PROGRAMS)


class Child:
    """A started worker. `ready` is its message once it serves; `error` says why it died, once it has."""

    def __init__(self, process: subprocess.Popen[bytes], control: SupervisorEnd, told: Refs) -> None:
        self.control = control
        self.told = told
        """What it has been told to serve."""
        self.ready: Ready | None = None
        self.serving = Serving(())
        self.error: HotrowError | None = None
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: msgspec.Struct) -> None:
        """Tell it something. One that is gone, or that has stopped reading, is killed: its end is then seen."""
        try:
            self.control.send_message(message)
        except OSError as error:
            if not isinstance(error, ConnectionError):
                _log.error("a worker does not read what it is told, and is killed", pid=self.pid)
            self.kill()

    def publish(self, refs: Refs) -> None:
        """Tell it to serve these from now on."""
        self.told = refs
        self.send(Publish(refs))

    def receive(self) -> bool:
        """Take in what it says; False when it has died, and then `error` is set unless it exited with 0."""
        messages = self.control.receive()
        if messages is None:
            self._reap()
            return False
        for message in messages:
            self._take(message)
        return True

    def kill(self) -> None:
        """SIGKILL, if it lives."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def end(self) -> None:
        """Kill it if it lives, and wait until it is gone."""
        self.kill()
        self._process.wait()
        self.close()

    def close(self) -> None:
        """Let its socket go, once it has died."""
        self.control.close()

    def _take(self, message: FromWorker) -> None:
        match message:
            case Ready():
                self.ready = message
                self.serving = message.serving
            case Serving():
                self.serving = message
            case Failed():
                self.error = message.error()

    def _reap(self) -> None:
        try:
            code = self._process.wait(_REAP_TIMEOUT_S)
        except subprocess.TimeoutExpired:  # it closed its end and lives: it is no use
            self._process.kill()
            code = self._process.wait()
        if code and self.error is None:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}; its log says why"
            self.error = HotrowError(Code.INTERNAL, how)


def start_child(fleet: Fleet, settings: Settings, refs: Refs, *, role: str, index: int) -> Child:
    """Start a worker. The process inherits its end of the control socket, the standard streams and nothing else.

    Raises OSError where the system gives no process.
    """
    control, theirs = control_pair(send_timeout_s=_SEND_TIMEOUT_S)
    with theirs:
        try:
            process = _spawn(fleet.programs[role], settings, theirs, index)
        except OSError:
            control.close()
            raise
    if role == "ingest" and fleet.servers:
        _let_reads_go_first(process.pid)
    child = Child(process, control, refs)
    child.send(
        Start(
            settings=msgspec.Raw(encode_settings(settings)),
            refs=refs,
            index=index,
            socket=str(settings.ingest_socket) if fleet.ingest else "",
            listen=fleet.listen,
            insecure=fleet.insecure,
        )
    )
    return child


def _let_reads_go_first(pid: int) -> None:
    """Where the cores are busy somebody waits. A producer can; a model service has a millisecond or two."""
    with contextlib.suppress(OSError):  # of one that has ended already
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + _BEHIND_READS)


def _spawn(program: tuple[str, ...], settings: Settings, control: socket.socket, index: int) -> subprocess.Popen[bytes]:
    fd = control.fileno()
    arguments = ["--repo", str(settings.repo), "--control-fd", str(fd), "--worker", str(index)]
    return subprocess.Popen(  # noqa: S603 - the program is this Python and a module of ours
        [*program, *arguments],
        stdin=subprocess.DEVNULL,
        pass_fds=(fd,),
        env=worker_environment(),
        process_group=0,  # a terminal's Ctrl-C reaches the supervisor alone, which drains the workers in order
    )
