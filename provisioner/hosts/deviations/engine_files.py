"""The files that an engine writes for a container and mounts over its own: hosts, hostname, resolv.conf."""

from __future__ import annotations

import hashlib
import io
import ipaddress
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from provisioner.hosts.image_reading import Answer
from provisioner.model.deviation import Deviation
from provisioner.model.file_state import FileState
from provisioner.planning.unified import unified

NAMES = ("hosts", "hostname", "resolv.conf")
HASH = "resolv.conf.hash"

_LOCAL = {
    "127.0.0.1": {"localhost"},
    "::1": {"localhost", "ip6-localhost", "ip6-loopback"},
    "fe00::": {"ip6-localnet"},
    "ff00::": {"ip6-mcastprefix"},
    "ff02::1": {"ip6-allnodes"},
    "ff02::2": {"ip6-allrouters"},
}
"""What every container's hosts file begins with; `fe00::0` and `fe00::` are one address, written in two ways."""

_EMBEDDED = "127.0.0.11"
"""Where the engine itself answers for names in networks of its users."""

_FALLBACK = frozenset({"8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"})
"""Whom engines ask where their host asks nobody but itself (libnetwork, `resolvconf`)."""

_OF_THE_ENGINE = frozenset({"bridge", "host", "none"})

_OPTIONS = frozenset({"ndots:0", "edns0", "trust-ad"})
_USUAL_MODE = 0o644


@dataclass(frozen=True, slots=True)
class EngineFiles:
    """What was found of the files that an engine wrote for one container, by name; `resolvers` is its host's own file.

    `hash` is the engine's note of what it wrote into resolv.conf, empty where it wrote none or nobody may read it;
    `embedded` tells that the engine itself answers for names.
    """

    files: Mapping[str, FileState]
    hash: str = ""
    resolvers: str = field(default="", repr=False)
    embedded: bool = False


def read_engine_files(archive: bytes, resolvers: str) -> dict[str, EngineFiles]:
    """Return the files of every container, by its id, from the probe's archive."""
    found: dict[str, dict[str, FileState]] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            for member in opened:
                container_id, _, name = member.name.removeprefix("./").partition("/")
                source = opened.extractfile(member) if member.isfile() else None
                if source is not None:
                    state = FileState(source.read(), member.mode, member.uid, member.gid)
                    found.setdefault(container_id, {})[name] = state
    except tarfile.TarError:
        pass  # nobody may read them here, or the archive was cut: whatever is missing is asked for one by one
    return {
        container_id: EngineFiles(files, _text(files.get(HASH)).strip(), resolvers)
        for container_id, files in found.items()
    }


def engine_files(inspection: Answer, found: EngineFiles) -> Iterator[Deviation]:
    """Yield which of the files are not as the engine writes them for this container."""
    mode = inspection["HostConfig"].get("NetworkMode") or ""
    attached = {*((inspection.get("NetworkSettings") or {}).get("Networks") or ())}
    if attached - _OF_THE_ENGINE:
        # In a network of its users the engine answers for names itself, whatever else a container is attached to.
        found = replace(found, embedded=True)
    if mode.startswith("container:") or inspection["State"]["Status"] not in {"running", "paused"}:
        return
    judges: dict[str, Callable[[str], str | None]] = {
        "hostname": lambda _: f"{inspection['Config'].get('Hostname') or ''}\n",
        "hosts": lambda text: None if mode == "host" else _hosts(inspection, text),
        "resolv.conf": lambda text: None if _resolves(text, found, mode) else _without_foreign(text, found, mode),
    }
    mounted = {entry.get("Destination") for entry in inspection.get("Mounts") or ()}
    for name in NAMES:
        state, path = found.files.get(name), f"/etc/{name}"
        if state is None or path in mounted:
            continue
        text = _text(state)
        wanted = judges[name](text)
        if wanted is not None and wanted.strip() != text.strip():
            yield Deviation("files", path, "as the engine wrote it", "edited", unified(path, wanted, text))
        if (state.mode & 0o7777, state.uid, state.gid) != (_USUAL_MODE, 0, 0):
            yield Deviation("files", f"{path} mode", "0644 0:0", state.rights)


def _text(state: FileState | None) -> str:
    return state.content.decode(errors="replace") if state is not None and state.content is not None else ""


def _hosts(inspection: Answer, text: str) -> str:
    """Return a hosts file as the engine would leave it: its own lines in order, without whatever else is there."""
    own = _own_names(inspection)
    declared = [entry.replace("=", ":", 1) for entry in inspection["HostConfig"].get("ExtraHosts") or ()]
    extra = {tuple(reversed(entry.split(":", 1))) for entry in declared}
    lines, seen = [], set[str]()
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        address = _address(words[0]) if words else ""
        allowed = _LOCAL.get(address, set()) | own.get(address, set())
        if not words or (words[1:] and set(words[1:]) <= allowed):
            lines.append(line)
            seen.add(address)
        elif len(words) > 1 and (words[0], words[1]) in extra:
            lines.append(line)
    lacking = [address for address in ("127.0.0.1", *_addressed(inspection)) if address not in seen]
    name = inspection["Config"].get("Hostname") or ""
    lines += [f"{address}\t{'localhost' if address in _LOCAL else name}" for address in lacking]
    return "".join(f"{line}\n" for line in lines)


def _own_names(inspection: Answer) -> dict[str, set[str]]:
    """Return the names that may stand beside the addresses of a container."""
    config = inspection["Config"]
    name, domain = config.get("Hostname") or "", config.get("Domainname") or ""
    names = {name, f"{name}.{domain}" if domain else "", inspection["Name"].removeprefix("/")} - {""}
    networks = ((inspection.get("NetworkSettings") or {}).get("Networks") or {}).values()
    found: dict[str, set[str]] = {}
    for network in networks:
        more = {*(network.get("Aliases") or ()), *(network.get("DNSNames") or ())}
        for key in ("IPAddress", "GlobalIPv6Address"):
            if network.get(key):
                found[_address(network[key])] = names | more
    return found


def _addressed(inspection: Answer) -> list[str]:
    """Return the IPv4 address that has to have a line: that of the network which was asked for, where it has one."""
    networks = (inspection.get("NetworkSettings") or {}).get("Networks") or {}
    first: Answer = networks.get("bridge") or next(iter(networks.values()), {})
    return [first["IPAddress"]] if first.get("IPAddress") else []


def _address(word: str) -> str:
    try:
        return str(ipaddress.ip_address(word.partition("%")[0]))
    except ValueError:
        return ""


def _resolves(text: str, found: EngineFiles, mode: str) -> bool:
    """Tell whether resolv.conf is what the engine wrote: by its own note, else by what it could have written."""
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()
    return digest in found.hash or _without_foreign(text, found, mode) == text


def _without_foreign(text: str, found: EngineFiles, mode: str) -> str:
    """Return resolv.conf without servers, domains and options that neither the host nor an engine knows."""
    known = _words(found.resolvers)
    servers = known.get("nameserver", set())
    reachable = {server for server in servers if not server.startswith("127.") and server != "::1"}
    allowed = servers if mode == "host" else reachable or _FALLBACK
    if found.embedded:
        allowed = {*allowed, _EMBEDDED}
    domains = known.get("search", set()) | known.get("domain", set()) | {"."}
    options = known.get("options", set()) | _OPTIONS
    fit = {"nameserver": allowed, "search": domains, "domain": domains, "options": options}
    kept = [line for line in text.splitlines() if _fits(line, fit)]
    return "".join(f"{line}\n" for line in kept) if len(kept) < len(text.splitlines()) else text


def _fits(line: str, fit: Mapping[str, set[str] | frozenset[str]]) -> bool:
    words = line.split()
    if not words or words[0][0] in "#;":
        return True
    return words[0] in fit and set(words[1:]) <= fit[words[0]]


def _words(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        name, *values = line.split() or [""]
        found.setdefault(name, set()).update(values)
    return found
