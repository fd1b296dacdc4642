"""Compiles transforms, and keeps their machine code.

A transform is built from the code that its snapshot holds and from nothing else. Its machine code is kept in the folder
of the kernels, in a file named by the hash of that code and of what compiles it: whoever compiles it first spares all
others. Where that folder is another user's, and does not have it, it goes to a folder of this user's own.
"""

import hashlib
import linecache
import os
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core import caching
from numba.core.errors import NumbaWarning

from hotrow.codec import compile as kernels
from hotrow.codec.kernel_memory import load_u8, set_word, word
from hotrow.errors import invalid
from hotrow.schema.canonical import canonical_json
from hotrow.schema.function_code import FunctionCode
from hotrow.schema.transform import Transform
from hotrow.transforms import (
    kernel_cells,
    kernel_compare,
    kernel_numpy,
    kernel_operators,
    kernel_pack,
    kernel_sized,
    kernel_text,
)
from hotrow.transforms.function import imported
from hotrow.transforms.kernel_hash import hash64
from hotrow.transforms.kernel_math import MATH, power, power_below, power_of
from hotrow.transforms.kernel_overload import is_float, shown
from hotrow.transforms.kernel_term import FUNCTIONS as TERMS
from hotrow.transforms.loop import PARAMETERS, rows_source
from hotrow.transforms.numpy_name import PREFIX
from hotrow.transforms.refusal import refusal
from hotrow.transforms.rewrite import rewritten
from hotrow.types import BOOL, FLOAT32, FLOAT64, INT32, INT64, TIMESTAMP

Loop = Callable[..., int]

_COLUMN_TYPES = {FLOAT64: numba.float64, FLOAT32: numba.float64, BOOL: numba.boolean}
_COLUMN_TYPES |= dict.fromkeys((INT64, INT32, TIMESTAMP), numba.int64)
_FILE = "<transform loop {}>"
_SIGNATURE = numba.int64(*[numba.int64] * len(PARAMETERS.split(", ")))
_OPERATORS = {
    kernel_operators: "add sub mul truediv floordiv mod lshift rshift neg invert int_ float_ abs_ round_ into",
    kernel_compare: "lt le gt ge eq ne min_ max_ among",
    kernel_numpy: "stored",
    kernel_sized: "count steps",
}


def compiled_rows(transform: Transform) -> Loop:
    """The loop of a transform of the mode "rows" over cells; see `loop.PARAMETERS`.

    Raises INVALID, with file and line, for a function that cannot be compiled.
    """
    return _compiled_rows(transform, _types(transform))


@lru_cache(maxsize=256)
def _compiled_rows(transform: Transform, _types: tuple[str, ...]) -> Loop:
    for one in transform.inputs:
        if one.field.type.kind not in kernel_cells.LOADERS:
            raise invalid(
                f"{transform.label}: input {one.parameter!r} is {one.field.type}, which compiled code does not take; "
                'give the transform mode="python"'
            )
    function = built(transform.code, inside=True)
    scope = {
        "__name__": __name__,
        "function": function,
        "word": word,
        "set_word": set_word,
        "load_u8": load_u8,
        "worse": kernel_cells.worse,
        "put": kernel_cells.put,
        "zero": np.int64(0),
        "PRESENT": kernel_cells.PRESENT,
        "NULL_VALUE": kernel_cells.NULL_VALUE,
        "TRANSFORM_ERROR": kernel_cells.TRANSFORM_ERROR,
        **{f"load_{i}": kernel_cells.LOADERS[one.field.type.kind] for i, one in enumerate(transform.inputs)},
        **{f"pack_{o}": kernel_pack.pack(output.type.kind) for o, output in enumerate(transform.fields)},
        **{f"part_{o}": kernel_pack.part(o, len(transform.fields)) for o in range(len(transform.fields))},
    }
    return _compile(transform, rows_source(transform), scope)


def compiled_columns(transform: Transform) -> Any:
    """The compiled function; raises INVALID for one that cannot be compiled, or inputs that are no numbers."""
    return _compiled_columns(transform, _types(transform))


@lru_cache(maxsize=256)
def _compiled_columns(transform: Transform, _types: tuple[str, ...]) -> Any:
    taken = [(f"input {one.parameter!r}", one.field.type) for one in transform.inputs if not one.is_mask]
    for what, type_ in [*taken, *((f"output {one.name!r}", one.type) for one in transform.fields)]:
        if type_.kind not in _COLUMN_TYPES:
            raise invalid(
                f'{transform.label}: {what} is {type_}, and a column of the mode "columns" holds numbers or bools; use '
                'the mode "rows"'
            )
    held = [numba.boolean if one.is_mask else _COLUMN_TYPES[one.field.type.kind] for one in transform.inputs]
    kinds = [numba.types.Array(one, 1, "C") for one in held]
    function = built(transform.code)
    try:
        function.compile(tuple(kinds))
    except Exception as error:  # as above
        raise refusal(transform.code, error) from error
    _check_returned(transform, function.overloads[tuple(kinds)].signature.return_type)
    return function


def built(code: FunctionCode, *, inside: bool = False) -> Any:
    """The function as compiled code calls it, rewritten, with all that it uses around it.

    With `inside` it becomes a part of the one place that calls it: of one-hot vectors that saves a fifth of the time.
    """
    scope: dict[str, Any] = {
        "__name__": __name__,  # machine code that is loaded again looks for the module it was in
        **{PREFIX + name: getattr(kernels_, name) for kernels_, names in _OPERATORS.items() for name in names.split()},
        **{f"{PREFIX}math_{name}": function for name, function in MATH.items()},
        **{f"{PREFIX}numpy_{name}": function for name, function in kernel_numpy.REPLACED.items()},
        **{PREFIX + name: getattr(np, name) for name in ("int64", "float64", "bool_")},
        PREFIX + "power": power,
        PREFIX + "power_of": power_of,
        PREFIX + "power_below": power_below,
        PREFIX + "literal": kernel_text.literal,
        PREFIX + "hash64": hash64,
        **{PREFIX + name: function for name, function in TERMS.items()},
        **{name: value for name, value in code.constants.items() if isinstance(value, np.ndarray)},
        **{name: imported(target) for name, target in code.imports.items()},
        **{name: built(called) for name, called in code.functions.items()},
    }
    file = f"<transform {code.name}>"
    linecache.cache[file] = (len(code.source), None, code.source.splitlines(keepends=True), file)
    exec(compile(rewritten(code), file, "exec"), scope)  # noqa: S102 - what the registry holds is what is run
    return numba.njit(error_model="python", boundscheck=True, forceinline=inside)(scope[code.name])


def _check_returned(transform: Transform, returned: Any) -> None:
    """Refuse what would be an error in every row."""
    count = len(transform.fields)
    is_tuple = count > 1 and isinstance(returned, numba.types.BaseTuple)
    parts: list[Any] = list(returned) if is_tuple else [returned]
    at = f"{transform.place or transform.label}: {transform.name}"
    if len(parts) != count:
        raise invalid(f"{at} returns {shown(returned)}, and has {count} outputs; return a tuple of an array for each")
    for output, part in zip(transform.fields, parts, strict=True):
        if not _fits(output.type.kind, part):
            raise invalid(f"{at} returns {shown(part)}, and output {output.name!r} is a column of {output.type}")


def _fits(kind: int, part: Any) -> bool:
    if not isinstance(part, numba.types.Array) or part.ndim != 1:
        return False
    if part.dtype == numba.boolean or kind == BOOL:
        return bool(part.dtype == numba.boolean) and kind == BOOL
    return isinstance(part.dtype, numba.types.Integer) or (is_float(part.dtype) and kind in (FLOAT64, FLOAT32))


def _compile(transform: Transform, source: str, scope: dict[str, Any]) -> Loop:
    file = _FILE.format(_digest(transform, source))
    exec(compile(source, file, "exec"), scope)  # noqa: S102 - from this package
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NumbaWarning)
            loop: Loop = numba.njit(_SIGNATURE, cache=True, error_model="numpy")(scope["loop"])
    except Exception as error:  # whatever the compiler, or a library that it asks for, objects
        raise refusal(transform.code, error) from error
    return loop


def _types(transform: Transform) -> tuple[str, ...]:
    """The types that it takes and returns: equal transforms name the same fields, of which sources may differ."""
    return tuple(one.field.type.name for one in transform.inputs) + tuple(one.type.name for one in transform.fields)


def _digest(transform: Transform, source: str) -> str:
    """What names the machine code: the transform's code and types, the loop, and all that compiles them."""
    digest = hashlib.sha256(kernels.CACHE.name.encode() + _own_sources() + source.encode())
    digest.update(canonical_json(transform.code.document()))
    digest.update(canonical_json(list(_types(transform))))
    return digest.hexdigest()[:32]


@lru_cache(maxsize=1)
def _own_sources() -> bytes:
    return b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))


def _folder_of(digest: str) -> Path:
    cache = kernels.CACHE
    if os.access(cache, os.W_OK) or any(cache.glob(f"*{digest}*.nbi")):
        return cache
    return kernels.own_folder() / cache.name


class _Locator(caching._CacheLocator):  # noqa: SLF001 - the extension point has no public name
    """Keeps a loop beside the kernels, under the digest in the name of its file."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._digest = py_file.removesuffix(">").rpartition(" ")[2]
        self._lineno = py_func.__code__.co_firstlineno

    def get_cache_path(self) -> str:
        return str(_folder_of(self._digest))

    def get_source_stamp(self) -> str:
        return self._digest

    def get_disambiguator(self) -> str:
        return self._digest

    def ensure_cache_path(self) -> None:
        _folder_of(self._digest).mkdir(parents=True, exist_ok=True)

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> "_Locator | None":
        return cls(py_func, py_file) if py_file.startswith("<transform loop ") else None


caching.CacheImpl._locator_classes.insert(0, _Locator)  # noqa: SLF001
