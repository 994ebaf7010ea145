"""What the views are shown in tests, and the files that hold what they should look like."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.model.balancer import Drained
from provisioner.model.container import ContainerOptions
from provisioner.model.image import Known, ToBuild
from provisioner.model.plan import (
    Action,
    BuildImage,
    Change,
    EnterRotation,
    MissingSecret,
    Plan,
    RecordRelease,
    RemoveContainer,
    ShipImage,
    StartNode,
    Step,
)
from provisioner.model.secret import DesiredSecret
from provisioner.model.status import BalancerStatus, FleetStatus, HostStatus, NodeStatus
from provisioner.views.choose import choose_view
from provisioner.views.settings import Settings
from provisioner.views.view import View

CASES = Path(__file__).parent.parent / "cases" / "views"
UPDATE = "UPDATE_CASES"
IMAGE = "sha256:" + "4be1c0ffee12" + "0" * 52
NEXT_IMAGE = "sha256:" + "77aa01d0c0de" + "0" * 52
FINGERPRINT = "sha256:" + "9f3c1e0a7b21" + "0" * 52
RELEASE = "r12-9f3c1e0a7b21"

Show = Callable[[View], None]
Paint = Callable[..., str]


def paint(
    show: Show, settings: Settings | None = None, *, encoding: str = "utf-8", json: bool = False, run: bool = False
) -> str:
    """Return what a view wrote, both streams one after the other."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="") for _ in range(2))
    view = choose_view(out, err, settings or Settings(), json=json, run=run)
    show(view)
    view.close()
    texts = []
    for stream in (out, err):
        stream.flush()
        stream.seek(0)
        texts.append(stream.read())
    return f"stdout:\n{texts[0]}stderr:\n{texts[1]}"


@pytest.fixture(name="paint")
def lend_paint() -> Paint:
    """Lend `paint`."""
    return paint


@pytest.fixture
def matches() -> Callable[[str, str], None]:
    """Lend the comparison with `tests/cases/views/<case>/expected.txt`; UPDATE_CASES=1 writes it anew."""

    def compare(case: str, text: str) -> None:
        path = CASES / case / "expected.txt"
        if os.environ.get(UPDATE):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare


def start(node: str) -> StartNode:
    """Return the start of a node with a secret-looking environment, which no view may show."""
    options = ContainerOptions(environment={"API_KEY": "hunter2"})
    host = node.partition("/")[0]
    return StartNode(host, node, "web", "b", "shop.web-1.b", ToBuild("provisioner/shop/web:1f"), options, ())


def first_plan() -> Plan:
    """Return a plan that builds, ships and starts on three hosts."""
    hosts = ("web1", "web2", "web3")
    steps = [
        Step("make images", (BuildImage("", "web", "provisioner/shop/web:1f"),)),
        Step("ship images", tuple(ShipImage(host, "web", Known("web:1f", IMAGE)) for host in hosts)),
    ]
    for host in hosts:
        node = f"{host}/web-1"
        steps.append(Step(f"{node}: start", (start(node),)))
        steps.append(Step(f"{node}: into rotation", (EnterRotation("lb1", node, "b", "web", (f"{host}.1.b",)),)))
    steps.append(Step("record the release", tuple(RecordRelease(host) for host in hosts)))
    changes = tuple(Change(host, f"{host}/web-1", "add", ("container: absent -> present (pending)",)) for host in hosts)
    return Plan("shop", tuple(steps), changes)


def secret_plan() -> Plan:
    """Return a plan that starts a node with secrets, one of which has no value here."""
    secrets = (DesiredSecret("API_KEY", "", "5" * 64), DesiredSecret("TOKEN", "APP_TOKEN", "6" * 64))
    node = "web1/web-1"
    change = Change("web1", node, "change", ("secret API_KEY: changed -> *** (pending)",))
    started = Step(f"{node}: start", (replace(start(node), secrets=secrets),))
    removed = Step(
        "remove old containers", (RemoveContainer("web1", node, "shop.web-1.a", "1", "", "shop.web-1.a.secrets"),)
    )
    missing = (MissingSecret("TOKEN", "the variable TOKEN is not set"),)
    return Plan("shop", (started, removed), (change,), "r13-0a1b2c3d4e5f", secrets=missing)


def changing_plan() -> Plan:
    """Return a plan in which ten nodes change alike, one differs, one goes, and clients would notice."""
    reason = f"image: {IMAGE} -> {NEXT_IMAGE} (pending)"
    nodes = [f"web{number}/web-1" for number in range(1, 11)]
    changes = [Change(node.partition("/")[0], node, "change", (reason,)) for node in nodes]
    drifted = (reason, "environment LOG_LEVEL: debug -> info (drift)")
    changes[2] = Change("web3", "web3/web-1", "change", drifted)
    changes.append(Change("web11", "web11/web-1", "remove", ("container: exited -> absent (pending)",)))
    steps = [Step(f"{node}: {what}", (start(node),)) for node in nodes for what in ("start", "wait until healthy")]
    action: Action = RecordRelease("lb1")
    steps.append(Step("lb1: stop the balancer", (action,), interrupts="clients of the balancer on lb1"))
    steps.append(Step("record the release", (action,)))
    return Plan("shop", tuple(steps), tuple(changes), "r13-0a1b2c3d4e5f", ("web12",))


DRAINED = (Drained("web2/web-1", "Ada", "2026-11-27T20:00:00Z", "noisy disk"),)


def status_sample(*, uniform: bool) -> FleetStatus:
    """Return a fleet of three web nodes: all equal, or one changed, one missing and one host lost."""
    hosts = [HostStatus(name, reachable=True, engine="20.10.24") for name in ("lb1", "web1", "web2")]
    nodes = [
        NodeStatus(host, "web", f"{host}/web-1", "a", "healthy", RELEASE, IMAGE, FINGERPRINT, "ready")
        for host in ("web1", "web2", "web3")
    ]
    if not uniform:
        other = "sha256:" + "d" * 64
        nodes[1] = NodeStatus("web2", "web", "web2/web-1", "b", "unhealthy", "", NEXT_IMAGE, other, "down")
        nodes[2] = NodeStatus("web3", "web", "web3/web-1", "", "unknown", "", "", "", "")
    lost = HostStatus("web3", reachable=False, reason="connection timed out after 10 s")
    hosts.append(HostStatus("web3", reachable=True, engine="20.10.24") if uniform else lost)
    balancers = (BalancerStatus("lb1", "lb1/load-balancer-1", "healthy", IMAGE, "5" * 64, ("*:80 -> 80",)),)
    return FleetStatus("shop", RELEASE, uniform, tuple(hosts), tuple(nodes), balancers)
