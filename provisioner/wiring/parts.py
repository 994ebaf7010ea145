"""The parts a run is made of, opened and closed together."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import HostError, ImageMissing
from provisioner.local import build_settings
from provisioner.local.files import own_folder
from provisioner.model.finding import Finding
from provisioner.model.inventory import Inventory
from provisioner.ports import EventSink, ImageIds, Resolver, Shipper
from provisioner.reconcile.world import Lookout, Storeroom, World

if TYPE_CHECKING:
    from provisioner.hosts.access import OfferedKey, SshHosts
    from provisioner.images.build import EngineBuilder
    from provisioner.images.cache import LayerCache
    from provisioner.images.engine import ImageSource as SourceEngine
    from provisioner.images.inputs.bundle import Bundles
    from provisioner.images.registry.account import Account
    from provisioner.images.shipping.courier.couriers import Couriers
    from provisioner.images.shipping.relay import Relays
    from provisioner.images.shipping.ship import CacheShipper
    from provisioner.local.hooks import LocalHooks
from provisioner.wiring.controller import controller
from provisioner.wiring.fleet import MIRROR_VARIABLE, Declared, Settings
from provisioner.wiring.named_hosts import named_hosts


class SystemClock:
    """The machine's own time."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back, and that goes on while the machine sleeps."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def now(self) -> str:
        """Return the time of day in UTC, RFC 3339."""
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @contextmanager
    def every(self, seconds: float, call: Callable[[], None]) -> Iterator[None]:
        """Call something again and again on a thread of its own, until the context is left."""
        left = threading.Event()

        def go_on() -> None:
            while not left.wait(seconds):
                call()

        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            left.set()
            thread.join(seconds)


@contextmanager
def open_lookout(settings: Settings, inventory: Inventory, patience: float | None = None) -> Iterator[Lookout]:
    """Lend what observes hosts, and cannot change them; `patience` is seconds a script may take there."""
    from provisioner.balancers.haproxy import HaproxyBalancers
    from provisioner.hosts.readers import ReadOnlyHosts
    from provisioner.images.build import LAYERS
    from provisioner.images.cache import LayerCache

    with open_hosts(settings, inventory, patience=patience) as hosts:
        cached, readers = LayerCache(settings.cache / LAYERS), ReadOnlyHosts(hosts)
        yield Lookout(
            readers,
            HaproxyBalancers(SystemClock()),
            settings.forks,
            lambda image_id: cached.find(image_id) is not None,
            readers,
        )


@contextmanager
def open_world(settings: Settings, declared: Declared, sink: EventSink) -> Iterator[World]:
    """Lend all that a run may use. Images are made on this machine's engine, else on the first host of a service."""
    from provisioner.balancers.haproxy import HaproxyBalancers
    from provisioner.images.build import LAYERS
    from provisioner.images.cache import LayerCache
    from provisioner.images.shipping.courier.couriers import Couriers
    from provisioner.images.shipping.ship import CacheShipper

    with ExitStack() as stack:
        ids = image_ids(settings)
        hosts = stack.enter_context(open_hosts(settings, declared.inventory, ids))
        builder, place_of_building = _builder(settings, declared, hosts, stack)
        own_folder(settings.cache.parent)
        sources = functools.partial(_sources, builder, declared, hosts)
        cache = LayerCache(settings.cache / LAYERS)
        couriers = Couriers(builder, CacheShipper(cache, sources, ids=ids).ship)
        relays = _relays(couriers, declared, stack)
        patches = settings.patch_limit
        shipper = CacheShipper(cache, sources, ids=ids, lend=couriers.at, patch_limit=patches, relays=relays)
        yield World(
            hosts=hosts,
            balancers=HaproxyBalancers(SystemClock()),
            shipper=_through_registry(shipper, builder, declared, settings),
            storeroom=_storeroom(settings, cache, shipper, builder),
            clock=SystemClock(),
            sink=sink,
            controller=controller(settings, hosts, SystemClock()),
            builder=builder,
            builder_host=place_of_building,
            forks=settings.forks,
            hooks=_hooks(settings, declared),
        )


def _relays(couriers: Couriers, declared: Declared, stack: ExitStack) -> Relays | None:
    """Return what finds the hosts that hand images on, where the spec wants that."""
    from provisioner.images.shipping.relay import Relays

    if declared.spec.distribution != "relay":
        return None
    addresses = {name: host.private_address or host.address for name, host in declared.placement.hosts.items()}
    relays = Relays(couriers.relay, addresses)
    stack.callback(relays.close)
    return relays


def _hooks(settings: Settings, declared: Declared) -> LocalHooks:
    from provisioner.local.hooks import LocalHooks

    spec = declared.spec
    return LocalHooks(spec.hooks, settings.file.absolute().parent, settings.environment, spec.secrets)


def _through_registry(
    shipper: CacheShipper, builder: EngineBuilder | None, declared: Declared, settings: Settings
) -> Shipper:
    from provisioner.images.registry.registry_shipper import RegistryShipper

    account = _account(settings, declared)
    return shipper if account is None or builder is None else RegistryShipper(shipper, builder.pushes(), account)


def _account(settings: Settings, declared: Declared) -> Account | None:
    from provisioner.images.registry.account import Account
    from provisioner.local.secrets import resolve

    registry, secrets = declared.spec.registry, declared.spec.secrets
    if registry is None or not registry.password:
        return Account(registry.server) if registry else None
    folder = settings.file.absolute().parent
    source = secrets[registry.password]
    ask = functools.partial(resolve, registry.password, source, settings.environment, folder)
    return Account(registry.server, registry.username, ask)


def _storeroom(
    settings: Settings, cache: LayerCache, shipper: CacheShipper, builder: EngineBuilder | None
) -> Storeroom:
    from provisioner.images.bases.artefacts import Artefacts
    from provisioner.images.inputs.gather import InputsImages
    from provisioner.images.inputs.unpack import InputsUnpacker
    from provisioner.local.release_shelf import ReleaseShelf

    artefacts, contexts = Artefacts(settings.cache / "artefacts"), Artefacts(settings.cache / "contexts")
    take = builder.take if builder else lambda _: None
    return Storeroom(
        keeper=InputsImages(cache, artefacts, shipper.hold),
        unpacker=InputsUnpacker(cache, artefacts, contexts, shipper.hold, take),
        shelf=ReleaseShelf(settings.cache / "releases"),
    )


@contextmanager
def open_bundles(settings: Settings) -> Iterator[Bundles]:
    """Lend what writes and reads bundles, out of what this machine holds."""
    from provisioner.images.build import LAYERS
    from provisioner.images.cache import LayerCache
    from provisioner.images.inputs.bundle import Bundles
    from provisioner.images.shipping.ship import CacheShipper

    own_folder(settings.cache.parent)
    cache = LayerCache(settings.cache / LAYERS)
    yield Bundles(cache, CacheShipper(cache, lambda: ()).hold)


def open_hosts(
    settings: Settings, inventory: Inventory, ids: ImageIds | None = None, *, patience: float | None = None
) -> SshHosts:
    """Return what reaches hosts, to be closed; `patience` is seconds a script may take there."""
    from provisioner.hosts.access import AccessSettings, SshHosts, project_known_hosts
    from provisioner.hosts.timeouts import Timeouts

    known = project_known_hosts(Path(inventory.path).absolute())
    ids = ids or image_ids(settings)
    timeouts = Timeouts(command=patience) if patience else Timeouts()
    environment = settings.environment
    return SshHosts(AccessSettings(known_hosts=known, environment=environment, timeouts=timeouts, image_ids=ids))


def image_ids(settings: Settings) -> ImageIds:
    """Return what remembers how containerd stores call images."""
    from provisioner.images.build import IMAGE_IDS
    from provisioner.images.image_ids import KnownImageIds

    return KnownImageIds(settings.cache / IMAGE_IDS)


def _builder(
    settings: Settings, declared: Declared, hosts: SshHosts, stack: ExitStack
) -> tuple[EngineBuilder | None, str]:
    from provisioner.hosts.this_machine import THIS_MACHINE, local_client
    from provisioner.images.build import BuildSettings, EngineBuilder

    needs = BuildSettings(
        cache=settings.cache,
        mirror=settings.environment.get(MIRROR_VARIABLE, ""),
        files=build_settings.build_files(settings.environment, Path.home()),
        arguments=build_settings.proxy_arguments(settings.environment),
        locked={each.reference: each for each in declared.lock.images},
        account=_account(settings, declared),
    )
    client = local_client(settings.environment)
    if client is not None:
        stack.callback(client.close)
        return EngineBuilder(client, THIS_MACHINE, needs), ""
    # A release that is rebuilt may be placed nowhere: then any host will do.
    nodes = [declared.placement.hosts[node.node.host] for node in declared.placement.nodes]
    for host in nodes or declared.placement.hosts.values():
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


@contextmanager
def open_resolver(settings: Settings, declared: Declared) -> Iterator[Resolver]:
    """Lend what says what moving names stand for, on this machine's engine, else on the first host of a service."""
    with ExitStack() as stack:
        hosts = stack.enter_context(open_hosts(settings, declared.inventory))
        builder, _ = _builder(settings, declared, hosts, stack)
        if builder is None:
            raise ImageMissing("no Docker Engine may resolve here", hint="start one on this machine, or add a host")
        own_folder(settings.cache.parent)
        yield builder.resolver


def offered_keys(settings: Settings, names: tuple[str, ...]) -> tuple[OfferedKey, ...]:
    """Return the keys that hosts show, of the inventory or by address. Raise UsageError for a host nobody knows."""
    inventory = named_hosts(settings, names)
    with open_hosts(settings, inventory) as hosts:
        return tuple(hosts.offered_key(host) for host in inventory.hosts.values())


def record_keys(settings: Settings, names: tuple[str, ...], offered: tuple[OfferedKey, ...]) -> Path:
    """Record keys where those of these hosts are looked for, and return the file."""
    inventory = named_hosts(settings, names)
    with open_hosts(settings, inventory) as hosts:
        return [hosts.record(key) for key in offered][-1]


def machine_findings(settings: Settings) -> tuple[Finding, ...]:
    """Return what was found on this machine."""
    from provisioner.hosts.this_machine import THIS_MACHINE, local_client

    client = local_client(settings.environment)
    if client is None:
        fix = "start one for faster builds; until then images are built on the first host of a service"
        return (Finding(THIS_MACHINE, "engine", "warning", "no Docker Engine answers here", fix),)
    return (Finding(THIS_MACHINE, "engine", "ok", f"Docker {client.version()['Version']}"),)
