"""What a container has that no request of ours leaves there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Deviation:
    """One thing of a container that is not as its image and our request make it: kind, key, and both values as text.

    `detail` is a unified diff where text differs, `note` what else a person has to know.
    """

    kind: str
    key: str
    desired: str
    observed: str
    detail: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Unseen:
    """What of a container could not be looked at, and why."""

    kind: str
    reason: str
