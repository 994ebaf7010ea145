"""Finds images of one engine under the id they have everywhere: the digest of their configuration."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace

import docker.errors

from provisioner.errors import EngineRefused
from provisioner.hosts.client import EngineClient
from provisioner.hosts.engine import Engine
from provisioner.hosts.image_reading import Answer, is_containerd, read_image
from provisioner.hosts.manifests import image_id_of
from provisioner.hosts.saved_image import ImageDamaged
from provisioner.model.image import ImageFacts
from provisioner.ports import ImageIds

PIECE = 1 << 16
"""Bytes that are asked for at once while an image is streamed."""


class ImageIdsInMemory:
    """Pairs of ids that are known for as long as this object lives."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def remember(self, own_id: str, image_id: str) -> None:
        """Keep that an engine's own id stands for an image id."""
        self._known[own_id] = image_id

    def image_id(self, own_id: str) -> str:
        """Return the image id for an engine's own id, empty where it is not known."""
        return self._known.get(own_id, "")

    def own_ids(self, image_id: str) -> tuple[str, ...]:
        """Return every own id that is known to stand for an image id, the latest first."""
        return tuple(own_id for own_id, known in reversed(self._known.items()) if known == image_id)


class ImageLookup:
    """Inspects images. In a containerd store the engine's id is a manifest's digest and is translated.

    Such a store may name an image of which it does not hold everything. That one is unknown: it keeps the engine's
    own id, which is no image's, and has no layers.
    """

    def __init__(self, engine: Engine, ids: ImageIds | None = None) -> None:
        self._engine = engine
        self._ids = ids if ids is not None else ImageIdsInMemory()
        self._lock = threading.Lock()
        self._containerd: bool | None = None

    def inspect(self, reference: str) -> ImageFacts | None:
        """Return an image by tag or image id, None where there is none. Raise EngineRefused."""
        return self.inspect_own(self.own_id(reference))

    def inspect_own(self, name: str) -> ImageFacts | None:
        """Return an image by tag or the engine's own id, None where there is none. Raise EngineRefused."""
        with self._engine.client() as client:
            found = _inspection(client, name)
            whole = found is None or not self.is_containerd() or _is_whole(client, found)
        if found is None:
            return None
        if not whole:
            return replace(read_image(found, found["Id"]), layers=())
        return read_image(found, self.image_id(found["Id"]))

    def image_id(self, own_id: str) -> str:
        """Return the image id for what the engine calls its id; where it cannot be told, the engine's own."""
        if not self.is_containerd():
            return own_id
        return self._ids.image_id(own_id) or self._read_image_id(own_id)

    def own_id(self, reference: str) -> str:
        """Return what this engine knows an image by; names, and ids it does not have, stay as they are."""
        if not reference.startswith("sha256:") or not self.is_containerd():
            return reference
        return next((own_id for own_id in self._namesakes(reference) if self._holds(own_id)), reference)

    def saved(self, reference: str) -> Iterator[bytes]:
        """Yield an image, by tag or image id, as an archive in pieces. Raise EngineRefused."""
        yield from self._saved(self.own_id(reference))

    def layer_bytes(self) -> int:
        """Return the bytes that the layers of all images take on the host's disk. Raise EngineRefused."""
        with self._engine.client(patient=True) as client:
            usage: Answer = client.df()
        return int(usage.get("LayersSize") or 0)

    def is_containerd(self, info: Answer | None = None) -> bool:
        """Tell which store the engine keeps its images in; asked once, or read from an answer to `GET /info`."""
        with self._lock:
            if self._containerd is None and info:
                self._containerd = is_containerd(info)
            elif self._containerd is None:
                with self._engine.client() as client:
                    self._containerd = is_containerd(client.info())
            return self._containerd

    def _namesakes(self, image_id: str) -> Iterator[str]:
        """Yield what this engine may call an image: what is known from before, then what nobody has looked at yet."""
        yield from self._ids.own_ids(image_id)
        with self._engine.client() as client:
            strangers = [entry["Id"] for entry in client.images() if not self._ids.image_id(entry["Id"])]
        yield from (own_id for own_id in strangers if self.image_id(own_id) == image_id)

    def _holds(self, own_id: str) -> bool:
        with self._engine.client() as client:
            found = _inspection(client, own_id)
            return found is not None and _is_whole(client, found)

    def _read_image_id(self, own_id: str) -> str:
        try:
            with closing(self._saved(own_id)) as pieces:
                image_id = image_id_of(own_id, pieces)
        except (EngineRefused, ImageDamaged):
            return own_id
        self._ids.remember(own_id, image_id)
        return image_id

    def _saved(self, name: str) -> Generator[bytes]:
        with self._engine.client(patient=True) as client:
            yield from client.get_image(name, chunk_size=PIECE)


def _inspection(client: EngineClient, reference: str) -> Answer | None:
    try:
        found: Answer = client.inspect_image(reference)  # type: ignore[no-untyped-call]  # its stub has no types
    except docker.errors.ImageNotFound:
        return None
    return found


def _is_whole(client: EngineClient, found: Answer) -> bool:
    """Tell whether a containerd store holds all of an image that it shows.

    Docker 28 shows a broken one without layers; Docker 26 shows all of it, and leaves it out of its list.
    """
    if not (found.get("RootFS") or {}).get("Layers"):
        return False
    tags = found.get("RepoTags") or ()
    return any(entry["Id"] == found["Id"] for entry in client.images(name=tags[0] if tags else None))
