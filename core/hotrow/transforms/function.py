"""The function of a transform as Python runs it, built from the code that a snapshot holds."""

import __future__

import importlib
import linecache
from collections.abc import Callable
from typing import Any

from hotrow.errors import invalid
from hotrow.schema.function_code import FunctionCode

_FUTURE = __future__.annotations.compiler_flag  # annotations are for readers, and name what is not there


def plain(code: FunctionCode) -> Callable[..., Any]:
    """The function as Python runs it, built from the same code."""
    scope: dict[str, Any] = {"__name__": __name__, **code.constants}
    scope |= {name: imported(target) for name, target in code.imports.items()}
    scope |= {name: plain(called) for name, called in code.functions.items()}
    file = f"<plain transform {code.name}>"
    linecache.cache[file] = (len(code.source), None, code.source.splitlines(keepends=True), file)
    exec(compile(code.source, file, "exec", flags=_FUTURE, dont_inherit=True), scope)  # noqa: S102 - as above
    function: Callable[..., Any] = scope[code.name]
    return function


def imported(target: str) -> Any:
    """A module, or a name of one; raises INVALID where this machine does not have it."""
    module, _, name = target.rpartition(".")
    try:
        try:
            return importlib.import_module(target)
        except ModuleNotFoundError:
            return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise invalid(f"a transform uses {target}, which this machine cannot import: {error}") from None
