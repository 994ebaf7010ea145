"""Brings wish and observation together into a plan; moves nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from provisioner.model.desired import Desired
from provisioner.model.drift import Drift, DriftReport, DriftSummary
from provisioner.model.image import Made
from provisioner.model.inventory import Host
from provisioner.model.keeping import WantedInputs
from provisioner.model.observed import HostRoute, Observed, Unreachable
from provisioner.model.plan import Plan
from provisioner.model.release import Release, ReleaseContent
from provisioner.planning.addresses import refuse_foreign_addresses, refuse_impossible_binds
from provisioner.planning.batches import planned_hooks
from provisioner.planning.content import release_content
from provisioner.planning.diff import diff
from provisioner.planning.drained import drained_nodes, with_drained
from provisioner.planning.keeping import lost, release_images, wanted_inputs
from provisioner.planning.naming import next_number
from provisioner.planning.rollout import plan
from provisioner.planning.scene import Scene
from provisioner.ports import Builder
from provisioner.reconcile.managed_files import rendered_files, with_managed_files
from provisioner.reconcile.observe import before_last, departed_hosts, observe, read_release
from provisioner.reconcile.secrets import informed, missing, not_compared, with_secrets
from provisioner.reconcile.world import Intent, Lookout
from provisioner.spec.release import digest, encode_content


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the fleet: its own hosts, those that left it, and the last two releases.

    `cached` are the ids of images of these that this machine holds.
    """

    observed: Observed
    hosts: Mapping[str, Host]
    last: Release | None
    lost: tuple[Unreachable, ...] = ()
    before_last: Release | None = None
    cached: frozenset[str] = frozenset()

    @property
    def losses(self) -> tuple[Drift, ...]:
        """Return what hosts should keep of the last two releases, and lost."""
        return lost(self.last, self.before_last, self.observed, self.cached)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was seen, what should be, and the steps between them."""

    seen: Seen
    desired: Desired
    release: Release
    plan: Plan
    ids: Mapping[str, str]
    made: Mapping[str, Made] = field(default_factory=dict)

    @property
    def observed(self) -> Observed:
        """Return every host as it was seen."""
        return self.seen.observed

    @property
    def last(self) -> Release | None:
        """Return the release the fleet was on."""
        return self.seen.last

    @property
    def hosts(self) -> Mapping[str, Host]:
        """Return all hosts that were looked at."""
        return self.seen.hosts

    @property
    def lost(self) -> tuple[Unreachable, ...]:
        """Return the hosts that left the fleet and could not be reached."""
        return self.seen.lost

    @property
    def unreachable(self) -> tuple[Unreachable, ...]:
        """Return the hosts the fleet needs and that could not be observed."""
        gone = {host.name for host in self.lost}
        return tuple(host for host in self.observed.unreachable if host.name not in gone)


def look(lookout: Lookout, intent: Intent, *, secrets: bool = True) -> Seen:
    """Observe the fleet's hosts, read its last release, then observe the hosts that have left it since.

    Secrets become digests, before anybody compares or prints them; without `secrets` nobody may do either.
    """
    seen = _look(lookout, intent)
    if not secrets:
        return seen
    rendered = rendered_files((seen.before_last, seen.last))
    seen = replace(seen, observed=with_managed_files(lookout, seen.observed, seen.hosts, rendered))
    fleets = (intent.desire({}), *((seen.last.content.desired,) if seen.last else ()))
    return replace(seen, observed=with_secrets(lookout, intent.vault, seen.observed, seen.hosts, fleets))


def _look(lookout: Lookout, intent: Intent) -> Seen:
    observed = observe(lookout, intent.fleet, intent.hosts.values())
    last = read_release(lookout, observed, intent.hosts)
    left = [host for host in departed_hosts(last, intent.hosts, intent.inventory) if host.name not in intent.forget]
    before = before_last(lookout, observed, intent.hosts, last)
    needed = {image_id for release in (last, before) if release for image_id in release_images(release)}
    cached = frozenset(image_id for image_id in needed if lookout.cached(image_id))
    if not left:
        return Seen(observed, intent.hosts, last, before_last=before, cached=cached)
    former = observe(lookout, intent.fleet, left)
    together = Observed((*observed.hosts, *former.hosts), (*observed.unreachable, *former.unreachable))
    hosts = {**intent.hosts, **{host.name: host for host in left}}
    return Seen(together, hosts, last, former.unreachable, before, cached)


def prepare(lookout: Lookout, intent: Intent, builder: Builder | None, builder_host: str = "") -> Prepared:
    """Return the plan from what is to what is wanted."""
    seen = look(lookout, intent)
    ids = known_images(intent, seen, builder)
    return plan_again(intent, seen, ids, builder_host, _made_before(intent, ids, builder))


def _made_before(intent: Intent, ids: Mapping[str, str], builder: Builder | None) -> Mapping[str, Made]:
    """Return how the images that are there already were made, as far as the builder knows."""
    found = {tag: builder.made(tag) for tag in intent.tags.values() if tag in ids} if builder else {}
    return {tag: made for tag, made in found.items() if made and made.facts.image_id == ids[tag]}


def plan_again(
    intent: Intent, seen: Seen, ids: Mapping[str, str], builder_host: str = "", made: Mapping[str, Made] | None = None
) -> Prepared:
    """Return the plan for image ids that are known by now; `made` is what was built for it, by tag."""
    desired = informed(intent.desire(ids), intent.vault, seen.last.content.desired if seen.last else None)
    refuse_foreign_addresses(desired, seen.observed, seen.hosts)
    refuse_impossible_binds(desired, seen.observed)
    release = _release(intent, desired, seen, made or {})
    desired = with_drained(desired, drained_nodes(seen.observed), intent.render)
    scene = Scene(desired, seen.observed, intent.policy, intent.render, seen.last, intent.scope, builder_host)
    scene = replace(scene, before_last=seen.before_last, inputs=_inputs(intent, release), cached=seen.cached)
    scene = replace(scene, commands=intent.commands)
    steps = replace(plan(scene, release.name), secrets=missing(desired, intent.vault))
    steps = replace(steps, hooks=planned_hooks(intent.hooks, steps.steps))
    return Prepared(seen, desired, release, steps, ids, made or {})


def known_images(intent: Intent, seen: Seen, builder: Builder | None) -> dict[str, str]:
    """Return the ids of the wanted images as far as release, hosts and building engine know them."""
    names = (*intent.tags.values(), *intent.references)
    locked = {each.reference: each.image_id for each in intent.lock.images if each.reference in intent.references}
    found = {name: _known_id(name, seen, builder) for name in names if name not in locked}
    found |= {name: _locked_id(image_id, seen, builder) for name, image_id in locked.items()}
    return {name: image_id for name, image_id in found.items() if image_id}


def _locked_id(image_id: str, seen: Seen, builder: Builder | None) -> str:
    """Return what a name is locked to, empty where it has to be fetched first."""
    known = any(image.image_id == image_id for host in seen.observed.hosts for image in host.images)
    return image_id if known or builder is None or builder.find(image_id) else ""


def _known_id(name: str, seen: Seen, builder: Builder | None) -> str:
    images = [image for host in seen.observed.hosts for image in host.images]
    recorded = seen.last.content.desired.images.get(name, "") if seen.last else ""
    if recorded and any(image.image_id == recorded for image in images):
        return recorded
    tagged = next((image.image_id for image in images if name in image.tags and name.startswith("provisioner/")), "")
    if tagged or builder is None:
        return tagged
    facts = builder.find(recorded or name) or builder.find(name)
    return facts.image_id if facts else ""


def _release(intent: Intent, desired: Desired, seen: Seen, made: Mapping[str, Made]) -> Release:
    content = release_content(
        desired,
        intent.inputs,
        last=seen.last,
        made=made,
        templates=intent.templates,
        sites=intent.sites,
        lock=intent.lock,
    )
    # Compared as values: a field that came later with its default makes no new release.
    if seen.last is not None and seen.last.content == content and not _departures_changed(seen):
        return seen.last
    identity = digest(encode_content(content))
    routes = tuple(host.route for host in seen.observed.hosts if host.name in desired.hosts)
    return Release(
        number=next_number(seen.observed, identity),
        digest=identity,
        content=content,
        author=intent.author,
        commit=intent.commit,
        routes=routes,
        departed=tuple(_lost_route(host.name, seen) for host in seen.lost),
        inputs=_recorded_inputs(content, seen),
    )


def _recorded_inputs(content: ReleaseContent, seen: Seen) -> str:
    """Return the id of the image that holds what a release is made from, where a host has it already."""
    wanted = wanted_inputs(content)
    images = [image for host in seen.observed.hosts for image in host.images]
    return next((image.image_id for image in images if wanted and wanted.tag in image.tags), "")


def _inputs(intent: Intent, release: Release) -> WantedInputs | None:
    """Return what a release is made from; without a tag while an image of it is still to be built."""
    if len(release.content.builds) < len(intent.inputs):
        return WantedInputs(intent.fleet, "", ())
    return wanted_inputs(release.content)


def _departures_changed(seen: Seen) -> bool:
    before = {route.name for route in seen.last.departed} if seen.last else set()
    return before != {host.name for host in seen.lost}


def _lost_route(name: str, seen: Seen) -> HostRoute:
    routes = {route.name: route for route in (*seen.last.departed, *seen.last.routes)} if seen.last else {}
    host = seen.hosts[name]
    return routes.get(name) or HostRoute(name, host.address, host.port or 22, host.user or "")


def drift(lookout: Lookout, intent: Intent) -> DriftReport:
    """Return every difference between the wish and what is; needs nothing that could change a host."""
    return declared_drift(prepare(lookout, intent, None), intent)


def declared_drift(prepared: Prepared, intent: Intent) -> DriftReport:
    """Return every difference between the wish and what was seen."""
    last, seen = prepared.last, within(prepared.observed, intent.scope)
    drained = drained_nodes(prepared.observed)
    rows = diff(prepared.desired, seen, with_drained(last.content.desired, drained, intent.render) if last else None)
    losses = (row for row in prepared.seen.losses if intent.scope is None or row.host in intent.scope)
    rows = tuple(sorted((*rows, *losses, *not_compared(prepared.desired, intent.vault, intent.scope))))
    nodes = [node for node in prepared.desired.nodes if intent.scope is None or node.node.host in intent.scope]
    summary = DriftSummary(
        hosts=len(seen.hosts) + len(seen.unreachable),
        nodes=len(nodes),
        drifted=len({row.node for row in rows if row.node and row.drift_class != "unknown"}),
        unknown=len(seen.unreachable),
    )
    hosts = sorted((*(host.name for host in seen.hosts), *(host.name for host in seen.unreachable)))
    return DriftReport(intent.fleet, rows, summary, tuple(hosts))


def within(observed: Observed, scope: frozenset[str] | None) -> Observed:
    """Return what was seen of some hosts, of all where there is no limit."""
    if scope is None:
        return observed
    return replace(
        observed,
        hosts=tuple(host for host in observed.hosts if host.name in scope),
        unreachable=tuple(host for host in observed.unreachable if host.name in scope),
    )


def names(hosts: Iterable[Unreachable]) -> str:
    """Return the names of hosts in one line."""
    return ", ".join(host.name for host in hosts)
