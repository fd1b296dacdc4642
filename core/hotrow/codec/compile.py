"""Numba's policy, in one place: how kernels are compiled and where their machine code is kept.

Kernels have explicit signatures, so importing a kernel module compiles it, or loads it from the cache: nothing is ever
compiled in a request. The cache is a folder named by a hash of every kernel's source, of the versions of Numba and
LLVM, and of the CPU: Numba's own check looks at one file's time stamp, which gives a stale result when only a callee
in another file changed, and which a copy into a container image alters. A cache that is complete may be read-only.
"""

import hashlib
import pathlib
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numba
from numba.core import caching

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


CACHE = kernel_cache_folder() / _cache_name()


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


def kernel(signature: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function of plain arrays and integers for `signature`, now, or load it from the cache."""
    decorate: Callable[[Callable[..., Any]], Callable[..., Any]]
    decorate = numba.njit(signature, cache=True, error_model="numpy", boundscheck=False)
    return decorate


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that kernels call: compiled into each of them."""
    compiled: Callable[..., Any] = numba.njit(error_model="numpy", boundscheck=False)(function)
    return compiled
