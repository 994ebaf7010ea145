"""What the conductor needs from the world: small Protocols, at most five methods each.

Whatever can change a host is kept apart from what can only read it: `drift` is lent readers and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from provisioner.model.balancer import FULL_SHARE, AdminState
from provisioner.model.container import ContainerRequest
from provisioner.model.event import Event
from provisioner.model.evidence import Answer, ContainerPast, DiskRoom, ListeningSocket, Question
from provisioner.model.hook import HookEnd, Moment
from provisioner.model.image import BuildInputs, ImageFacts, Made, PathDifference
from provisioner.model.inventory import Host
from provisioner.model.keeping import KeptInputs, UnpackedInputs, WantedInputs
from provisioner.model.lock import LockedImage, LockedPackages, LockedSuite, LockedWheels
from provisioner.model.observed import ObservedBalancer, ObservedContainer, ObservedHost
from provisioner.model.release import KeptRelease
from provisioner.model.secret import Login, Secret

Progress = Callable[[str, int, int], None]
"""Told what is going on, bytes done, bytes in all (0 where nobody knows)."""


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command that ended left: exit status, standard output and standard error."""

    status: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file to be written into a container: name relative to the target folder, bytes, mode and owner ids."""

    name: str
    content: bytes = field(repr=False)
    mode: int = 0o444
    uid: int = 0
    gid: int = 0


class HostReader(Protocol):
    """Reads one host. It has no method that changes anything there."""

    def observe(self, fleet: str) -> ObservedHost:
        """Return the host as it is now, its balancer's inside excepted. Raise HostUnreachable or EngineUnavailable."""

    def container(self, name_or_id: str) -> ObservedContainer | None:
        """Return one container as it is now, None where there is none of that name or id."""

    def logs(self, container_id: str, lines: int) -> tuple[str, ...]:
        """Return the last lines a container wrote, oldest first."""

    def file(self, container_id: str, path: str) -> bytes | None:
        """Return a file of a container, running or not; None where there is none."""

    def page(self, container_id: str, port: int, path: str) -> bytes:
        """Return the body of a page that a running container serves on one of its own ports. Raise EngineRefused."""


class ReleaseReader(Protocol):
    """Reads the releases that lie on one host, and what its images take."""

    def release(self, reference: str) -> Mapping[str, bytes]:
        """Return the files of a release image by path, byte for byte. Raise EngineRefused."""

    def image_bytes(self) -> int:
        """Return the bytes that the layers of all images take on its disk, each layer once. Raise EngineRefused."""


class Containers(Protocol):
    """Makes and ends containers on one host. All raise EngineRefused."""

    def create(self, request: ContainerRequest) -> str:
        """Create a container and its named volumes; return its id."""

    def start(self, container_id: str, restart: str = "") -> None:
        """Start it, or unpause it where it is paused; give it a restart policy first where one is named."""

    def stop(self, container_id: str, timeout: int) -> None:
        """Set its restart policy to `no`, send its stop signal, kill it after `timeout` seconds."""

    def remove(self, container_id: str) -> None:
        """Remove it, running or not, with its anonymous volumes; one that is gone already is removed."""

    def remove_volume(self, name: str) -> None:
        """Remove a volume; one that is gone already is removed."""


class Stream(Protocol):
    """Two-way bytes, as a socket gives them."""

    def send(self, data: bytes) -> None:
        """Send all of it."""

    def receive(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any, empty at the end. Raise TimeoutError."""

    def close(self) -> None:
        """Close both ways."""


class ContainerShell(Protocol):
    """Reaches into running containers of one host. All raise EngineRefused."""

    def put(self, container_id: str, folder: str, files: tuple[FileContent, ...]) -> None:
        """Write files into a folder of a container, running or not. Not atomic: rename afterwards."""

    def get(self, container_id: str, path: str) -> bytes | None:
        """Return a file of a container, None where there is none."""

    def run(self, container_id: str, argv: tuple[str, ...]) -> Completed:
        """Run a command inside and wait for its end."""

    def open(self, container_id: str, argv: tuple[str, ...]) -> Stream:
        """Run a command inside and lend its standard input and output."""

    def signal(self, container_id: str, name: str) -> None:
        """Send a signal (`SIGUSR2`) to its first process."""


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


class Shipper(Protocol):
    """Brings images to hosts."""

    def holds(self, image_id: str) -> bool:
        """Tell whether this machine's cache has an image, whole."""

    def ship(self, image_id: str, tags: tuple[str, ...], to: HostHands, progress: Progress) -> int:
        """Make a host have an image, sending only what it lacks; return the bytes sent.

        Verified by id, layers and a container made of it.
        Raise ImageMissing where no known engine has it, ShippingFailed where it did not arrive.
        """

    def record(self, files: Mapping[str, bytes], labels: Mapping[str, str], tag: str, to: ImageStore) -> str:
        """Make an engine have an image of these files and labels and nothing else; return its id."""


class Balancer(Protocol):
    """A running load balancer on one host. All raise BalancerRefused."""

    def report(self) -> ObservedBalancer:
        """Return the digest of the file its running worker parsed, and every server as that worker sees it."""

    def configure(self, text: str, digest: str) -> None:
        """Give it another file without losing a request: beside, check, rename, reload, proof."""

    def set_state(self, backend: str, servers: tuple[str, ...], state: AdminState, share: int = FULL_SHARE) -> None:
        """Set the administrative state of servers, and their share of requests in per cent of a peer's."""

    def distrust(self, backend: str, servers: tuple[str, ...]) -> None:
        """Take servers for down until their next own check, whatever the last one said."""

    def cut_sessions(self, backend: str, servers: tuple[str, ...]) -> None:
        """Close every session of servers."""


class HostHands(Protocol):
    """All that changes one host, over one connection."""

    @property
    def reader(self) -> HostReader:
        """Return what reads it."""

    @property
    def containers(self) -> Containers:
        """Return what makes and ends its containers."""

    @property
    def shell(self) -> ContainerShell:
        """Return what reaches into its containers."""

    @property
    def images(self) -> ImageStore:
        """Return its images."""

    @property
    def engine_socket(self) -> str:
        """Return the path of its engine's socket on the host."""


class Readers(Protocol):
    """Lends readers of hosts, one connection per host, kept until closed."""

    def reader(self, host: Host) -> HostReader:
        """Return the reader of a host. Raise HostUnreachable or EngineUnavailable."""

    def releases(self, host: Host) -> ReleaseReader:
        """Return the reader of a host's releases. Raise HostUnreachable or EngineUnavailable."""


class Examiner(Protocol):
    """Looks closer at a container that fails, and at its host. It leaves nothing behind.

    All raise EngineRefused where something cannot be found out, and HostUnreachable.
    """

    def past(self, container_id: str) -> ContainerPast:
        """Return what the engine remembers of a container: its words, its health test's output, every end."""

    def sockets(self, container_id: str) -> tuple[ListeningSocket, ...]:
        """Return what is listened on inside a running container, from the host, else by running `cat` inside."""

    def ask(self, container_id: str, question: Question) -> Answer:
        """Return what a running container answers to a health question that comes from its own host."""

    def rooms(self) -> tuple[DiskRoom, ...]:
        """Return the room on the host's disks that matter to its engine."""

    def listeners(self) -> tuple[ListeningSocket, ...]:
        """Return what is listened on on the host itself, with user and program as far as they can be seen."""


class Hosts(Readers, Protocol):
    """Lends hosts, to read and to change."""

    def examiner(self, host: Host) -> Examiner:
        """Return what looks closer at a host. Raise HostUnreachable or EngineUnavailable."""

    def hands(self, host: Host) -> HostHands:
        """Return what changes a host. Raise HostUnreachable or EngineUnavailable."""


class Balancers(Protocol):
    """Knows the kind of balancer that runs in our containers."""

    def observe(self, reader: HostReader, container: ObservedContainer) -> ObservedBalancer:
        """Read the balancer in that container, without an exec and without a change."""

    def on(self, host: str, shell: ContainerShell, container_id: str) -> AbstractContextManager[Balancer]:
        """Lend the balancer in that container for one action."""


class Clock(Protocol):
    """Time, lent so that tests need not wait."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def now(self) -> str:
        """Return the time of day in UTC, RFC 3339."""


class Hooks(Protocol):
    """Runs commands of the user's own on this machine."""

    def run(self, moment: Moment, say: Callable[[str], None], secret: Callable[[str], Secret]) -> HookEnd | None:
        """Run the hook of a moment to its end or its time limit, each line it writes said; None where there is none.

        `secret` gives the value of a secret that it asks for by name. Raise SecretMissing.
        """


class EventSink(Protocol):
    """Hears what happens."""

    def emit(self, event: Event) -> None:
        """Take an event; called from several threads."""
