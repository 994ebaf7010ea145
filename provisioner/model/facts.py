"""What a machine is, whoever set it up: facts that should be equal on its peers, and how they differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, get_args

from provisioner.model.observed import Unreachable

Kind = Literal[
    "system",
    "engine",
    "package",
    "file",
    "service",
    "process",
    "socket",
    "user",
    "key",
    "sudo",
    "ssh",
    "cron",
    "sysctl",
    "limits",
    "dns",
    "mount",
    "firewall",
    "application",
    "container",
    "node",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

Verdict = Literal["outlier", "tie"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing of a host: its kind, what it is called there, and its value as people read it.

    `digest` is the sha256 of a file's content: empty where there is none, None where nobody looked or could.
    `note` is said beside the value and not compared; `mark` is the text by which it is found in its file.
    """

    kind: Kind
    key: str
    value: str
    digest: str | None = ""
    note: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be read, and why. An empty key is the whole kind, one that ends in `/` all that lies below."""

    kind: Kind
    key: str
    reason: str

    def covers(self, kind: Kind, key: str) -> bool:
        """Tell whether a fact that is missing may be there all the same."""
        below = self.key.endswith("/") and key.startswith(self.key)
        return below or (kind == self.kind and not self.key)


@dataclass(frozen=True, slots=True)
class OwnWord:
    """Something only this host is called by, such as its name or an address; `stands_for` is said in its place."""

    text: str
    stands_for: str


@dataclass(frozen=True, slots=True)
class ClockSight:
    """How many seconds a host's clock is ahead of this machine's, and by how many that may be wrong."""

    ahead: float
    error: float


@dataclass(frozen=True, slots=True)
class Room:
    """What one kind of room of a file system is: how much there is, and how much of it is free."""

    path: str
    unit: Literal["bytes", "files"]
    size: int
    free: int


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Everything that was read of one host; `left_out` says what was there and was not looked at.

    `clock` and `rooms` are not compared with peers: they are judged by themselves.
    """

    host: str
    facts: tuple[Fact, ...]
    gaps: tuple[Gap, ...] = ()
    left_out: tuple[str, ...] = ()
    own: tuple[OwnWord, ...] = ()
    clock: ClockSight | None = None
    rooms: tuple[Room, ...] = ()


@dataclass(frozen=True, slots=True)
class PeerValue:
    """A value and the hosts that have it; the value is empty, and there is no fact, where they lack the thing.

    `diff` is a unified diff against the most frequent value, empty where the values say it all.
    """

    value: str
    hosts: tuple[str, ...]
    fact: Fact | None = None
    diff: str = ""


@dataclass(frozen=True, slots=True)
class PeerDifference:
    """One thing that is not the same everywhere; the most frequent value comes first.

    `outlier`: more hosts have the first value than any other. `tie`: they do not. `below` counts further paths that
    are missing on the same hosts because this folder is.
    """

    kind: Kind
    key: str
    verdict: Verdict
    values: tuple[PeerValue, ...]
    below: int = 0

    @property
    def diffs(self) -> tuple[str, ...]:
        """Return the unified diffs against the first value."""
        return tuple(each.diff for each in self.values if each.diff)

    @property
    def outliers(self) -> tuple[str, ...]:
        """Return the hosts that are not like most; all of them where there is no majority."""
        counted = self.values[1:] if self.verdict == "outlier" else self.values
        return tuple(host for value in counted for host in value.hosts)


@dataclass(frozen=True, slots=True)
class HostGap:
    """A gap and the hosts that have it."""

    gap: Gap
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PeerComparison:
    """In what hosts differ that should be the same; `kinds` are those that were compared."""

    hosts: tuple[str, ...]
    kinds: tuple[Kind, ...]
    differences: tuple[PeerDifference, ...] = ()
    gaps: tuple[HostGap, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    unreachable: tuple[Unreachable, ...] = ()

    def count(self, host: str, kind: Kind) -> int:
        """Return in how many things of a kind a host is not like most."""
        return sum(each.kind == kind and host in each.outliers for each in self.differences)

    def is_unknown(self, host: str, kind: Kind) -> bool:
        """Tell whether something of a kind could not be read on a host."""
        lost = any(each.name == host for each in self.unreachable)
        return lost or any(each.gap.kind == kind and host in each.hosts for each in self.gaps)

    @property
    def incomplete(self) -> bool:
        """Tell whether anything could not be read anywhere."""
        return bool(self.gaps or self.unreachable)


@dataclass(frozen=True, slots=True)
class Ignored:
    """A kind of fact, or those of it whose key matches a shell pattern."""

    kind: Kind
    pattern: str = "*"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a comparison is about: the kinds, and what of them is left aside."""

    kinds: tuple[Kind, ...] = KINDS
    ignored: tuple[Ignored, ...] = ()

    def holds(self, kind: Kind, key: str) -> bool:
        """Tell whether something is compared."""
        return kind in self.kinds and not any(
            each.kind == kind and fnmatchcase(key.rstrip("/"), each.pattern) for each in self.ignored
        )

    def facts(self, facts: Iterable[Fact]) -> tuple[Fact, ...]:
        """Return the facts that are compared."""
        if not self.ignored:
            return tuple(fact for fact in facts if fact.kind in self.kinds)
        return tuple(fact for fact in facts if self.holds(fact.kind, fact.key))
