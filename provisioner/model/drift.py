"""One difference between what should be and what is, and what a person does not want to hear of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from provisioner.model.facts import KINDS

DriftClass = Literal["drift", "pending", "unmanaged", "outlier", "unknown"]

REACHABLE = "host"
"""The kind of the row for a host that was not reached: it is never left aside."""

NODE_KINDS = (
    "command", "config", "container", "entrypoint", "environment", "files", "hardening", "healthcheck", "hostname",
    "image", "limits", "logging", "mounts", "network", "networks", "ports", "process", "release", "restart", "rotation",
    "secret", "security", "settings", "socket", "state", "stop", "tmpfs", "user", "volume", "working_dir",
)  # fmt: skip
"""Kinds of differences between a node or balancer and what was declared of it."""

MACHINE_KINDS = (*(kind for kind in KINDS if kind not in {"container", "node"}), "clock", "disk")
"""Kinds of differences between a host and its peers, or what it should be by itself."""

DRIFT_KINDS = tuple(dict.fromkeys((*NODE_KINDS, *MACHINE_KINDS)))


@dataclass(frozen=True, slots=True, order=True)
class Drift:
    """A host, perhaps a node on it, the kind and key of what differs, both values as text, and the class.

    `drift`: changed behind our back. `pending`: declared and not applied yet. `unmanaged`: not ours.
    `outlier`: undeclared, and unlike its peers. `unknown`: could not be observed.
    `detail` is a unified diff where text differs, `note` what else a person has to know (who has the majority's value),
    `remedy` a command to paste that undoes it; `ignored` is the reason why it is left aside, empty where it counts.
    """

    host: str
    node: str
    kind: str
    key: str
    desired: str
    observed: str
    drift_class: DriftClass
    detail: str = ""
    note: str = ""
    remedy: str = ""
    ignored: str = ""

    @property
    def place(self) -> str:
        """Return the node it is about, else the host."""
        return self.node or self.host


@dataclass(frozen=True, slots=True)
class DriftSummary:
    """How many hosts and nodes were looked at, how many nodes differ, how many hosts could not be observed.

    `differences` and `ignored` count rows: those that count, and those that are left aside.
    """

    hosts: int
    nodes: int
    drifted: int
    unknown: int
    differences: int = 0
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Every difference that was found, and the counts; `hosts` are those that were to be looked at.

    `left_out` says by host what was there and not looked at.
    """

    fleet: str
    rows: tuple[Drift, ...]
    summary: DriftSummary
    hosts: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def counted(self) -> tuple[Drift, ...]:
        """Return the differences that are not left aside."""
        return tuple(row for row in self.rows if not row.ignored)

    @property
    def incomplete(self) -> bool:
        """Tell whether something that matters could not be observed."""
        return any(row.drift_class == "unknown" for row in self.counted)

    @property
    def lost(self) -> frozenset[str]:
        """Return the hosts that could not be looked at."""
        return frozenset(row.host for row in self.rows if row.kind == REACHABLE)


@dataclass(frozen=True, slots=True)
class Ignore:
    """Differences that are left aside: those of a kind whose key matches a shell pattern, on some hosts or on all.

    `until` is the last day it holds, as YYYY-MM-DD; empty where it holds for good.
    """

    kind: str
    reason: str
    key: str = "*"
    hosts: frozenset[str] | None = None
    until: str = ""

    def covers(self, row: Drift) -> bool:
        """Tell whether a difference is one of these, whatever the day."""
        here = self.hosts is None or row.host in self.hosts
        return here and row.kind == self.kind and fnmatchcase(row.key.rstrip("/"), self.key)


@dataclass(frozen=True, slots=True)
class Shell:
    """The words that open a shell on a host from here, none on this machine; `is_root` where it is root's."""

    words: tuple[str, ...] = ()
    is_root: bool = True


@dataclass(frozen=True, slots=True)
class DriftQuestion:
    """What of a fleet is looked at: `kinds`, all where none is named, and what of it is left aside on this day.

    `shells` are how each host is reached from where the question is asked.
    """

    kinds: tuple[str, ...] = ()
    ignored: tuple[Ignore, ...] = ()
    today: str = ""
    shells: Mapping[str, Shell] = field(default_factory=dict)

    @property
    def machine_kinds(self) -> tuple[str, ...]:
        """Return the kinds for which hosts themselves are asked."""
        return tuple(kind for kind in MACHINE_KINDS if not self.kinds or kind in self.kinds)

    def asks(self, row: Drift) -> bool:
        """Tell whether a difference belongs to the answer."""
        return not self.kinds or row.kind in self.kinds or row.kind == REACHABLE
