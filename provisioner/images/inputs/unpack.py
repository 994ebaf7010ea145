"""Takes what a release was made from out of its image again, each file verified, to where builds look for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from provisioner.errors import ImageMissing
from provisioner.images.archive import ImageContent
from provisioner.images.bases.artefacts import Artefacts
from provisioner.images.cache import LayerCache
from provisioner.images.inputs.difference import different
from provisioner.images.inputs.gather import Hold
from provisioner.images.inputs.stored import FILES, IMAGES, Stored, stored_in
from provisioner.model.image import BuildInputs, ContextFile
from provisioner.model.keeping import InputsSection, UnpackedInputs, WantedInputs
from provisioner.ports import Progress

Take = Callable[[Iterable[bytes]], None]
"""Gives the building engine an image archive."""


@dataclass(frozen=True, slots=True)
class InputsUnpacker:
    """Puts inputs back into this machine's cache: packages and wheels, images, and the files of build contexts.

    `contexts` keeps the files of contexts by their sha256, as artefacts are kept.
    """

    cache: LayerCache
    artefacts: Artefacts
    contexts: Artefacts
    hold: Hold
    take: Take

    def unpack(
        self, image_id: str, wanted: WantedInputs | None, builds: tuple[BuildInputs, ...], progress: Progress
    ) -> UnpackedInputs:
        """Return builds whose files lie on this machine, and what is missing, by sha256 (hex) or image id.

        Raise ImageMissing where nobody has the image of inputs, StorageFailed, ArchiveBroken.
        """
        sections = wanted.sections if wanted else ()
        stored = stored_in(self.cache, self.hold(image_id, progress)) if image_id else {}
        missing = {name for section in sections for name in self._section(section, stored, progress)}
        placed = tuple(replace(each, context=tuple(self._placed(each, missing))) for each in builds)
        return UnpackedInputs(placed, tuple(sorted(missing)))

    def differences(self, image_id: str, other_id: str) -> tuple[str, ...]:
        """Return in what two images differ, by layer and path; only their layers' digests where one is not here."""
        one, other = self._there(image_id), self._there(other_id)
        if one is None or other is None:
            return ()
        return tuple(different(self.cache, one, other))

    def _there(self, image_id: str) -> ImageContent | None:
        found = self.cache.find(image_id)
        if found is not None:
            return found
        try:
            return self.hold(image_id, lambda *_: None)
        except ImageMissing:
            return None

    def _section(self, section: InputsSection, stored: Mapping[str, Stored], progress: Progress) -> Iterator[str]:
        progress(f"unpacking {section.kind}", 0, 0)
        if section.image_id and not self._image(section.image_id, stored, progress):
            yield section.image_id
        shelf = self.contexts if section.kind == "context" else self.artefacts
        for sha256 in section.files:
            if shelf.path(sha256) is None:
                found = stored.get(f"{FILES}/{sha256}")
                if found is None:
                    yield sha256
                else:
                    shelf.keep(sha256, found.pieces())

    def _image(self, image_id: str, stored: Mapping[str, Stored], progress: Progress) -> bool:
        found = stored.get(f"{IMAGES}/{image_id.removeprefix('sha256:')}")
        if found is None:
            try:
                self.hold(image_id, progress)
            except ImageMissing:
                return False
            return True
        self.cache.absorb(found.pieces())
        self.take(found.pieces())
        return True

    def _placed(self, inputs: BuildInputs, missing: set[str]) -> Iterator[ContextFile]:
        for entry in inputs.context:
            path = None if entry.link or entry.digest in missing else self.contexts.path(entry.digest)
            yield replace(entry, source=str(path)) if path else entry
