"""One difference between what should be and what is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DriftClass = Literal["drift", "pending", "unmanaged", "outlier", "unknown"]


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


@dataclass(frozen=True, slots=True)
class DriftSummary:
    """How many hosts and nodes were looked at, how many nodes differ, how many hosts could not be observed."""

    hosts: int
    nodes: int
    drifted: int
    unknown: int


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Every difference that was found, and the counts."""

    fleet: str
    rows: tuple[Drift, ...]
    summary: DriftSummary
