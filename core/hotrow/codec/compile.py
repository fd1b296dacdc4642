"""Numba's policy, in one place: how kernels are compiled and where their machine code is kept.

Kernels have explicit signatures, so importing a kernel module compiles it, or loads it from the cache: nothing is ever
compiled in a request. The cache is a folder named by a hash of every kernel's source, of the versions of Numba and
LLVM, and of the CPU: Numba's own check looks at one file's time stamp, which gives a stale result when only a callee
in another file changed, and which a copy into a container image alters. A cache that `hotrow warm` has filled may be
read-only, and another user's; one that is neither filled nor writable gives way to a folder of this user's own.
"""

import hashlib
import importlib
import os
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numba
from numba.core import caching

from hotrow.errors import Code, HotrowError
from hotrow.settings import kernel_cache_folder

_FOLDER = pathlib.Path(__file__).parent
U8 = numba.types.Array(numba.uint8, 1, "C")
U8_READ = numba.types.Array(numba.uint8, 1, "C", readonly=True)
I64 = numba.types.Array(numba.int64, 1, "C")
I64_READ = numba.types.Array(numba.int64, 1, "C", readonly=True)
I64_TABLE = numba.types.Array(numba.int64, 2, "C")


def _cache_name() -> str:
    digest = hashlib.sha256()
    for source in sorted((*_FOLDER.glob("kernel_*.py"), _FOLDER / "compile.py")):
        digest.update(source.read_bytes())
    digest.update(f"{numba.__version__} {llvm.llvm_version_info} {llvm.get_host_cpu_name()}".encode())
    digest.update(llvm.get_host_cpu_features().flatten().encode())
    return digest.hexdigest()[:16]


def _usable(folder: pathlib.Path) -> bool:
    if (folder / _FILLED).exists():
        return True
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _cache() -> pathlib.Path:
    name = _cache_name()
    preferred = kernel_cache_folder() / name
    return preferred if _usable(preferred) else own_folder() / name


def own_folder() -> pathlib.Path:
    """A folder that only this user can write: what lies in a cache is run."""
    folder = pathlib.Path(tempfile.gettempdir(), f"hotrow-kernels-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"{folder} is not this user's alone, so no kernels are kept there; set HOTROW_KERNEL_CACHE to a folder "
            "that this user can write",
        )
    return folder


_FILLED = "filled"
CACHE = _cache()


class _Locator(caching._CacheLocator):  # noqa: SLF001 - the extension point has no public name
    """Puts every kernel in `CACHE`, and takes the hash in its name as the proof that the cache is fresh."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._name = f"{pathlib.Path(py_file).stem}.{py_func.__name__}"
        self._lineno = py_func.__code__.co_firstlineno

    def get_cache_path(self) -> str:
        return str(CACHE)

    def get_source_stamp(self) -> str:
        return CACHE.name

    def get_disambiguator(self) -> str:
        return self._name

    def ensure_cache_path(self) -> None:
        CACHE.mkdir(parents=True, exist_ok=True)

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> "_Locator | None":
        return cls(py_func, py_file) if pathlib.Path(py_file).parent == _FOLDER else None


caching.CacheImpl._locator_classes.insert(0, _Locator)  # noqa: SLF001


class _CheckedFile(caching.IndexDataCacheFile):
    """The files of a function in `CACHE`: what a full disk or a loss of power has damaged is compiled again.

    Numba writes a file beside it and renames it, and reads it whole; but it does not notice that the text is cut, or
    that a bit is another. Machine code that is damaged would run. A pickle ends before the digest that follows it.
    """

    def _load_index(self) -> Any:
        try:
            return super()._load_index()  # type: ignore[no-untyped-call]
        except Exception:  # noqa: BLE001 - whatever reading half a pickle raises
            return {}

    def _load_data(self, name: str) -> Any:
        data = pathlib.Path(self._data_path(name)).read_bytes()  # type: ignore[no-untyped-call]
        if hashlib.sha256(data[:-_DIGEST_BYTES]).digest() != data[-_DIGEST_BYTES:]:
            raise OSError("a kernel's file is damaged")  # which Numba takes for a file that is missing
        return super()._load_data(name)  # type: ignore[no-untyped-call]

    def _save_data(self, name: str, data: Any) -> None:
        dumped = self._dump(data)  # type: ignore[no-untyped-call]
        with self._open_for_write(self._data_path(name)) as file:  # type: ignore[no-untyped-call]
            file.write(dumped + hashlib.sha256(dumped).digest())


_DIGEST_BYTES = 32
_plain_init = caching.Cache.__init__


def _init(cache: Any, function: Callable[..., Any]) -> None:
    _plain_init(cache, function)  # type: ignore[no-untyped-call]
    if pathlib.Path(cache._cache_path).name == CACHE.name:  # noqa: SLF001
        cache._cache_file.__class__ = _CheckedFile  # noqa: SLF001


caching.Cache.__init__ = _init  # type: ignore[method-assign]


def warm() -> pathlib.Path:
    """Compile every kernel into the cache, and say there that it is filled; returns the cache's folder."""
    for source in sorted(_FOLDER.glob("kernel_*.py")):
        importlib.import_module(f"{__package__}.{source.stem}")
    filled = CACHE / _FILLED
    if not filled.exists():
        filled.touch()
    return CACHE


def kernel(signature: Any, *, nogil: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function of plain arrays and integers for `signature`, now, or load it from the cache.

    `nogil` lets other threads run meanwhile: for long work on memory that no other thread touches.
    """
    decorate: Callable[[Callable[..., Any]], Callable[..., Any]]
    decorate = numba.njit(signature, cache=True, error_model="numpy", boundscheck=False, nogil=nogil)
    return decorate


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that kernels call: compiled into each of them."""
    compiled: Callable[..., Any] = numba.njit(error_model="numpy", boundscheck=False)(function)
    return compiled
