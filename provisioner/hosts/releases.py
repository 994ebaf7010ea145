"""Reads the releases that lie on a host, byte for byte, and what all its images take."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.errors import EngineRefused
from provisioner.hosts.image_lookup import ImageLookup
from provisioner.hosts.saved_image import ImageDamaged, read_files


class ReleaseImages:
    """Reads release images of one host."""

    def __init__(self, host: str, images: ImageLookup) -> None:
        self._host = host
        self._images = images

    def image_bytes(self) -> int:
        """Return the bytes that the layers of all images take on its disk, each layer once."""
        return self._images.layer_bytes()

    def release(self, reference: str) -> Mapping[str, bytes]:
        """Return the files of a release image by path. Raise EngineRefused, also for a damaged image."""
        try:
            return read_files(self._images.saved(reference))
        except ImageDamaged as error:
            message = f"the release image {reference} is damaged: {error}"
            raise EngineRefused(self._host, message, hint="another host has it too; remove it here") from error
