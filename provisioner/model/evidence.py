"""What was found about a node that does not become healthy, gathered before anything of it is taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioner.model.container import ContainerOptions, PublishedPort
from provisioner.model.observed import ObservedContainer
from provisioner.model.release import ReleaseChange


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """A TCP port somebody listens on, at one address; program and user as far as they can be seen."""

    address: str
    port: int
    process: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What the balancer's check asks: a path over HTTP under a `Host` header, a mere connection where it is None."""

    port: int
    path: str | None
    host: str = "localhost"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a container answered: HTTP status (0: none), where it redirects, the first line of its page.

    `fault` says why there was no answer; an answer to a mere connection is one without a fault.
    """

    status: int = 0
    location: str = ""
    text: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """How the program of a container ended once."""

    exit_code: int
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class ContainerPast:
    """What an engine remembers: its own words about a failed start, the health test's last output, every end."""

    error: str = ""
    health_output: str = ""
    ends: tuple[End, ...] = ()


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """The room of a disk that a path of the host lies on: bytes free and in all, files that may still be made."""

    path: str
    free: int
    size: int
    free_files: int | None = None


@dataclass(frozen=True, slots=True)
class PortHolder:
    """Who holds a port of a host: a container by name, else a program of the host, as far as it can be seen."""

    port: int
    container: str = ""
    process: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a node was waited for, in seconds since the wait began.

    `good` is how long it had been healthy when the deadline passed; `ready` when it became so, None where it did not
    until `watched`; `moved` tells whether it wrote to its log meanwhile.
    """

    deadline: float = 0.0
    min_healthy_time: float = 0.0
    waited: float = 0.0
    good: float = 0.0
    watched: float = 0.0
    ready: float | None = None
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a container was meant to do: its options and published ports, what it is asked, on which platform it runs.

    `question` is None where no balancer judges it.
    """

    service: str
    options: ContainerOptions
    ports: tuple[PublishedPort, ...] = ()
    question: Question | None = None
    image_platform: str = ""
    host_platform: str = ""


@dataclass(frozen=True, slots=True)
class Belongings:
    """What a release gives to the containers of a service; `mounts` are what lies at a path, by that path.

    `files` are absolute where the release places them, relative where they come with a build context.
    """

    release: str
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything known of one failing container. What could not be found out is None, and named in `gaps`.

    `check` is the code of the balancer's last check of it and `check_words` the same in its words; `answer` is what
    the container answered to the same question asked on its own host; `before` is what the last release gave it.
    `objection` is why it was taken out of rotation again, empty where it never was in it.
    """

    host: str
    node: str
    expected: Expectation
    now: Belongings
    before: Belongings | None = None
    changes: tuple[ReleaseChange, ...] = ()
    engine_error: str = ""
    container: ObservedContainer | None = None
    past: ContainerPast = ContainerPast()
    sockets: tuple[ListeningSocket, ...] | None = None
    check: str = ""
    check_words: str = ""
    answer: Answer | None = None
    log: tuple[str, ...] = ()
    rooms: tuple[DiskRoom, ...] = ()
    holders: tuple[PortHolder, ...] = ()
    wait: Wait = Wait()
    objection: str = ""
    gaps: tuple[str, ...] = ()
