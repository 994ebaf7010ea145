"""Reads from a haproxy.cfg of ours what the balancer in memory needs: its digest, its servers and their checks."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

SECTIONS = frozenset({"global", "defaults", "frontend", "backend", "listen", "userlist", "resolvers", "peers"})
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
TAKES_VALUE = frozenset({"inter", "fastinter", "downinter", "rise", "fall", "track", "weight", "port", "addr"})


@dataclass(frozen=True, slots=True)
class CheckRule:
    """How a server is judged: HTTP on `path`, a connection where it is None.

    Seconds between two checks: `interval` at rest, `fast` while its health changes, `down` while it is down.
    """

    path: str | None = None
    interval: float = 2.0
    fast: float = 2.0
    down: float = 2.0
    rise: int = 2
    fall: int = 3


@dataclass(frozen=True, slots=True)
class ServerLine:
    """A `server` line. `rule` is None where nobody checks it, `track` names the server whose checks count for it."""

    backend: str
    name: str
    address: str
    port: int
    rule: CheckRule | None = None
    track: tuple[str, str] | None = None
    weight: int = 1


@dataclass(frozen=True, slots=True)
class BalancerFile:
    """What a worker that parsed the file knows: the digest in its `description`, and its servers."""

    digest: str
    servers: tuple[ServerLine, ...]


@dataclass(frozen=True, slots=True)
class _Section:
    kind: str = ""
    name: str = ""
    path: str | None = None
    options: dict[str, str] = field(default_factory=dict)


def parse(text: str) -> BalancerFile:
    """Return what a file says. Raise ValueError where it is not one that a worker of ours could run."""
    digest, servers = "", []
    defaults = section = _Section()
    for words in _lines(text):
        if words[0] in SECTIONS:
            section = _opened(words, defaults)
            continue
        section = _with_rule(section, words)
        defaults = section if section.kind == "defaults" else defaults
        if section.kind == "global" and words[0] == "description":
            digest = " ".join(words[1:]).removeprefix("cfg=")
        if section.kind in {"backend", "listen"} and words[0] == "server":
            servers.append((section.kind, _server(section, words), section))
    lines = tuple(_late_path(line, section) for _, line, section in servers)
    _refuse_dangling(lines)
    return BalancerFile(digest, lines)


def _lines(text: str) -> Iterator[list[str]]:
    words = (shlex.split(line, comments=True) for line in text.splitlines())
    yield from (found for found in words if found)


def _opened(words: list[str], defaults: _Section) -> _Section:
    name = words[1] if len(words) > 1 else ""
    inherits = words[0] in {"backend", "listen"}
    return _Section(words[0], name, defaults.path if inherits else None, dict(defaults.options) if inherits else {})


def _with_rule(section: _Section, words: list[str]) -> _Section:
    match words:
        case ["option", "httpchk", *rest]:
            uri = next((word for word in rest if word.startswith("/")), "/")
            return replace(section, path=uri)
        case ["http-check", "send", *rest] if "uri" in rest:
            return replace(section, path=rest[rest.index("uri") + 1])
        case ["default-server", *rest]:
            return replace(section, options={**section.options, **_options(rest)})
        case _:
            return section


def _options(words: list[str]) -> dict[str, str]:
    options, rest = {}, iter(words)
    for word in rest:
        options[word] = next(rest, "") if word in TAKES_VALUE else ""
    return options


def _server(section: _Section, words: list[str]) -> ServerLine:
    if len(words) < 3:  # noqa: PLR2004 - server NAME ADDRESS
        raise ValueError(f"'{' '.join(words)}' in backend {section.name} has no address")
    address, _, port = words[2].rpartition(":")
    options = {**section.options, **_options(words[3:])}
    backend, _, tracked = options.get("track", "").rpartition("/")
    return ServerLine(
        backend=section.name,
        name=words[1],
        address=address.strip("[]"),
        port=int(port),
        rule=_rule(section, options) if "check" in options else None,
        track=(backend or section.name, tracked) if tracked else None,
        weight=int(options.get("weight", "1")),
    )


def _rule(section: _Section, options: dict[str, str]) -> CheckRule:
    interval = options.get("inter", "2s")
    return CheckRule(
        path=section.path,
        interval=_seconds(interval),
        fast=_seconds(options.get("fastinter", interval)),
        down=_seconds(options.get("downinter", interval)),
        rise=int(options.get("rise", "2")),
        fall=int(options.get("fall", "3")),
    )


def _seconds(text: str) -> float:
    """Return a HAProxy time in seconds; without a unit it is milliseconds."""
    number = text.rstrip("usmhd")
    return float(number) * UNITS[text[len(number) :] or "ms"]


def _late_path(line: ServerLine, section: _Section) -> ServerLine:
    return line if line.rule is None else replace(line, rule=replace(line.rule, path=section.path))


def _refuse_dangling(servers: tuple[ServerLine, ...]) -> None:
    checked = {(line.backend, line.name) for line in servers if line.rule is not None}
    for line in servers:
        if line.track is not None and line.track not in checked:
            raise ValueError(f"server {line.backend}/{line.name} tracks {'/'.join(line.track)}, which nobody checks")
