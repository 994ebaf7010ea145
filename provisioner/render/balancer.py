"""The load balancer's configuration as a value to its file, and the digest its running worker shows."""

from __future__ import annotations

import functools
import hashlib
import ipaddress
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from provisioner.errors import Diagnostic, InvalidInput
from provisioner.model.balancer import Backend, BalancerConfig, Check, Server
from provisioner.model.spec import Bind, Route
from provisioner.render.quoting import Form
from provisioner.render.templates import Load, TemplateSource, render

TEMPLATE = "haproxy/haproxy.cfg.j2"
KEPT_TEMPLATE = "balancer"
"""The name by which a release knows the template of its balancer's file, wherever that lay."""

WEIGHT = 100
"""What every server weighs that gets requests, so that a share of it can be told in per cent."""

_SLOWEST_RECHECK = 1.0
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class RouteLine:
    """A route as the template writes it; empty host or path: any."""

    name: str
    host: str
    path: str
    backend: str


@dataclass(frozen=True, slots=True)
class CheckLines:
    """A check as the template writes it: an empty path is a TCP connect, times are as HAProxy writes them."""

    path: str
    interval: str
    timeout: str
    fall: int
    fast: str


@dataclass(frozen=True, slots=True)
class ServerLine:
    """A server as the template writes it; `track` names the server whose check counts for it.

    `weight` is 0 for one whose node a person has drained.
    """

    name: str
    address: str
    track: str = ""
    weight: int = WEIGHT


@dataclass(frozen=True, slots=True)
class BackendLines:
    """A backend as the template writes it; without a check of its own its servers track others."""

    name: str
    host: str
    check: CheckLines | None
    servers: tuple[ServerLine, ...]


def balancer_text(config: BalancerConfig, load: Load, template: str = TEMPLATE) -> tuple[str, str]:
    """Return the balancer's file and its digest, which the running worker shows as `description cfg=<digest>`.

    The digest is over the file with the digest itself left out, wherever it stands. Where there is no such
    template, ours is taken: a user may want another image and no other file. Raise InvalidInput.
    """
    template = TEMPLATE if load(template) is None else template
    variables = _variables(config)
    bare = render(template, Form.HAPROXY, {**variables, "digest": ""}, load).text
    digest = hashlib.sha256(bare.encode()).hexdigest()
    rendered = render(template, Form.HAPROXY, {**variables, "digest": digest}, load)
    if f"description cfg={digest}" not in (line.strip() for line in rendered.text.splitlines()):
        message = "the template has to write the line `description cfg={{ digest }}` in its section `global`"
        raise InvalidInput((Diagnostic(rendered.sources[0].path, 0, 0, message),))
    return rendered.text, digest


def file_digest(text: str, digest: str) -> str:
    """Return the digest a file should show, if it says to have `digest`: equal when nobody touched it."""
    return hashlib.sha256(text.replace(digest, "").encode()).hexdigest()


def kept_renderer(templates: Mapping[str, str]) -> Callable[[BalancerConfig], tuple[str, str]]:
    """Return what renders the balancer's file from the templates that a release keeps, by name."""

    def load(name: str) -> TemplateSource | None:
        return TemplateSource(name, templates[name]) if name in templates else None

    @functools.cache
    def kept_text(config: BalancerConfig) -> tuple[str, str]:
        return balancer_text(config, load, KEPT_TEMPLATE)

    return kept_text


def balancer_template(template: str) -> str:
    """Return the template of the balancer's file that lies beside the template of its image."""
    folder = posixpath.dirname(template) if "Dockerfile" in posixpath.basename(template) else template
    return posixpath.join(folder, posixpath.basename(TEMPLATE))


def _variables(config: BalancerConfig) -> dict[str, object]:
    routes = tuple(_routes(config.routes))
    hosts = {route.to: route.host for route in reversed(config.routes) if route.host}
    everything = [route for route in config.routes if _is_default(route)]
    return {
        "fleet": config.fleet,
        "ports": tuple(sorted({bind.port for bind in config.bind})),
        "network": config.network,
        "binds": tuple(dict.fromkeys(_bind(bind, config.network) for bind in config.bind)),
        "algorithm": config.algorithm,
        "hard_stop": _time(max(config.drain_timeout, 1.0)),
        "routes": routes,
        "default_backend": everything[0].to if everything else "",
        "backends": tuple(
            lines
            for backend in config.backends
            for lines in _backends(backend, hosts.get(backend.service, "localhost"), frozenset(config.drained))
        ),
    }


def _bind(bind: Bind, network: str) -> str:
    """Return what HAProxy listens on; behind a bridge it is the engine that knows of addresses."""
    address = (bind.address or "") if network == "host" else ""
    return f"[{address}]:{bind.port}" if ":" in address else f"{address}:{bind.port}"


def _is_default(route: Route) -> bool:
    return route.host is None and not route.path.rstrip("/")


def _routes(routes: Iterable[Route]) -> Iterator[RouteLine]:
    """Yield routes as they are tried: a named host before any, a longer path before a shorter one."""
    special = [route for route in routes if not _is_default(route)]
    special.sort(key=lambda route: (route.host is None, -len(route.path.rstrip("/")), route.path, route.host or ""))
    for number, route in enumerate(special, 1):
        yield RouteLine(f"route{number}", (route.host or "").lower(), route.path.rstrip("/"), route.to)


def _backends(backend: Backend, host: str, drained: frozenset[str]) -> Iterator[BackendLines]:
    """Yield a backend, and where its servers are judged in several ways, one more for each way, which they track."""
    checks = sorted({server.check for server in backend.servers}, key=_order)
    if len(checks) <= 1:
        only = _check(checks[0]) if checks else None
        yield BackendLines(backend.service, host, only, tuple(_server(server, drained) for server in backend.servers))
        return
    names = {check: f"check.{backend.service}.{number}" for number, check in enumerate(checks, 1)}
    tracked = {server.name: f"{names[server.check]}/{server.name}" for server in backend.servers}
    servers = tuple(_server(server, drained, tracked[server.name]) for server in backend.servers)
    yield BackendLines(backend.service, host, None, servers)
    for check, name in names.items():
        judged = tuple(_server(server, drained) for server in backend.servers if server.check == check)
        yield BackendLines(name, host, _check(check), judged)


def _order(check: Check) -> tuple[str, float, float, int]:
    return (check.path or "", check.interval, check.timeout, check.retries)


def _check(check: Check) -> CheckLines:
    fast = min(check.interval, _SLOWEST_RECHECK)
    return CheckLines(check.path or "", _time(check.interval), _time(check.timeout), check.retries, _time(fast))


def _server(server: Server, drained: frozenset[str], track: str = "") -> ServerLine:
    weight = 0 if server.node in drained else WEIGHT
    return ServerLine(server.name, f"{_address(server)}:{server.port}", track, weight)


def _address(server: Server) -> str:
    try:
        address = ipaddress.ip_address(server.address)
    except ValueError as error:
        if _HOST_NAME.fullmatch(server.address):
            return server.address  # offline nobody may know it yet; before anything moves it has to be an address
        message = f"{server.node} has the address {server.address!r}, which is neither an address nor a name"
        raise InvalidInput((Diagnostic(TEMPLATE, 0, 0, message, "an IP address as `private_address`"),)) from error
    return f"[{address}]" if isinstance(address, ipaddress.IPv6Address) else str(address)


def _time(seconds: float) -> str:
    """Return a time as HAProxy writes it, in whole milliseconds, at least one."""
    milliseconds = max(round(seconds * 1000), 1)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"
