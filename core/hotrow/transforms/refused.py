"""What compiled code refuses, in words, and what to write in its place."""

import ast

BUILTIN_REMEDIES = {
    "hash": "hash() is another number in every process; use hotrow.hash64",
    "str": 'compiled code makes no strings; give the transform mode="python"',
    "print": "there is nobody to read what a transform prints; leave it out",
    "sum": "write the sum as a loop, or numpy.sum of an array",
    "pow": "write a ** b",
    "isinstance": "the type of an input is that of its field; leave the test out",
}

_STATEMENTS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Import, ast.ImportFrom)
_OTHERS = (ast.Global, ast.Nonlocal, ast.With, ast.Yield, ast.YieldFrom, ast.Await, ast.JoinedStr, ast.Dict, ast.Set)
REFUSED: tuple[type[ast.AST], ...] = (*_STATEMENTS, *_OTHERS, ast.Try, ast.DictComp, ast.SetComp, ast.GeneratorExp)
REFUSED += (ast.Match, ast.NamedExpr, ast.Delete, ast.Starred, ast.TryStar)

_WORDS = {
    "JoinedStr": "an f-string",
    "FunctionDef": "a function in a function",
    "AsyncFunctionDef": "a function in a function",
    "ClassDef": "a class in a function",
    "ImportFrom": "import",
    "NamedExpr": "an assignment with :=",
    "Delete": "del",
    "Starred": "*",
    "TryStar": "try",
    "YieldFrom": "yield",
    "GeneratorExp": "a generator",
    "DictComp": "a dict",
    "SetComp": "a set",
    "Dict": "a dict",
    "Set": "a set",
}


def words_of(kind: str) -> str:
    """A kind of node of the syntax tree, as its author would call it."""
    return _WORDS.get(kind, kind.lower())
