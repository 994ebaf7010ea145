"""The images of the engine of this machine, as a store that tests may change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import docker

from provisioner.errors import EngineRefused
from provisioner.images.archive import chain_ids
from provisioner.images.engine import EngineImages, follow, told_as_refused
from provisioner.images.raw_build import STAGE
from provisioner.model.container import KIND_LABEL
from provisioner.model.image import ImageFacts
from provisioner.model.secret import Login
from provisioner.ports import Progress


class EngineStore(EngineImages):
    """The images of the engine under test, changed too."""

    def __init__(self, client: docker.APIClient) -> None:
        super().__init__(client, "receiver")
        self.received: list[int] = []
        self.pretended: frozenset[str] = frozenset()

    def chains(self) -> frozenset[str]:
        """Return the chains of all layers, and those it pretends to have."""
        # Others work on this engine too: an image may go between the two questions.
        listed = [self.inspect(image["Id"]) for image in self._client.images(all=True)]
        have = {chain for found in listed if found for chain in chain_ids(found.layers)}
        return frozenset(have) | self.pretended

    def stacks(self, repository: str) -> tuple[tuple[str, ...], ...]:
        """Return the layers of each image of a repository."""
        with told_as_refused("receiver"):
            listed: Any = self._client.images(repository)
        return tuple(found.layers for image in listed if (found := self.inspect(image["Id"])))

    def tag(self, reference: str, tag: str) -> None:
        """Let a tag name an image."""
        repository, _, name = tag.rpartition(":")
        with told_as_refused("receiver"):
            self._client.tag(self.own_id(reference), repository, name, force=True)

    def pull(self, reference: str, login: Login | None, progress: Progress) -> int:
        """Pull an image."""
        with told_as_refused("receiver"):
            answers = self._client.pull(
                reference, stream=True, decode=True, auth_config=login.credentials() if login else None
            )
            error = follow(answers, lambda _: progress("pulling", 0, 0))
        if error:
            raise EngineRefused("receiver", error)
        return 1

    def load(self, archive: Iterable[bytes]) -> None:
        """Load an archive."""
        sent = [0]

        def counted() -> Iterator[bytes]:
            for piece in archive:
                sent[0] += len(piece)
                yield piece

        with told_as_refused("receiver"):
            asked: Any = self._client
            error = follow(asked.load_image(counted()), lambda _: None)
        self.received.append(sent[0])
        if error:
            raise EngineRefused("receiver", error)

    def stages(self) -> list[ImageFacts]:
        """Return the unnamed images that builds have left."""
        left = self._client.images(filters={"dangling": True, "label": [f"{KIND_LABEL}={STAGE}"]})
        return [found for image in left if (found := self.inspect(image["Id"]))]

    def remove(self, reference: str) -> None:
        """Remove a tag."""
        with told_as_refused("receiver"):
            if self.inspect(reference):
                self._client.remove_image(reference)
