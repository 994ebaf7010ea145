"""The images of one host's engine: found, loaded, saved, removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import docker.errors

from provisioner.hosts.engine import Engine
from provisioner.hosts.image_lookup import ImageLookup
from provisioner.hosts.image_reading import chain_ids
from provisioner.hosts.pulls import pull
from provisioner.hosts.refusals import refused
from provisioner.model.image import ImageFacts
from provisioner.model.secret import Login
from provisioner.ports import Progress

_AT_ONCE = 4
_UNPACK_FAILED = "Error unpacking image"


class EngineImages:
    """The images of one engine, for those who may change them. All raise EngineRefused."""

    def __init__(self, engine: Engine, images: ImageLookup) -> None:
        self._engine = engine
        self._images = images
        self._layers: dict[str, tuple[str, ...]] = {}

    @property
    def host(self) -> str:
        """Return the name of the host the engine is on."""
        return self._engine.host

    def inspect(self, reference: str) -> ImageFacts | None:
        """Return an image by tag or id, None where there is none."""
        return self._images.inspect(reference)

    def stacks(self, repository: str) -> tuple[tuple[str, ...], ...]:
        """Return the layers, bottom-up by diff id, of each image tagged in a repository, the newest image first."""
        with self._engine.client() as client:
            listed = client.images(repository)
        newest_first = sorted(listed, key=lambda entry: int(entry.get("Created") or 0), reverse=True)
        return tuple(self._layers_of(own_id) for own_id in dict.fromkeys(entry["Id"] for entry in newest_first))

    def chains(self) -> frozenset[str]:
        """Return the chain ids of every layer the engine has, those of intermediate images too."""
        with self._engine.client() as client:
            ids = {entry["Id"] for entry in client.images(all=True)}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return frozenset(chain for layers in pool.map(self._layers_of, ids) for chain in chain_ids(layers))

    def load(self, archive: Iterable[bytes]) -> None:
        """Load an image archive, plain or as gzip. Success says nothing: inspect afterwards."""
        with self._engine.client(patient=True) as client:
            pieces = (piece for piece in archive)
            answers = client.load_image(pieces, quiet=True)  # type: ignore[no-untyped-call]  # its stub has no types
            error = read_load_error(answers or ())
        if error:
            raise refused(self.host, error)

    def pull(self, reference: str, login: Login | None, progress: Progress) -> int:
        """Pull an image by digest from its registry; return the bytes that travelled."""
        return pull(self._engine, reference, login, progress)

    def save(self, reference: str) -> Iterator[bytes]:
        """Return an image as an archive, in pieces."""
        return self._images.saved(reference)

    def tag(self, reference: str, tag: str) -> None:
        """Let a tag name an image that is there, whatever it named before."""
        repository, _, name = tag.rpartition(":")
        with self._engine.client() as client:
            client.tag(self._images.own_id(reference), repository, name, force=True)

    def remove(self, reference: str) -> None:
        """Remove a tag, and the image with its last one; one that is gone already is removed."""
        with self._engine.client(patient=True) as client, suppress(docker.errors.NotFound):
            client.remove_image(self._images.own_id(reference))

    def _layers_of(self, own_id: str) -> tuple[str, ...]:
        """Return the diff ids of an image, which never change under one id; none where it has just gone."""
        if own_id not in self._layers:
            with self._engine.client() as client:
                try:
                    found = client.inspect_image(own_id)  # type: ignore[no-untyped-call]  # its stub has no types
                except docker.errors.ImageNotFound:
                    return ()
            self._layers[own_id] = tuple(found["RootFS"].get("Layers") or ())
        return self._layers[own_id]


def read_load_error(answers: Iterable[Mapping[str, Any]]) -> str:
    """Return why a load failed from what the engine streamed, empty where it did not.

    Some engines report a broken image as a success with a line of text (Docker 27 and 28, containerd store).
    """
    errors = [text for answer in answers if (text := _error(answer))]
    return errors[0].strip() if errors else ""


def _error(answer: Mapping[str, Any]) -> str:
    detail = answer.get("errorDetail") or {}
    if detail or answer.get("error"):
        return str(detail.get("message") or answer.get("error"))
    if set(answer) == {"message"}:
        return str(answer["message"])
    text = str(answer.get("stream") or answer.get("status") or "")
    return text if _UNPACK_FAILED in text else ""
