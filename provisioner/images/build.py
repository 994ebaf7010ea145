"""Building images on one Docker Engine: the base made sure of, the context sent, the answer followed."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, assert_never, cast

import docker
from docker.errors import APIError

from provisioner.errors import BuildFailed, ImageMissing
from provisioner.images.bases.bootstrap import suite_base
from provisioner.images.bases.packages import packages_dockerfile, packages_tag
from provisioner.images.build_context import DOCKERFILE, context_archive
from provisioner.images.disk import told_as_storage
from provisioner.images.engine import EngineImages, follow, refusal_text, told_as_refused
from provisioner.model.container import KIND_LABEL
from provisioner.model.image import BASE_PLACEHOLDER, BuildInputs, ImageFacts, Made
from provisioner.model.spec import Base, ImageBase, SuiteBase
from provisioner.ports import Progress

STAGE = "build"
"""The kind that stages and half-built images are labelled with: those without a name and a child may go any time."""

_SILENCE = 1800
"""Seconds an engine may build without saying a word."""

_OUTPUT_LINES = 30
_STEP = re.compile(r"Step \d+/\d+ : (.*)")
_NOISE = re.compile(r" ---> |Removing intermediate container |Successfully (built|tagged) ")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FROM = re.compile(rf"^(FROM\s+(?:--\S+\s+)*){re.escape(BASE_PLACEHOLDER)}(|[ \t].*)$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """What builds on this machine need and no image depends on.

    `cache` is the folder for bootstrapped roots, `mirror` a Debian archive for them (empty: the default one),
    `files` go into the settings folder of a build's context, `arguments` are build arguments such as proxies.
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
        self.images = EngineImages(client, host)

    def find(self, reference: str) -> ImageFacts | None:
        """Return an image by tag, name or id, None where this engine has none. Raise HostError."""
        return self.images.inspect(reference)

    def build(self, inputs: BuildInputs, progress: Progress) -> Made:
        """Build an image and tag it `inputs.tag`.

        Raise BuildFailed with the instruction that failed and its last output, HostError where no engine answers.
        """
        dockerfile = inputs.dockerfile
        if inputs.base is not None:
            dockerfile = with_base(dockerfile, self._ensure_base(inputs.base, inputs, progress))
        return Made(self._run(inputs, dockerfile, {KIND_LABEL: "node"}, progress))

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
                cache=settings.cache,
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
            self._run(inputs, dockerfile, {KIND_LABEL: "base"}, progress)
        return tag

    def _run(self, inputs: BuildInputs, dockerfile: str, labels: Mapping[str, str], progress: Progress) -> ImageFacts:
        log = BuildLog(progress)
        with told_as_refused(self.images.host):
            try:
                reason = follow(self._answers(inputs, dockerfile, labels), log.hear)
            except APIError as error:
                reason = refusal_text(error)
        found = self.find(log.image) if log.image and not reason else None
        if found is None:
            reason = reason or "the engine ended the build without an image"
            raise BuildFailed(inputs.tag, instruction=log.instruction, output=log.output, reason=reason)
        return found

    def _answers(self, inputs: BuildInputs, dockerfile: str, labels: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        context = context_archive(inputs, dockerfile, self._settings.files)
        return self._client.build(
            fileobj=cast(Any, context),
            custom_context=True,
            dockerfile=DOCKERFILE,
            tag=inputs.tag,
            labels=dict(labels),
            buildargs=dict(self._settings.arguments),
            platform=inputs.platform,
            network_mode="host",
            rm=True,
            forcerm=True,
            decode=True,
            timeout=_SILENCE,
        )


class BuildLog:
    """What a build said: the instruction it is at, the last lines that instruction wrote, the image it ended with."""

    def __init__(self, progress: Progress) -> None:
        self.instruction = ""
        self.image = ""
        self._progress = progress
        self._lines: deque[str] = deque(maxlen=_OUTPUT_LINES)
        self._unfinished = ""

    @property
    def output(self) -> tuple[str, ...]:
        """Return the last lines of the present instruction, oldest first."""
        return (*self._lines, *filter(None, [_COLOUR.sub("", self._unfinished).rstrip()]))

    def hear(self, answer: Mapping[str, Any]) -> None:
        """Take one message of the engine."""
        self.image = (answer.get("aux") or {}).get("ID", self.image)
        if status := answer.get("status"):
            self._progress(str(status), 0, 0)
        *lines, self._unfinished = (self._unfinished + str(answer.get("stream", ""))).split("\n")
        for line in lines:
            self._take(_COLOUR.sub("", line).rstrip())

    def _take(self, line: str) -> None:
        if step := _STEP.match(line):
            self.instruction = step.group(1)
            self._lines.clear()
            self._progress(line, 0, 0)
        elif line and not _NOISE.match(line):
            self._lines.append(line)


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


def with_base(dockerfile: str, base: str) -> str:
    """Return a Dockerfile in which every `FROM` of the placeholder names the base and labels its stage."""
    label = f"LABEL {KIND_LABEL}={STAGE}"
    return _FROM.sub(lambda match: f"{match.group(1)}{base}{match.group(2)}\n{label}", dockerfile)
