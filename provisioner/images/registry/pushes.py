"""Pushes images from the engine that has them; what it gets is the digest they are pulled by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import docker
from docker.errors import APIError

from provisioner.errors import EngineRefused
from provisioner.images.engine import EngineImages, follow, refusal_text, told_as_refused
from provisioner.model.secret import Login
from provisioner.ports import Progress

_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")


class EnginePushes:
    """Pushes images of one engine. All raise HostError."""

    def __init__(self, client: docker.APIClient, images: EngineImages) -> None:
        self._client = client
        self._images = images

    def push(self, image_id: str, name: str, login: Login | None, progress: Progress) -> str:
        """Push an image as `name` (repository and tag) and return the name with the digest it is pulled by."""
        host, (repository, _, tag) = self._images.host, name.rpartition(":")
        if self._images.inspect(image_id) is None:
            raise EngineRefused(host, f"has no image {image_id[:19]} to push", status=404)
        with told_as_refused(host):
            self._client.tag(self._images.own_id(image_id), repository, tag, force=True)
            try:
                found = self._pushed(repository, tag, login, progress)
            finally:
                self._client.remove_image(name, noprune=True)
        return f"{repository}@{found}"

    def _pushed(self, repository: str, tag: str, login: Login | None, progress: Progress) -> str:
        digests: list[str] = []

        def hear(answer: Mapping[str, Any]) -> None:
            digests.extend(read_digest(answer))
            detail = answer.get("progressDetail") or {}
            progress(f"pushing to {repository}", int(detail.get("current") or 0), int(detail.get("total") or 0))

        credentials = login.credentials() if login else None
        try:
            answers = self._client.push(repository, tag, stream=True, decode=True, auth_config=credentials)
            reason = follow(answers, hear)
        except APIError as error:
            reason = refusal_text(error)
        if reason or not digests:
            reason = reason or "the registry named no digest"
            raise EngineRefused(self._images.host, f"pushing to {repository}: {reason}")
        return digests[-1]


def read_digest(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield the manifest's digest where a message of a push tells it, as each kind of engine does in its own way."""
    told = (answer.get("aux") or {}).get("Digest")
    if told:
        yield str(told)
    elif found := _DIGEST.search(str(answer.get("status", ""))):
        yield found[1]
