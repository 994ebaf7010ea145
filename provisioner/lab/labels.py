"""The labels by which a lab knows its own objects on the engine."""

from __future__ import annotations

LAB = "provisioner.lab"
HOST = "provisioner.lab.host"
GROUP = "provisioner.lab.group"
ENGINE = "provisioner.lab.engine"
STORE = "provisioner.lab.image-store"


def labelled(lab: str) -> dict[str, str]:
    """Return the label that every object of a lab carries."""
    return {LAB: lab}
