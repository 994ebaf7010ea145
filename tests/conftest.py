"""What tests on real parts share: a lab, and the command line as a person runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from provisioner.hosts.access import AccessSettings, EngineHands, SshHosts
from provisioner.hosts.examine import EngineExaminer
from tests.lab_fleet import KindsLab, LabFleet

# A machine that is busy otherwise makes no property wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def lab() -> Iterator[LabFleet]:
    """Return a lab of one balancer host and four web hosts, made from nothing and removed in the end."""
    fleet = LabFleet()
    fleet.down()
    fleet.up()
    yield fleet
    fleet.down()


@pytest.fixture(scope="session")
def kinds() -> Iterator[KindsLab]:
    """Return a lab of every kind of engine, made from nothing and removed in the end."""
    fleet = KindsLab()
    fleet.down()
    fleet.up()
    yield fleet
    fleet.down()


@pytest.fixture(scope="session")
def kinds_hands(kinds: KindsLab) -> Iterator[Callable[[str], EngineHands]]:
    """Return what lends the hands of a host of that lab."""
    hosts = kinds.inventory().hosts
    known = kinds.folder / "inventories" / f"{kinds.name}.known_hosts"
    with SshHosts(AccessSettings(known_hosts=known, environment={})) as opened:
        yield lambda name: opened.hands(hosts[name])


@pytest.fixture(scope="session")
def real_hosts(lab: LabFleet) -> Iterator[SshHosts]:
    """Return what lends real hosts."""
    known = lab.folder / "inventories" / f"{lab.name}.known_hosts"
    with SshHosts(AccessSettings(known_hosts=known, environment={})) as hosts:
        yield hosts


@pytest.fixture(scope="session")
def real_hands(lab: LabFleet, real_hosts: SshHosts) -> EngineHands:
    """Return what changes a real host: web4, which no other test puts a fleet on for long."""
    return real_hosts.hands(lab.inventory().hosts["web4"])


@pytest.fixture(scope="session")
def real_examiner(lab: LabFleet, real_hosts: SshHosts) -> EngineExaminer:
    """Return what looks closer at that host."""
    return real_hosts.examiner(lab.inventory().hosts["web4"])


@pytest.fixture(scope="session")
def real_image(lab: LabFleet) -> str:
    """Return the id of an image on that host with `sleep`, `true`, `false`, `sh` and a `/tmp`."""
    return lab.load_base("web4")
