"""Images: what reads, keeps and makes them, and what keeps what they were made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from provisioner.model.image import BuildInputs, ImageFacts, Made, PathDifference
from provisioner.model.keeping import KeptInputs, UnpackedInputs, WantedInputs
from provisioner.model.lock import LockedImage, LockedPackages, LockedSuite, LockedWheels
from provisioner.model.release import KeptRelease
from provisioner.model.secret import Login

Progress = Callable[[str, int, int], None]
"""Told what is going on, bytes done, bytes in all (0 where nobody knows)."""


class ImageReader(Protocol):
    """Reads the images of one engine. All raise EngineRefused."""

    @property
    def host(self) -> str:
        """Return the name of the host the engine is on, for what is said about it."""

    def inspect(self, reference: str) -> ImageFacts | None:
        """Return an image by tag or id, None where there is none."""

    def stacks(self, repository: str) -> tuple[tuple[str, ...], ...]:
        """Return the layers, bottom-up by diff id, of each image tagged in a repository, the newest image first."""

    def chains(self) -> frozenset[str]:
        """Return the chain ids of every layer the engine has."""

    def save(self, reference: str) -> Iterator[bytes]:
        """Return an image as an archive, in pieces."""


class ImageStore(ImageReader, Protocol):
    """The images of one engine, to read and to change. All raise EngineRefused."""

    def load(self, archive: Iterable[bytes]) -> None:
        """Load an image archive, plain or as gzip. Success says nothing: inspect afterwards."""

    def pull(self, reference: str, login: Login | None, progress: Progress) -> int:
        """Pull an image by digest from its registry; return the bytes that travelled."""

    def tag(self, reference: str, tag: str) -> None:
        """Let a tag name an image that is there, whatever it named before."""

    def remove(self, reference: str) -> None:
        """Remove a tag, and the image with its last one; one that is gone already is removed."""


class ImageIds(Protocol):
    """Remembers which image id, a config's digest, an engine's own id stands for. All raise StorageFailed."""

    def remember(self, own_id: str, image_id: str) -> None:
        """Keep that an engine's own id stands for an image id."""

    def image_id(self, own_id: str) -> str:
        """Return the image id for an engine's own id, empty where it is not known."""

    def own_ids(self, image_id: str) -> tuple[str, ...]:
        """Return every own id that is known to stand for an image id, the latest first."""


class Builder(Protocol):
    """Makes images on one engine."""

    def find(self, reference: str) -> ImageFacts | None:
        """Return an image by tag, name or id, None where this engine has none."""

    def build(self, inputs: BuildInputs, progress: Progress) -> Made:
        """Build an image and tag it `inputs.tag`, on what is pinned, else on what names mean now. Raise BuildFailed."""

    def made(self, tag: str) -> Made | None:
        """Return an image that this engine has under a tag, and what is known of how it was made."""

    def check(self, inputs: BuildInputs, progress: Progress) -> tuple[PathDifference, ...]:
        """Build an image twice, return in what the two differ, keep neither. Raise BuildFailed."""

    def pull(self, reference: str, progress: Progress) -> ImageFacts:
        """Pull an image from its registry. Raise ImageMissing."""

    def rename(self, tag: str, to: str) -> None:
        """Let an image go by another tag, whatever that named before; by none where `to` is empty."""


class ReleaseShelf(Protocol):
    """Keeps releases on this machine, for the day when no host has them. All raise StorageFailed."""

    def put(self, fleet: str, name: str, kept: KeptRelease) -> None:
        """Keep a release."""

    def releases(self, fleet: str = "") -> tuple[KeptRelease, ...]:
        """Return what is kept of one fleet, of all where none is named."""


class InputsUnpacker(Protocol):
    """Takes what a release was made from out of its image again."""

    def unpack(
        self, image_id: str, wanted: WantedInputs | None, builds: tuple[BuildInputs, ...], progress: Progress
    ) -> UnpackedInputs:
        """Put packages, wheels, images and the files of contexts back on this machine, each verified.

        Raise ImageMissing where nobody has the image of inputs.
        """

    def differences(self, image_id: str, other_id: str) -> tuple[str, ...]:
        """Return in what two images differ, by layer and path, as far as both can be had here."""


class InputsKeeper(Protocol):
    """Keeps what releases were made from, in images of this machine's cache."""

    def keep(
        self, wanted: WantedInputs, files: Mapping[str, str], earlier: tuple[str, ...], progress: Progress
    ) -> KeptInputs:
        """Make an image of what is wanted, as far as it can be had.

        `files` says where files lie on this machine, by sha256 (hex); `earlier` are ids of images of inputs that may
        hold more.
        """


class Resolver(Protocol):
    """Says what names that move stand for now. All raise BuildFailed, InputMissing, ImageMissing and HostError."""

    def platform(self) -> str:
        """Return what a service that names no platform is built for."""

    def suite(self, suite: str, platform: str, progress: Progress) -> LockedSuite:
        """Return the packages of a Debian root."""

    def packages(self, root: LockedSuite, packages: tuple[str, ...], progress: Progress) -> LockedPackages:
        """Return what packages add to a root."""

    def image(self, reference: str, platform: str, progress: Progress, *, fresh: bool) -> LockedImage:
        """Return the image of a name: the engine's, else the registry's; a `fresh` one from the registry first."""

    def wheels(self, inputs: BuildInputs, progress: Progress) -> LockedWheels:
        """Return what the requirement files of a build come to on its base, as pinned."""
