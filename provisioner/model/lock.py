"""What moving names resolved to: the inputs of images, each by version and sha256, and nothing that is a result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class DebianPackage:
    """One file of a Debian archive; `sha256` is hex, of the `.deb`."""

    name: str
    version: str
    architecture: str
    sha256: str


@dataclass(frozen=True, slots=True, order=True)
class Wheel:
    """One Python distribution file; `sha256` is hex, of the file."""

    name: str
    version: str
    filename: str
    sha256: str


@dataclass(frozen=True, slots=True)
class LockedSuite:
    """A Debian root: what `suite` held on `platform` when it was locked, sorted by name."""

    suite: str
    platform: str
    packages: tuple[DebianPackage, ...]


@dataclass(frozen=True, slots=True)
class LockedPackages:
    """What `asked` came to on a root: the packages it adds, sorted by name."""

    suite: str
    platform: str
    asked: tuple[str, ...]
    packages: tuple[DebianPackage, ...]


@dataclass(frozen=True, slots=True)
class LockedImage:
    """An image that a name stood for on a platform.

    `image_id` is its config digest, the same in every store; `manifests` are digests it is pulled by, by registry
    name (`python@sha256:…`), empty for an image that came from an engine alone.
    """

    reference: str
    platform: str
    image_id: str
    manifests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LockedWheels:
    """What the requirement files of a context came to; `requirements` is the sha256 (hex) of those files."""

    service: str
    platform: str
    requirements: str
    wheels: tuple[Wheel, ...]


@dataclass(frozen=True, slots=True)
class Pins:
    """The part of a lock that one build stands on; what is None is not pinned, or not needed."""

    suite: LockedSuite | None = None
    packages: LockedPackages | None = None
    image: LockedImage | None = None
    wheels: LockedWheels | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """A whole lock file; `tool` is the version of this tool that wrote it.

    `platform` is what a service that names none is built for.
    """

    tool: str = ""
    platform: str = ""
    suites: tuple[LockedSuite, ...] = ()
    packages: tuple[LockedPackages, ...] = ()
    images: tuple[LockedImage, ...] = ()
    wheels: tuple[LockedWheels, ...] = ()
