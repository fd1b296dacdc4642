"""Rewrites the source of a transform so that compiled code does what Python does.

Operators become calls of `kernel_operators`, functions of `math` those of `kernel_math`, strings their UTF-8. Lines
stay where they are, so that an error of the compiler names the line that its author wrote.
"""

import ast
from collections.abc import Callable, Mapping
from typing import TypeGuard

from hotrow.errors import HotrowError, invalid
from hotrow.schema.function_code import FunctionCode, without_annotations
from hotrow.transforms.numpy_name import KEPT, METHODS, PREFIX, REMEDIES, call_of, check_call
from hotrow.transforms.refused import BUILTIN_REMEDIES, REFUSED, words_of

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "truediv",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.LShift: "lshift",
    ast.RShift: "rshift",
}
_COMPARED: dict[type[ast.cmpop], str] = {
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
    ast.Eq: "eq",
    ast.NotEq: "ne",
}
_BUILTINS = {"int": "int_", "float": "float_", "abs": "abs_", "round": "round_", "min": "min_", "max": "max_"}
_KEPT = {"len", "range", "bool", "ord", "enumerate", "zip", "True", "False", "None"}
_ERRORS = {"ValueError", "ZeroDivisionError", "OverflowError", "IndexError", "TypeError", "ArithmeticError"}
_ERRORS |= {"Exception", "RuntimeError", "KeyError", "AssertionError"}
_INT64 = 1 << 63


def rewritten(code: FunctionCode) -> ast.Module:
    """The module with the one function, rewritten; raises INVALID, naming the line, for what compiled code has not."""
    definition = without_annotations(code.tree())
    module = ast.Module([_Rewriter(code).visit(definition)], [])
    return ast.fix_missing_locations(module)


def literal_of(value: str) -> ast.expr:
    """A string in compiled code: a literal of a str with a character for each byte of its UTF-8."""
    return call_of("literal", ast.Constant(value.encode("utf-8").decode("latin-1")))


class _Rewriter(ast.NodeTransformer):
    def __init__(self, code: FunctionCode) -> None:
        self._code = code
        self._modules: Mapping[str, str] = code.imports
        self._stored = {n.id for n in ast.walk(code.tree()) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        self._stored |= set(code.parameters)

    def refusal(self, node: ast.AST, text: str) -> HotrowError:
        line = self._code.line + getattr(node, "lineno", 1) - 1
        return invalid(f"{self._code.place or self._code.name}:{line}: {text}")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        for inner in ast.walk(node):
            if inner is not node and isinstance(inner, REFUSED):
                what = type(inner).__name__
                raise self.refusal(inner, f'{words_of(what)} cannot be compiled; give the transform mode="python"')
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if isinstance(node.op, ast.Pow):
            return self._power(node)
        name = _BINARY.get(type(node.op))
        self.generic_visit(node)
        return node if name is None else ast.copy_location(call_of(name, node.left, node.right), node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        for target in node.targets:
            node.value = self._stored_in(target, node.value)
        return node

    def _stored_in(self, target: ast.expr, value: ast.expr) -> ast.expr:
        """The value that elements of an array take."""
        if not (isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name)):
            return value
        return call_of("stored", ast.Name(target.value.id, ast.Load()), value)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        taken, made = (ast.parse(ast.unparse(node.target), mode="eval").body for _ in range(2))
        both = self.visit(ast.copy_location(ast.BinOp(taken, node.op, node.value), node))
        value = self._stored_in(node.target, call_of("into", self.visit(made), both))
        assigned = ast.Assign([self.visit(node.target)], value)
        return ast.fix_missing_locations(ast.copy_location(assigned, node))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.USub) and _is_integer(node.operand):
            self._constant(node, -node.operand.value)  # which may be too large
            return node
        self.generic_visit(node)
        name = {ast.USub: "neg", ast.Invert: "invert"}.get(type(node.op))
        return node if name is None else ast.copy_location(call_of(name, node.operand), node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        operands = [node.left, *node.comparators]
        pairs: list[ast.expr] = []
        for left, op, right in zip(operands, node.ops, operands[1:], strict=False):
            pairs.append(ast.copy_location(self._compared(node, left, op, right), node))
        return pairs[0] if len(pairs) == 1 else ast.copy_location(ast.BoolOp(ast.And(), pairs), node)

    def _compared(self, node: ast.Compare, left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr:
        name = _COMPARED.get(type(op))
        if isinstance(op, ast.Is | ast.IsNot) and not (_is_singleton(left) or _is_singleton(right)):
            raise self.refusal(node, "`is` compares with None alone in compiled code; write ==")
        if isinstance(op, ast.In | ast.NotIn) and isinstance(right, ast.Tuple | ast.List):
            found = call_of("among", left, ast.Tuple(right.elts, ast.Load()))
            return found if isinstance(op, ast.In) else ast.UnaryOp(ast.Not(), found)
        if name is None or _is_none(left) or _is_none(right):
            return ast.Compare(left, [op], [right])
        return call_of(name, left, right)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.copy_location(self._constant(node, node.value), node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """What an exception says is for readers: a row that raises has no message."""
        if node.exc is None:
            raise self.refusal(node, "raise alone has no exception to raise again; write raise ValueError")
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        if not isinstance(raised, ast.Name) or raised.id not in _ERRORS:
            raise self.refusal(node, f"raise one of {', '.join(sorted(_ERRORS))}")
        return ast.copy_location(ast.Raise(raised, None), node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(ast.Assert(node.test, None), node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        name = node.id
        if not isinstance(node.ctx, ast.Load) or name in self._stored:
            return node
        if name in self._code.constants:
            return ast.copy_location(self._constant(node, self._code.constants[name], name), node)
        target = self._modules.get(name, "")
        module, _, inside = target.partition(".")
        if inside and module in ("math", "hotrow", "numpy"):
            return ast.copy_location(self._of_module(module)(node, inside), node)
        if target or name in self._code.functions or name in _KEPT | _ERRORS:
            return node
        if name in _BUILTINS:
            return ast.copy_location(ast.Name(PREFIX + _BUILTINS[name], ast.Load()), node)
        remedy = BUILTIN_REMEDIES.get(name, 'give the transform mode="python"')
        raise self.refusal(node, f"{name}() cannot be compiled: {remedy}")

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        module = self._module_of(node)
        known = module in ("math", "hotrow", "numpy")
        return ast.copy_location(self._of_module(module)(node, node.attr), node) if known else self.generic_visit(node)

    def _of_module(self, module: str) -> Callable[[ast.expr, str], ast.expr]:
        return {"math": self._math, "hotrow": self._hotrow, "numpy": self._numpy}[module]

    def _module_of(self, node: ast.expr) -> str:
        """The module that an attribute is of, or nothing."""
        named = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id
        return self._modules.get(named, "") if named and named not in self._stored else ""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = node.func
        if isinstance(called, ast.Name) and self._is_builtin(called.id):
            if called.id == "round" and len(node.args) + len(node.keywords) > 1:
                raise self.refusal(node, "round() to digits differs in compiled code; write round(x * 100) / 100")
            if called.id in ("min", "max"):
                return ast.copy_location(self._extreme(node, called.id), node)
            if called.id == "range" and len(node.args) > 1:
                taken = [*node.args, ast.Constant(1)][:3]
                return ast.copy_location(call_of("steps", *map(self.visit, taken)), node)
            if called.id == "enumerate" and len(node.args) + len(node.keywords) > 1:
                raise self.refusal(node, "enumerate() from another number cannot be compiled; add it to the index")
        numpy_name = self._numpy_name(called)
        if isinstance(called, ast.Attribute) and not self._module_of(called) and called.attr in METHODS:
            return ast.copy_location(self._method(node, called.attr), node)
        self.generic_visit(node)
        if numpy_name:
            check_call(node, numpy_name, self.refusal)
        made = node.func
        if isinstance(made, ast.Name) and made.id == f"{PREFIX}math_log" and len(node.args) == 2:
            made.id = f"{PREFIX}math_log_to_base"
        if isinstance(made, ast.Name) and made.id == f"{PREFIX}math_hypot" and not node.keywords:
            node.args = [ast.Tuple(node.args, ast.Load())]
        return node

    def _numpy_name(self, called: ast.expr) -> str:
        """The name in NumPy of what is called, or nothing."""
        if isinstance(called, ast.Attribute):
            return called.attr if self._module_of(called) == "numpy" else ""
        target = self._modules.get(called.id, "") if isinstance(called, ast.Name) else ""
        return target.removeprefix("numpy.") if target.startswith("numpy.") else ""

    def _method(self, node: ast.Call, name: str) -> ast.expr:
        """A method of an array whose integers Numba would let wrap, as a function."""
        taken = [one.value if one.arg in ("axis", "dtype") else None for one in node.keywords]
        arguments = [*node.args, *(one for one in taken if one)]
        if None in taken or len(arguments) > 1:
            raise self.refusal(node, f"{name}() of an array takes one argument in compiled code")
        types = {"int": "int64", "float": "float64", "bool": "bool_"}
        given = [
            ast.Name(PREFIX + types[one.id], ast.Load())
            if name == "astype" and isinstance(one, ast.Name) and one.id in types
            else self.visit(one)
            for one in arguments
        ]
        return call_of(f"numpy_{name}", self.visit(node.func.value), *given)  # type: ignore[attr-defined]

    def _is_builtin(self, name: str) -> bool:
        return name not in {*self._stored, *self._code.functions, *self._code.constants, *self._code.imports}

    def _hotrow(self, node: ast.AST, name: str) -> ast.expr:
        from hotrow.transforms.kernel_term import FUNCTIONS  # noqa: PLC0415 - loads Numba, which compiling needs

        known = name.rpartition(".")[2]
        if known != "hash64" and known not in FUNCTIONS:
            raise self.refusal(node, f"hotrow.{name} is nothing that a transform can use; hotrow.hash64 is")
        return ast.Name(PREFIX + known, ast.Load())

    def _numpy(self, node: ast.expr, name: str) -> ast.expr:
        from hotrow.transforms.kernel_numpy import REPLACED  # noqa: PLC0415 - loads Numba, which compiling needs

        if name in KEPT:
            return node
        if name not in REPLACED:
            remedy = REMEDIES.get(name, 'give the transform mode="python"')
            raise self.refusal(node, f"numpy.{name} cannot be compiled: {remedy}")
        return ast.Name(f"{PREFIX}numpy_{name}", ast.Load())

    def _extreme(self, node: ast.Call, name: str) -> ast.expr:
        if node.keywords or len(node.args) < 2:
            raise self.refusal(
                node, f"{name}() takes two or more values in compiled code; use numpy.{name} of an array"
            )
        first, *others = [self.visit(argument) for argument in node.args]
        for other in others:
            first = call_of(f"{name}_", first, other)
        return first  # type: ignore[no-any-return]

    def _power(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        exponent = node.right
        negative = isinstance(exponent, ast.UnaryOp) and isinstance(exponent.op, ast.USub)
        held = exponent.operand if isinstance(exponent, ast.UnaryOp) and negative else exponent
        if _is_integer(held):
            negative ^= held.value < 0
            return ast.copy_location(call_of("power_below" if negative else "power_of", node.left, exponent), node)
        return ast.copy_location(call_of("power", node.left, exponent), node)

    def _math(self, node: ast.AST, name: str) -> ast.expr:
        from hotrow.transforms.kernel_math import CONSTANTS, MATH  # noqa: PLC0415 - loads Numba, which compiling needs

        if name in CONSTANTS:
            return ast.Constant(CONSTANTS[name])
        if name not in MATH:
            raise self.refusal(node, f'math.{name} cannot be compiled; give the transform mode="python"')
        return ast.Name(f"{PREFIX}math_{name}", ast.Load())

    def _constant(self, node: ast.AST, value: object, name: str = "") -> ast.expr:
        if isinstance(value, str):
            if any("\ud800" <= character <= "\udfff" for character in value):
                raise self.refusal(node, "a string with half of a surrogate pair has no UTF-8; leave it out")
            return literal_of(value)
        if isinstance(value, tuple):
            return ast.Tuple([self._constant(node, item) for item in value], ast.Load())
        if isinstance(value, int) and not -_INT64 <= value < _INT64:
            raise self.refusal(node, f"{value} is an integer that 64 bits do not hold; use a float")
        if isinstance(value, bytes | complex):
            raise self.refusal(node, f'compiled code has no {type(value).__name__}; give the transform mode="python"')
        if value is None or isinstance(value, bool | int | float):
            return ast.Constant(value)
        return ast.Name(name, ast.Load())  # a NumPy array, which stays a global


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_singleton(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))


def _is_integer(node: ast.expr) -> TypeGuard["_Integer"]:
    return isinstance(node, ast.Constant) and type(node.value) is int


class _Integer(ast.Constant):
    """A literal of an integer."""

    value: int
