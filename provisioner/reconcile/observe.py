"""Looks at the fleet: every host at once, read only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from provisioner.errors import EngineRefused, HostError
from provisioner.model.inventory import Host
from provisioner.model.observed import HostRoute, Observed, ObservedHost, ObservedRelease, Unreachable
from provisioner.model.release import KeptRelease, Release
from provisioner.planning.balancer_slots import balancer_containers
from provisioner.planning.naming import stable
from provisioner.reconcile.at_once import at_once
from provisioner.reconcile.releases import CONTENT, read_kept
from provisioner.reconcile.world import Lookout


def observe(lookout: Lookout, fleet: str, hosts: Iterable[Host]) -> Observed:
    """Return every host as it is now; one that does not answer is a value in the answer, not an exception."""
    seen = at_once(lambda host: _observe_one(lookout, fleet, host), hosts, lookout.forks)
    return Observed(
        tuple(host for host in seen if isinstance(host, ObservedHost)),
        tuple(host for host in seen if isinstance(host, Unreachable)),
    )


def _observe_one(lookout: Lookout, fleet: str, host: Host) -> ObservedHost | Unreachable:
    try:
        reader = lookout.readers.reader(host)
        seen = reader.observe(fleet)
        balancer = next(iter(balancer_containers(fleet, seen.containers)), None)
        return replace(seen, balancer=lookout.balancers.observe(reader, balancer)) if balancer else seen
    except HostError as error:
        return Unreachable(host.name, error.reason, error.hint)


def read_release(lookout: Lookout, observed: Observed, hosts: Mapping[str, Host]) -> Release | None:
    """Return the release the fleet is on, read off the first host whose copy is whole; None where no host has any.

    One that failed is not it, however new.
    """
    found = stable(observed)
    # Two controllers at once may both have made the highest number: either is the last one.
    top = [each for each in found if each.number == found[0].number]
    read = (read_recorded(lookout, observed, hosts, each) for each in top)
    return next((release for release in read if release is not None), None)


def before_last(
    lookout: Lookout, observed: Observed, hosts: Mapping[str, Host], last: Release | None
) -> Release | None:
    """Return the release before the last one, None where no host has a whole copy of it."""
    if last is None:
        return None
    earlier = (each for each in stable(observed) if each.number < last.number)
    found = next(earlier, None)
    return read_recorded(lookout, observed, hosts, found) if found else None


def read_recorded(
    lookout: Lookout, observed: Observed, hosts: Mapping[str, Host], wanted: ObservedRelease
) -> Release | None:
    """Return a release, read off the first host whose copy is whole; None where there is no such host."""
    for host in observed.hosts:
        for found in host.releases:
            same = (found.number, found.digest) == (wanted.number, wanted.digest)
            if same and host.name in hosts and (release := _read(lookout, hosts[host.name], host, found)):
                return release
    return None


def _read(lookout: Lookout, host: Host, seen: ObservedHost, found: ObservedRelease) -> Release | None:
    try:
        content = lookout.readers.releases(host).release(found.reference).get(CONTENT)
    except EngineRefused:
        return None
    labels = next((image.labels for image in seen.images if image.image_id == found.image_id), {})
    return read_kept(KeptRelease(content, labels)) if content is not None else None


def departed_hosts(release: Release | None, present: Iterable[str], inventory: Mapping[str, Host]) -> tuple[Host, ...]:
    """Return the hosts that carried the fleet and are not asked for any more."""
    if release is None:
        return ()
    here = set(present)
    routes = {route.name: route for route in (*release.departed, *release.routes)}
    names = dict.fromkeys((*release.content.desired.hosts, *(route.name for route in release.departed)))
    return tuple(_host(name, routes.get(name), inventory) for name in names if name not in here)


def _host(name: str, route: HostRoute | None, inventory: Mapping[str, Host]) -> Host:
    if name in inventory:
        return inventory[name]
    if route is None:
        return Host(name, name)
    # No release holds a key: whoever may log in to the fleet's other hosts as that user tries the same key here.
    key_file = next((host.key_file for host in inventory.values() if host.user == route.user and host.key_file), None)
    return Host(name, route.address, route.port, route.user, key_file, private_address=route.address)
