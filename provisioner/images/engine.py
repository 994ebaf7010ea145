"""The engine that builds: its images found and saved, its answers followed, its refusals in our words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, ImageNotFound, StreamParseError

from provisioner.errors import EngineRefused, EngineUnavailable
from provisioner.images.facts import image_facts
from provisioner.images.saved import read_saved, saved_images
from provisioner.model.image import ImageFacts

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
    """The images of an engine we may read: inspected and saved, never changed. All raise HostError."""

    def __init__(self, client: docker.APIClient, host: str) -> None:
        self._client = client
        self._host = host
        self._config_digests: dict[str, str] = {}
        self._containerd: bool | None = None

    @property
    def host(self) -> str:
        """Return the name of the host it is on."""
        return self._host

    def inspect(self, reference: str) -> ImageFacts | None:
        """Return an image by tag or id, None where there is none."""
        with told_as_refused(self._host):
            try:
                inspection: Mapping[str, Any] = self._client.inspect_image(self._named(reference))  # type: ignore[no-untyped-call]  # so its stubs say
            except ImageNotFound:
                return None
            return image_facts(inspection, self._config_digest(inspection["Id"]))

    def save(self, reference: str) -> Iterator[bytes]:
        """Yield an image as an archive, in pieces."""
        with told_as_refused(self._host):
            yield from self._client.get_image(self._named(reference), chunk_size=_PIECE)

    def _named(self, reference: str) -> str:
        """Return what the engine calls an image that we know by its id."""
        named = (engine_id for engine_id, image_id in self._config_digests.items() if image_id == reference)
        return next(named, reference)

    def _config_digest(self, engine_id: str) -> str:
        """Return the image id for what the engine calls its id: the containerd store shows its manifest's digest."""
        if not self.names_by_manifest():
            return engine_id
        if engine_id not in self._config_digests:
            self._config_digests[engine_id] = config_digest(self.save(engine_id))
        return self._config_digests[engine_id]

    def names_by_manifest(self) -> bool:
        """Tell whether the engine's own ids are those of manifests: whether it has the containerd store."""
        if self._containerd is None:
            with told_as_refused(self._host):
                status = self._client.info().get("DriverStatus") or ()
            self._containerd = any(_CONTAINERD in entry for entry in status)
        return self._containerd


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
