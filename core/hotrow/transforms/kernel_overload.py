"""How compiled transforms get functions of their own: stubs, and overloads of them by type."""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload

HINT = "hotrow says: "
"""Begins what `hotrow.transforms.refusal` shows of an error of the compiler."""

Stub = Callable[..., Any]


def refuse(text: str) -> TypingError:
    """What keeps a function from being compiled, in words for its author."""
    return TypingError(f"{HINT}{text}\n")


def is_whole(type_: Any) -> bool:
    """Whether values of a Numba type are integers to Python: bools are."""
    return isinstance(type_, types.Integer | types.Boolean)


def is_float(type_: Any) -> bool:
    """Whether values of a Numba type are floats."""
    return isinstance(type_, types.Float)


def is_array(*operands: Any) -> bool:
    """Whether one of some Numba types is an array, whose operators are NumPy's."""
    return any(isinstance(operand, types.Array) for operand in operands)


def held(type_: Any) -> Any:
    """The Numba type of the elements of an array, or the type itself."""
    return type_.dtype if is_array(type_) else type_


def is_optional(*operands: Any) -> bool:
    """Whether one of some Numba types has None beside values."""
    return any(isinstance(operand, types.Optional) for operand in operands)


def stub(name: str, *parameters: str) -> Stub:
    """A function that exists only compiled, by an overload; a parameter may have a default, as in "axis=None"."""
    scope: dict[str, Any] = {}
    exec(f"def {name}({', '.join(parameters)}):\n    raise NotImplementedError", scope)  # noqa: S102 - names from here
    function: Stub = scope[name]
    return function


def shown(type_: Any) -> str:
    """A Numba type in words for an author."""
    if isinstance(type_, types.Optional):
        return f"{shown(type_.type)} or None"
    if isinstance(type_, types.Boolean):
        return "a bool"
    if isinstance(type_, types.Array):
        many = "" if type_.ndim == 1 else f" of {type_.ndim} dimensions"
        held = "floats" if is_float(type_.dtype) else "bools" if type_.dtype == types.bool_ else "integers"
        return f"an array{many} of {held}"
    if isinstance(type_, types.BaseTuple):
        return f"{len(type_)} values"
    if isinstance(type_, types.List | types.ListType):
        return "a list"
    named = "a float" if is_float(type_) else "an integer" if is_whole(type_) else ""
    return named or {"Text": "a string", "none": "None"}.get(type_.name, f"a {type_}")


def check_numbers(name: str, *operands: Any) -> None:
    """Refuse operands that are neither integers nor floats."""
    for operand in operands:
        if not (is_whole(operand) or is_float(operand)):
            raise refuse(f"{name} takes numbers, and this is {shown(operand)}")


@intrinsic
def _present(typingctx: Any, value: Any) -> Any:
    """The value of what may be None; raises TypeError for None."""
    held = value.type if isinstance(value, types.Optional) else value

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        context.nrt.incref(builder, signature.return_type, arguments[0])
        return arguments[0]

    return held(held), codegen  # the cast to `held`, before the call, is what raises


present: Any = _present


def overload_present(function: Stub, *, operands: int) -> Callable[[Stub], Stub]:
    """`overload` for one or two operands that are values: None raises, as it does in Python.

    Numba's own operators take a value that may be None too, and their integers wrap.
    """

    def decorate(choose: Stub) -> Stub:
        if operands == 1:

            def chosen_one(a):
                return (lambda a: function(present(a))) if is_optional(a) else choose(a)

            overload(function)(chosen_one)
        else:

            def chosen(a, b):
                if is_optional(a) and is_optional(b):
                    return lambda a, b: function(present(a), present(b))
                if is_optional(a):
                    return lambda a, b: function(present(a), b)
                return (lambda a, b: function(a, present(b))) if is_optional(b) else choose(a, b)

            overload(function)(chosen)
        return choose

    return decorate
