"""How our code speaks: names, sentences, values, and whose words it does not repeat."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.architecture.source_tree import CHECKOUT, Module, modules, tracked_files

VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "handler", "base", "misc"}
MODELS = tuple(each for each in modules("provisioner") if each.path.startswith("provisioner/model/"))
MOCKS_PER_THOUSAND = 2

# The name without which Docker Engine takes no full image reference; no host is ever asked by it here.
DEFAULT_REGISTRY_MAY_STAND_IN = ("provisioner/images/archive.py", "tests/images/test_archive.py")
# A Debian package that has the same name as that registry.
PACKAGE_MAY_STAND_IN = (".ci/engine", ".ci/packages", "provisioner/lab/editions.py")


def _sentence(module: Module) -> str:
    return (ast.get_docstring(module.tree) or "").partition("\n\n")[0]


def _is_one_sentence(text: str) -> bool:
    return text.endswith(".") and "\n" not in text and not re.search(r"[.!?] [A-Z]", text)


def test_a_module_opens_with_the_sign_on_its_door() -> None:
    """The first paragraph of a module is one sentence on one line, ending in a full stop."""
    opened = {each.path: _sentence(each) for each in (*modules("provisioner"), *modules("tests"))}
    assert {path: text for path, text in opened.items() if not _is_one_sentence(text)} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    """No file or folder is called after the fact that somebody did not know where to put something."""
    parts = {part for each in modules("provisioner") for part in Path(each.path).with_suffix("").parts}
    assert {part for part in parts if set(part.split("_")) & VAGUE} == set()


def test_values_are_frozen_and_slotted() -> None:
    """Every class of the model is a frozen dataclass with slots, or an enumeration."""
    classes = [node for module in MODELS for node in module.classes()]
    assert len(classes) > 60
    assert [node.name for node in classes if not _is_value(node)] == []


def _is_value(node: ast.ClassDef) -> bool:
    if any(ast.unparse(base).endswith("Enum") for base in node.bases):
        return True
    decorators = [ast.unparse(each) for each in node.decorator_list]
    return any("dataclass" in each and "frozen=True" in each and "slots=True" in each for each in decorators)


def test_every_test_states_its_fact() -> None:
    """Each test function has a docstring that is a sentence."""
    tests = [(m.path, node) for m in modules("tests") for node in m.functions() if node.name.startswith("test_")]
    silent = [(path, node.name) for path, node in tests if not (ast.get_docstring(node) or "").endswith(".")]
    assert silent == []


def test_tests_use_seams_instead_of_mocks() -> None:
    """Mocks and monkeypatches are at most 2 in 1000 lines of tests."""
    lines = sum(module.text.count("\n") for module in modules("tests"))
    uses = [module.path for module in modules("tests") for node in ast.walk(module.tree) if _is_mock(node)]
    assert len(uses) * 1000 <= MOCKS_PER_THOUSAND * lines, uses


def _is_mock(node: ast.AST) -> bool:
    match node:
        case ast.arg(arg="monkeypatch") | ast.Name(id="Mock" | "MagicMock" | "patch"):
            return True
        case ast.ImportFrom(module=str(name)) | ast.alias(name=name):
            return name.startswith(("unittest.mock", "mock"))
        case _:
            return False


def test_no_foreign_archive_is_named() -> None:
    """No tracked file names a registry, a package index or a Debian mirror: whoever runs us says where to fetch."""
    hosts = re.compile(
        r"\b(?:(?:[a-z0-9-]+\.)*(?:docker\.io|docker\.com|quay\.io|ghcr\.io|gcr\.io|mcr\.microsoft\.com|pypi\.org"
        r"|pythonhosted\.org|debian\.org|debian\.net|ubuntu\.com))\b"
    )
    allowed = {(name, "docker.io") for name in (*DEFAULT_REGISTRY_MAY_STAND_IN, *PACKAGE_MAY_STAND_IN)}
    own = Path(__file__).relative_to(CHECKOUT).as_posix()
    found = {(name, host) for name in tracked_files() if name != own for host in hosts.findall(_text(name))}
    assert found - allowed == set()


def _text(name: str) -> str:
    return (CHECKOUT / name).read_text(errors="replace")
