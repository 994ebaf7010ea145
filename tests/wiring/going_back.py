"""A fleet in memory that is gone back on by somebody who has nothing but its inventory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from provisioner.local.templates import TemplateFolders
from provisioner.model.event import Finished
from provisioner.model.inventory import Inventory
from provisioner.model.release import NamedTemplate
from provisioner.model.spec import FleetSpec
from provisioner.planning.content import sites
from provisioner.reconcile.apply import Consent, apply
from provisioner.reconcile.chronicle import open_archive
from provisioner.reconcile.prepare import prepare
from provisioner.reconcile.world import Intent, World
from provisioner.render.balancer import KEPT_TEMPLATE, TEMPLATE
from provisioner.spec.inventory import read_inventory
from provisioner.spec.source import SourceText
from provisioner.wiring.fleet import Settings
from provisioner.wiring.rebuild import Ground
from tests import fleets
from tests.simulation import WEBS, Simulation


def whole(fleet: Simulation, spec: FleetSpec, webs: tuple[str, ...] = WEBS) -> Intent:
    """Return what a spec wants, with all that a release keeps to be placed anew."""
    template = TemplateFolders(Path("nowhere"))(TEMPLATE)
    assert template is not None
    return replace(
        fleet.intent(spec, webs), sites=sites(spec), templates=(NamedTemplate(KEPT_TEMPLATE, template.text),)
    )


def carry_out(world: World, intent: Intent) -> Finished:
    """Bring the fleet to what is wanted, with everybody's consent."""
    return apply(world, intent, prepare(world.lookout, intent, world.builder), Consent())


def inventory(balancers: tuple[str, ...] = ("lb1",), webs: tuple[str, ...] = WEBS) -> Inventory:
    """Return the inventory as a file has it."""
    groups = {"lb": balancers, "web": webs}
    lines = ["all:", "  children:"]
    for group, hosts in groups.items():
        lines += [f"    {group}:", "      hosts:"]
        lines += [f"        {name}: {_host(name)}" for name in hosts]
    return read_inventory(SourceText("inventory.yaml", "\n".join(lines) + "\n"), {}, {})


def _host(name: str) -> str:
    host = fleets.host(name)
    return f"{{ansible_host: {host.address}, private_address: {host.private_address}}}"


def settings(folder: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Return what somebody said who stands in a folder and named nothing."""
    return Settings(folder / "fleet.yaml", "", "", "", 1, environment or {}, folder)


def elsewhere(folder: Path, fleet: Simulation) -> Simulation:
    """Return another controller: its folder, cache and engine are empty, the hosts are those of a fleet."""
    other = Simulation(folder)
    other.hosts, other.balancers, other.clock = fleet.hosts, fleet.balancers, fleet.clock
    other.sources = lambda: [fleet.hosts[name].images for name in fleet.inventory]
    return other


def ground(controller: Simulation, there: Inventory, name: str = "") -> Ground:
    """Find the release to go back to on the hosts of an inventory; nobody says which fleet it is."""
    release = open_archive(controller.world().lookout, there.hosts).behind(name)
    return Ground(release, there, deploys=True)
