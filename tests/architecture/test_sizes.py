"""How large a room may grow before it wants a door."""

from __future__ import annotations

import ast
import statistics

from tests.architecture.source_tree import Module, length, modules

FILE, FUNCTION, USUAL_FUNCTION, MEDIAN, METHODS, PORT_METHODS = 400, 50, 25, 8, 12, 6


def methods(node: ast.ClassDef) -> int:
    """Return the number of methods a class defines itself."""
    return sum(isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) for each in node.body)


def test_no_file_is_longer_than_a_sitting() -> None:
    """A module or a test file has at most 400 lines."""
    found = {each.path: each.text.count("\n") for each in (*modules("provisioner"), *modules("tests"))}
    assert {path: lines for path, lines in found.items() if lines > FILE} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    """A function has at most 50 lines."""
    found = {(each.path, node.name): length(node) for each in modules("provisioner") for node in each.functions()}
    assert {where: lines for where, lines in found.items() if lines > FUNCTION} == {}


def test_most_functions_are_short() -> None:
    """Half of the functions have at most 8 lines, nine of ten at most 25."""
    lines = sorted(length(node) for each in modules("provisioner") for node in each.functions())
    assert statistics.median(lines) <= MEDIAN
    assert lines[len(lines) * 9 // 10] <= USUAL_FUNCTION


def test_no_class_has_more_than_a_dozen_methods() -> None:
    """A class has at most 12 methods of its own."""
    found = {(each.path, node.name): methods(node) for each in modules("provisioner") for node in each.classes()}
    assert {where: count for where, count in found.items() if count > METHODS} == {}


def test_ports_stay_small() -> None:
    """A Protocol of the conductor asks for at most six methods."""
    ports = [each for each in modules("provisioner") if each.path.startswith("provisioner/ports/")]
    protocols = {node.name: methods(node) for each in ports for node in each.classes() if _is_protocol(node)}
    assert len(protocols) > 10
    assert {name: count for name, count in protocols.items() if count > PORT_METHODS} == {}


def _is_protocol(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)


def test_the_measure_counts_what_a_reader_sees() -> None:
    """A function's length is that of its text, from `def` to its last line."""
    text = 'class A:\n    @property\n    def b(self):\n        """Say."""\n        return (\n            1\n        )\n'
    (node,) = Module("a.py", text, ast.parse(text)).functions()
    assert length(node) == 5
