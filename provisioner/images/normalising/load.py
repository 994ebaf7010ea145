"""A normalised image given back to the engine that built it, and proven to be there."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import docker
from docker.errors import APIError

from provisioner.errors import BuildFailed, HostError
from provisioner.images.archive import ImageContent, Layer, manifest_digest, pack
from provisioner.images.cache import LayerCache
from provisioner.images.engine import EngineImages, follow, refusal_text, told_as_refused
from provisioner.images.normalising.normalise import BASE, Normalised
from provisioner.model.image import ImageFacts
from provisioner.ports import ImageIds


class Loading:
    """Loads images out of a cache into one engine."""

    def __init__(self, client: docker.APIClient, images: EngineImages, cache: LayerCache, ids: ImageIds) -> None:
        self._client = client
        self._images = images
        self._cache = cache
        self._ids = ids

    def into(self, tag: str, made: Normalised) -> ImageFacts:
        """Give the engine an image under a tag, and return it as it is there.

        At first without the layers it built upon. A containerd store gets all of them at once: what it pulled is
        compressed there, and on such layers it could not save the image again. Raise BuildFailed, HostError.
        """
        image, reason = made.content, ""
        self._ids.remember(manifest_digest(image), image.image_id)
        base = sum(layer.section == BASE for layer in made.explanation.layers)
        rungs = (image.layers,) if self._images.names_by_manifest() else (image.layers[base:], image.layers)
        for missing in rungs:
            reason = self._loaded(image, tag, tuple(dict.fromkeys(missing))) or self._fault(image, tag)
            found = None if reason else self._images.inspect(tag)
            if found is not None:
                return found
        with suppress(HostError), told_as_refused(self._images.host):
            self._client.remove_image(tag)
        raise failed(tag, f"the engine does not take the normalised image: {reason}")

    def _loaded(self, image: ImageContent, tag: str, missing: tuple[Layer, ...]) -> str:
        """Load once; return why it failed, empty where the engine names no reason."""
        asked: Any = self._client
        with told_as_refused(self._images.host):
            try:
                return follow(asked.load_image(pack(image, (tag,), missing).stream(self._cache.layer)), lambda _: None)
            except APIError as error:
                return refusal_text(error)

    def _fault(self, image: ImageContent, tag: str) -> str:
        """Return what is wrong with what lies under a tag, empty where it is the image and a container can be made."""
        found = self._images.inspect(tag)
        if found is None:
            return "it says that it took it, and has nothing under its tag"
        if (found.image_id, found.layers) != (image.image_id, image.diff_ids):
            return f"{tag} is {found.image_id} there"
        with told_as_refused(self._images.host):
            try:
                # Some engines answer success for an image whose layers they could not unpack; it makes no container.
                container = self._client.create_container(tag, command=["x"])["Id"]
                self._client.remove_container(container, v=True)
            except APIError as error:
                return refusal_text(error)
        return ""


def failed(tag: str, reason: str) -> BuildFailed:
    """Return the error of a build that the engine did not carry through to its end."""
    return BuildFailed(tag, instruction="", output=(), reason=reason, hint="run the command again")
