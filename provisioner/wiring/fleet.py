"""What the user wants: his files read, matched and rendered."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import UsageError
from provisioner.local import addresses, context, git, lock_file, sources
from provisioner.local.files import write_tree
from provisioner.local.templates import TemplateFolders
from provisioner.model.balancer import BalancerConfig
from provisioner.model.image import BuildInputs, ContextFile
from provisioner.model.inventory import Inventory
from provisioner.model.lock import Lock
from provisioner.model.placement import Placement
from provisioner.model.release import NamedTemplate
from provisioner.model.spec import LOAD_BALANCER, FleetSpec, FromImage, FromTemplate, ImageSource, SecretSource
from provisioner.planning.content import sites
from provisioner.planning.desire import ImageIndex, RenderBalancer, balancer_config, desire
from provisioner.planning.lock import asked_names, pins_for, refuse_unlocked
from provisioner.reconcile.world import Intent
from provisioner.render.balancer import KEPT_TEMPLATE, TEMPLATE, balancer_template, balancer_text
from provisioner.render.dockerfile import balancer_inputs, build_inputs, with_pins
from provisioner.render.templates import Load, TemplateSource
from provisioner.spec.fields import Unfit, size
from provisioner.spec.inventory import read_inventory
from provisioner.spec.patterns import select
from provisioner.spec.place import place
from provisioner.spec.read import read_fleet
from provisioner.wiring.secrets import open_vault

if TYPE_CHECKING:
    pass


STATE_FOLDER = ".provisioner"


DEFAULT_SPEC = "fleet.yaml"


MIRROR_VARIABLE = "PROVISIONER_DEBIAN_MIRROR"

PATCH_LIMIT_VARIABLE = "PROVISIONER_PATCH_LIMIT"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user and his environment said; `folder` is where he stands.

    With `locked`, every name that moves has to be in the lock file.
    """

    file: Path
    environment_name: str
    inventory: str
    limit: str
    forks: int
    environment: Mapping[str, str]
    folder: Path
    locked: bool = False

    @property
    def cache(self) -> Path:
        """Return where bases, layers and downloads are kept between runs."""
        said = self.environment.get("PROVISIONER_CACHE", "")
        return Path(said) if said else self.folder / STATE_FOLDER / "cache"

    @property
    def patch_limit(self) -> int | None:
        """Return the bytes of a layer above which no patch is made, None where nothing was said. Raise UsageError."""
        said = self.environment.get(PATCH_LIMIT_VARIABLE, "")
        try:
            return size(said) if said else None
        except Unfit as error:
            raise UsageError(
                f"{PATCH_LIMIT_VARIABLE}={said}: {error}", hint="give a size such as 512m or 1g"
            ) from error


@dataclass(frozen=True, slots=True)
class Declared:
    """What the user's files say: the fleet, its hosts, which node lies where, and what moving names are locked to."""

    spec: FleetSpec
    inventory: Inventory
    placement: Placement
    templates: TemplateFolders
    lock: Lock = Lock()


def declare(settings: Settings) -> Declared:
    """Read spec and inventory and match them.

    Raise InvalidInput with every fault, UsageError where a file is missing.
    """
    source = sources.read_source(settings.file)
    read = read_fleet(source, settings.environment)
    inventory = read_fleet_inventory(settings)
    resolved = addresses.resolved(inventory)
    placement = place(read.spec, resolved, read.positions)
    lock = lock_file.find_lock(settings.file, settings.environment_name) or Lock()
    return Declared(read.spec, resolved, placement, TemplateFolders(settings.file.absolute().parent), lock)


def read_fleet_inventory(settings: Settings) -> Inventory:
    """Return the inventory that was named, or the one that is meant."""
    named, environment = settings.inventory or None, settings.environment_name or None
    path = sources.find_inventory(named, environment, ".", str(settings.file))
    return sources.with_home(read_inventory(*sources.inventory_sources(path)), Path.home())


def fleet_name(settings: Settings) -> str:
    """Return the name of the fleet that the spec declares, empty where nobody named a spec and there is none."""
    if str(settings.file) == DEFAULT_SPEC and not settings.file.exists():
        return ""
    return read_fleet(sources.read_source(settings.file), settings.environment).spec.name


def declared_spec(settings: Settings) -> FleetSpec | None:
    """Return what the spec declares, None where there is no spec."""
    if not settings.file.exists():
        return None
    return read_fleet(sources.read_source(settings.file), settings.environment).spec


def declared_secrets(settings: Settings) -> Mapping[str, SecretSource]:
    """Return where the spec says that secrets are, nothing where there is no spec."""
    spec = declared_spec(settings)
    return spec.secrets if spec else {}


def named_fleet(settings: Settings) -> str:
    """Return the name of the fleet that the spec declares. Raise UsageError where there is no spec."""
    return fleet_name(settings) or read_fleet(sources.read_source(settings.file), settings.environment).spec.name


def intend(
    settings: Settings,
    declared: Declared,
    forget: frozenset[str] = frozenset(),
    without: frozenset[str] = frozenset(),
) -> Intent:
    """Render everything and return what the user wants, before anything was observed. Raise InvalidInput."""
    spec, placement = declared.spec, declared.placement
    inputs = all_inputs(declared)
    if settings.locked:
        refuse_unlocked(declared.lock, asked_names(spec, inputs, declared.lock.platform))
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
        templates=balancer_templates(declared),
        sites=sites(spec),
        lock=declared.lock,
        inventory=declared.inventory.hosts,
        scope=frozenset(select(declared.inventory, settings.limit)) if settings.limit else None,
        forget=forget,
        without=without,
        author=git.author(settings.environment),
        commit=git.commit(settings.file.absolute().parent),
        vault=open_vault(spec.secrets, settings.environment, settings.file.absolute().parent),
        commands={each.name: each.release_command for each in spec.services.values() if each.release_command},
        hooks=spec.hooks,
    )


def all_inputs(declared: Declared) -> tuple[BuildInputs, ...]:
    """Return what every image of the fleet is built from, with what its moving names are locked to."""
    lock, fleet = declared.lock, declared.spec.name
    if lock == Lock():
        return unlocked_inputs(declared)
    found = unlocked_inputs(declared)
    return tuple(with_pins(each, fleet, pins_for(lock, each), each.platform or lock.platform) for each in found)


def unlocked_inputs(declared: Declared) -> tuple[BuildInputs, ...]:
    """Return what every image of the fleet is built from, whatever a lock says."""
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


def balancer_templates(declared: Declared) -> tuple[NamedTemplate, ...]:
    """Return every template that the balancer's file is made of, its own first and under our name for it."""
    balancer = declared.spec.load_balancer
    if balancer is None:
        return ()
    read: dict[str, str] = {}
    main = balancer_template(balancer.source.template)
    config = balancer_config(declared.spec, balancer, declared.placement)
    balancer_text(config, _noting(declared.templates, read), main)
    own = read.pop(main) if main in read else read.pop(TEMPLATE)
    return (NamedTemplate(KEPT_TEMPLATE, own), *(NamedTemplate(name, text) for name, text in sorted(read.items())))


def _noting(load: Load, read: dict[str, str]) -> Load:
    def noting(name: str) -> TemplateSource | None:
        found = load(name)
        if found is not None:
            read[name] = found.text
        return found

    return noting


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
