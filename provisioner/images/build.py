"""Building images on one Docker Engine: the base made sure of, the build normalised, what came of it recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, assert_never

import docker
from docker.errors import APIError

from provisioner.errors import ImageMissing
from provisioner.images.bases.bootstrap import suite_base
from provisioner.images.bases.packages import packages_dockerfile, packages_tag
from provisioner.images.cache import LayerCache
from provisioner.images.disk import told_as_storage
from provisioner.images.engine import EngineImages, follow, refusal_text, told_as_refused
from provisioner.images.made import MadeRecord, MadeRecords
from provisioner.images.normalising.normalised_build import NormalisedBuild
from provisioner.images.raw_build import RawBuilds, with_base
from provisioner.model.container import KIND_LABEL
from provisioner.model.image import BuildInputs, ImageFacts, Made
from provisioner.model.spec import Base, ImageBase, SuiteBase
from provisioner.ports import Progress

BASES, LAYERS, RECORDS = "bases", "layers", "made"
"""Where bootstrapped roots, layers and records of what was made lie below the cache folder."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """What builds on this machine need and no image depends on.

    `cache` is the folder for bootstrapped roots, layers and records of what was made, `mirror` a Debian archive
    (empty: the default one), `files` go into the settings folder of a build's context, `arguments` are build
    arguments such as proxies.
    """

    cache: Path
    mirror: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)


class EngineBuilder:
    """Makes images on one Docker Engine with the builder that every engine has."""

    def __init__(self, client: docker.APIClient, host: str, settings: BuildSettings) -> None:
        self._client = client
        self._settings = settings
        self._bases = Lock()
        raw = RawBuilds(client, host, settings.files, settings.arguments)
        self._normalised = NormalisedBuild(client, host, raw, LayerCache(settings.cache / LAYERS))
        self._records = MadeRecords(settings.cache / RECORDS)
        self.images = EngineImages(client, host)

    def find(self, reference: str) -> ImageFacts | None:
        """Return an image by tag, name or id, None where this engine has none. Raise HostError."""
        return self.images.inspect(reference)

    def build(self, inputs: BuildInputs, progress: Progress) -> Made:
        """Build an image and tag it `inputs.tag`.

        Raise BuildFailed with the instruction that failed and its last output, HostError where no engine answers.
        """
        base_layers: tuple[str, ...] = ()
        dockerfile = inputs.dockerfile
        if inputs.base is not None:
            reference = self._ensure_base(inputs.base, inputs, progress)
            base = self.find(reference)
            base_layers = base.layers if base else ()
            dockerfile = with_base(dockerfile, reference)
        facts, explanation = self._normalised.run(inputs, dockerfile, {KIND_LABEL: "node"}, base_layers, progress)
        self._records.write(MadeRecord(inputs.tag, facts.image_id, inputs.pins, explanation))
        return Made(facts, inputs.pins, explanation)

    def made(self, tag: str) -> Made | None:
        """Return an image that this engine has under a tag, with what was recorded when it was made here, if it was."""
        facts = self.find(tag)
        if facts is None:
            return None
        record = self._records.find(tag)
        if record is None or record.image_id != facts.image_id:
            return Made(facts)
        return Made(facts, record.pins, record.explanation)

    def pull(self, reference: str, progress: Progress) -> ImageFacts:
        """Pull an image from its registry. Raise ImageMissing, HostError where no engine answers."""
        reason = self._pulled(reference, progress)
        found = None if reason else self.find(reference)
        if found is None:
            raise ImageMissing(
                f"the image {reference} could not be pulled: {reason or 'the engine ended without it'}",
                hint=f"give {self.images.host} an image of that name with `docker load` or `docker tag`, "
                "or declare a base that is made from a Debian archive",
            )
        return found

    def _pulled(self, reference: str, progress: Progress) -> str:
        """Return why an image was not pulled, empty where it was."""
        transfer = _Transfer(f"pulling {reference}", progress)
        with told_as_refused(self.images.host):
            try:
                return follow(self._client.pull(reference, stream=True, decode=True), transfer.hear)
            except APIError as error:
                return refusal_text(error)

    def _ensure_base(self, base: Base, inputs: BuildInputs, progress: Progress) -> str:
        """Return a name of the base that this engine knows."""
        # Builds of several services run at once and share their bases.
        with self._bases:
            match base:
                case SuiteBase(suite, packages):
                    return self._suite(suite, packages, inputs.platform or "", progress)
                case ImageBase(reference):
                    if self.find(reference) is None:
                        self.pull(reference, progress)
                    return reference
                case _:
                    assert_never(base)

    def _suite(self, suite: str, packages: tuple[str, ...], platform: str, progress: Progress) -> str:
        settings = self._settings
        with told_as_storage(settings.cache), told_as_refused(self.images.host):
            root = suite_base(
                self._client,
                suite,
                cache=settings.cache / BASES,
                platform=platform,
                mirror=settings.mirror,
                report=lambda text: progress(text, 0, 0),
            )
        return self._with_packages(root, SuiteBase(suite, packages), platform, progress) if packages else root

    def _with_packages(self, root: str, base: SuiteBase, platform: str, progress: Progress) -> str:
        facts = self.find(root)
        tag = packages_tag(facts.image_id if facts else root, base.suite, base.packages)
        if self.find(tag) is None:
            dockerfile = packages_dockerfile(root, base.packages)
            inputs = BuildInputs("", tag, dockerfile, base=None, platform=platform or None)
            self._normalised.run(inputs, dockerfile, {KIND_LABEL: "base"}, facts.layers if facts else (), progress)
        return tag


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
