"""Finds images of one engine under the id they have everywhere: the digest of their configuration."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import docker.errors

from provisioner.hosts.client import EngineClient
from provisioner.hosts.engine import Engine
from provisioner.hosts.image_reading import Answer, is_containerd, read_image
from provisioner.hosts.saved_image import read_config
from provisioner.model.image import ImageFacts

PIECE = 1 << 20
"""Bytes that are asked for at once while an image is streamed."""


class ImageLookup:
    """Inspects images. In a containerd store the engine's id is a manifest's digest and is translated, once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._containerd: bool | None = None
        self._image_ids: dict[str, str] = {}

    def inspect(self, reference: str) -> ImageFacts | None:
        """Return an image by tag or image id, None where there is none. Raise EngineRefused."""
        return self.inspect_own(self.own_id(reference))

    def inspect_own(self, name: str) -> ImageFacts | None:
        """Return an image by tag or the engine's own id, None where there is none. Raise EngineRefused."""
        with self._engine.client() as client:
            inspection = self._inspection(client, name)
        return None if inspection is None else read_image(inspection, self.image_id(inspection["Id"]))

    def image_id(self, own_id: str) -> str:
        """Return the image id for what the engine calls its id."""
        if not self.is_containerd():
            return own_id
        if own_id not in self._image_ids:
            self._image_ids[own_id] = read_config(self._saved(own_id)).image_id
        return self._image_ids[own_id]

    def own_id(self, reference: str) -> str:
        """Return what this engine knows an image by; names, and ids it does not have, stay as they are."""
        if not reference.startswith("sha256:") or not self.is_containerd():
            return reference
        if reference not in self._image_ids.values():
            with self._engine.client() as client:
                listed = client.images()
            for entry in listed:
                self.image_id(entry["Id"])
        return next((own for own, known in self._image_ids.items() if known == reference), reference)

    def saved(self, reference: str) -> Iterator[bytes]:
        """Yield an image, by tag or image id, as an archive in pieces. Raise EngineRefused."""
        yield from self._saved(self.own_id(reference))

    def is_containerd(self) -> bool:
        """Tell which store the engine keeps its images in; asked once."""
        with self._lock:
            if self._containerd is None:
                with self._engine.client() as client:
                    self._containerd = is_containerd(client.info())
            return self._containerd

    def _saved(self, name: str) -> Iterator[bytes]:
        with self._engine.client(patient=True) as client:
            yield from client.get_image(name, chunk_size=PIECE)

    def _inspection(self, client: EngineClient, reference: str) -> Answer | None:
        try:
            found: Answer = client.inspect_image(reference)  # type: ignore[no-untyped-call]  # its stub has no types
        except docker.errors.ImageNotFound:
            return None
        return found
