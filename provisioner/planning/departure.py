"""The steps that leave no trace: of a fleet on a host it has left, and of a fleet that is destroyed."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.model.container import NODE_LABEL
from provisioner.model.image import COURIER_REPOSITORY, SPOOL_VOLUME, image_repository
from provisioner.model.observed import ALIVE, Observed, ObservedContainer, ObservedHost
from provisioner.model.plan import Action, Change, Plan, RemoveContainer, RemoveImage, RemoveVolume, Step, StopContainer
from provisioner.model.secret import is_secrets_volume
from provisioner.model.spec import LOAD_BALANCER
from provisioner.planning.scene import Scene


def departure_steps(scene: Scene) -> Iterator[Step]:
    """Yield the removal of what the fleet keeps on hosts that carry none of it any more; data volumes stay."""
    carrying, balancing = set(scene.desired.hosts), {balancer.host for balancer in scene.desired.balancers}
    fleet, hosts = scene.desired.fleet, [host for host in scene.observed.hosts if scene.in_scope(host.name)]
    actions = tuple(
        action
        for host in hosts
        if host.name not in balancing
        for action in (_balancer_volumes(fleet, host) if host.name in carrying else _keepsakes(fleet, host, data=False))
    )
    if actions:
        yield Step("clear hosts that the fleet has left", actions)


def destruction(fleet: str, observed: Observed, *, data: bool) -> Plan:
    """Return the plan that removes a fleet: balancers first, then nodes, then what it keeps; data only if asked for."""
    ours = [(host.name, each) for host in observed.hosts for each in host.containers if each.fleet == fleet]
    ours.sort(key=lambda entry: (not _is_balancer(entry[1]), entry[0], entry[1].name))
    stops = tuple(
        StopContainer(host, _node(each), each.name, each.container_id, each.options.stop_timeout)
        for host, each in ours
        if each.state in ALIVE
    )
    removes = tuple(
        RemoveContainer(host, _node(each), each.name, each.container_id, "destroyed") for host, each in ours
    )
    keeps = tuple(action for host in observed.hosts for action in _keepsakes(fleet, host, data=data))
    titled: tuple[tuple[str, tuple[Action, ...]], ...] = (
        ("stop every container", stops),
        ("remove every container", removes),
        ("remove images, releases and volumes", keeps),
    )
    steps = tuple(Step(title, actions) for title, actions in titled if actions)
    lines = tuple(Change(host, _node(each) or each.name, "remove", ("destroyed",)) for host, each in ours)
    return Plan(fleet, steps, lines, None, tuple(host.name for host in observed.unreachable))


def _is_balancer(container: ObservedContainer) -> bool:
    return f".{LOAD_BALANCER}-" in container.name


def _node(container: ObservedContainer) -> str:
    return container.labels.get(NODE_LABEL, "")


def _balancer_volumes(fleet: str, host: ObservedHost) -> Iterator[Action]:
    for volume in host.volumes:
        if volume.startswith(f"{fleet}_{LOAD_BALANCER}-"):
            yield RemoveVolume(host.name, volume, "no balancer of the fleet is on this host any more")


def _keepsakes(fleet: str, host: ObservedHost, *, data: bool) -> Iterator[Action]:
    for volume in host.volumes:
        if volume.startswith(f"{fleet}_") and (data or volume.startswith(f"{fleet}_{LOAD_BALANCER}-")):
            yield RemoveVolume(host.name, volume, "no container of the fleet uses it any more")
        elif is_secrets_volume(fleet, volume):
            yield RemoveVolume(host.name, volume, "the secrets of a container that is gone")
    ours = image_repository(fleet, "")
    for tag in sorted(tag for image in host.images for tag in image.tags if tag.startswith(ours)):
        yield RemoveImage(host.name, tag, "an image of the fleet")
    if not _carries_others(fleet, host):
        yield from _courier(host)


def _carries_others(fleet: str, host: ObservedHost) -> bool:
    """Tell whether another fleet has a container or an image on a host."""
    tags = (tag for image in host.images for tag in image.tags if tag.startswith("provisioner/"))
    owners = {tag.split("/")[1] for tag in tags if tag.count("/") > 1}
    return bool((owners | {each.fleet for each in host.containers if each.fleet}) - {fleet})


def _courier(host: ObservedHost) -> Iterator[Action]:
    """Yield the removal of what shipping left on a host: with its last fleet nobody needs it any more."""
    tags = sorted(tag for image in host.images for tag in image.tags if tag.startswith(f"{COURIER_REPOSITORY}:"))
    if tags:
        yield RemoveVolume(host.name, SPOOL_VOLUME, "the last fleet leaves this host")
    for tag in tags:
        yield RemoveImage(host.name, tag, "the last fleet leaves this host")
