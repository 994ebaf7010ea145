"""From the text of a spec to the fleet it declares, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from provisioner.errors import Diagnostic, InvalidInput
from provisioner.model.spec import FleetSpec
from provisioner.spec.checks import check
from provisioner.spec.convert import fleet_spec
from provisioner.spec.faults import explain
from provisioner.spec.interpolate import interpolate
from provisioner.spec.schema import EXTENSION, FleetText
from provisioner.spec.source import SourceText, in_order
from provisioner.spec.tree import Positions, Table, Tree, as_data
from provisioner.spec.yaml_reader import read_document


@dataclass(frozen=True, slots=True)
class ReadFleet:
    """A fleet as declared, and where each of its keys and values was written."""

    spec: FleetSpec
    positions: Positions


def read_fleet(source: SourceText, environment: Mapping[str, str]) -> ReadFleet:
    """Read a spec, with variables from `environment`. Raise InvalidInput with every fault, in file order."""
    document = read_document(source)
    root, unresolved = interpolate(_without_extensions(document.root), environment)
    positions = Positions(source, root)
    early = [source.diagnostic(place, fault.message, fault.suggestion) for place, fault in unresolved.items()]
    early += document.faults
    text, later = _validated(positions)
    # What could not be read or replaced is named once, and not again for what it was taken for.
    told = {(fault.line, fault.column) for fault in early}
    faults = early + [fault for fault in later if (fault.line, fault.column) not in told]
    if faults or text is None:
        raise InvalidInput(in_order(faults))
    return ReadFleet(fleet_spec(text, source), positions)


def _without_extensions(root: Tree) -> Tree:
    """Leave out what is the user's own: its variables count only where an alias brings them in."""
    if not isinstance(root, Table):
        return root
    return Table(root.place, tuple(entry for entry in root.entries if not entry.key.startswith(EXTENSION)))


def _validated(positions: Positions) -> tuple[FleetText | None, list[Diagnostic]]:
    contradictions = list(check(positions))
    try:
        return FleetText.model_validate(as_data(positions.root)), contradictions
    except ValidationError as error:
        details = error.errors(include_url=False)
        return None, [explain(detail, positions) for detail in details] + contradictions
