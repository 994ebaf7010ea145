"""One run over the fleet: what every action of it needs to know."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Literal

from provisioner.errors import BalancerRefused, EngineRefused, Interrupted
from provisioner.model.balancer import ServerState
from provisioner.model.container import (
    EPOCH_LABEL,
    FLEET_LABEL,
    KIND_LABEL,
    NODE_LABEL,
    RELEASE_LABEL,
    SERVICE_LABEL,
    SLOT_LABEL,
)
from provisioner.model.event import ActionProgress
from provisioner.model.image import BuildInputs, ImageTarget, Known, Made
from provisioner.model.inventory import Host
from provisioner.model.keeping import KeptInputs
from provisioner.model.placement import balancer_names
from provisioner.model.plan import Action, Step
from provisioner.model.release import Release
from provisioner.planning.balancer_slots import balancer_containers
from provisioner.ports import Balancer, HostHands, Progress
from provisioner.reconcile.guard import Guard
from provisioner.reconcile.vault import Vault
from provisioner.reconcile.vigil import Vigil, look
from provisioner.reconcile.world import World


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Run:
    """A world, the hosts by name, the release the fleet is going to, and what images are made from."""

    world: World
    fleet: str
    hosts: Mapping[str, Host]
    release: Release
    inputs: Mapping[str, BuildInputs] = field(default_factory=dict)
    created: dict[tuple[str, str], str] = field(default_factory=dict)
    """Ids of the containers this run made, by host and name: what it may take back."""
    made: dict[str, Made] = field(default_factory=dict)
    """The images this run built, by tag."""
    earlier: Release | None = None
    """The release to go back to, which may have been lost somewhere."""
    kept: dict[str, KeptInputs] = field(default_factory=dict)
    """The images of inputs this run made, by tag."""
    keeping: Lock = field(default_factory=Lock)
    """Held while inputs are gathered: several hosts keep one image of them."""
    vault: Vault = field(default_factory=Vault)
    guard: Guard = field(default_factory=Guard)
    """What every effect of the run goes through."""
    vigil: Vigil = field(default_factory=Vigil)
    """The fresh slots under watch, and the nodes that failed."""

    left: dict[tuple[str, str, str], float] = field(default_factory=dict)
    """When a slot left rotation, by balancer's host, node and slot; until it is empty, stopped and enabled again."""
    at_the_end: Literal["evict", "hold", "take back"] = "take back"
    """When nodes end the run: all that is under watch leaves rotation; what failed is left there, out of rotation; or
    no more than that what failed is taken back."""

    stop: Callable[[], bool] = _never
    """Tells whether somebody asked the run to stop."""

    def quiet(self) -> Run:
        """Return this run with nothing under watch, which nobody stops: what is undone is not given up."""
        return replace(self, vigil=Vigil(), stop=_never)

    def pause(self, seconds: float) -> None:
        """Wait, judging meanwhile what is under watch. Raise GivenUp, RolloutStalled."""
        self.world.clock.sleep(seconds)
        look(self)
        self.vigil.hurry(self)

    def wait(self, seconds: float) -> None:
        """Pause in a wait that may be left at any time: a look finds out how far it was. Raise Interrupted too."""
        self.pause(seconds)
        if self.stop():
            raise Interrupted

    after_step: Callable[[Step], None] = lambda _: None
    """Told of every step that is done."""

    def hands(self, host: str) -> HostHands:
        """Return what changes a host."""
        return self.guard.hands(self.world.hosts.hands(self.hosts[host]), host)

    def progress(self, action: Action) -> Progress:
        """Return what an action tells how far it is."""

        def tell(text: str, done: int, total: int) -> None:
            self.world.sink.emit(ActionProgress(action, text, done, total))

        return tell

    def labels(self, node: str, service: str, slot: str) -> dict[str, str]:
        """Return the labels of a container of ours."""
        return {
            FLEET_LABEL: self.fleet,
            SERVICE_LABEL: service,
            NODE_LABEL: node,
            SLOT_LABEL: slot,
            RELEASE_LABEL: self.release.name,
            EPOCH_LABEL: str(self.guard.epoch),
            KIND_LABEL: "node",
        }

    @contextmanager
    def balancer(self, host: str) -> Iterator[Balancer]:
        """Lend the running balancer of a host."""
        shell = self.guard.shell(self.world.hosts.hands(self.hosts[host]).shell, host)
        reader = self.hands(host).reader
        found = (reader.container(name) for name in balancer_names(self.fleet))
        container = next(iter(balancer_containers(self.fleet, (each for each in found if each))), None)
        if container is None:
            raise EngineRefused(host, "its balancer is not there any more", status=404)
        if not container.running:
            raise BalancerRefused(host, f"its balancer is {container.state}", hint="run apply again to bring it back")
        with self.world.balancers.on(host, shell, container.container_id) as balancer:
            yield self.guard.balancer(balancer, host)


def known_id(image: ImageTarget) -> str:
    """Return the id of an image that is known by the time a plan is carried out."""
    if not isinstance(image, Known):
        raise TypeError(f"{image} has to be made before it can be used")
    return image.image_id


def states(balancer: Balancer, host: str, backend: str, servers: tuple[str, ...]) -> tuple[ServerState, ...]:
    """Return the states of some servers, every one of which has to be listed."""
    listed = {each.name: each for each in balancer.report().servers if each.backend == backend}
    missing = [name for name in servers if name not in listed]
    if missing:
        raise BalancerRefused(host, f"the running balancer does not list {backend}/{missing[0]}")
    return tuple(listed[name] for name in servers)
