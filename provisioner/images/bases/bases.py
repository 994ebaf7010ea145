"""What a build stands on, made sure of before it begins: a base, the packages on it, the wheels it installs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import assert_never

import docker

from provisioner.errors import InputMissing
from provisioner.images.bases.packages import package_files, packages_dockerfile, packages_tag, refuse_package_names
from provisioner.images.bases.resolved import Resolved
from provisioner.images.bases.root_image import REPOSITORY
from provisioner.images.bases.roots import Roots
from provisioner.images.bases.wheels import Wheels
from provisioner.images.disk import told_as_storage
from provisioner.images.engine import EngineImages, told_as_refused
from provisioner.images.normalising.normalised_build import NormalisedBuild
from provisioner.model.container import KIND_LABEL
from provisioner.model.image import BuildInputs, ImageFacts
from provisioner.model.lock import LockedImage, LockedPackages, LockedWheels, Pins
from provisioner.model.spec import ImageBase, SuiteBase
from provisioner.planning.lock import requirements_digest
from provisioner.ports import Progress

Pull = Callable[[str, Progress], ImageFacts]


@dataclass(frozen=True, slots=True)
class StandsOn:
    """What a build stands on: a name the engine knows (empty where the Dockerfile names images itself), its diff ids.

    `pins` is what moving names came to; `files` go into the build's settings folder, by their path there.
    """

    reference: str = ""
    layers: tuple[str, ...] = ()
    pins: Pins = Pins()
    files: Mapping[str, Path] = field(default_factory=dict)


class Bases:
    """Makes bases on one engine, each once, on what is pinned, else on what names meant here first."""

    def __init__(self, images: EngineImages, roots: Roots, wheels: Wheels, builds: NormalisedBuild, pull: Pull) -> None:
        self._client = roots.engine
        self._images = images
        self._roots = roots
        self._wheels = wheels
        self._builds = builds
        self._pull = pull
        self._one_at_a_time = Lock()

    def ensure(self, inputs: BuildInputs, progress: Progress) -> StandsOn:
        """Return what a build stands on, after making sure that the engine has it.

        Raise BuildFailed, InputMissing, ImageMissing, StorageFailed, and HostError where no engine answers.
        """
        # Builds of several services run at once and share their bases.
        with self._one_at_a_time, told_as_storage(self._roots.cache), told_as_refused(self._images.host):
            stands_on = self._base(inputs, progress)
            return self._with_wheels(stands_on, inputs, progress) if inputs.requirements else stands_on

    def resolve_wheels(self, inputs: BuildInputs, progress: Progress) -> LockedWheels:
        """Return what the requirement files of a build come to now on its base. Raise as `ensure` does."""
        with self._one_at_a_time, told_as_storage(self._roots.cache), told_as_refused(self._images.host):
            base = self._base(inputs, progress)
            progress(f"resolving the wheels of {inputs.service}", 0, 0)
            return self._wheels.resolve(inputs, base.reference, inputs.platform or self._roots.platform())

    def _with_wheels(self, stands_on: StandsOn, inputs: BuildInputs, progress: Progress) -> StandsOn:
        progress(f"wheels for {inputs.service}", 0, 0)
        platform = inputs.platform or self._roots.platform()
        question = (requirements_digest(inputs), stands_on.layers, platform)
        remembered = Resolved(self._roots.cache / "resolved")
        pins = inputs.pins.wheels or remembered.of(
            LockedWheels, question, lambda: self._wheels.resolve(inputs, stands_on.reference, platform)
        )
        files = self._wheels.files(pins, stands_on.reference)
        return replace(stands_on, pins=replace(stands_on.pins, wheels=pins), files={**stands_on.files, **files})

    def _base(self, inputs: BuildInputs, progress: Progress) -> StandsOn:
        match inputs.base:
            case None:
                return StandsOn(pins=inputs.pins)
            case SuiteBase() as base:
                return self._suite(base, inputs, progress)
            case ImageBase(reference):
                facts = self._image(reference, inputs.pins.image, progress)
                image = inputs.pins.image or locked_image(self._client, reference, facts)
                return StandsOn(facts.tags[0], facts.layers, replace(inputs.pins, image=image))
            case _:
                assert_never(inputs.base)

    def _suite(self, base: SuiteBase, inputs: BuildInputs, progress: Progress) -> StandsOn:
        refuse_package_names(base.packages)
        roots = replace(self._roots, report=lambda text: progress(text, 0, 0))
        root_pins = inputs.pins.suite or roots.suite(base.suite, inputs.platform or roots.platform())
        pins = replace(inputs.pins, suite=root_pins)
        root = roots.ensure(root_pins)
        if base.packages:
            pins = replace(pins, packages=inputs.pins.packages or roots.packages(root_pins, base.packages))
        facts = self._found(root)
        if pins.packages:
            facts = self._with_packages(root, facts, pins.packages, roots, progress)
        return StandsOn(facts.tags[0], facts.layers, pins)

    def _with_packages(
        self, root: str, facts: ImageFacts, pins: LockedPackages, roots: Roots, progress: Progress
    ) -> ImageFacts:
        tag = packages_tag(facts.image_id, pins)
        if self._images.inspect(tag) is None:
            debs = roots.debs(pins.packages, pins.suite, pins.platform)
            dockerfile = packages_dockerfile(root)
            inputs = BuildInputs("", tag, dockerfile, base=None, platform=pins.platform, offline=True)
            files = package_files(debs)
            self._builds.run(inputs, dockerfile, {KIND_LABEL: "base"}, facts.layers, progress, files=files)
        return replace(self._found(tag), tags=(tag,))

    def _image(self, reference: str, locked: LockedImage | None, progress: Progress) -> ImageFacts:
        if locked is None:
            return replace(self._images.inspect(reference) or self._pull(reference, progress), tags=(reference,))
        found = self.locked(locked, progress)
        # A build finds an image by its id on some engines only.
        name = locked.image_id.removeprefix("sha256:")[:16]
        self._client.tag((*found.tags, locked.image_id)[0], REPOSITORY, f"image-{name}")
        return self._found(f"{REPOSITORY}:image-{name}")

    def locked(self, locked: LockedImage, progress: Progress) -> ImageFacts:
        """Return a locked image after making sure that the engine has it. Raise InputMissing, ImageMissing."""
        found = self._images.inspect(locked.image_id)
        if found is not None:
            return found
        pulled = [self._pull(manifest, progress).image_id for manifest in locked.manifests[:1]]
        found = self._images.inspect(locked.image_id)
        if found is None:
            raise InputMissing(
                f"the image {locked.reference} is locked to {locked.image_id[:19]}, and {_instead(pulled)}",
                hint=f"give {self._images.host} that image with `docker load`, "
                f"or `provisioner lock --upgrade {locked.reference}` takes what the name means now",
            )
        return found

    def _found(self, tag: str) -> ImageFacts:
        facts = self._images.inspect(tag)
        assert facts is not None  # noqa: S101 - it was made a moment ago
        return replace(facts, tags=(tag,))


def _instead(pulled: list[str]) -> str:
    return f"its registry gives {pulled[0][:19]}" if pulled else "no registry is known that has it"


def locked_image(client: docker.APIClient, reference: str, facts: ImageFacts) -> LockedImage:
    """Return what a name stands for on an engine now, and the digests its registry knows it by."""
    name = reference.partition("@")[0]
    known: list[str] = client.inspect_image(reference).get("RepoDigests") or []  # type: ignore[no-untyped-call]  # so its stubs say
    repository = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
    manifests = tuple(sorted(each for each in known if each.partition("@")[0] == repository))
    return LockedImage(reference, facts.platform, facts.image_id, manifests)
