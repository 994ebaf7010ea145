"""The fleet as it stands: hosts, nodes, balancers, and whether all of it is the same."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from provisioner.model.status import FleetStatus, HostStatus, NodeState, NodeStatus
from provisioner.views.marks import Marks
from provisioner.views.page import clean, hanging, indented
from provisioner.views.sentences import out_of_rotation
from provisioner.views.tables import table
from provisioner.views.words import names, plural, short

NODE_HEADERS = ("host", "node", "slot", "state", "release", "image", "balancer")
BALANCER_HEADERS = ("host", "balancer", "state", "image", "file", "answers on")


def status_page(status: FleetStatus, marks: Marks, width: int) -> Iterator[RenderableType]:
    """Yield the whole fleet, the verdict first and the reasons against it last."""
    yield _title(status, marks)
    yield from _fingerprints(status.nodes, marks)
    yield ""
    if status.nodes:
        yield from table(NODE_HEADERS, [_node(node, marks) for node in status.nodes], width)
    else:
        yield "No nodes."
    if status.balancers:
        yield ""
        rows = [
            (
                each.host,
                each.node,
                state(each.state, marks),
                short(each.image_id),
                short(each.config),
                names(each.ports),
            )
            for each in status.balancers
        ]
        yield from table(BALANCER_HEADERS, rows, width)
    yield ""
    for each in status.drained:
        yield hanging(Text(f"{marks.waiting} ", style="warn"), Text(clean(out_of_rotation(each)), style="warn"))
    yield from _hosts(status.hosts, marks)


def advice(status: FleetStatus) -> str:
    """Return the next useful command, empty where all is well."""
    if status.release is None:
        return "provisioner plan"
    return "" if status.uniform else "provisioner drift"


def state(name: NodeState, marks: Marks) -> Text:
    """Return a state as sign and word."""
    signs = {
        "healthy": (marks.good, "good"),
        "starting": (marks.waiting, "warn"),
        "unhealthy": (marks.bad, "bad"),
        "stopped": (marks.bad, "bad"),
        "missing": (marks.bad, "bad"),
        "unknown": (marks.unknown, "warn"),
    }
    sign, style = signs[name]
    return Text(f"{sign} {name}", style=style)


def _title(status: FleetStatus, marks: Marks) -> Text:
    uniform = (f"{marks.good} uniform: yes", "good") if status.uniform else (f"{marks.bad} uniform: no", "bad")
    release = f"release {status.release}" if status.release else "no release yet"
    return Text.assemble((status.fleet, "strong"), f"  {release}  ", uniform)


def _fingerprints(nodes: tuple[NodeStatus, ...], marks: Marks) -> Iterator[RenderableType]:
    for service in dict.fromkeys(node.service for node in nodes):
        carriers: dict[str, list[str]] = {}
        for node in nodes:
            if node.service == service and node.fingerprint:
                carriers.setdefault(node.fingerprint, []).append(node.node)
        same = len(carriers) == 1
        for fingerprint, found in sorted(carriers.items(), key=lambda entry: -len(entry[1])):
            where = f"on {plural(len(found), 'node')}" if same else f"on {names(found)}"
            sign = ("", "good") if same else (f"{marks.warn} ", "warn")
            yield Text.assemble(sign, f"{service}: fingerprint {short(fingerprint)} {where}")


def _node(node: NodeStatus, marks: Marks) -> tuple[str | Text, ...]:
    return (
        node.host,
        node.node,
        node.slot,
        state(node.state, marks),
        short(node.release),
        short(node.image_id),
        _rotation(node.balancer, marks),
    )


def _rotation(word: str, marks: Marks) -> Text:
    match word:
        case "":
            return Text("")
        case "ready":
            return Text(f"{marks.good} ready", style="good")
        case "drain" | "maint" | "drained":
            return Text(f"{marks.waiting} {word}", style="warn")
        case _:
            return Text(f"{marks.bad} {word}", style="bad")


def _hosts(hosts: tuple[HostStatus, ...], marks: Marks) -> Iterator[RenderableType]:
    reached = [host for host in hosts if host.reachable]
    engines = sorted({host.engine for host in reached if host.engine})
    with_engine = f", Docker Engine {names(engines)}" if engines else ""
    yield f"{len(reached)} of {plural(len(hosts), 'host')} reached{with_engine}."
    for host in hosts:
        if not host.reachable:
            yield Text(f"{marks.bad} {host.host} unreachable: {host.reason}", style="bad")
            if host.hint:
                yield indented(Text.assemble(("hint: ", "command"), clean(host.hint)), 2)
