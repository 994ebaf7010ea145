"""One build on one Docker Engine as it comes: the context sent, the answer followed, what the engine made of it."""

from __future__ import annotations

import re
import secrets
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import docker
from docker.errors import APIError

from provisioner.errors import BuildFailed, HostError
from provisioner.images.build_context import DOCKERFILE, context_archive
from provisioner.images.engine import EngineImages, follow, refusal_text, told_as_refused
from provisioner.model.container import KIND_LABEL
from provisioner.model.image import BASE_PLACEHOLDER, BuildInputs, ImageFacts
from provisioner.ports import Progress

STAGE = "build"
"""The kind that stages and half-built images are labelled with: those without a name and a child may go any time."""

RAW_REPOSITORY = "provisioner/build"
"""Where an image has a name between its build and its normalisation; what a killed process left there may go."""

_SILENCE = 1800
"""Seconds an engine may build without saying a word."""

_OUTPUT_LINES = 30
_STEP = re.compile(r"Step \d+/\d+ : (.*)")
_NOISE = re.compile(r" ---> |Removing intermediate container |Successfully (built|tagged) ")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FROM = re.compile(rf"^(FROM\s+(?:--\S+\s+)*){re.escape(BASE_PLACEHOLDER)}(|[ \t].*)$", re.IGNORECASE | re.MULTILINE)

_NOTHING = "scratch"
_STAGE = re.compile(
    r"^FROM\s+(?:--\S+\s+)*(?P<origin>\S+)(?:\s+AS\s+(?P<name>\S+))?[ \t]*$", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one build is made from, beyond its inputs.

    `dockerfile` names the base, whose diff ids are `base_layers`; `labels` are ours to lay over the image's own;
    `files` go into the settings folder of the context, by name; a `fresh` build takes nothing from the engine's cache.
    """

    dockerfile: str
    base_layers: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    fresh: bool = False


class RawBuilds:
    """Builds images on one engine with the builder that every engine has.

    `settings` are files for the builds of this machine, by name, `arguments` build arguments such as proxies.
    """

    def __init__(
        self, client: docker.APIClient, host: str, settings: Mapping[str, bytes], arguments: Mapping[str, str]
    ) -> None:
        self._client = client
        self._settings = settings
        self._arguments = arguments
        self._images = EngineImages(client, host)

    @contextmanager
    def built(self, inputs: BuildInputs, recipe: Recipe, progress: Progress) -> Iterator[ImageFacts]:
        """Build an image and lend it; afterwards it is gone, and the steps that led to it stay for the next build.

        Raise BuildFailed with the instruction that failed and its last output, HostError where no engine answers.
        """
        tag = f"{RAW_REPOSITORY}:{secrets.token_hex(8)}"
        try:
            yield self._build(inputs, recipe, tag, progress)
        finally:
            self._remove(tag, keep_steps=inputs.base is not None)

    def _build(self, inputs: BuildInputs, recipe: Recipe, tag: str, progress: Progress) -> ImageFacts:
        log = BuildLog(progress)
        with told_as_refused(self._images.host):
            try:
                reason = follow(self._answers(inputs, recipe, tag), log.hear)
            except APIError as error:
                reason = refusal_text(error)
        found = None if reason else self._images.as_named(tag)
        if found is None:
            reason = reason or "the engine ended the build without an image"
            raise BuildFailed(inputs.tag, instruction=log.instruction, output=log.output, reason=reason)
        return found

    def _answers(self, inputs: BuildInputs, recipe: Recipe, tag: str) -> Iterator[Mapping[str, Any]]:
        context = context_archive(inputs, recipe.dockerfile, self._settings, recipe.files)
        return self._client.build(
            fileobj=cast(Any, context),
            custom_context=True,
            dockerfile=DOCKERFILE,
            tag=tag,
            labels={KIND_LABEL: STAGE},
            buildargs=dict(self._arguments),
            platform=inputs.platform,
            network_mode="none" if inputs.offline else "host",
            nocache=recipe.fresh,
            rm=True,
            forcerm=True,
            decode=True,
            timeout=_SILENCE,
        )

    def _remove(self, tag: str, *, keep_steps: bool) -> None:
        """Remove a raw image. Its steps carry our label only where its base is ours to name; else they go with it."""
        with suppress(HostError), told_as_refused(self._images.host):
            self._client.remove_image(tag, noprune=keep_steps)


class BuildLog:
    """What a build said: the instruction it is at, and the last lines that instruction wrote."""

    def __init__(self, progress: Progress) -> None:
        self.instruction = ""
        self._progress = progress
        self._lines: deque[str] = deque(maxlen=_OUTPUT_LINES)
        self._unfinished = ""

    @property
    def output(self) -> tuple[str, ...]:
        """Return the last lines of the present instruction, oldest first."""
        return (*self._lines, *filter(None, [_COLOUR.sub("", self._unfinished).rstrip()]))

    def hear(self, answer: Mapping[str, Any]) -> None:
        """Take one message of the engine."""
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


def ends_on_base(dockerfile: str) -> bool:
    """Tell whether the last stage of a Dockerfile stands on the placeholder, itself or through other stages."""
    return origin_of(dockerfile) == BASE_PLACEHOLDER


def origin_of(dockerfile: str) -> str:
    """Return the image that the last stage of a Dockerfile stands on, itself or through other stages.

    Empty where it stands on none, or on one that a build argument names.
    """
    origins: dict[str, str] = {}
    last = ""
    for stage in _STAGE.finditer(dockerfile):
        origin = stage["origin"]
        last = origins.get(origin.lower(), "" if origin == _NOTHING or "$" in origin else origin)
        if stage["name"]:
            origins[stage["name"].lower()] = last
    return last


def with_base(dockerfile: str, base: str) -> str:
    """Return a Dockerfile in which every `FROM` of the placeholder names the base and labels its stage."""
    label = f"LABEL {KIND_LABEL}={STAGE}"
    return _FROM.sub(lambda match: f"{match.group(1)}{base}{match.group(2)}\n{label}", dockerfile)
