"""Says what moving names stand for now, with an engine and the archives and indexes it reaches."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from provisioner.errors import ImageMissing, InputMissing
from provisioner.images.bases.bases import Bases, locked_image
from provisioner.images.bases.roots import Roots
from provisioner.images.disk import told_as_storage
from provisioner.images.engine import EngineImages, told_as_refused
from provisioner.model.image import BuildInputs, ImageFacts
from provisioner.model.lock import LockedImage, LockedPackages, LockedSuite, LockedWheels
from provisioner.ports import Progress


@dataclass(frozen=True, slots=True)
class EngineResolver:
    """Resolves with apt, pip and the registries that one engine reaches. What it fetches for that is kept."""

    images: EngineImages
    roots: Roots
    bases: Bases
    fetch: Callable[[str, Progress], ImageFacts]

    def platform(self) -> str:
        """Return what a service that names no platform is built for: what the engine runs."""
        with told_as_refused(self.images.host):
            return self.roots.platform()

    def suite(self, suite: str, platform: str, progress: Progress) -> LockedSuite:
        """Return the packages of a Debian root, and keep them."""
        with told_as_storage(self.roots.cache), told_as_refused(self.images.host):
            roots = self._telling(progress)
            found = roots.resolve_suite(suite, platform)
            roots.debs(found.packages, suite, platform)
            return found

    def packages(self, root: LockedSuite, packages: tuple[str, ...], progress: Progress) -> LockedPackages:
        """Return what packages add to a root, and keep them."""
        with told_as_storage(self.roots.cache), told_as_refused(self.images.host):
            roots = self._telling(progress)
            found = roots.resolve_packages(root, packages)
            roots.debs(found.packages, root.suite, root.platform)
            return found

    def image(self, reference: str, platform: str, progress: Progress, *, fresh: bool) -> LockedImage:
        """Return the image of a name: the engine's, else the registry's; a `fresh` one from the registry first."""
        found = None
        if fresh:
            # An image that is on the engine alone has no registry to be fresher in.
            with suppress(ImageMissing):
                found = self.fetch(reference, progress)
        found = found or self.images.inspect(reference) or self.fetch(reference, progress)
        if found.platform.split("/")[:2] != platform.split("/")[:2]:
            raise InputMissing(
                f"the image {reference} of {self.images.host} is for {found.platform}, and {platform} is wanted",
                hint="set the service's `platform`, or give the engine an image of that platform",
            )
        with told_as_refused(self.images.host):
            return replace(locked_image(self.roots.engine, reference, found), platform=platform)

    def wheels(self, inputs: BuildInputs, progress: Progress) -> LockedWheels:
        """Return what the requirement files of a build come to on its base, as pinned; and keep the wheels."""
        return self.bases.resolve_wheels(inputs, progress)

    def _telling(self, progress: Progress) -> Roots:
        return replace(self.roots, report=lambda text: progress(text, 0, 0))
