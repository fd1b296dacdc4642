"""Loading a feature repository: its Python files are run, and the definitions at their top level collected.

The files are modules named after their path ("features/driver.py" is `features.driver`), so that they can import one
another, and each runs once. They are found before any installed package of the same name, but never in place of the
standard library or of hotrow. No byte code is read or written: Python tells stale byte code by the second, and two
edits fit into one. After loading, `sys.modules` holds what it held before, so that repositories do not meet.
"""

import ast
import importlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType, TracebackType

from hotrow.errors import HotrowError, invalid
from hotrow.schema.definition import Definition
from hotrow.schema.definitions import Definitions, Found, collect_definitions, definition_of
from hotrow.schema.fitted import fitted_from

SKIPPED_FOLDERS = frozenset({"data", "registry", "__pycache__"})
"""Sub-folders that are not looked into; nor is one whose name starts with a dot, nor a link."""

_PLACED = re.compile(r"\S+\.py:\d+: ")
_RESERVED = sys.stdlib_module_names | {"hotrow"}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A Python file of the repository. `defines` says that it imports from hotrow, and so is run."""

    path: Path
    shown: str
    module: str
    defines: bool
    lines: Mapping[str, int]


def load_definitions(repo: Path) -> Definitions:
    """Run the repository's Python files that import from hotrow and collect their definitions.

    Found are definitions at the top level of a module, alone or in a list, tuple or dict, and what they refer to.
    Raises INVALID, naming file and line, for a file that cannot be run, and naming both places when two different
    definitions of one kind have one name.
    """
    folder = repo.resolve()
    if not folder.is_dir():
        raise invalid(f"{repo} is no folder; name the folder of the feature repository")
    files = [_source_file(folder, path) for path in sorted(_python_files(folder))]
    with _importable(folder, files), fitted_from(folder):
        modules = [(file, _run(folder, file)) for file in files if file.defines]
    return collect_definitions(_found(modules))


def _python_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if not (path.is_symlink() or path.name.startswith(".") or path.name in SKIPPED_FOLDERS):
                yield from _python_files(path)
        elif path.suffix == ".py" and not path.name.startswith("."):
            yield path


def _source_file(folder: Path, path: Path) -> SourceFile:
    shown = path.relative_to(folder).as_posix()
    source = path.read_bytes()
    module = _module_name(shown)
    if b"hotrow" not in source:
        return SourceFile(path, shown, module, defines=False, lines={})
    try:
        tree = ast.parse(source, filename=shown)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise invalid(f"{shown}:{line}: cannot be read as Python: {getattr(error, 'msg', error)}") from None
    return SourceFile(path, shown, module, defines=_imports_hotrow(tree), lines=_assigned_lines(tree))


def _module_name(shown: str) -> str:
    parts = shown.removesuffix(".py").split("/")
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    if all(part.isidentifier() for part in parts) and parts[0] not in _RESERVED:
        return ".".join(parts)
    return "hotrow_repository_" + "".join(c if c.isalnum() else f"_{ord(c):x}_" for c in shown)


def _imports_hotrow(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [node.module]
        if any(name.partition(".")[0] == "hotrow" for name in names):
            return True
    return False


def _assigned_lines(tree: ast.Module) -> dict[str, int]:
    lines: dict[str, int] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        lines.update({target.id: node.lineno for target in targets if isinstance(target, ast.Name)})
        if isinstance(node, ast.FunctionDef):
            lines[node.name] = node.lineno
    return lines


class _Loader(SourceFileLoader):
    """Compiles the source itself, whatever byte code lies beside it."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _Finder(MetaPathFinder):
    """Finds the modules of one repository, and the folders above them as packages."""

    def __init__(self, folder: Path, files: Iterable[SourceFile]) -> None:
        self.files = {file.module: file.path for file in files}
        self.packages: dict[str, Path] = {}
        for file in files:
            parents = file.module.split(".")[:-1]
            for depth in range(1, len(parents) + 1):
                self.packages[".".join(parents[:depth])] = folder.joinpath(*parents[:depth])

    @property
    def names(self) -> set[str]:
        return {*self.files, *self.packages}

    def find_spec(self, fullname: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        del path, target
        file = self.files.get(fullname)
        if file is not None:
            folders = [str(file.parent)] if file.name == "__init__.py" else None
            loader = _Loader(fullname, str(file))
            return spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=folders)
        if fullname not in self.packages:
            return None
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [str(self.packages[fullname])]
        return spec


@contextmanager
def _importable(folder: Path, files: list[SourceFile]) -> Iterator[None]:
    finder = _Finder(folder, files)
    hidden = {name: module for name, module in sys.modules.items() if name in finder.names}
    for name in hidden:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in finder.names:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)


def _run(folder: Path, file: SourceFile) -> ModuleType:
    try:
        return importlib.import_module(file.module)
    except HotrowError as error:
        if _PLACED.match(error.message):  # it says better where
            raise
        raise invalid(f"{_place(folder, file, error.__traceback__)}: {error.message}") from error
    except (Exception, SystemExit) as error:
        place = _place(folder, file, error.__traceback__)
        raise invalid(f"{place}: {type(error).__name__}: {error}; the file must run to its end to be loaded") from error


def _place(folder: Path, file: SourceFile, traceback: TracebackType | None) -> str:
    place = file.shown
    while traceback is not None:
        path = Path(traceback.tb_frame.f_code.co_filename)
        if path.is_relative_to(folder):
            place = f"{path.relative_to(folder).as_posix()}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


def _found(modules: list[tuple[SourceFile, ModuleType]]) -> list[Found]:
    """What stands at the top of the modules; definitions assigned in a file come first, imported ones after them."""
    assigned: list[Found] = []
    others: list[Found] = []
    for file, module in modules:
        for name, value in vars(module).items():
            line = file.lines.get(name)
            place = file.shown if line is None else f"{file.shown}:{line}"
            target = others if line is None else assigned
            target.extend(Found(definition, place) for definition in _definitions_in(value))
    return assigned + others


def _definitions_in(value: object) -> list[Definition]:
    if isinstance(value, dict):
        value = tuple(value.values())
    items = value if isinstance(value, list | tuple) else (value,)
    return [definition for item in items if (definition := definition_of(item)) is not None]
