"""Read Python files as text: what they import, how long they are, what they call."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
TOPS = ("flows", "tasks", "expectations", "conf")


class Source(NamedTuple):
    """One file of ours, as the rules see it."""

    place: Path  # relative to the repository
    text: str

    @property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return _parsed(self.text)

    @property
    def module(self) -> str:
        """The dotted name it is imported by."""
        parts = list(self.place.with_suffix("").parts)
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def sources(*tops: str) -> list[Source]:
    """Return every Python file under `tops`, sorted."""
    paths = sorted(path for top in tops for path in (ROOT / top).rglob("*.py"))
    return [Source(path.relative_to(ROOT), path.read_text()) for path in paths]


class Import(NamedTuple):
    """One name a file asks for."""

    name: str  # dotted and absolute; `from a import b` gives `a.b`
    line: int
    lazy: bool  # inside a function, or only for the type checker


@cache
def imports(source: Source) -> tuple[Import, ...]:
    """Return all imports of a file, relative ones made absolute, by line."""
    found = [
        Import(name, node.lineno, lazy)
        for node, lazy in _walk(source.tree, lazy=False)
        for name in _names(source, node)
    ]
    return tuple(sorted(found, key=lambda each: each.line))


def _walk(node: ast.AST, *, lazy: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        later = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            later = True
        yield child, lazy
        yield from _walk(child, lazy=later)


def _names(source: Source, node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        package = list(source.place.parent.parts)
        above = package[: len(package) - (node.level - 1)]
        base = ".".join([*above, *([base] if base else [])])
    return [f"{base}.{alias.name}" for alias in node.names]


class Function(NamedTuple):
    """A function and how many lines it takes."""

    name: str
    lines: int


def functions(source: Source) -> list[Function]:
    """Return every function of a file, nested ones too."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        Function(node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(source.tree)
        if isinstance(node, kinds)
    ]


def calls(source: Source) -> list[tuple[str, int]]:
    """Return what a file calls, as written (`datetime.now`), with its line."""
    return [
        (ast.unparse(node.func), node.lineno)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
    ]
