"""The parts a lab is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provisioner.errors import LabError
from provisioner.local.files import own_folder

if TYPE_CHECKING:
    import docker

    from provisioner.lab.layout import Lab, LabOptions
from provisioner.wiring.fleet import MIRROR_VARIABLE, Settings


@dataclass(frozen=True, slots=True)
class AskedEngines:
    """What was said about the engines of a lab: version and store of all hosts, and `HOST=VERSION/STORE` of some."""

    version: str = ""
    store: str = ""
    hosts: tuple[str, ...] = ()


def lab_options(name: str, groups: tuple[str, ...], port: int, engines: AskedEngines) -> LabOptions:
    """Return what a lab should be. Raise UsageError."""
    from provisioner.lab.editions import InnerEngine, inner_engine, parse_host_engine
    from provisioner.lab.layout import LabOptions, parse_group, plan_hosts

    default = InnerEngine()
    said = engines.version or engines.store
    engine = inner_engine(engines.version or default.version, engines.store or default.store) if said else None
    hosts = tuple(parse_host_engine(each) for each in engines.hosts)
    chosen = LabOptions(name=name, port=port, engine=engine, host_engines=hosts)
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
        cache=settings.cache,
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
