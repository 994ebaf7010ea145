"""Whatever a user writes is read or refused; nothing else happens."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.errors import InvalidInput
from provisioner.spec.inventory import read_inventory
from provisioner.spec.read import read_fleet
from provisioner.spec.source import SourceText
from provisioner.spec.tree import as_values
from provisioner.spec.yaml_reader import read_document

CASES = Path(__file__).parents[1] / "cases" / "spec"
FLEET = (CASES / "valid-every-key" / "fleet.yaml").read_text()
INVENTORY = (CASES / "ansible-precedence" / "inventory.yaml").read_text()
SCRAPS = st.text(alphabet="a1:-,[]{}\"'\n \t$#*&|", max_size=6)
ODD = st.recursive(
    st.sampled_from([None, True, -1, 0, 1.5, "", "a", "/", "80", "${A}", "$", "a\nb", "x=1", "10s", "*", "ü"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["x-a", "a", "=", "hosts"]), inner),
    max_leaves=4,
)


def _paths(value: Any, above: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [above, *(path for key, item in below for path in _paths(item, (*above, key)))]


def _replaced(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    here = changed
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = value
    return changed


VALUES = as_values(read_document(SourceText("fleet.yaml", FLEET)).root)
PLACES = _paths(VALUES)


def _is_answered(text: str) -> None:
    """Read a text as a spec and as an inventory; any other error than InvalidInput ends the test."""
    source = SourceText("a.yaml", text)
    for read in (lambda: read_fleet(source, {"A": "1"}), lambda: read_inventory(source, {}, {})):
        try:
            read()
        except InvalidInput as error:
            lines = text.count("\n") + text.count("\r") + 1
            assert all(0 <= fault.line <= lines and fault.message for fault in error.diagnostics)  # noqa: PT017


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PLACES), ODD)
def test_any_value_anywhere_is_answered(path: tuple[str | int, ...], value: Any) -> None:
    """A value of any kind in the place of another is read, or refused with a place."""
    _is_answered(json.dumps(_replaced(VALUES, path, value)))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([FLEET, INVENTORY]), st.integers(0, 3000), st.integers(0, 20), SCRAPS)
def test_any_slip_of_the_hand_is_answered(text: str, position: int, removed: int, inserted: str) -> None:
    """Characters lost and added anywhere in a file lead to an answer."""
    _is_answered(text[:position] + inserted + text[position + removed :])
