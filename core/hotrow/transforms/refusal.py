"""Errors of the compiler in words for the author of a transform, with the line that is at fault."""

import ast
import re
from typing import Any

from hotrow.errors import HotrowError, invalid
from hotrow.schema.function_code import FunctionCode
from hotrow.transforms.kernel_overload import HINT

_TYPES = {
    "float64": "a float",
    "int64": "an integer",
    "bool": "a bool",
    "unicode_type": "a string",
    "Text": "a string",
    "none": "None",
}
_OPERATORS = {"getitem": "[]", "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%"}
_OPERATORS |= {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=", "contains": "in", "power": "**"}
_OPERATORS |= {"lshift": "<<", "rshift": ">>", "and_": "&", "or_": "|", "xor": "^", "matmul": "@", "neg": "-"}
_OPERATORS |= {"invert": "~", "not_": "not", "enumerate": "enumerate()"}


def refusal(code: FunctionCode, error: Exception) -> HotrowError:
    """What `hotrow apply` says of a function that the compiler does not take."""
    text = str(error)
    hints = re.findall(re.escape(HINT) + r"([^\n]*)", text)
    reason = hints[-1] if hints else _reason(text)
    line = _line(code, error, text)
    return invalid(f"{code.place or code.name}:{line}: {code.name} cannot be compiled: {reason}")


def _line(code: FunctionCode, error: Any, text: str) -> int:
    """The line in the function; that of its first `return` where the compiler has only a line of the loop around it."""
    file = f"<transform {code.name}>"
    found = re.findall(rf'File "{re.escape(file)}", line (\d+)', text)
    place = getattr(error, "loc", None)
    if found:
        return code.line + int(found[-1]) - 1
    if place is not None and place.filename == file:
        return code.line + int(place.line) - 1
    returns = [node.lineno for node in ast.walk(code.tree()) if isinstance(node, ast.Return)]
    return code.line + min(returns, default=1) - 1


def _reason(text: str) -> str:  # noqa: PLR0911 - a line an error
    unify = re.search(r"Cannot unify (.+?) and (.+?) for '([^']+)'", text)
    if unify:
        one, other, variable = unify.groups()
        name = "what it returns" if variable.startswith("$") else repr(variable.partition(".")[0])
        return f"{name} is {_shown(one)} here and {_shown(other)} there; give it one type"
    if re.search(r"Can't unify return type", text):
        kinds = re.findall(r"Return of: IR name '[^']*', type '(.*?)', location", text)
        return f"it returns {' here and '.join(dict.fromkeys(map(_shown, kinds)))} there; return one type"
    called = re.search(
        r"No implementation of function Function\((.+?)\) found for signature:\s*>>> \S+?\((.*?)\)\n", text, re.DOTALL
    )
    if called:
        sorts = "function|intrinsic|ufunc|class"
        name = re.sub(rf"<(?:built-in )?(?:{sorts}) '?(?:_hotrow_)?([\w.]+?)_?'?(?: at 0x\w+)?>", r"\1", called[1])
        shown = " and ".join(_shown(one) for one in _split(called[2]))
        return f"{_OPERATORS.get(name, name)} is not for {shown}"
    attribute = re.search(r"Unknown attribute '(\w+)' of type (\S+)", text)
    if attribute:
        return f'{_shown(attribute[2])} has no {attribute[1]!r} in compiled code; give the transform mode="python"'
    iterated = re.search(r"getiter with parameters \((.+?)\)\n?", text)
    if iterated:
        return f"a loop does not go over {_shown(iterated[1])}; go over range(len(...))"
    if "scipy" in text:
        return 'it needs SciPy, which compiled code has not; give the transform mode="python"'
    undefined = re.search(r"NameError: name '(\w+)' is not defined|variable '(\w+)' .*not defined", text)
    if undefined:
        return f"{undefined[1] or undefined[2]!r} may have no value here"
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("Failed in", "File"))]
    return (lines[0] if lines else "the compiler gave no reason") + '; write it otherwise, or use mode="python"'


def _split(types: str) -> list[str]:
    """The types of a signature, whose own commas stand in brackets."""
    parts, depth = [""], 0
    for character in types:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _shown(type_: str) -> str:
    plain = re.sub(r"Literal\[(\w+)\]\(.*\)", r"\1", type_)
    plain = {"int": "int64", "bool": "bool", "str": "unicode_type"}.get(plain, plain)
    several = re.fullmatch(r"(?:Uni)?Tuple\(.*\)", plain)
    if several:
        return "a tuple"
    if plain.startswith("array("):
        return "an array"
    if plain.startswith(("list(", "reflected list(")):
        return "a list"
    optional = re.fullmatch(r"OptionalType\((.+)\)", plain)
    if optional:
        return f"{_shown(optional[1])} or None"
    return _TYPES.get(plain, plain)
