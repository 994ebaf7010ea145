"""The fields of a container that are compared, each with its kind, its key and its values as text."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from provisioner.model.container import ContainerOptions, EngineHealthTest, Mount, PublishedPort
from provisioner.model.image import ImageTarget, Known, ToBuild, ToFetch
from provisioner.model.observed import ObservedContainer
from provisioner.model.secret import MASKED, UNREADABLE, DesiredSecret

ABSENT = "absent"
PRESENT = "present"
CHANGED = "changed"
"""What is told of a secret's value that is another one."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs, both values as text; `detail` is a unified diff, `note` what else has to be known."""

    kind: str
    key: str
    desired: str
    observed: str
    detail: str = ""
    note: str = ""


def option_differences(wanted: ContainerOptions, seen: ContainerOptions) -> Iterator[Difference]:
    """Yield what differs between effective options, field by field, in a fixed order."""
    if wanted == seen:
        return
    yield from _scalars(wanted, seen)
    yield from _entries("environment", wanted.environment, seen.environment)
    yield from _entries("mounts", _mounts(wanted.mounts), _mounts(seen.mounts))
    yield from _entries("tmpfs", _tmpfs(wanted), _tmpfs(seen))
    yield from _entries("logging", wanted.log_options, seen.log_options)


def _scalars(wanted: ContainerOptions, seen: ContainerOptions) -> Iterator[Difference]:
    for (kind, key, desired), (_, _, observed) in zip(_scalar_fields(wanted), _scalar_fields(seen), strict=True):
        if desired != observed:
            yield Difference(kind, key, desired, observed)


def _scalar_fields(options: ContainerOptions) -> Iterator[tuple[str, str, str]]:
    yield "command", "", words(options.command or ())
    yield "entrypoint", "", words(options.entrypoint or ())
    yield "user", "", options.user or ""
    yield "network", "", options.network
    yield "limits", "cpus", _limit(options.nano_cpus / 1_000_000_000)
    yield "limits", "memory", _limit(options.memory)
    yield "limits", "pids", _limit(options.pids)
    yield "hardening", "read_only", _flag(options.read_only)
    yield "hardening", "init", _flag(options.init)
    yield "hardening", "privileged", _flag(options.privileged)
    yield "hardening", "no_new_privileges", _flag(options.no_new_privileges)
    yield "hardening", "cap_add", words(options.cap_add)
    yield "hardening", "cap_drop", words(options.cap_drop)
    yield "restart", "", options.restart
    yield "healthcheck", "", health_text(options.health)
    yield "stop", "signal", options.stop_signal or ""
    yield "stop", "timeout", f"{options.stop_timeout}s"
    yield "logging", "driver", options.log_driver


def secret_differences(wanted: tuple[DesiredSecret, ...], seen: Mapping[str, str]) -> Iterator[Difference]:
    """Yield the secrets that differ, by their digests; no value and no digest is told."""
    desired = {secret.key: secret.digest for secret in wanted}
    for key in sorted({*desired, *seen}):
        if desired.get(key) != seen.get(key) or not desired[key]:
            observed = UNREADABLE if seen.get(key) == UNREADABLE else CHANGED
            yield Difference("secret", key, MASKED if key in desired else ABSENT, observed if key in seen else ABSENT)


def image_difference(wanted: ImageTarget, seen_id: str) -> Difference | None:
    """Return what differs between the desired image and the id that runs."""
    match wanted:
        case Known(image_id=image_id):
            return None if image_id == seen_id else Difference("image", "", image_id, seen_id)
        case ToBuild(tag=tag):
            return Difference("image", "", f"{tag} (to be built)", seen_id)
        case ToFetch(reference=reference):
            return Difference("image", "", f"{reference} (to be fetched)", seen_id)


def port_difference(wanted: tuple[PublishedPort, ...], seen: tuple[PublishedPort, ...]) -> Difference | None:
    """Return what differs in the published ports."""
    desired, observed = ports_text(wanted), ports_text(seen)
    return None if desired == observed else Difference("ports", "", desired, observed)


def health_difference(container: ObservedContainer) -> Difference | None:
    """Return that a container's own test, which its engine runs, fails; one that does not run has no say."""
    sick = container.running and container.health == "unhealthy"
    return Difference("state", "health", "healthy", container.health) if sick else None


def hostname_difference(container: ObservedContainer, host: str) -> Difference | None:
    """Return that a container is called otherwise than its host; one in another's network has no name of its own."""
    shared = container.options.network.startswith("container:")
    return None if shared or container.hostname == host else Difference("hostname", "", host, container.hostname)


def deviation_differences(container: ObservedContainer, volatile: Collection[str] = ()) -> Iterator[Difference]:
    """Yield what a container has that no request of ours leaves there; `volatile` paths are its program's own."""
    for each in container.deviations:
        if not (each.kind == "files" and _is_below(each.key, volatile)):
            yield Difference(each.kind, each.key, each.desired, each.observed, each.detail, each.note)


def _is_below(path: str, folders: Collection[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)


def ports_text(ports: tuple[PublishedPort, ...]) -> str:
    """Return ports as people write them: `10.0.0.11:18000->8000/tcp`, in order."""
    each = sorted(f"{port.address or '*'}:{port.host_port}->{port.container_port}/{port.protocol}" for port in ports)
    return " ".join(each)


def health_text(health: EngineHealthTest | None) -> str:
    """Return a health test in one line, `none` where there is none."""
    if health is None:
        return "none"
    times = f"every {health.interval:g}s timeout {health.timeout:g}s start {health.start_period:g}s"
    return f"{words(health.test)} {times} retries {health.retries}"


def words(values: tuple[str, ...]) -> str:
    """Return words in one line, quoted as a shell would want them."""
    return shlex.join(values)


def _entries(kind: str, wanted: Mapping[str, str], seen: Mapping[str, str]) -> Iterator[Difference]:
    for key in sorted({*wanted, *seen}):
        desired, observed = wanted.get(key, ABSENT), seen.get(key, ABSENT)
        if desired != observed:
            yield Difference(kind, key, desired, observed)


def _mounts(mounts: tuple[Mount, ...]) -> dict[str, str]:
    return {m.target: f"{m.kind} {m.source}{' read-only' if m.read_only else ''}" for m in mounts}


def _tmpfs(options: ContainerOptions) -> dict[str, str]:
    return {mount.target: mount.options or PRESENT for mount in options.tmpfs}


def _limit(value: float) -> str:
    return f"{value:g}" if value != int(value) else (str(int(value)) if value else "none")


def _flag(value: bool) -> str:  # noqa: FBT001 - turns one flag into text
    return "true" if value else "false"
