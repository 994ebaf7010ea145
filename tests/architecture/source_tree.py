"""The project's own source, read as text and as syntax, for tests about its shape."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file: its path from the checkout, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    def functions(self) -> Iterator[FunctionNode]:
        """Yield every function and method, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, FunctionNode))

    def classes(self) -> Iterator[ast.ClassDef]:
        """Yield every class."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))


@functools.cache
def modules(folder: str) -> tuple[Module, ...]:
    """Return every Python file of ours below a folder of the checkout; test cases are data."""
    files = sorted(path for path in (CHECKOUT / folder).rglob("*.py") if "cases" not in path.parts)
    return tuple(_module(path) for path in files)


def _module(path: Path) -> Module:
    text = path.read_text()
    return Module(path.relative_to(CHECKOUT).as_posix(), text, ast.parse(text))


@functools.cache
def tracked_files() -> tuple[str, ...]:
    """Return every file that belongs to the project, by its path from the checkout; none outside a git checkout."""
    asked = ["git", "-C", str(CHECKOUT), "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return tuple(name for name in done.stdout.splitlines() if (CHECKOUT / name).is_file())


def length(node: FunctionNode) -> int:
    """Return the lines of a function, its signature and docstring among them, its decorators not."""
    return (node.end_lineno or node.lineno) - node.lineno + 1
