"""The composition root: the only place that names concrete parts."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import HostError, LabError, UsageError
from provisioner.local import addresses, build_settings, context, git, sources
from provisioner.local.files import own_folder, write_tree
from provisioner.local.templates import TemplateFolders
from provisioner.model.balancer import BalancerConfig
from provisioner.model.finding import Finding
from provisioner.model.image import BuildInputs, ContextFile
from provisioner.model.inventory import Inventory
from provisioner.model.placement import Placement
from provisioner.model.spec import LOAD_BALANCER, FleetSpec, FromImage, FromTemplate, ImageSource
from provisioner.planning.desire import ImageIndex, RenderBalancer, desire
from provisioner.ports import EventSink
from provisioner.reconcile.world import Intent, Lookout, World
from provisioner.render.balancer import balancer_template, balancer_text
from provisioner.render.dockerfile import balancer_inputs, build_inputs
from provisioner.spec.inventory import read_inventory
from provisioner.spec.patterns import select
from provisioner.spec.place import place
from provisioner.spec.read import read_fleet

if TYPE_CHECKING:
    import docker

    from provisioner.hosts.access import OfferedKey, SshHosts
    from provisioner.images.build import EngineBuilder
    from provisioner.images.engine import ImageSource as SourceEngine
    from provisioner.lab.layout import Lab, LabOptions

STATE_FOLDER = ".provisioner"
MIRROR_VARIABLE = "PROVISIONER_DEBIAN_MIRROR"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user and his environment said; `folder` is where he stands."""

    file: Path
    environment_name: str
    inventory: str
    limit: str
    forks: int
    environment: Mapping[str, str]
    folder: Path

    @property
    def cache(self) -> Path:
        """Return where bases, layers and downloads are kept between runs."""
        said = self.environment.get("PROVISIONER_CACHE", "")
        return Path(said) if said else self.folder / STATE_FOLDER / "cache"


@dataclass(frozen=True, slots=True)
class Declared:
    """What the user's files say: the fleet, its hosts, and which node lies where."""

    spec: FleetSpec
    inventory: Inventory
    placement: Placement
    templates: TemplateFolders


def declare(settings: Settings) -> Declared:
    """Read spec and inventory and match them.

    Raise InvalidInput with every fault, UsageError where a file is missing.
    """
    source = sources.read_source(settings.file)
    read = read_fleet(source, settings.environment)
    inventory = read_fleet_inventory(settings)
    resolved = addresses.resolved(inventory)
    placement = place(read.spec, resolved, read.positions)
    return Declared(read.spec, resolved, placement, TemplateFolders(settings.file.absolute().parent))


def read_fleet_inventory(settings: Settings) -> Inventory:
    """Return the inventory that was named, or the one that is meant."""
    named, environment = settings.inventory or None, settings.environment_name or None
    path = sources.find_inventory(named, environment, ".", str(settings.file))
    return sources.with_home(read_inventory(*sources.inventory_sources(path)), Path.home())


def intend(settings: Settings, declared: Declared, forget: frozenset[str] = frozenset()) -> Intent:
    """Render everything and return what the user wants, before anything was observed. Raise InvalidInput."""
    spec, placement = declared.spec, declared.placement
    inputs = all_inputs(declared)
    tags = {each.service: each.tag for each in inputs}
    render = balancer_renderer(declared)
    return Intent(
        fleet=spec.name,
        hosts=placement.hosts,
        desire=lambda ids: desire(spec, placement, ImageIndex(tags, ids), render),
        render=render,
        policy=spec.rollout,
        tags=tags,
        references=_references(spec, tags),
        inputs={each.tag: each for each in inputs},
        files=tuple(file for each in inputs for file in each.files),
        inventory=declared.inventory.hosts,
        scope=frozenset(select(declared.inventory, settings.limit)) if settings.limit else None,
        forget=forget,
        author=git.author(settings.environment),
        commit=git.commit(settings.file.absolute().parent),
    )


def all_inputs(declared: Declared) -> tuple[BuildInputs, ...]:
    """Return what every image of the fleet is built from."""
    spec, load = declared.spec, declared.templates
    found = [build_inputs(spec, each, _context(each.source), load) for each in spec.services.values()]
    if spec.load_balancer is not None:
        found.append(balancer_inputs(spec, _context(spec.load_balancer.source), load))
    return tuple(each for each in found if each is not None)


def _context(source: ImageSource) -> tuple[ContextFile, ...]:
    if isinstance(source, FromTemplate) and source.context:
        return context.read_context(Path(source.context))
    return ()


def _references(spec: FleetSpec, tags: Mapping[str, str]) -> tuple[str, ...]:
    services = [service for service in spec.services.values() if service.name not in tags]
    return tuple(dict.fromkeys(each.source.reference for each in services if isinstance(each.source, FromImage)))


def balancer_renderer(declared: Declared) -> RenderBalancer:
    """Return what turns a balancer's configuration into its file."""
    balancer = declared.spec.load_balancer
    template = balancer_template(balancer.source.template) if balancer else ""

    @functools.cache
    def render(config: BalancerConfig) -> tuple[str, str]:
        return balancer_text(config, declared.templates, template)

    return render


def rendered_files(declared: Declared) -> dict[str, str]:
    """Return every file the templates give, by its path below the folder `render --out` writes to."""
    files: dict[str, str] = {}
    for inputs in all_inputs(declared):
        files[f"{inputs.service}/Dockerfile"] = inputs.dockerfile
        files |= {f"{inputs.service}/files{file.path}": file.text for file in inputs.files}
    intended = desire(declared.spec, declared.placement, ImageIndex({}), balancer_renderer(declared))
    return files | {f"{LOAD_BALANCER}/{each.host}/haproxy.cfg": each.text for each in intended.balancers}


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write rendered files below a folder."""
    write_tree(folder, files)


class SystemClock:
    """The machine's own time."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def now(self) -> str:
        """Return the time of day in UTC, RFC 3339."""
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def open_lookout(settings: Settings, declared: Declared) -> Iterator[Lookout]:
    """Lend what observes the fleet, and cannot change it."""
    from provisioner.balancers.haproxy import HaproxyBalancers
    from provisioner.hosts.readers import ReadOnlyHosts

    with open_hosts(settings, declared.inventory) as hosts:
        yield Lookout(ReadOnlyHosts(hosts), HaproxyBalancers(SystemClock()), settings.forks)


@contextmanager
def open_world(settings: Settings, declared: Declared, sink: EventSink) -> Iterator[World]:
    """Lend all that a run may use. Images are made on this machine's engine, else on the first host of a service."""
    from provisioner.balancers.haproxy import HaproxyBalancers
    from provisioner.images.cache import LayerCache
    from provisioner.images.ship import CacheShipper

    with ExitStack() as stack:
        hosts = stack.enter_context(open_hosts(settings, declared.inventory))
        builder, place_of_building = _builder(settings, declared, hosts, stack)
        own_folder(settings.cache.parent)
        yield World(
            hosts=hosts,
            balancers=HaproxyBalancers(SystemClock()),
            shipper=CacheShipper(LayerCache(settings.cache / "layers"), lambda: _sources(builder, declared, hosts)),
            clock=SystemClock(),
            sink=sink,
            builder=builder,
            builder_host=place_of_building,
            forks=settings.forks,
        )


def open_hosts(settings: Settings, inventory: Inventory) -> SshHosts:
    """Return what reaches hosts, to be closed."""
    from provisioner.hosts.access import AccessSettings, SshHosts, project_known_hosts

    known = project_known_hosts(Path(inventory.path).absolute())
    return SshHosts(AccessSettings(known_hosts=known, environment=settings.environment))


def _builder(
    settings: Settings, declared: Declared, hosts: SshHosts, stack: ExitStack
) -> tuple[EngineBuilder | None, str]:
    from provisioner.hosts.this_machine import THIS_MACHINE, local_client
    from provisioner.images.build import BuildSettings, EngineBuilder

    needs = BuildSettings(
        cache=settings.cache / "bases",
        mirror=settings.environment.get(MIRROR_VARIABLE, ""),
        files=build_settings.build_files(settings.environment, Path.home()),
        arguments=build_settings.proxy_arguments(settings.environment),
    )
    client = local_client(settings.environment)
    if client is not None:
        stack.callback(client.close)
        return EngineBuilder(client, THIS_MACHINE, needs), ""
    for node in declared.placement.nodes:
        host = declared.placement.hosts[node.node.host]
        with suppress(HostError):
            client = hosts.client(host)
            stack.callback(client.close)
            return EngineBuilder(client, host.name, needs), host.name
    return None, ""


def _sources(builder: EngineBuilder | None, declared: Declared, hosts: SshHosts) -> Iterator[SourceEngine]:
    if builder is not None:
        yield builder.images
    for host in declared.placement.hosts.values():
        with suppress(HostError):
            yield hosts.hands(host).images


def offered_keys(settings: Settings, names: tuple[str, ...]) -> tuple[OfferedKey, ...]:
    """Return the keys that hosts of the inventory show. Raise UsageError for a host nobody knows."""
    inventory = read_fleet_inventory(settings)
    unknown = [name for name in names if name not in inventory.hosts]
    if unknown:
        raise UsageError(f"{unknown[0]} is not in {inventory.path}", hint=f"it has {', '.join(inventory.hosts)}")
    with open_hosts(settings, inventory) as hosts:
        return tuple(hosts.offered_key(inventory.hosts[name]) for name in names)


def record_keys(settings: Settings, offered: tuple[OfferedKey, ...]) -> Path:
    """Record keys for this inventory and return the file."""
    with open_hosts(settings, read_fleet_inventory(settings)) as hosts:
        return [hosts.record(key) for key in offered][-1]


def machine_findings(settings: Settings) -> tuple[Finding, ...]:
    """Return what was found on this machine."""
    from provisioner.hosts.this_machine import THIS_MACHINE, local_client

    client = local_client(settings.environment)
    if client is None:
        fix = "start one for faster builds; until then images are built on the first host of a service"
        return (Finding(THIS_MACHINE, "engine", "warning", "no Docker Engine answers here", fix),)
    return (Finding(THIS_MACHINE, "engine", "ok", f"Docker {client.version()['Version']}"),)


def lab_options(name: str, groups: tuple[str, ...], port: int, engine: str) -> LabOptions:
    """Return what a lab should be. Raise UsageError."""
    from provisioner.lab.host_image import edition
    from provisioner.lab.layout import LabOptions, parse_group, plan_hosts

    edition(engine)
    chosen = LabOptions(name=name, port=port, engine=engine)
    chosen = replace(chosen, groups=tuple(parse_group(group) for group in groups)) if groups else chosen
    plan_hosts(chosen)
    return chosen


def lab_up(settings: Settings, options: LabOptions, report: Callable[[str], None]) -> Lab:
    """Make a lab, or bring it back. Raise LabError."""
    from provisioner.lab.up import up

    own_folder(settings.cache.parent)
    return up(
        _engine(settings),
        options,
        directory=settings.folder,
        cache=settings.cache / "bases",
        mirror=settings.environment.get(MIRROR_VARIABLE, ""),
        report=report,
    )


def lab_status(settings: Settings, name: str) -> Lab:
    """Return a lab as it is. Raise LabError."""
    from provisioner.lab.status import status

    return status(_engine(settings), name, directory=settings.folder)


def lab_down(settings: Settings, name: str, report: Callable[[str], None], *, keep_images: bool) -> tuple[str, ...]:
    """Remove a lab and return what is gone. Raise LabError."""
    from provisioner.lab.down import down

    gone = down(_engine(settings), name, directory=settings.folder, keep_images=keep_images, report=report)
    return (*gone.hosts, *gone.networks, *gone.images, *gone.files)


def _engine(settings: Settings) -> docker.APIClient:
    from provisioner.hosts.this_machine import local_client

    client = local_client(settings.environment)
    if client is None:
        raise LabError(
            "a lab needs a Docker Engine on this machine, and none answers", hint="start one: `make demo` does"
        )
    return client
