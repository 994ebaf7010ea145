"""The groups of an inventory as they are written: who lies in whom, and which variables stand where."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from provisioner.errors import Diagnostic
from provisioner.spec.fields import nearest
from provisioner.spec.ranges import expand
from provisioner.spec.source import WHOLE_FILE, Place, SourceText
from provisioner.spec.tree import Entry, Scalar, Table, Tree, describe

ALL = "all"
UNGROUPED = "ungrouped"
_SECTIONS = ("hosts", "children", "vars")
_HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_GROUP_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable as written: its file, and its key and value with their places."""

    source: SourceText
    entry: Entry


@dataclass(slots=True)
class Group:
    """A group while it is read: where it is first named, its own variables, the hosts right below it, its parents.

    `depth` is the longest way down from `all`; `lineage` the group itself and all groups above it.
    """

    place: Place
    variables: dict[str, Variable] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    parents: dict[str, None] = field(default_factory=dict)
    depth: int = 0
    lineage: frozenset[str] = frozenset()


@dataclass(slots=True)
class GroupReader:
    """Reads the groups of one inventory file in the order they are written, collecting faults."""

    source: SourceText
    groups: dict[str, Group] = field(default_factory=dict)
    hosts: dict[str, dict[str, Variable]] = field(default_factory=dict)
    faults: list[Diagnostic] = field(default_factory=list)

    def read(self, root: Tree) -> None:
        """Read the whole file, and close it: every host is in `all`, and in `ungrouped` where in no other."""
        self.groups[ALL] = Group(WHOLE_FILE)
        if not isinstance(root, Table):
            message = f"expected a mapping of groups, found {describe(root)}"
            self._fault(root, message, "an inventory begins with 'all:'; the INI format is not supported")
            return
        plugin = root.entry("plugin")
        if plugin:
            self._fault(plugin, "inventory plugins are not supported", "write the hosts here")
            return
        for entry in root.entries:
            self._group(entry, None)
        self._close()

    def _group(self, entry: Entry, parent: str | None) -> None:
        if not _GROUP_NAME.fullmatch(entry.key):
            self._fault(entry, f"'{entry.key}' cannot be the name of a group")
        group = self.groups.setdefault(entry.key, Group(entry.place))
        if parent is not None:
            group.parents[parent] = None
        for section in self._entries(entry.value, f"group '{entry.key}'"):
            self._section(entry.key, section)

    def _section(self, name: str, section: Entry) -> None:
        if section.key not in _SECTIONS:
            message = f"unknown key '{section.key}' in group '{name}'"
            near = nearest(section.key, _SECTIONS) or "a group has hosts, children and vars"
            self._fault(section, message, near)
            return
        for entry in self._entries(section.value, f"'{section.key}'"):
            if section.key == "children":
                self._group(entry, name)
            elif section.key == "hosts":
                self._host(name, entry)
            else:
                self.groups[name].variables[entry.key] = Variable(self.source, entry)

    def _host(self, group: str, entry: Entry) -> None:
        try:
            names = expand(entry.key)
        except ValueError as error:
            self._fault(entry, str(error))
            return
        unfit = next((name for name in names if not _HOST_NAME.fullmatch(name)), None)
        if unfit is not None:
            hint = "write the port as ansible_port" if ":" in unfit else ""
            self._fault(entry, f"'{unfit}' cannot be the name of a host", hint)
            return
        variables = {v.key: Variable(self.source, v) for v in self._entries(entry.value, f"host '{entry.key}'")}
        for name in names:
            self.hosts.setdefault(name, {}).update(variables)
            self.groups[group].hosts[name] = None

    def _entries(self, tree: Tree, owner: str) -> tuple[Entry, ...]:
        if isinstance(tree, Table):
            return tree.entries
        if not (isinstance(tree, Scalar) and tree.value is None):
            self._fault(tree, f"{owner} takes a mapping, found {describe(tree)}", "write each as a key: 'web1:'")
        return ()

    def _close(self) -> None:
        grouped = {host for name, group in self.groups.items() if name != ALL for host in group.hosts}
        alone = [host for host in self.hosts if host not in grouped]
        if alone:
            self.groups.setdefault(UNGROUPED, Group(WHOLE_FILE)).hosts |= dict.fromkeys(alone)
        for name, group in self.groups.items():
            if name != ALL and not group.parents:
                group.parents[ALL] = None
        try:
            self._descend()
        except CycleError as error:
            circle: list[str] = error.args[1]
            message = f"a group lies within itself: {' in '.join(circle)}"
            place = max(self.groups[name].place for name in circle)
            self.faults.append(self.source.diagnostic(place, message))

    def _descend(self) -> None:
        """Give each group its depth and lineage, parents first. Raise CycleError."""
        for name in TopologicalSorter({name: group.parents for name, group in self.groups.items()}).static_order():
            group = self.groups[name]
            parents = [self.groups[parent] for parent in group.parents]
            group.depth = 1 + max((parent.depth for parent in parents), default=-1)
            group.lineage = frozenset({name}).union(*(parent.lineage for parent in parents))

    def _fault(self, at: Entry | Tree, message: str, suggestion: str = "") -> None:
        self.faults.append(self.source.diagnostic(at.place, message, suggestion))
