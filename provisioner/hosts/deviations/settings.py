"""Every setting of a container that its request did not ask for, whatever it is called."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from provisioner.hosts.deviations.daemon import DaemonDefaults, ulimit_text
from provisioner.hosts.image_reading import Answer
from provisioner.model.deviation import Deviation
from provisioner.model.image import ImageDefaults

NONE = "none"

_COMPARED = frozenset({
    "Binds", "CapAdd", "CapDrop", "CpuPeriod", "CpuQuota", "Init", "LogConfig", "MaskedPaths", "Memory", "MemorySwap",
    "Mounts", "NanoCpus", "NetworkMode", "PidsLimit", "PortBindings", "Privileged", "ReadonlyPaths", "ReadonlyRootfs",
    "RestartPolicy", "SecurityOpt", "Tmpfs", "Ulimits",
})  # fmt: skip
"""Keys that are an option of ours, or looked at one by one below."""

_WITHOUT_EFFECT = frozenset({"ConsoleSize", "ContainerIDFile"})

_NAMES = {
    "AutoRemove": ("restart", "auto_remove"),
    "CgroupnsMode": ("hardening", "cgroupns"),
    "DeviceCgroupRules": ("hardening", "device_cgroup_rules"),
    "DeviceRequests": ("hardening", "device_requests"),
    "Devices": ("hardening", "devices"),
    "GroupAdd": ("hardening", "group_add"),
    "IpcMode": ("hardening", "ipc"),
    "PidMode": ("hardening", "pid"),
    "Sysctls": ("hardening", "sysctls"),
    "UTSMode": ("hardening", "uts"),
    "UsernsMode": ("hardening", "userns"),
    "CgroupParent": ("limits", "cgroup_parent"),
    "CpuShares": ("limits", "cpu_shares"),
    "CpusetCpus": ("limits", "cpuset_cpus"),
    "CpusetMems": ("limits", "cpuset_mems"),
    "BlkioWeight": ("limits", "blkio_weight"),
    "MemoryReservation": ("limits", "memory_reservation"),
    "MemorySwappiness": ("limits", "memory_swappiness"),
    "OomKillDisable": ("limits", "oom_kill_disable"),
    "OomScoreAdj": ("limits", "oom_score_adj"),
    "ShmSize": ("limits", "shm_size"),
    "Dns": ("networks", "dns"),
    "DnsOptions": ("networks", "dns_options"),
    "DnsSearch": ("networks", "dns_search"),
    "ExtraHosts": ("networks", "extra_hosts"),
    "Links": ("networks", "links"),
    "PublishAllPorts": ("ports", "publish_all"),
    "VolumeDriver": ("mounts", "volume_driver"),
    "VolumesFrom": ("mounts", "volumes_from"),
    "Runtime": ("settings", "runtime"),
}
"""What people call a key; one that is not listed is shown as it is, so that nothing new can hide."""

_HIDDEN = ("/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/sched_debug", "/proc/timer_list", "/sys/firmware")
_GUARDED = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""Paths that every engine we know hides, or keeps read-only, from a container without privileges."""

_OWN_CONFIG = frozenset({
    "ArgsEscaped", "AttachStderr", "AttachStdin", "AttachStdout", "Cmd", "Entrypoint", "Env", "ExposedPorts",
    "Healthcheck", "Hostname", "Image", "Labels", "OnBuild", "Shell", "StdinOnce", "StopSignal", "StopTimeout", "User",
    "Volumes", "WorkingDir",
})  # fmt: skip
_CONFIG_NAMES = {
    "Domainname": ("hostname", "domain"),
    "MacAddress": ("networks", "mac_address"),
    "NetworkDisabled": ("networks", "disabled"),
    "OpenStdin": ("settings", "stdin_open"),
    "Tty": ("settings", "tty"),
}
_NO_NEW_PRIVILEGES = "no-new-privileges"
_LONG = 200
_PROPAGATION = frozenset({"", "rprivate", "private"})


def settings(inspection: Answer, defaults: ImageDefaults, daemon: DaemonDefaults) -> Iterator[Deviation]:
    """Yield what the inspection of a container shows and neither our request, its image nor its engine put there."""
    config, host = inspection["Config"], inspection["HostConfig"]
    yield from _host_settings(host, daemon)
    yield from _security(host)
    yield from _kernel_paths(host)
    yield from _ulimits(host, daemon)
    yield from _swap(host, daemon)
    yield from _mounts(inspection)
    for key in sorted(config.keys() - _OWN_CONFIG):
        if config[key]:
            kind, name = _CONFIG_NAMES.get(key, ("settings", key))
            yield Deviation(kind, name, NONE, _text(config[key]))
    folder = config.get("WorkingDir") or "/"
    if (folder.rstrip("/") or "/") != (defaults.working_dir.rstrip("/") or "/"):
        yield Deviation("working_dir", "", defaults.working_dir or "/", folder)


def _host_settings(host: Answer, daemon: DaemonDefaults) -> Iterator[Deviation]:
    usual = {
        "CgroupnsMode": daemon.cgroupns,
        "IpcMode": daemon.ipc,
        "Isolation": "default",
        "Runtime": daemon.runtime,
        "ShmSize": daemon.shm_size,
    }
    for key in sorted(host.keys() - _COMPARED - _WITHOUT_EFFECT):
        value, neutral = host[key], usual.get(key)
        kind, name = _NAMES.get(key, ("settings", key))
        if key == "MemorySwappiness" and value == -1:
            continue
        if (value and value != neutral) or (key == "MemorySwappiness" and value == 0):
            yield Deviation(kind, name, NONE if neutral is None else _text(neutral), _text(value))


def _security(host: Answer) -> Iterator[Deviation]:
    # One who is privileged, or shares the host's processes, gets no label from the engine itself.
    unlabelled = host.get("Privileged") or "host" in {host.get("PidMode"), host.get("IpcMode")}
    for option in sorted(host.get("SecurityOpt") or ()):
        name, _, value = option.replace(":", "=", 1).partition("=")
        if name != _NO_NEW_PRIVILEGES and not (unlabelled and name == "label"):
            yield Deviation("security", name, NONE, _text(value or "true"))


def _kernel_paths(host: Answer) -> Iterator[Deviation]:
    if host.get("Privileged"):
        return
    for key, name, usual in (("MaskedPaths", "masked_paths", _HIDDEN), ("ReadonlyPaths", "readonly_paths", _GUARDED)):
        # Before its first start an engine has not filled them in: only a list that is there can lack something.
        if key in host and host[key] is not None and (lacking := sorted({*usual} - {*host[key]})):
            yield Deviation("hardening", name, _text(lacking), NONE)


def _ulimits(host: Answer, daemon: DaemonDefaults) -> Iterator[Deviation]:
    for limit in sorted(map(ulimit_text, host.get("Ulimits") or ())):
        if limit not in daemon.ulimits:
            name, _, value = limit.partition("=")
            yield Deviation("limits", f"ulimit {name}", NONE, value)


def _swap(host: Answer, daemon: DaemonDefaults) -> Iterator[Deviation]:
    """Yield swap beyond the memory that a container may have: our requests give none."""
    memory, swap = host.get("Memory") or 0, host.get("MemorySwap") or 0
    if daemon.swap and swap not in {0, memory}:
        yield Deviation("limits", "memory_swap", _text(memory), "unlimited" if swap < 0 else _text(swap))


def _mounts(inspection: Answer) -> Iterator[Deviation]:
    for entry in inspection.get("Mounts") or ():
        if entry.get("Type") == "bind" and (entry.get("Propagation") or "") not in _PROPAGATION:
            yield Deviation("mounts", f"{entry['Destination']} propagation", "rprivate", entry["Propagation"])
        if entry.get("Type") == "volume" and (entry.get("Driver") or "local") != "local":
            yield Deviation("mounts", f"{entry['Destination']} driver", "local", entry["Driver"])


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return " ".join(sorted(value))
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= _LONG else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
