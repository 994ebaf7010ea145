"""Gathers what a release was made from into one image of this machine's cache, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from provisioner.errors import ArchiveBroken, ImageMissing
from provisioner.images.archive import ImageContent, Layer, pack
from provisioner.images.cache import LayerCache
from provisioner.images.inputs.stored import FILES, IMAGES, Stored, stored_in, whole
from provisioner.images.inputs.write_layer import Content, write_layer
from provisioner.images.shipping.record import inert_config
from provisioner.model.container import FLEET_LABEL, KIND_LABEL
from provisioner.model.keeping import InputsSection, KeptInputs, WantedInputs
from provisioner.ports import Progress

KIND = "inputs"

Hold = Callable[[str, Progress], ImageContent]
"""Has an image, by its id, in the cache. Raises ImageMissing."""


class ArtefactFiles(Protocol):
    """Packages and wheels on this machine, by the sha256 (hex) of each."""

    def path(self, sha256: str) -> Path | None:
        """Return the file of a digest, None where it is not here."""


class InputsImages:
    """Makes images of inputs in a cache: what this machine has, what earlier images hold, images from any engine."""

    def __init__(self, cache: LayerCache, artefacts: ArtefactFiles, hold: Hold, platform: str = "linux/amd64") -> None:
        self._cache = cache
        self._artefacts = artefacts
        self._hold = hold
        self._platform = platform

    def keep(
        self, wanted: WantedInputs, files: Mapping[str, str], earlier: tuple[str, ...], progress: Progress
    ) -> KeptInputs:
        """Make the image of what is wanted, as far as it can be had; return its id and what is missing.

        Raise StorageFailed, ArchiveBroken where a file has changed since it was read.
        """
        found = _Found(self, files, earlier, progress)
        layers: dict[str, tuple[Layer, Path]] = {}
        with self._cache.workspace() as folder:
            for number, section in enumerate(wanted.sections):
                progress(f"gathering {section.kind} {number + 1} of {len(wanted.sections)}", 0, 0)
                path = folder / f"section-{number}"
                contents = tuple(found.contents(section))
                if contents:
                    layer = write_layer(contents, path)
                    layers[layer.diff_id] = (layer, path)
            image = self._image(wanted, tuple(layer for layer, _ in layers.values()))
            self._cache.keep(image, {diff_id: path for diff_id, (_, path) in layers.items()}, folder)
        return KeptInputs(image.image_id, tuple(sorted(found.missing)))

    def _image(self, wanted: WantedInputs, layers: tuple[Layer, ...]) -> ImageContent:
        labels = {KIND_LABEL: KIND, FLEET_LABEL: wanted.fleet}
        return ImageContent(inert_config([layer.diff_id for layer in layers], labels, self._platform), layers)

    def artefact(self, sha256: str) -> Path | None:
        """Return a package or wheel of this machine, None where it is not here."""
        return self._artefacts.path(sha256)

    def stored(self, image_id: str, progress: Progress) -> Mapping[str, Stored]:
        """Return what an image of inputs holds, fetched where need be. Raise ImageMissing, ArchiveBroken."""
        return stored_in(self._cache, self._hold(image_id, progress))

    def archive(self, image_id: str, progress: Progress) -> Content:
        """Return an image, fetched where need be, as a file of its id. Raise ImageMissing."""
        image = self._hold(image_id, progress)
        packed = pack(image, (), tuple(dict.fromkeys(image.layers)))
        return Content(f"{IMAGES}/{_hex(image_id)}", packed.size, packed.stream(self._cache.layer))


@dataclass(slots=True)
class _Found:
    """Looks inputs up, the nearest place first, and notes what is nowhere."""

    images: InputsImages
    files: Mapping[str, str]
    earlier: tuple[str, ...]
    progress: Progress
    missing: set[str] = field(default_factory=set)
    _kept: Mapping[str, Stored] | None = None

    def contents(self, section: InputsSection) -> Iterator[Content]:
        """Yield the files of a section that can be had."""
        if section.image_id:
            yield from self._image(section.image_id)
        for sha256 in section.files:
            found = self._file(section, sha256)
            if found is None:
                self.missing.add(sha256)
            else:
                yield Content(f"{FILES}/{sha256}", found.size, found.pieces(), sha256)

    def _image(self, image_id: str) -> Iterator[Content]:
        name = f"{IMAGES}/{_hex(image_id)}"
        try:
            yield self.images.archive(image_id, self.progress)
        except ImageMissing:
            kept = self._in_earlier(name)
            if kept is None:
                self.missing.add(image_id)
            else:
                yield Content(name, kept.size, kept.pieces())

    def _file(self, section: InputsSection, sha256: str) -> Stored | None:
        here = self.files.get(sha256) if section.kind == "context" else self.images.artefact(sha256)
        return whole(Path(here)) if here is not None else self._in_earlier(f"{FILES}/{sha256}")

    def _in_earlier(self, name: str) -> Stored | None:
        if self._kept is None:
            self._kept = {}
            for image_id in self.earlier:
                try:
                    self._kept = {**self.images.stored(image_id, self.progress), **self._kept}
                except (ImageMissing, ArchiveBroken) as error:
                    self.progress(str(error), 0, 0)
        return self._kept.get(name)


def _hex(image_id: str) -> str:
    return image_id.removeprefix("sha256:")
