"""The engine that builds: its images found and saved, its answers followed, its refusals in our words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, ImageNotFound, StreamParseError

from provisioner.errors import EngineRefused, EngineUnavailable
from provisioner.images.facts import image_facts
from provisioner.images.image_ids import KnownImageIds
from provisioner.images.saved import read_saved, saved_images
from provisioner.model.image import ImageFacts
from provisioner.ports import ImageIds

_PIECE = 1 << 20
_UNANSWERED = (StreamParseError, requests.RequestException, urllib3.exceptions.HTTPError)
_CONTAINERD = "io.containerd.snapshotter.v1"


class ImageSource(Protocol):
    """Where an image may be had from: any `ImageStore`, or less."""

    @property
    def host(self) -> str:
        """Return the name of the host it is on."""

    def inspect(self, reference: str) -> ImageFacts | None:
        """Return an image by tag or id, None where there is none. Raise EngineRefused."""

    def save(self, reference: str) -> Iterator[bytes]:
        """Return an image as an archive, in pieces. Raise EngineRefused."""


class EngineImages:
    """The images of an engine we may read: inspected and saved, never changed. All raise HostError.

    A containerd store names an image by its manifest's digest, which is translated, and `ids` remembers it. It may
    also show an image of which it does not hold everything: that one keeps the engine's own id and has no layers.
    """

    def __init__(self, client: docker.APIClient, host: str, ids: ImageIds | None = None) -> None:
        self._client = client
        self._host = host
        self._ids = ids if ids is not None else KnownImageIds()
        self._containerd: bool | None = None

    @property
    def host(self) -> str:
        """Return the name of the host it is on."""
        return self._host

    def inspect(self, reference: str) -> ImageFacts | None:
        """Return an image by tag or id, None where there is none."""
        found = self.as_named(self.own_id(reference))
        if found is None or not self.names_by_manifest():
            return found
        if not found.layers or not self._is_listed(found):
            return replace(found, layers=())
        return replace(found, image_id=self._config_digest(found.image_id))

    def as_named(self, name: str) -> ImageFacts | None:
        """Return an image by tag or the engine's own id, under the id the engine gives it; None where there is none."""
        with told_as_refused(self._host):
            try:
                inspection: Mapping[str, Any] = self._client.inspect_image(name)  # type: ignore[no-untyped-call]  # so its stubs say
            except ImageNotFound:
                return None
            return image_facts(inspection)

    def save(self, reference: str) -> Iterator[bytes]:
        """Yield an image as an archive, in pieces."""
        with told_as_refused(self._host):
            yield from self._client.get_image(self.own_id(reference), chunk_size=_PIECE)

    def own_id(self, reference: str) -> str:
        """Return what the engine calls an image that we know by its id."""
        if not reference.startswith("sha256:") or not self.names_by_manifest():
            return reference
        own_ids = self._ids.own_ids(reference)
        return next((own_id for own_id in own_ids if self.as_named(own_id) is not None), reference)

    def _config_digest(self, own_id: str) -> str:
        """Return the image id for what the engine calls its id."""
        known = self._ids.image_id(own_id)
        if not known:
            known = config_digest(self.save(own_id))
            self._ids.remember(own_id, known)
        return known

    def names_by_manifest(self) -> bool:
        """Tell whether the engine's own ids are those of manifests: whether it has the containerd store."""
        if self._containerd is None:
            with told_as_refused(self._host):
                status = self._client.info().get("DriverStatus") or ()
            self._containerd = any(_CONTAINERD in entry for entry in status)
        return self._containerd

    def _is_listed(self, found: ImageFacts) -> bool:
        """Tell whether a containerd store lists an image: Docker 26 leaves out those it does not hold whole."""
        with told_as_refused(self._host):
            listed = self._client.images(found.tags[0] if found.tags else None)
        return any(entry["Id"] == found.image_id for entry in listed)


def config_digest(pieces: Iterator[bytes]) -> str:
    """Return the digest of the config of the one image in a saved archive. Raise ArchiveBroken."""
    documents: dict[str, bytes] = {}

    def keep(name: str, content: Iterator[bytes]) -> None:
        for piece in content:
            if name == "manifest.json":
                documents[name] = documents.get(name, b"") + piece

    archive = read_saved(pieces, keep, known=lambda _: None)
    archive.resolve("manifest.json")
    image = saved_images(documents["manifest.json"])[0]
    return f"sha256:{archive.files[archive.resolve(image.config)].digest}"


@contextmanager
def told_as_refused(host: str) -> Iterator[None]:
    """Turn whatever the docker SDK raises into EngineRefused or EngineUnavailable."""
    try:
        yield
    except APIError as error:
        status = error.status_code if error.status_code is not None else 0
        raise EngineRefused(host, refusal_text(error), status=status) from error
    except DockerException as error:
        raise EngineRefused(host, str(error)) from error
    except _UNANSWERED as error:
        raise EngineUnavailable(
            host, f"the Docker Engine does not answer: {error}", hint="does `docker version` work there?"
        ) from error


def refusal_text(error: APIError) -> str:
    """Return what the engine itself said."""
    return str(error.explanation or error)


def follow(answers: Iterator[Mapping[str, Any]], heard: Callable[[Mapping[str, Any]], None]) -> str:
    """Hand each message of an engine's answer to `heard`; return the error it ends with, empty where it has none."""
    for answer in answers:
        if error := answer.get("error") or (answer.get("errorDetail") or {}).get("message"):
            return str(error)
        heard(answer)
    return ""
