"""Building images on one Docker Engine: the base made sure of, the build normalised, what came of it recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError

from provisioner.errors import EngineRefused, ImageMissing
from provisioner.images.bases.bases import Bases
from provisioner.images.bases.resolver import EngineResolver
from provisioner.images.bases.roots import Roots
from provisioner.images.bases.wheels import Wheels
from provisioner.images.cache import LayerCache
from provisioner.images.engine import EngineImages, follow, refusal_text, told_as_refused
from provisioner.images.image_ids import KnownImageIds
from provisioner.images.made import MadeRecord, MadeRecords
from provisioner.images.normalising.normalised_build import NormalisedBuild
from provisioner.images.raw_build import RawBuilds, Recipe, ends_on_base, with_base
from provisioner.images.registry.account import Account
from provisioner.images.registry.pushes import EnginePushes
from provisioner.model.container import KIND_LABEL
from provisioner.model.image import BuildInputs, ImageFacts, Made, PathDifference
from provisioner.model.lock import LockedImage, Pins
from provisioner.ports import Progress

LAYERS, RECORDS, IMAGE_IDS = "layers", "made", "image-ids"
"""Where layers, records of what was made, and what engines call images lie below the cache folder."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """What builds on this machine need and no image depends on.

    `cache` is where this machine keeps layers, packages, wheels and records of what was made, `mirror` a Debian archive
    (empty: the tools' own), `files` go into the settings folder of a build's context, `arguments` are build
    arguments such as proxies. `locked` says which images names stand for that are pulled as they are;
    `account` is who we are to a registry of ours.
    """

    cache: Path
    mirror: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    locked: Mapping[str, LockedImage] = field(default_factory=dict)


class EngineBuilder:
    """Makes images on one Docker Engine with the builder that every engine has."""

    def __init__(self, client: docker.APIClient, host: str, settings: BuildSettings) -> None:
        self._client = client
        self._settings = settings
        raw = RawBuilds(client, host, settings.files, settings.arguments)
        ids = KnownImageIds(settings.cache / IMAGE_IDS)
        self._normalised = NormalisedBuild(client, host, raw, LayerCache(settings.cache / LAYERS), ids)
        self._records = MadeRecords(settings.cache / RECORDS)
        self.images = EngineImages(client, host, ids)
        roots = Roots(client, settings.cache, settings.mirror, settings.arguments)
        wheels = Wheels(client, roots.artefacts, settings.files, settings.arguments)
        self._bases = Bases(self.images, roots, wheels, self._normalised, self._pull)
        self.resolver = EngineResolver(self.images, roots, self._bases, self._pull)

    def find(self, reference: str) -> ImageFacts | None:
        """Return an image by tag, name or id, None where this engine has none. Raise HostError."""
        return self.images.inspect(reference)

    def build(self, inputs: BuildInputs, progress: Progress) -> Made:
        """Build an image and tag it `inputs.tag`.

        Raise BuildFailed with the instruction that failed and its last output, HostError where no engine answers.
        """
        recipe, pins = self._recipe(inputs, progress)
        facts, explanation = self._normalised.run(
            inputs, recipe.dockerfile, recipe.labels, recipe.base_layers, progress, files=recipe.files
        )
        self._records.write(MadeRecord(inputs.tag, facts.image_id, pins, explanation))
        return Made(facts, pins, explanation)

    def made(self, tag: str) -> Made | None:
        """Return an image that this engine has under a tag, with what was recorded when it was made here, if it was."""
        facts = self.find(tag)
        if facts is None:
            return None
        record = self._records.find(tag)
        if record is None or record.image_id != facts.image_id:
            return Made(facts)
        return Made(facts, record.pins, record.explanation)

    def check(self, inputs: BuildInputs, progress: Progress) -> tuple[PathDifference, ...]:
        """Build an image twice, each time from the beginning, and return in what the two differ; keep neither.

        Raise as `build` does.
        """
        recipe, _ = self._recipe(inputs, progress)
        return self._normalised.compared(inputs, replace(recipe, fresh=True), progress)

    def _recipe(self, inputs: BuildInputs, progress: Progress) -> tuple[Recipe, Pins]:
        """Return what an image is built from once its base is there, and what moving names resolved to."""
        on = self._bases.ensure(inputs, progress)
        dockerfile = with_base(inputs.dockerfile, on.reference)
        base_layers = on.layers if ends_on_base(inputs.dockerfile) else ()
        return Recipe(dockerfile, base_layers, {KIND_LABEL: "node"}, on.files), on.pins

    def pull(self, reference: str, progress: Progress) -> ImageFacts:
        """Pull an image from its registry, the one that its name is locked to if it is.

        Raise ImageMissing, InputMissing where it is another one by now, HostError where no engine answers.
        """
        locked = self._settings.locked.get(reference)
        return self._bases.locked(locked, progress) if locked else self._pull(reference, progress)

    def _pull(self, reference: str, progress: Progress) -> ImageFacts:
        reason = self._pulled(reference, progress)
        found = None if reason else self.find(reference)
        if found is None:
            raise ImageMissing(
                f"the image {reference} could not be pulled: {reason or 'the engine ended without it'}",
                hint=f"give {self.images.host} an image of that name with `docker load` or `docker tag`, "
                "or declare a base that is made from a Debian archive",
            )
        return found

    def pushes(self) -> EnginePushes:
        """Return what pushes images of this engine to a registry."""
        return EnginePushes(self._client, self.images)

    def rename(self, tag: str, to: str) -> None:
        """Let an image go by another tag, whatever that named before; by none where `to` is empty. Raise HostError."""
        with told_as_refused(self.images.host):
            if to:
                repository, _, name = to.rpartition(":")
                self._client.tag(tag, repository, name, force=True)
            self._client.remove_image(tag)

    def take(self, archive: Iterable[bytes]) -> None:
        """Give the engine an image. Raise HostError."""
        loader: Any = self._client
        with told_as_refused(self.images.host):
            if reason := follow(loader.load_image(iter(archive)), lambda _: None):
                raise EngineRefused(self.images.host, reason)

    def _pulled(self, reference: str, progress: Progress) -> str:
        """Return why an image was not pulled, empty where it was."""
        transfer, account = _Transfer(f"pulling {reference}", progress), self._settings.account
        login = account.login() if account is not None and account.covers(reference) else None
        auth = login.credentials() if login else None
        with told_as_refused(self.images.host):
            try:
                return follow(
                    self._client.pull(reference, stream=True, decode=True, auth_config=auth),
                    transfer.hear,
                )
            except APIError as error:
                return refusal_text(error)


class _Transfer:
    """Adds up the bytes of the layers of a pull."""

    def __init__(self, title: str, progress: Progress) -> None:
        self._title = title
        self._progress = progress
        self._layers: dict[str, tuple[int, int]] = {}

    def hear(self, answer: Mapping[str, Any]) -> None:
        """Take one message of the engine."""
        detail = answer.get("progressDetail") or {}
        if answer.get("status") == "Downloading" and detail.get("total"):
            self._layers[answer["id"]] = (detail["current"], detail["total"])
        done, total = (sum(numbers) for numbers in zip(*self._layers.values(), strict=True)) if self._layers else (0, 0)
        self._progress(self._title, done, total)
