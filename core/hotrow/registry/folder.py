"""A registry in a folder, for one machine or a shared file system with working locks.

    hotrow-registry          marks the folder; holds the version of the format
    lock                     locked (flock) by who writes
    objects/<sha-256>        a snapshot, canonical JSON
    refs/<project>           header line, then the refs document
    logs/<project>           a line an entry

The header of a refs file is `hotrow-refs 1 <length> <sha-256>`: how many bytes of the log count, and the hash of the
document. Refs files are replaced by rename, and that rename is the commit: what a killed writer appended to the log
beyond the length does not count, and the next writer cuts it off. Readers take no lock. A refs file's modification
time always grows, so that its stat shows every change, even two within one tick of the file system's clock.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hotrow.errors import Code, HotrowError
from hotrow.registry.file import append_after, locked, read_bytes, replace_file, translated

MARKER = "hotrow-registry"
_MARKER_CONTENT = b"1\n"
_LOCK = "lock"
_HEADER = b"hotrow-refs 1 "


@dataclass(frozen=True, slots=True)
class _RefsFile:
    log_bytes: int
    document: bytes


class FolderBackend:
    """Implements `hotrow.registry.port.RegistryBackend`. The folder is made by the first write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marked = False

    @property
    def location(self) -> str:
        return str(self._path)

    def get_object(self, object_id: str) -> bytes | None:
        self._check_folder()
        return read_bytes(self._path / "objects" / object_id)

    def put_object(self, object_id: str, data: bytes) -> None:
        with self._writing():
            path = self._path / "objects" / object_id
            if read_bytes(path) != data:
                replace_file(path, data)

    def get_refs(self, project: str) -> bytes | None:
        self._check_folder()
        found = self._read_refs(project)
        return None if found is None else found.document

    def swap_refs(self, project: str, *, expected: bytes | None, new: bytes, log_entry: bytes) -> bool:
        with self._writing():
            found = self._read_refs(project)
            if (None if found is None else found.document) != expected:
                return False
            counted = 0 if found is None else found.log_bytes
            log_bytes = append_after(self._path / "logs" / project, counted, log_entry + b"\n")
            replace_file(self._path / "refs" / project, _refs_file(new, log_bytes), newer_than_old=True)
            return True

    def read_log(self, project: str) -> list[bytes]:
        found = self._read_refs(project)
        if found is None:
            return []
        path = self._path / "logs" / project
        data = read_bytes(path) or b""
        if len(data) < found.log_bytes:
            raise _damaged(path, f"it has {len(data)} bytes of the {found.log_bytes} that were written")
        return data[: found.log_bytes].splitlines()

    def version(self, project: str) -> str:
        path = self._path / "refs" / project
        with translated(path):
            try:
                stat = path.stat()
            except FileNotFoundError:
                return ""
            return f"{stat.st_mtime_ns}-{stat.st_ino}-{stat.st_size}"

    def _read_refs(self, project: str) -> _RefsFile | None:
        path = self._path / "refs" / project
        data = read_bytes(path)
        if data is None:
            return None
        header, _, document = data.partition(b"\n")
        length, _, digest = header.removeprefix(_HEADER).partition(b" ")
        if not header.startswith(_HEADER) or not length.isdigit():
            raise _damaged(path, "it does not start as such a file does")
        if hashlib.sha256(document).hexdigest().encode() != digest:
            raise _damaged(path, "its content does not have the hash that it names")
        return _RefsFile(int(length), document)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock of the folder, making the folder what it has to be."""
        self._check_folder()
        with translated(self._path):
            self._path.mkdir(parents=True, exist_ok=True)
        with locked(self._path / _LOCK):
            if read_bytes(self._path / MARKER) is None:
                replace_file(self._path / MARKER, _MARKER_CONTENT)
            yield

    def _check_folder(self) -> None:
        """Raise FAILED_PRECONDITION unless the folder is a registry, or may become one."""
        if self._marked:
            return
        content = read_bytes(self._path / MARKER)
        if content == _MARKER_CONTENT:
            self._marked = True
        elif content is not None:
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"the registry {self._path} has format {content[:20]!r}, and this version of hotrow knows 1; "
                "use the version of hotrow that wrote it",
            )
        elif foreign := self._foreign():
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"{self._path} is no registry: it holds {foreign!r} and no {MARKER!r}; name an empty or a new folder",
            )

    def _foreign(self) -> str | None:
        """A name in the folder that hotrow did not put there; what a first write leaves before its mark is none."""
        with translated(self._path):
            try:
                names = sorted(path.name for path in self._path.iterdir())
            except FileNotFoundError:
                return None
        if MARKER in names:
            return None  # marked since it was looked for
        return next((name for name in names if name != _LOCK and not name.startswith(f".{MARKER}")), None)


def _refs_file(document: bytes, log_bytes: int) -> bytes:
    digest = hashlib.sha256(document).hexdigest().encode()
    return _HEADER + str(log_bytes).encode() + b" " + digest + b"\n" + document


def _damaged(path: Path, why: str) -> HotrowError:
    return HotrowError(
        Code.FAILED_PRECONDITION,
        f"{path} is damaged: {why}; restore it from a backup, or move it away to start this project's history anew "
        "(the snapshots in objects/ stay)",
    )
