"""Figures of the code's vocabulary and structure, read with ``ast``; ``python tests/code_figures.py [ROOT]`` prints them.

``tests/test_code_figures.py`` holds the project to them. ROOT is another checkout, for figures before and after a change.
"""

from __future__ import annotations

import ast
import collections
import functools
import io
import re
import sys
import tokenize
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PRONOUNS = frozenset(
    "it its what that which those there nothing where whoever whom who none nobody such these they them".split()  # noqa: SIM905
)
SHARED_BASENAMES = frozenset({"__init__", "__main__"})
MIGRATION_NAMES = frozenset({"revision", "down_revision", "upgrade", "downgrade"})
"""Alembic asks each migration for these names."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Documented = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class SourceFile(NamedTuple):
    path: Path
    module: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]
    """All nodes of the tree, since a walk costs more than reading the file."""


class Figures(NamedTuple):
    files: int
    lines: int
    repeated_names: dict[str, list[str]]
    """Public names defined in more than one module, with the modules."""
    repeated_basenames: dict[str, list[str]]
    pronoun_percent: float
    """Share of pronouns among the words of docstrings' first paragraphs."""
    one_word_percent: float
    """Share of functions and methods with a name of one word; dunder methods are left out."""
    comment_percent: float
    """Share of lines that are comments or end with one."""
    largest_import_circle: list[str]


@functools.cache
def read_source_files(root: Path) -> list[SourceFile]:
    folder = root / "app"
    paths = sorted(folder.rglob("*.py"))
    files = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        parts = list(path.relative_to(folder if (folder / "callflows").is_dir() else root).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        tree = ast.parse(text)
        files.append(SourceFile(path, ".".join(parts), text, tree, tuple(ast.walk(tree))))
    return files


@functools.cache
def measure(root: Path = ROOT) -> Figures:
    files = read_source_files(root)
    names, basenames = collections.defaultdict(list), collections.defaultdict(list)
    for file in files:
        if file.path.stem not in SHARED_BASENAMES:
            basenames[file.path.stem].append(str(file.path.relative_to(root)))
        for name in public_definitions(file.tree) - MIGRATION_NAMES:
            names[name].append(file.module)
    functions = [name for file in files for name in function_names(file.nodes)]
    comments = sum(count_comments(file.text) for file in files)
    lines = sum(file.text.count("\n") for file in files)
    return Figures(
        files=len(files),
        lines=lines,
        repeated_names={name: modules for name, modules in sorted(names.items()) if len(modules) > 1},
        repeated_basenames={name: paths for name, paths in sorted(basenames.items()) if len(paths) > 1},
        pronoun_percent=measure_pronouns(files),
        one_word_percent=100 * sum(is_one_word(name) for name in functions) / len(functions),
        comment_percent=100 * comments / lines,
        largest_import_circle=largest_circle(import_graph(files)),
    )


def public_definitions(tree: ast.Module) -> set[str]:
    """Names of public functions, classes and constants at the top level of a module."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, Definition):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def function_names(nodes: tuple[ast.AST, ...]) -> list[str]:
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [node.name for node in functions if not (node.name.startswith("__") and node.name.endswith("__"))]


def is_one_word(name: str) -> bool:
    return "_" not in name.strip("_") and not re.search(r"[a-z][A-Z]", name)


def count_comments(text: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(token.type == tokenize.COMMENT for token in tokens)


def first_paragraphs(nodes: tuple[ast.AST, ...]) -> list[str]:
    documented = [node for node in nodes if isinstance(node, Documented)]
    return [(ast.get_docstring(node) or "").split("\n\n")[0] for node in documented]


def measure_pronouns(files: list[SourceFile]) -> float:
    words = [
        word
        for file in files
        for paragraph in first_paragraphs(file.nodes)
        for word in re.findall(r"[A-Za-z']+", paragraph.lower())
    ]
    return 100 * sum(word in PRONOUNS for word in words) / len(words)


def import_graph(files: list[SourceFile]) -> dict[str, set[str]]:
    """Modules and the modules that they import, in functions and under TYPE_CHECKING too."""
    modules = {file.module for file in files}
    graph: dict[str, set[str]] = {}
    for file in files:
        imported: set[str] = set()
        for node in file.nodes:
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    submodule = f"{node.module}.{alias.name}"
                    imported.add(submodule if submodule in modules else node.module)
        graph[file.module] = (imported & modules) - {file.module}
    return graph


def largest_circle(graph: dict[str, set[str]]) -> list[str]:
    """The largest set of modules that import each other, by Tarjan's algorithm; one module if there is no circle."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            position = stack.index(module)
            circles.append(sorted(stack[position:]))
            del stack[position:]

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return max(circles, key=len)


def main() -> None:
    figures = measure(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT)
    circle = figures.largest_import_circle
    print(f"files of app                                 {figures.files}")
    print(f"lines of app                                 {figures.lines}")
    print(f"public names in more than one module         {len(figures.repeated_names)}")
    print(f"module names in more than one folder         {len(figures.repeated_basenames)}")
    print(f"pronouns in docstrings' first paragraphs     {figures.pronoun_percent:.1f} %")
    print(f"functions with a one-word name               {figures.one_word_percent:.1f} %")
    print(f"lines with a comment                         {figures.comment_percent:.1f} %")
    print(f"largest circle of modules                    {len(circle)}")


if __name__ == "__main__":
    main()
