"""What a release is made from, so that it can be made again: files and images, by digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from provisioner.model.image import BuildInputs

SectionKind = Literal["image", "root", "packages", "wheels", "context"]

INPUTS = "inputs"
"""The repository of images that hold inputs, among those of a fleet's services."""


@dataclass(frozen=True, slots=True)
class InputsSection:
    """What makes one layer of an inputs image: files by the sha256 (hex) of each, sorted, or one image by its id."""

    kind: SectionKind
    files: tuple[str, ...] = ()
    image_id: str = ""


@dataclass(frozen=True, slots=True)
class WantedInputs:
    """All that a release is made from; `tag` names the image that holds it, and is derived from what is in it.

    Sections are in the order of their layers, bottom-up: what changes seldom first.
    """

    fleet: str
    tag: str
    sections: tuple[InputsSection, ...]


@dataclass(frozen=True, slots=True)
class KeptInputs:
    """An image of inputs: its id, and what nobody had, by sha256 (hex) or image id."""

    image_id: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnpackedInputs:
    """Builds whose files lie on this machine again, and what is missing, by sha256 (hex) or image id."""

    builds: tuple[BuildInputs, ...]
    missing: tuple[str, ...] = ()
