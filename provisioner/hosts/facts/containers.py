"""What of a host's containers should be equal on its peers: everything of a foreign one, the fingerprint of ours."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from provisioner.model.container import LEASE_LABEL, NODE_LABEL
from provisioner.model.facts import Fact
from provisioner.model.observed import ObservedContainer, ObservedHost
from provisioner.planning.engine_facts import engine_facts
from provisioner.planning.fields import health_text, ports_text, words
from provisioner.planning.pairing import observed_fingerprint


def container_facts(host: ObservedHost) -> Iterator[Fact]:
    """Yield the containers of a host; of a node of ours, whichever slot it is in, only its fingerprint."""
    yield from engine_facts(host.engine)
    nodes: dict[str, list[ObservedContainer]] = {}
    for each in host.containers:
        if each.fleet:
            node = each.labels.get(NODE_LABEL, each.name).rpartition("/")[2]
            nodes.setdefault(f"{each.fleet} {node}", []).append(each)
        elif LEASE_LABEL not in each.labels:
            yield Fact("container", each.name, "\n".join(_lines(each)))
    for node, found in nodes.items():
        yield Fact("node", node, _fingerprint(found, host.engine.unenforceable))


def _fingerprint(slots: Sequence[ObservedContainer], absent: Collection[str]) -> str:
    current = min(slots, key=lambda each: (not each.running, each.name))
    state = "" if current.running else f" {current.state}"
    return observed_fingerprint(current, absent) + state


def _lines(container: ObservedContainer) -> Iterator[str]:
    options = container.options
    yield f"image {container.image_id}"
    yield f"state {container.state}"
    yield f"entrypoint {words(options.entrypoint or ())}"
    yield f"command {words(options.command or ())}"
    yield f"user {options.user or 'root'}"
    yield f"network {options.network}"
    yield f"ports {ports_text(container.ports)}"
    yield f"restart {options.restart}"
    yield f"healthcheck {health_text(options.health)}"
    yield f"limits cpus {options.nano_cpus / 1e9:g} memory {options.memory} pids {options.pids}"
    flags = {"read-only": options.read_only, "privileged": options.privileged, "init": options.init}
    flags["no-new-privileges"] = options.no_new_privileges
    yield f"hardening {words(tuple(flag for flag, is_set in flags.items() if is_set))}"
    yield f"capabilities added {words(options.cap_add)} dropped {words(options.cap_drop)}"
    for mount in options.mounts:
        yield f"mount {mount.target} from {mount.kind} {mount.source}{' read-only' if mount.read_only else ''}"
    for name, value in sorted(options.environment.items()):
        yield f"{name}={value}"
