"""A whole fleet in memory, under the real conductor: hosts, balancer, builder and shipper behave, time is lent."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from provisioner.balancers.memory import MemoryBalancers
from provisioner.errors import EngineRefused, SecretMissing, StorageFailed
from provisioner.hosts.memory import AppBehaviour, MemoryClock, MemoryHosts
from provisioner.images.bases.artefacts import Artefacts
from provisioner.images.cache import LayerCache
from provisioner.images.engine import ImageSource
from provisioner.images.inputs.gather import InputsImages
from provisioner.images.inputs.unpack import InputsUnpacker
from provisioner.images.memory import MemoryBuilder, MemoryImageStore
from provisioner.images.shipping.ship import CacheShipper
from provisioner.local.release_shelf import ReleaseShelf
from provisioner.local.templates import TemplateFolders
from provisioner.model.balancer import BalancerConfig
from provisioner.model.container import FLEET_LABEL, RELEASE_LABEL, ContainerOptions, ContainerRequest
from provisioner.model.event import Event, Finished
from provisioner.model.hook import HookEnd, Moment
from provisioner.model.image import BuildInputs, ContextFile, Known
from provisioner.model.inventory import Host
from provisioner.model.lock import Pins
from provisioner.model.secret import Secret
from provisioner.model.spec import LOAD_BALANCER, FleetSpec
from provisioner.model.status import FleetStatus
from provisioner.planning.desire import ImageIndex, desire
from provisioner.reconcile.apply import Consent, apply
from provisioner.reconcile.chronicle import open_archive
from provisioner.reconcile.prepare import drift, prepare
from provisioner.reconcile.restore import restoring
from provisioner.reconcile.survey import survey
from provisioner.reconcile.vault import Vault
from provisioner.reconcile.world import Controller, Fuse, Intent, Storeroom, World, unlit
from provisioner.render.balancer import balancer_text
from provisioner.render.dockerfile import inputs_digest
from tests import fleets

WEBS = ("web1", "web2", "web3")


@dataclass
class Sink:
    """Keeps what happened."""

    events: list[Event] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)


@dataclass
class Journal:
    """A journal in memory; while `full` no line is taken."""

    lines: list[bytes] = field(default_factory=list)
    full: bool = False

    def append(self, line: bytes, *, durable: bool) -> None:
        """Keep a line."""
        if self.full:
            raise StorageFailed("journal: no space left on device")
        self.lines.append(line)

    def close(self) -> None:
        """Do nothing."""


@dataclass
class Hooks:
    """Keeps the moments that were told; `failures` says by moment why its hook fails."""

    moments: list[Moment] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def run(self, moment: Moment, say: Callable[[str], None], secret: Callable[[str], Secret]) -> HookEnd | None:
        """Keep a moment and say its name."""
        self.moments.append(moment)
        say(f"hello from {moment.hook}")
        return HookEnd((f"./{moment.hook}.sh",), 0.1, self.failures.get(moment.hook, ""), ("last words",))


class Simulation:
    """Three web hosts and a balancer in memory.

    `version` stands for what is in the build context, `balancer_version` for the balancer's Dockerfile.
    """

    def __init__(self, folder: Path, names: tuple[str, ...] = ("lb1", *WEBS)) -> None:
        self.clock = MemoryClock()
        self.hosts = MemoryHosts([fleets.host(name) for name in names], self.clock)
        self.balancers = MemoryBalancers(self.hosts.clock, self.hosts)
        self.builder = MemoryBuilder(MemoryImageStore())
        self.sink = Sink()
        self.hooks = Hooks()
        self.folder = folder
        self.version = "1"
        self.balancer_version = "1"
        self.inventory = {name: fleets.host(name) for name in names}
        self.context: tuple[ContextFile, ...] = ()
        self.pins = Pins()
        self.values: dict[str, str] = {}
        self.forks = 10
        self.journal = Journal()
        self.fuse: Fuse = unlit
        self.runs = count(1)
        self.sources: Callable[[], list[ImageSource]] = lambda: [self.builder.store]

    def behave(self, behaviour: AppBehaviour) -> None:
        """Say how the web image of this version behaves; it is built if need be."""
        inputs = self._inputs()["web"]
        self.hosts.behaviours[self.builder.build(inputs, lambda *_: None).facts.image_id] = behaviour

    def apply(
        self,
        spec: FleetSpec,
        webs: tuple[str, ...] = WEBS,
        consent: Consent | None = None,
        scope: frozenset[str] | None = None,
    ) -> Finished:
        """Apply a spec, perhaps to some hosts only, and return how it ended."""
        world, intent = self.world(), replace(self.intent(spec, webs), scope=scope)
        prepared = prepare(world.lookout, intent, world.builder)
        return apply(world, intent, prepared, consent or Consent())

    def drift(self, spec: FleetSpec, webs: tuple[str, ...] = WEBS) -> list[tuple[str, str, str, str]]:
        """Return host, kind, key and class of every difference."""
        report = drift(self.world().lookout, self.intent(spec, webs))
        return [(row.host, row.kind, row.key, row.drift_class) for row in report.rows]

    def status(self, spec: FleetSpec) -> FleetStatus:
        """Return the state of the fleet."""
        return survey(self.world().lookout, self.intent(spec))

    def intent(self, spec: FleetSpec, webs: tuple[str, ...] = WEBS) -> Intent:
        """Return what a spec wants."""
        placement = fleets.placement(spec, webs)
        inputs = {name: each for name, each in self._inputs().items() if name in (*spec.services, LOAD_BALANCER)}
        tags = {name: each.tag for name, each in inputs.items()}
        return Intent(
            fleet=spec.name,
            hosts=placement.hosts,
            desire=lambda ids: desire(spec, placement, ImageIndex(tags, ids), render),
            render=render,
            policy=spec.rollout,
            tags=tags,
            inputs={each.tag: each for each in inputs.values()},
            inventory=self.inventory,
            vault=Vault(self._secret, _cheap_digest),
            commands={each.name: each.release_command for each in spec.services.values() if each.release_command},
        )

    def _secret(self, name: str) -> Secret:
        if name not in self.values:
            raise SecretMissing(name, f"the variable {name} is not set")
        return Secret(self.values[name])

    def roll_back(self, name: str = "", webs: tuple[str, ...] = WEBS) -> Finished:
        """Go back to a release, the one before where none is named."""
        world, intent = self.world(), self.intent(fleets.spec(), webs)
        release = open_archive(world.lookout, self.inventory, "shop").behind(name)
        back = restoring(release, release.content.desired, intent.hosts, fleets.POLICY, render)
        back = replace(back, inventory=self.inventory, vault=intent.vault)
        return apply(world, back, prepare(world.lookout, back, world.builder), Consent())

    def writes(self) -> list[str]:
        """Return what was done to any host since it was last forgotten."""
        return [f"{effect.host}: {effect.name}" for effect in self.hosts.journal]

    def shipper(self) -> CacheShipper:
        """Return what brings images to hosts."""
        return CacheShipper(LayerCache(self.folder), self.sources, pauses=(0.0, 0.0, 0.0))

    def write(self, path: str, text: str) -> None:
        """Put a file into the build context of the web service."""
        source = self.folder / "app" / path
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        kept = tuple(entry for entry in self.context if entry.path != path)
        self.context = (*kept, ContextFile(path, str(source), 0o644, len(text), digest))

    def container_of(self, host: str, release: int) -> ContainerRequest:
        """Return a container as the web service of an earlier release was on a host."""
        archive = open_archive(self.world().lookout, self.inventory, "shop")
        found = archive.find(str(release))
        image = next(node.image for node in found.content.desired.nodes if node.node.host == host)
        assert isinstance(image, Known)
        labels = {RELEASE_LABEL: found.name, FLEET_LABEL: "shop"}
        return ContainerRequest("left-over", image.image_id, ContainerOptions(), host, labels=labels)

    def prune_images(self, name: str) -> None:
        """Remove by hand every image of a host that no container uses, as `docker system prune -a` does."""
        images = self.hosts[name].images
        for image in images.all():
            with suppress(EngineRefused):
                images.remove(image.image_id)

    def storeroom(self) -> Storeroom:
        """Return where releases and inputs are kept."""
        cache, hold = LayerCache(self.folder), self.shipper().hold
        artefacts, contexts = Artefacts(self.folder / "artefacts"), Artefacts(self.folder / "contexts")
        return Storeroom(
            InputsImages(cache, artefacts, hold),
            InputsUnpacker(cache, artefacts, contexts, hold, self.builder.store.load),
            ReleaseShelf(self.folder / "releases"),
        )

    def _inputs(self) -> dict[str, BuildInputs]:
        services = dict.fromkeys(("web", "api"), f"FROM memory\nLABEL v={self.version}")
        services[LOAD_BALANCER] = f"FROM memory\nLABEL balancer={self.balancer_version}"
        found = {name: BuildInputs(name, "", text, None) for name, text in services.items()}
        found["web"] = replace(found["web"], context=self.context, pins=self.pins)
        return {
            name: replace(each, tag=f"provisioner/shop/{name}:{inputs_digest(each)[:16]}")
            for name, each in found.items()
        }

    def controller(self) -> Controller:
        """Return a controller that no run was carried out by before."""
        clock = self.hosts.clock
        assert isinstance(clock, MemoryClock)
        return Controller(
            run=f"run{next(self.runs)}",
            owner="ada@desk",
            leases=lambda host: self.hosts.hands(host).leases,
            pulse=clock,
            journal=lambda fleet, run: self.journal,
            fuse=self.fuse,
        )

    def world(self) -> World:
        """Return all that a run may use."""
        return World(
            hosts=self.hosts,
            balancers=self.balancers,
            shipper=self.shipper(),
            storeroom=self.storeroom(),
            controller=self.controller(),
            clock=self.hosts.clock,
            sink=self.sink,
            builder=self.builder,
            forks=self.forks,
            hooks=self.hooks,
        )


def _cheap_digest(fleet: str, name: str, value: Secret) -> str:
    """Stand in for scrypt, whose cost is its purpose."""
    content = f"{fleet} {name} {value.reveal()}".encode(errors="surrogateescape")
    return hashlib.sha256(content).hexdigest()


@functools.cache
def render(config: BalancerConfig) -> tuple[str, str]:
    """Render the balancer's file with the template that is shipped."""
    return balancer_text(config, TemplateFolders(Path("nowhere")))


def spec(**environment: str) -> FleetSpec:
    """Return the standard fleet with an environment for its web service."""
    return fleets.spec(fleets.web_service(environment=environment))


def checked_on(path: str) -> FleetSpec:
    """Return the standard fleet with another path for its health check."""
    service = fleets.web_service(environment={})
    return fleets.spec(replace(service, healthcheck=replace(service.healthcheck, path=path)))


def without(names: dict[str, Host], gone: str) -> dict[str, Host]:
    """Return an inventory without one host."""
    return {name: host for name, host in names.items() if name != gone}
