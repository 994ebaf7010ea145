"""A release: an immutable bundle of what the fleet should be, identified by the digest of its content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provisioner.model.desired import Desired
from provisioner.model.image import BuildInputs, RenderedFile
from provisioner.model.lock import Lock
from provisioner.model.observed import HostRoute, ReleaseOutcome


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image of a release and all that it was built from; no path of a machine is in it."""

    image_id: str
    inputs: BuildInputs


@dataclass(frozen=True, slots=True)
class NamedTemplate:
    """A template that a release needs again when its fleet moves: the name it is asked for by, and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Site:
    """Where a service was declared to run: the pattern of its hosts, nodes on each, the first host port it asks for."""

    service: str
    hosts: str
    replicas: int = 1
    host_port: int | None = None


@dataclass(frozen=True, slots=True)
class ReleaseContent:
    """What identifies a release: the desired fleet with every image known, and all that it takes to make it again.

    `files` are the rendered files of a release of before 0.2, which names no inputs; later they stand in `builds`.
    """

    desired: Desired
    files: tuple[RenderedFile, ...] = ()
    builds: tuple[BuiltImage, ...] = ()
    templates: tuple[NamedTemplate, ...] = ()
    sites: tuple[Site, ...] = ()
    lock: Lock = Lock()


@dataclass(frozen=True, slots=True)
class Release:
    """A release with what stands beside its content: number, time (RFC 3339), author, commit, routes.

    `departed` are hosts that carried this fleet before and were not yet seen clean; `inputs` is the id of the image
    that holds the files of its builds, empty where it needs none; `outcome` is how its rollout ended.
    """

    number: int
    digest: str
    content: ReleaseContent
    created: str = ""
    author: str = ""
    commit: str = ""
    routes: tuple[HostRoute, ...] = ()
    departed: tuple[HostRoute, ...] = ()
    inputs: str = ""
    outcome: ReleaseOutcome = "complete"

    @property
    def name(self) -> str:
        """Return the name people use: `r12-9f3c1e0a7b21`."""
        return f"r{self.number}-{self.digest[:12]}"


@dataclass(frozen=True, slots=True)
class ReleaseChange:
    """One thing in which a release differs from another; `text` is a unified diff where two files differ.

    `subject` is a service, a node or the balancer, empty for the fleet as a whole.
    """

    subject: str
    kind: str
    key: str
    before: str
    after: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A release in the history of its fleet: what changed against the stable one before, and the hosts it lies on.

    A `stable` one went through its whole rollout: it is what `rollback` goes back to.
    """

    name: str
    number: int
    digest: str
    created: str
    author: str
    commit: str
    changed: str
    hosts: tuple[str, ...]
    outcome: ReleaseOutcome = "complete"
    stable: bool = True


@dataclass(frozen=True, slots=True)
class History:
    """The releases of a fleet, newest first, and the hosts that could not be asked."""

    fleet: str
    chapters: tuple[Chapter, ...]
    unreachable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two releases by name, and everything in which the later differs from the earlier."""

    fleet: str
    before: str
    after: str
    changes: tuple[ReleaseChange, ...]


@dataclass(frozen=True, slots=True)
class KeptRelease:
    """A release as it is kept: its content byte for byte, and the labels beside it."""

    content: bytes
    labels: Mapping[str, str]
