"""Images: by id where it is known, by the digest of what they are built from where it is not yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioner.model.container import EngineHealthTest
from provisioner.model.lock import Pins
from provisioner.model.spec import Base


@dataclass(frozen=True, slots=True)
class Known:
    """An image whose id is known; `reference` is the text or tag it was asked for by."""

    reference: str
    image_id: str


@dataclass(frozen=True, slots=True)
class ToBuild:
    """An image that has to be built; `tag` is derived from the digest of everything the build reads."""

    tag: str


@dataclass(frozen=True, slots=True)
class ToFetch:
    """An image that has to be pulled from a registry once; `reference` is the moving name."""

    reference: str


ImageTarget = Known | ToBuild | ToFetch


@dataclass(frozen=True, slots=True)
class ContextFile:
    """One entry of a build context: its path inside, where it lies on this machine, what it is.

    A symbolic link has a `link` and neither size nor digest. `digest` is the sha256 of the content, in hex.
    """

    path: str
    source: str
    mode: int
    size: int
    digest: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A file that a template gave: its absolute path in the container, its text, its mode."""

    path: str
    text: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class BuildInputs:
    """All that a build reads, and so all that its tag depends on.

    `base` says what `FROM` resolves to: a base of the spec, or None where the Dockerfile names images itself.
    `files` are rendered files by their path in the image, with their mode; they become the last layer.
    `requirements` are the requirement files of the context whose wheels are fetched before the build and handed to
    it; `offline` says that the build then needs no network; `pins` is what moving names are locked to.
    """

    service: str
    tag: str
    dockerfile: str
    base: Base | None
    context: tuple[ContextFile, ...] = ()
    files: tuple[RenderedFile, ...] = ()
    platform: str | None = None
    requirements: tuple[str, ...] = ()
    offline: bool = False
    pins: Pins = Pins()


@dataclass(frozen=True, slots=True)
class ImageDefaults:
    """What an image's own configuration sets, which an engine merges into every container made from it."""

    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    health: EngineHealthTest | None = None
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()
    working_dir: str = ""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image as an engine has it: config digest, tags, labels, diff ids bottom-up, defaults, size in bytes."""

    image_id: str
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    defaults: ImageDefaults = ImageDefaults()
    platform: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """A layer of a normalised image; `section` is `base`, `packages`, `app` or `config`, `size` bytes of its tar."""

    section: str
    diff_id: str
    size: int
    entries: int = 0


@dataclass(frozen=True, slots=True)
class Dropped:
    """Paths that a rule left out of an image because they say when or where it was built, not what it is."""

    rule: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Paths whose bytes held a day of the build, which a rule set back to the epoch."""

    rule: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """How an image came to be what it is: its layers bottom-up, what was left out, what was set back."""

    layers: tuple[LayerSummary, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    rewritten: tuple[Rewritten, ...] = ()


@dataclass(frozen=True, slots=True)
class PathDifference:
    """A path in which two builds of one image differ; `section` is its layer, or `settings` for the image's config."""

    section: str
    path: str
    how: str


@dataclass(frozen=True, slots=True)
class Made:
    """An image that a builder has: what it is, what its moving names resolved to, how it came to be."""

    facts: ImageFacts
    pins: Pins = Pins()
    explanation: Explanation = Explanation()


NORMALISER = 1
"""Changes when an image that was built from the same inputs is to come out of normalising with another id."""

BASE_PLACEHOLDER = "provisioner.invalid/base"
"""What every `FROM` of a rendered Dockerfile names where `BuildInputs.base` is set; the builder puts its base there."""

FILES_FOLDER = "provisioner-files"
"""The folder of a build's context that holds `BuildInputs.files`, each at its path in the image."""

SETTINGS_FOLDER = "provisioner-build"
"""The folder of a build's context that holds the Dockerfile and what this machine's builds need.

`Dockerfile` always lies there; `pip.conf` and `ca.pem` where this machine sets an index or certificates of its own, and
the Dockerfile names the folder. Templates read them in a stage of their own: nothing of it reaches an image or a tag.
"""

WHEELS_FOLDER = f"{SETTINGS_FOLDER}/wheels"
"""Where a build finds the wheels of its requirement files, and `requirements.txt`, which names each with its digest.

A Dockerfile that names this folder gets them, and is built without a network.
"""


OUR_IMAGES = "provisioner/"
"""What every tag of ours begins with."""


def image_repository(fleet: str, service: str) -> str:
    """Return the repository our images of a service are tagged in; `release` holds the fleet's releases."""
    return f"{OUR_IMAGES}{fleet}/{service}"


COURIER_REPOSITORY = "provisioner/courier"
"""The repository of the courier's image, which all fleets on a host share."""

SPOOL_VOLUME = "provisioner-spool"
"""The volume of a host that holds parcels on their way, and the layers of what was shipped last."""

LEASE_REPOSITORY = "provisioner/lease"
"""The repository of the image that leases are containers of, which all fleets on a host share."""
