"""Reads how an engine is set up off its own answers."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.hosts.image_reading import Answer

_WORDS = {
    "Driver": "storage driver",
    "CgroupDriver": "cgroup driver",
    "CgroupVersion": "cgroup version",
    "LoggingDriver": "logging driver",
    "DefaultRuntime": "default runtime",
    "DockerRootDir": "data root",
    "HttpProxy": "HTTP proxy",
    "HttpsProxy": "HTTPS proxy",
    "NoProxy": "no proxy",
}
_SWITCHES = {"LiveRestoreEnabled": "live restore", "ExperimentalBuild": "experimental", "Debug": "debug"}
_PROGRAMS = ("containerd", "runc", "docker-init")
_NO_SWARM = "inactive"
_BACKING = "Backing Filesystem"


def read_settings(info: Answer, versions: Answer) -> tuple[tuple[str, str], ...]:
    """Return settings by name, from answers to `GET /info` and `GET /version`; what is off or empty is left out."""
    return tuple(sorted((name, value) for name, value in _settings(info, versions) if value))


def _settings(info: Answer, versions: Answer) -> Iterator[tuple[str, str]]:
    for key, name in _WORDS.items():
        yield name, str(info.get(key) or "")
    for key, name in _SWITCHES.items():
        yield name, "on" if info.get(key) else ""
    yield "backing file system", dict(info.get("DriverStatus") or ()).get(_BACKING, "")
    yield "security options", " ".join(sorted(info.get("SecurityOptions") or ()))
    yield "labels", " ".join(sorted(info.get("Labels") or ()))
    yield "runtimes", " ".join(sorted(info.get("Runtimes") or ()))
    state = str((info.get("Swarm") or {}).get("LocalNodeState") or "")
    yield "swarm", "" if state == _NO_SWARM else state
    registries = info.get("RegistryConfig") or {}
    yield "insecure registries", " ".join(sorted(_insecure(registries)))
    yield "registry mirrors", " ".join(registries.get("Mirrors") or ())
    for each in versions.get("Components") or ():
        if each.get("Name") in _PROGRAMS:
            yield str(each["Name"]), str(each.get("Version") or "")


def _insecure(registries: Answer) -> Iterator[str]:
    yield from registries.get("InsecureRegistryCIDRs") or ()
    for name, each in (registries.get("IndexConfigs") or {}).items():
        if each.get("Secure") is False:
            yield name
