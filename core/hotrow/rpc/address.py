"""Addresses of listeners: which are loopback, and a lock that keeps a second `serve` off one that is taken.

Workers share a port by SO_REUSEPORT, and so would two servers that know nothing of each other: half of the calls
would go to either, without an error. The lock is what makes the second one refuse.
"""

import fcntl
import ipaddress
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from hotrow.errors import Code, HotrowError, invalid

_NOTE_BYTES = 4096
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - names them, binds nothing


@dataclass(frozen=True, slots=True)
class HostPort:
    """An address "host:port", "[v6]:port" or ":port" taken apart. Port 0: any free one."""

    host: str
    port: int

    @property
    def local(self) -> bool:
        """Whether a listener there is on this machine for sure."""
        return self.loopback or self.host in _WILDCARDS

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def parse_address(address: str) -> HostPort:
    """Take an address apart; raises INVALID_ARGUMENT."""
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise invalid(f"address {address!r}: an IPv6 host stands in brackets, as in [::1]:6565", field="address")
    if not colon or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise invalid(f"address {address!r} is not host:port, as in 127.0.0.1:6565", field="address")
    return HostPort(host or "::", int(port))


class AddressLock:
    """Holds an address for this process until `release` or its death."""

    def __init__(self, descriptors: list[int]) -> None:
        self._descriptors = descriptors

    def release(self) -> None:
        """Let the address go; may be called again."""
        while self._descriptors:
            os.close(self._descriptors.pop())


def lock_address(address: str, *, store: str = "", folder: Path | None = None) -> AddressLock:
    """Hold `address`; raises FAILED_PRECONDITION with the holder's process id when another process does.

    A wildcard host conflicts with every host of the same port. Port 0 is never taken. The files stay in `folder`
    (default: one of this user's in the temp directory); a lock is on the open file, not its existence. `store` is what
    the holder serves: see `served_store`.
    """
    target = parse_address(address)
    lock = AddressLock([])
    if not target.port:
        return lock
    place = folder or _runtime_folder()
    wildcard = target.host in _WILDCARDS
    note = f"{os.getpid()} {store}".encode()
    try:
        any_host = fcntl.LOCK_EX if wildcard else fcntl.LOCK_SH
        _hold(lock, _lock_file(place, target.port), any_host, (address, note))
        for host in () if wildcard else _hosts(target.host):
            _hold(lock, _lock_file(place, target.port, host), fcntl.LOCK_EX, (address, note))
    except BaseException:
        lock.release()
        raise
    return lock


def served_store(address: str, *, folder: Path | None = None) -> str:
    """The store that this user's supervisor at an address of this machine serves; empty where that is not known."""
    target = parse_address(address)
    place = folder or _runtime_folder()
    for host in ("", *_hosts(target.host)):
        try:
            with _lock_file(place, target.port, host).open("rb") as file:
                _, _, store = file.read(_NOTE_BYTES).decode(errors="replace").partition(" ")
        except OSError:
            continue
        if store:
            return store
    return ""


def _lock_file(place: Path, port: int, host: str = "") -> Path:
    return place / (f"port-{port}-{quote(host, safe='')}" if host else f"port-{port}")


def _hosts(host: str) -> tuple[str, ...]:
    return ("127.0.0.1", "::1") if host == "localhost" else (host,)


def _hold(lock: AddressLock, path: Path, mode: int, of: tuple[str, bytes]) -> None:
    """Lock a file for an address, and write the note into it."""
    address, note = of
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    lock._descriptors.append(descriptor)  # noqa: SLF001 - of one piece
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").partition(" ")[0]
        who = f"process {holder}" if holder else "another process"
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"{address} is served by {who} already: stop it, or set another address",
            field="address",
        ) from error
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, note, 0)


def _runtime_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"hotrow-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not folder.is_dir() or folder.is_symlink() or status.st_uid != os.getuid():
        raise HotrowError(
            Code.FAILED_PRECONDITION, f"{folder} is not a folder of this user's: remove it, or set TMPDIR to another"
        )
    folder.chmod(0o700)
    return folder
