"""From an Ansible inventory in YAML to hosts and groups, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from provisioner.errors import Diagnostic, InvalidInput
from provisioner.model.inventory import Inventory
from provisioner.spec.groups import ALL, GroupReader, Variable
from provisioner.spec.host_variables import faults_of, host
from provisioner.spec.source import Place, SourceText, in_order
from provisioner.spec.tree import Scalar, Table, Tree, describe
from provisioner.spec.yaml_reader import read_document

Variables = Mapping[str, Variable]
_VAULT = "$ANSIBLE_VAULT"


def read_inventory(
    main: SourceText, group_vars: Mapping[str, SourceText], host_vars: Mapping[str, SourceText]
) -> Inventory:
    """Read an inventory and the variable files beside it, by group and by host name.

    A strict subset of Ansible's: what it accepts means what `ansible-inventory` says it means. Files for groups
    and hosts that are not in this inventory are left alone. Raise InvalidInput with every fault.
    """
    faults: list[Diagnostic] = []
    reader = GroupReader(main)
    reader.read(_root(main, faults))
    faults += reader.faults
    files = {f"group {name}": _file(text, faults) for name, text in group_vars.items() if name in reader.groups}
    files |= {f"host {name}": _file(text, faults) for name, text in host_vars.items() if name in reader.hosts}
    written = [group.variables for group in reader.groups.values()]
    for variables in [*written, *reader.hosts.values(), *files.values()]:
        faults += [fault for variable in variables.values() for fault in faults_of(variable)]
    if faults:
        raise InvalidInput(in_order(faults))
    return _inventory(reader, files, main)


def _root(source: SourceText, faults: list[Diagnostic]) -> Tree:
    if source.text.lstrip().startswith(_VAULT):
        raise InvalidInput((source.diagnostic(Place(1, 1), "Ansible Vault is not supported", "decrypt the file"),))
    document = read_document(source)
    faults += document.faults
    return document.root


def _file(source: SourceText, faults: list[Diagnostic]) -> Variables:
    root = _root(source, faults)
    if isinstance(root, Table):
        return {entry.key: Variable(source, entry) for entry in root.entries}
    if not (isinstance(root, Scalar) and root.value is None):
        faults.append(source.diagnostic(root.place, f"expected a mapping of variables, found {describe(root)}"))
    return {}


def _inventory(reader: GroupReader, files: Mapping[str, Variables], main: SourceText) -> Inventory:
    lineages = _lineages(reader)
    hosts = {name: host(name, _merged(name, lineages[name], reader, files), main) for name in reader.hosts}
    groups = {group: tuple(name for name in hosts if group in lineages[name]) for group in reader.groups}
    return Inventory(main.path, hosts, groups)


def _lineages(reader: GroupReader) -> dict[str, set[str]]:
    """Return every group each host lies in, at any depth."""
    lineages: dict[str, set[str]] = {name: {ALL} for name in reader.hosts}
    for group in reader.groups.values():
        for name in group.hosts:
            lineages[name] |= group.lineage
    return lineages


def _merged(name: str, lineage: set[str], reader: GroupReader, files: Mapping[str, Variables]) -> Variables:
    """Return a host's variables, the later over the earlier, in the order of Ansible's documentation.

    Groups of the inventory file, group_vars, the host in the inventory file, host_vars; groups by depth, then name.
    """
    groups = sorted(lineage, key=lambda group: (reader.groups[group].depth, group))
    layers: Iterable[Variables] = (
        *(reader.groups[group].variables for group in groups),
        *(files.get(f"group {group}", {}) for group in groups),
        reader.hosts[name],
        files.get(f"host {name}", {}),
    )
    return {key: variable for layer in layers for key, variable in layer.items()}
