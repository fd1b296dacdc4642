"""The code of a function as a snapshot holds it: its source, and all that the source names outside itself.

A server builds the function from this and from nothing else, so whatever a function uses has to be one of: a constant
(numbers, strings, bytes, bools, None, tuples of these, NumPy arrays of numbers), a module, a name of one, or another
function of the same kind.
"""

import ast
import builtins
import inspect
import symtable
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType, MappingProxyType, ModuleType
from typing import Any

from hotrow.errors import invalid
from hotrow.schema.canonical import Document, canonical_json, without_empty
from hotrow.schema.constant import UnfitConstantError, constant_from_json, constant_to_json

COMPILED_MODULES = ("math", "numpy", "hotrow")
"""The modules that a compiled function may use."""

_DEPTH = 20  # of functions that call one another


@dataclass(frozen=True, slots=True, eq=False)
class FunctionCode:
    """A function: `source` begins with its `def`. `imports` are modules ("numpy") and names of them ("math.sqrt").

    `place` and `line` say where it was read, for messages: the file, and the line of the `def`.
    """

    name: str
    source: str
    constants: Mapping[str, object] = field(default_factory=dict)
    imports: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, "FunctionCode"] = field(default_factory=dict)
    place: str = ""
    line: int = 1

    def __eq__(self, other: object) -> bool:
        """Whether the snapshot would hold the same: arrays by their bytes, and wherever it was read."""
        return isinstance(other, FunctionCode) and canonical_json(self.document()) == canonical_json(other.document())

    def __hash__(self) -> int:
        return hash(canonical_json(self.document()))

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, in order."""
        return tuple(argument.arg for argument in self.tree().args.args)

    def tree(self) -> ast.FunctionDef:
        """The parsed function, whose lines count from its `def`."""
        (definition,) = ast.parse(self.source).body
        assert isinstance(definition, ast.FunctionDef)  # noqa: S101 - checked when it was captured or read
        return definition

    def document(self) -> Document:
        """The code as JSON holds it."""
        return without_empty(
            {
                "name": self.name,
                "source": self.source,
                "constants": {name: constant_to_json(value) for name, value in self.constants.items()},
                "imports": dict(self.imports),
                "functions": {name: code.document() for name, code in self.functions.items()},
            }
        )


def code_from_document(document: Document) -> FunctionCode:
    """The inverse of `FunctionCode.document`; raises INVALID, KeyError, TypeError or ValueError for anything else."""
    values = dict(document)
    constants = {name: constant_from_json(value) for name, value in values.pop("constants", {}).items()}
    functions = {name: code_from_document(item) for name, item in values.pop("functions", {}).items()}
    imports = {str(name): str(target) for name, target in values.pop("imports", {}).items()}
    code = FunctionCode(constants=constants, functions=functions, imports=imports, **values)
    try:
        body = ast.parse(code.source).body
    except SyntaxError as error:
        raise invalid(f"the source of {code.name!r} cannot be read: {error.msg}") from None
    if len(body) != 1 or not isinstance(body[0], ast.FunctionDef) or body[0].name != code.name:
        raise invalid(f"the source of {code.name!r} is not that one function")
    return code


def capture(function: FunctionType, *, compiled: bool) -> FunctionCode:
    """The code of a function and of all that it calls.

    Raises INVALID, naming file and line, for a function whose source is not at hand, or that uses what a snapshot
    cannot hold; with `compiled` also modules and builtins that compiled code cannot use.
    """
    return _Capture(compiled=compiled).code(function, ())


class _Capture:
    def __init__(self, *, compiled: bool) -> None:
        self._compiled = compiled

    def code(self, function: FunctionType, callers: tuple[FunctionType, ...]) -> FunctionCode:
        if function in callers or len(callers) > _DEPTH:
            raise invalid(f"{_place(function)}: {function.__name__} calls itself; write it as a loop")
        source, line = _source(function)
        place = inspect.getsourcefile(function) or ""
        constants: dict[str, object] = {}
        imports: dict[str, str] = {}
        functions: dict[str, FunctionCode] = {}
        for name in _outside_names(source):
            try:
                value = _resolve(function, name)
                target = _import_of(value)
                if target is not None:
                    self._check_import(target)
                    imports[name] = target
                elif isinstance(value, FunctionType):
                    functions[name] = self.code(value, (*callers, function))
                elif value is not getattr(builtins, name, self):
                    constants[name] = constant_from_json(constant_to_json(value))
            except UnfitConstantError as error:
                line_of = line + _first_line(source, name) - 1
                raise invalid(f"{_file(place)}:{line_of}: {function.__name__} uses {name!r}, {error}") from None
        return FunctionCode(
            function.__name__,
            source,
            MappingProxyType(constants),
            MappingProxyType(imports),
            MappingProxyType(functions),
            place=_file(place),
            line=line,
        )

    def _check_import(self, target: str) -> None:
        module = target.partition(".")[0]
        if self._compiled and module not in COMPILED_MODULES:
            raise UnfitConstantError(
                f"of the module {module}, which compiled code cannot use; use {', '.join(COMPILED_MODULES)}, or give "
                'the transform mode="python"'
            )


def _source(function: FunctionType) -> tuple[str, int]:
    """The source from its `def` on, and the line of that in its file."""
    if hasattr(function, "__wrapped__"):
        raise invalid(
            f"{_place(function)}: {function.__name__} is wrapped by another decorator, which a snapshot cannot hold; "
            "leave that out"
        )
    try:
        lines, first = inspect.getsourcelines(function)
        text = textwrap.dedent("".join(lines))
        (definition,) = ast.parse(text).body
    except (OSError, TypeError, SyntaxError, ValueError):
        raise invalid(
            f"the source of {function.__name__!r} cannot be found; define it with `def` in a file or a notebook cell"
        ) from None
    if not isinstance(definition, ast.FunctionDef):
        raise invalid(f"{_place(function)}: a transform is a function defined with `def`, neither lambda nor async")
    _check_arguments(function, definition.args)
    body = text.splitlines()[definition.lineno - 1 : definition.end_lineno]
    return "\n".join(body) + "\n", first + definition.lineno - 1


def _check_arguments(function: FunctionType, arguments: ast.arguments) -> None:
    odd = arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs or arguments.defaults
    if odd:
        raise invalid(
            f"{_place(function)}: {function.__name__} has other than plain parameters; name them one by one, without "
            "defaults, * or /"
        )


def _outside_names(source: str) -> list[str]:
    """The names that a function takes from outside itself, sorted; annotations do not count."""
    (definition,) = ast.parse(source).body
    plain = without_annotations(definition)
    table = symtable.symtable(ast.unparse(plain), "<transform>", "exec").get_children()[0]
    return sorted(_globals(table))


def _globals(table: symtable.SymbolTable) -> set[str]:
    names = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    for child in table.get_children():
        names |= _globals(child)
    return names


def without_annotations(definition: ast.stmt) -> ast.FunctionDef:
    """The function without its annotations: they are for readers, and name what its code does not need."""
    assert isinstance(definition, ast.FunctionDef)  # noqa: S101 - checked by the callers
    definition.returns = None
    definition.decorator_list = []
    for argument in definition.args.args:
        argument.annotation = None
    plain = _Plain().visit(definition)
    assert isinstance(plain, ast.FunctionDef)  # noqa: S101 - which it stays
    return ast.fix_missing_locations(plain)


class _Plain(ast.NodeTransformer):
    """Leaves out the annotations of variables."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        made = ast.Pass() if node.value is None else ast.Assign([node.target], node.value)
        return ast.copy_location(made, node)


def _resolve(function: FunctionType, name: str) -> object:
    closure = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    if name in closure:
        try:
            return closure[name].cell_contents
        except ValueError:
            raise UnfitConstantError("which has no value yet; define it before the transform") from None
    if name in function.__globals__:
        return function.__globals__[name]
    if hasattr(builtins, name):
        return getattr(builtins, name)
    raise UnfitConstantError("which is not defined")


def _import_of(value: Any) -> str | None:
    """The module that a value is, or its name in one; None for what was not imported from a library."""
    if isinstance(value, ModuleType):
        return value.__name__
    module = getattr(value, "__module__", None)
    if module in ("builtins", None):
        return None
    if isinstance(value, BuiltinFunctionType) or type(value).__name__ == "ufunc":
        return f"{module}.{value.__name__}"
    if isinstance(value, FunctionType | type) and module.partition(".")[0] in ("numpy", "hotrow"):
        name = value.__name__
        package = module.partition(".")[0]
        return f"{package if package == 'hotrow' else module}.{name}"
    return None


def _first_line(source: str, name: str) -> int:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and node.id == name:
            return node.lineno
    return 1


def _file(path: str) -> str:
    return path.rpartition("/")[2]


def _place(function: FunctionType) -> str:
    return f"{_file(function.__code__.co_filename)}:{function.__code__.co_firstlineno}"
