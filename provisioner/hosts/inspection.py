"""What an engine's inspection of a container means, in values that compare with what was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from provisioner.hosts.image_reading import Answer, read_environment, read_health
from provisioner.model.container import ContainerOptions, Mount, PublishedPort, TmpfsMount
from provisioner.model.image import ImageDefaults
from provisioner.model.observed import ContainerState, HealthState, ObservedContainer

DEFAULT_STOP_TIMEOUT = 10
_DEFAULT_PERIOD = 100_000
_NANO = 1_000_000_000
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - read, never bound to
_NO_NEW_PRIVILEGES = frozenset({"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"})
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


def read_container(inspection: Answer, image_id: str, defaults: ImageDefaults) -> ObservedContainer:
    """Read an answer to `GET /containers/{id}/json`.

    `image_id` is the configuration's digest of its image, `defaults` what that image sets.
    """
    config, state = inspection["Config"], inspection["State"]
    return ObservedContainer(
        container_id=inspection["Id"],
        name=inspection["Name"].removeprefix("/"),
        image_id=image_id,
        options=read_options(inspection, defaults),
        state=cast("ContainerState", state["Status"]),
        image_defaults=defaults,
        labels=dict(config.get("Labels") or {}),
        hostname=config.get("Hostname") or "",
        ports=read_ports(inspection["HostConfig"].get("PortBindings") or {}),
        addresses=_addresses(inspection),
        health=cast("HealthState", (state.get("Health") or {}).get("Status") or "none"),
        exit_code=state.get("ExitCode") or 0,
        out_of_memory=bool(state.get("OOMKilled")),
        restarts=inspection.get("RestartCount") or 0,
        started_at=state.get("StartedAt") or "",
    )


def read_options(inspection: Answer, defaults: ImageDefaults) -> ContainerOptions:
    """Return the effective options: image defaults included; what nobody set is empty, never None."""
    config, host = inspection["Config"], inspection["HostConfig"]
    log = host.get("LogConfig") or {}
    return ContainerOptions(
        command=tuple(config.get("Cmd") or ()),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        environment=read_environment(config.get("Env")),
        user=config.get("User") or "",
        mounts=_mounts(inspection, defaults),
        tmpfs=_tmpfs(host),
        network=_network(host.get("NetworkMode") or ""),
        nano_cpus=_nano_cpus(host),
        memory=host.get("Memory") or 0,
        pids=max(host.get("PidsLimit") or 0, 0),
        read_only=bool(host.get("ReadonlyRootfs")),
        init=bool(host.get("Init")),
        privileged=bool(host.get("Privileged")),
        no_new_privileges=bool(_NO_NEW_PRIVILEGES & set(host.get("SecurityOpt") or ())),
        cap_add=_capabilities(host.get("CapAdd")),
        cap_drop=_capabilities(host.get("CapDrop")),
        restart=_restart(host.get("RestartPolicy") or {}),
        health=read_health(config.get("Healthcheck")),
        stop_signal=config.get("StopSignal") or "",
        stop_timeout=DEFAULT_STOP_TIMEOUT if config.get("StopTimeout") is None else config["StopTimeout"],
        log_driver=log.get("Type") or "",
        log_options=dict(log.get("Config") or {}),
    )


def _mounts(inspection: Answer, defaults: ImageDefaults) -> tuple[Mount, ...]:
    """Return volumes and host paths by target; an anonymous volume that the image declares is not listed."""
    found = (_mount(entry) for entry in inspection.get("Mounts") or () if entry["Type"] in {"volume", "bind"})
    kept = (
        mount
        for mount in found
        if not (mount.kind == "volume" and mount.target in defaults.volumes and _ANONYMOUS.fullmatch(mount.source))
    )
    return tuple(sorted(kept, key=lambda mount: mount.target))


def _mount(entry: Answer) -> Mount:
    kind = "volume" if entry["Type"] == "volume" else "bind"
    source = entry.get("Name") if kind == "volume" else entry.get("Source")
    return Mount(cast("Any", kind), source or "", entry["Destination"], read_only=not entry.get("RW", True))


def _tmpfs(host: Answer) -> tuple[TmpfsMount, ...]:
    mounts = {target: options.split(",") for target, options in (host.get("Tmpfs") or {}).items()}
    for entry in host.get("Mounts") or ():
        if entry.get("Type") == "tmpfs":
            mounts[entry["Target"]] = list(_tmpfs_options(entry.get("TmpfsOptions") or {}))
    found = (TmpfsMount(target, ",".join(sorted(filter(None, options)))) for target, options in mounts.items())
    return tuple(sorted(found, key=lambda mount: mount.target))


def _tmpfs_options(options: Answer) -> Iterator[str]:
    if options.get("SizeBytes"):
        yield f"size={options['SizeBytes']}"
    if options.get("Mode"):
        yield f"mode={options['Mode']:o}"


def _network(mode: str) -> str:
    return "bridge" if mode in {"", "default"} else mode


def _nano_cpus(host: Answer) -> int:
    if host.get("NanoCpus"):
        return int(host["NanoCpus"])
    quota = host.get("CpuQuota") or 0
    return int(quota * _NANO / (host.get("CpuPeriod") or _DEFAULT_PERIOD)) if quota > 0 else 0


def _capabilities(names: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(sorted({name.upper().removeprefix("CAP_") for name in names or ()}))


def _restart(policy: Answer) -> str:
    name, tries = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    return f"{name}:{tries}" if name == "on-failure" and tries else str(name)


def read_ports(bindings: Mapping[str, Iterable[Answer] | None]) -> tuple[PublishedPort, ...]:
    """Return published ports in order, each once, from what an engine says of those that are asked for, or bound."""
    found = []
    for inside, published in bindings.items():
        port, _, protocol = inside.partition("/")
        if protocol in {"tcp", "udp"}:
            found += [_published(int(port), cast("Any", protocol), binding) for binding in published or ()]
    each = {(port.container_port, port.protocol, port.host_port, port.address): port for port in found}
    return tuple(each[key] for key in sorted(each))


def _published(port: int, protocol: Any, binding: Answer) -> PublishedPort:
    address, host_port = binding.get("HostIp") or "", binding.get("HostPort") or ""
    number = int(host_port) if host_port.isdigit() else 0
    return PublishedPort(port, number, "" if address in _EVERYWHERE else address, protocol)


def _addresses(inspection: Answer) -> tuple[str, ...]:
    networks = ((inspection.get("NetworkSettings") or {}).get("Networks") or {}).values()
    found = [network.get(key) for key in ("IPAddress", "GlobalIPv6Address") for network in networks if network]
    return tuple(dict.fromkeys(address for address in found if address))
