"""Bad input, as files: each folder of cases holds what the user wrote and every line we answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import Diagnostic, InvalidInput
from provisioner.local.sources import inventory_sources
from provisioner.model.inventory import Inventory
from provisioner.spec.inventory import read_inventory
from provisioner.spec.place import place
from provisioner.spec.read import ReadFleet, read_fleet
from provisioner.spec.source import SourceText

CASES = sorted(path.parent for path in (Path(__file__).parents[1] / "cases" / "spec").glob("*/expected.txt"))


def _fleet(folder: Path) -> ReadFleet:
    variables = folder / "variables.txt"
    lines = variables.read_text().splitlines() if variables.exists() else []
    environment = {name: value for name, _, value in (line.partition("=") for line in lines)}
    return read_fleet(SourceText("fleet.yaml", (folder / "fleet.yaml").read_text()), environment)


def _inventory(folder: Path) -> Inventory:
    return read_inventory(*inventory_sources(folder / "inventory.yaml"))


def _read(folder: Path) -> object:
    if not (folder / "inventory.yaml").exists():
        return _fleet(folder)
    if not (folder / "fleet.yaml").exists():
        return _inventory(folder)
    fleet = _fleet(folder)
    return place(fleet.spec, _inventory(folder), fleet.positions)


def _line(fault: Diagnostic, folder: Path) -> str:
    path = Path(fault.path).relative_to(folder) if folder.as_posix() in fault.path else Path(fault.path)
    elsewhere = f"{path}:" if path.parent.name else ""
    answer = f" | {fault.suggestion}" if fault.suggestion else ""
    return f"{elsewhere}{fault.line}:{fault.column}: {fault.message}{answer}".replace(f"{folder}/", "")


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_bad_input_is_answered_line_by_line(folder: Path) -> None:
    """Every fault of a file is named at once, each with its place and what would be right."""
    with pytest.raises(InvalidInput) as caught:
        _read(folder)
    answered = "".join(f"{_line(fault, folder)}\n" for fault in caught.value.diagnostics)
    assert answered == (folder / "expected.txt").read_text()


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_faults_show_the_line_they_stand_on(folder: Path) -> None:
    """A fault carries the text of its line, and its column lies within that line, so that a caret can be drawn."""
    with pytest.raises(InvalidInput) as caught:
        _read(folder)
    for fault in caught.value.diagnostics:
        assert fault.line == 0 or fault.column <= len(fault.source_line) + 1
