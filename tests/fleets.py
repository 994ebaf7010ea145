"""Small fleets to test with: a spec of three web hosts behind one balancer, and the fleet as it is after a rollout."""

from __future__ import annotations

from dataclasses import replace

from provisioner.model.balancer import BalancerConfig, ServerState
from provisioner.model.container import FLEET_LABEL, NODE_LABEL, SERVICE_LABEL, PublishedPort
from provisioner.model.desired import Desired, DesiredBalancer, DesiredNode
from provisioner.model.image import ImageDefaults, ImageFacts, Known
from provisioner.model.inventory import Host
from provisioner.model.observed import (
    EngineFacts,
    HostRoute,
    Observed,
    ObservedBalancer,
    ObservedContainer,
    ObservedHost,
    ObservedRelease,
)
from provisioner.model.placement import Node, PlacedNode, Placement, Slot, SlotAddress, container_name
from provisioner.model.release import Release, ReleaseContent
from provisioner.model.spec import (
    LOAD_BALANCER,
    FleetSpec,
    FromTemplate,
    HealthCheck,
    LoadBalancer,
    RolloutPolicy,
    Service,
)
from provisioner.planning.desire import ImageIndex, desire
from provisioner.planning.effective import effective
from provisioner.planning.pairing import slot_ports
from provisioner.planning.scene import Scene

WEB_IMAGE = "sha256:" + "a" * 64
NEW_IMAGE = "sha256:" + "b" * 64
BALANCER_IMAGE = "sha256:" + "c" * 64
TAGS = {"web": "provisioner/shop/web:1", LOAD_BALANCER: "provisioner/shop/load-balancer:1"}
IDS = {TAGS["web"]: WEB_IMAGE, TAGS[LOAD_BALANCER]: BALANCER_IMAGE}
DEFAULTS = ImageDefaults(command=("python3", "app.py"), environment={"PATH": "/bin"}, user="", stop_signal="SIGTERM")
POLICY = RolloutPolicy(
    min_healthy_time=1.0, healthy_deadline=10.0, drain_timeout=5.0, canary=0, canary_soak=0.0, monitor=0.0
)
"""Nothing is tried out on the way, so that a test waits for nothing it does not ask for."""


def web_service(**changes: object) -> Service:
    """Return the web service, with what a test wants otherwise."""
    service = Service(
        name="web",
        hosts="web",
        source=FromTemplate("python-web", context="/app"),
        port=8000,
        host_port=18000,
        environment={"LOG_LEVEL": "info"},
        healthcheck=HealthCheck(path="/healthz", interval=1.0),
    )
    return replace(service, **changes)  # type: ignore[arg-type]  # tests name the fields they change


def spec(*services: Service, **changes: object) -> FleetSpec:
    """Return a fleet of these services behind one balancer."""
    chosen = services or (web_service(),)
    fleet = FleetSpec(
        name="shop",
        services={service.name: service for service in chosen},
        load_balancer=LoadBalancer("lb", FromTemplate("haproxy")),
        rollout=POLICY,
    )
    return replace(fleet, **changes)  # type: ignore[arg-type]  # as above


def host(name: str) -> Host:
    """Return a host with a private address made from the number in its name, else from its last character."""
    number = name.lstrip("abcdefghijklmnopqrstuvwxyz-")
    last = 10 + int(number) if number.isdecimal() else ord(name[-1]) - 38
    return Host(name, "127.0.0.1", private_address=f"10.0.0.{last}")


def placement(fleet: FleetSpec, webs: tuple[str, ...] = ("web1", "web2", "web3")) -> Placement:
    """Return every service's nodes on the web hosts."""
    nodes = tuple(
        PlacedNode(Node(name, service.name, index), _slots(service, name, index))
        for service in fleet.services.values()
        for name in webs
        for index in range(1, service.replicas + 1)
    )
    hosts = {name: host(name) for name in ("lb1", *webs)}
    return Placement(nodes, ("lb1",) if fleet.load_balancer else (), hosts)


def _slots(service: Service, name: str, index: int) -> tuple[SlotAddress, ...]:
    if service.port is None:
        return ()
    first = (service.host_port or service.port) + 2 * (index - 1)
    address = host(name).private_address
    return (SlotAddress("a", address, first), SlotAddress("b", address, first + 1))


def text_of(config: BalancerConfig) -> tuple[str, str]:
    """Render a balancer's file as its value in words; the digest is the text itself."""
    return repr(config), repr(config)


def desired(
    fleet: FleetSpec | None = None, ids: dict[str, str] | None = None, webs: tuple[str, ...] = ("web1", "web2", "web3")
) -> Desired:
    """Return what the fleet wants, all images known unless told otherwise."""
    fleet = fleet or spec()
    return desire(fleet, placement(fleet, webs), ImageIndex(TAGS, IDS if ids is None else ids), text_of)


def container(wanted: Desired, node: DesiredNode, slot: Slot = "a", **changes: object) -> ObservedContainer:
    """Return the container a node runs when all is well."""
    image = node.image.image_id if isinstance(node.image, Known) else ""
    name = container_name(wanted.fleet, node.node.service, node.node.index, slot)
    seen = ObservedContainer(
        container_id=f"{node.node.host}:{name}",
        name=name,
        image_id=image,
        options=effective(node.options, DEFAULTS),
        state="running",
        image_defaults=DEFAULTS,
        labels={FLEET_LABEL: wanted.fleet, NODE_LABEL: str(node.node), SERVICE_LABEL: node.node.service},
        hostname=node.node.host,
        ports=tuple(PublishedPort(i, o, at) for i, o, at in slot_ports(node, slot)),
    )
    return replace(seen, **changes)  # type: ignore[arg-type]  # as above


def balancer_container(wanted: Desired, balancer: DesiredBalancer, **changes: object) -> ObservedContainer:
    """Return the balancer's container when all is well."""
    labels = {FLEET_LABEL: wanted.fleet, NODE_LABEL: "lb1/load-balancer-1", SERVICE_LABEL: LOAD_BALANCER}
    image = balancer.image.image_id if isinstance(balancer.image, Known) else ""
    options = effective(balancer.options, DEFAULTS)
    seen = ObservedContainer("lb", balancer.name, image, options, "running", DEFAULTS, labels, "lb1", balancer.ports)
    return replace(seen, **changes)  # type: ignore[arg-type]  # as above


def at_rest(wanted: Desired, release: Release | None = None) -> Observed:
    """Return the fleet as a rollout leaves it: everything as wanted, slot a of every node in use."""
    return Observed(tuple(host_at_rest(wanted, name, release) for name in wanted.hosts))


def host_at_rest(wanted: Desired, name: str, release: Release | None = None) -> ObservedHost:
    """Return one host as a rollout leaves it."""
    nodes = [container(wanted, node) for node in wanted.nodes if node.node.host == name]
    balancers = [each for each in wanted.balancers if each.host == name]
    containers = nodes + [balancer_container(wanted, each) for each in balancers]
    return ObservedHost(
        name=name,
        engine=EngineFacts("20.10.24", "1.41", "classic", "linux/amd64", "streamlocal"),
        route=HostRoute(name, "127.0.0.1", 22, "root"),
        addresses=(host(name).private_address,),
        containers=tuple(containers),
        images=tuple(ImageFacts(image) for image in sorted({each.image_id for each in containers})),
        releases=(recorded(release),) if release else (),
        balancer=balancer_at_rest(balancers[0]) if balancers else None,
    )


def balancer_at_rest(balancer: DesiredBalancer) -> ObservedBalancer:
    """Return the balancer as it is at rest: slot a answers, slot b is enabled and down."""
    states = tuple(
        ServerState(
            backend=backend.service,
            name=server.name,
            admin="ready",
            health="up" if server.slot == "a" else "down",
            check="L7OK" if server.slot == "a" else "L4CON",
            sessions=0,
            total=0,
            weight=1,
            address=f"{server.address}:{server.port}",
        )
        for backend in balancer.config.backends
        for server in backend.servers
    )
    return ObservedBalancer("lb", balancer.text, balancer.digest, states)


def release(wanted: Desired, number: int = 1) -> Release:
    """Return the release that wants this; its digest is only a name here."""
    return Release(number, f"{number:064x}", ReleaseContent(wanted))


def recorded(release: Release) -> ObservedRelease:
    """Return a release as a host has it."""
    return ObservedRelease("sha256:r", f"provisioner/shop/release:{release.name}", release.number, release.digest)


def scene(wanted: Desired, seen: Observed, last: Release | None = None, **changes: object) -> Scene:
    """Return what planning looks at."""
    found = Scene(wanted, seen, POLICY, text_of, last)
    return replace(found, **changes)  # type: ignore[arg-type]  # as above


def edit(seen: Observed, name: str, **changes: object) -> Observed:
    """Return the fleet with one host changed."""
    changed = tuple(
        replace(each, **changes) if each.name == name else each  # type: ignore[arg-type]  # as above
        for each in seen.hosts
    )
    return replace(seen, hosts=changed)


def edit_container(seen: Observed, name: str, **changes: object) -> Observed:
    """Return the fleet with the first container of one host changed."""
    found = next(each for each in seen.hosts if each.name == name)
    first = replace(found.containers[0], **changes)  # type: ignore[arg-type]  # as above
    return edit(seen, name, containers=(first, *found.containers[1:]))
