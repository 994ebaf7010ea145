"""What has to fit together in a spec: services and routes, builds and bases, ports and mounts.

The checks read the document, not the typed spec, so that they speak even while another part of it is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from provisioner.errors import Diagnostic
from provisioner.model.secret import SECRETS_FOLDER
from provisioner.spec.fields import nearest
from provisioner.spec.tree import Items, Location, Positions, Scalar, Table


def check(positions: Positions) -> Iterator[Diagnostic]:
    """Yield every contradiction between parts of a spec."""
    yield from _bases(positions)
    yield from _services(positions)
    yield from _routes(positions)
    yield from _binds(positions)
    yield from _secrets(positions)
    yield from _registry(positions)
    yield from _hooks(positions)


def _keys(positions: Positions, *location: str | int) -> tuple[str, ...]:
    found = positions.find(location)
    return tuple(entry.key for entry in found.entries) if isinstance(found, Table) else ()


def _text(positions: Positions, *location: str | int) -> str | None:
    found = positions.find(location)
    return found.text if isinstance(found, Scalar) and found.value is not None else None


def _count(positions: Positions, *location: str | int) -> int:
    found = positions.find(location)
    return len(found.items) if isinstance(found, Items) else 0


def _bases(positions: Positions) -> Iterator[Diagnostic]:
    for name in _keys(positions, "bases"):
        location = ("bases", name)
        keys = _keys(positions, *location)
        if "image" in keys and ("suite" in keys or "packages" in keys):
            other = "suite" if "suite" in keys else "packages"
            yield positions.at_key((*location, other), f"'{other}' and 'image' exclude each other")
        elif "image" not in keys and "suite" not in keys and isinstance(positions.find(location), Table):
            yield positions.at_key(location, f"base '{name}' needs 'suite' or 'image'")


def _services(positions: Positions) -> Iterator[Diagnostic]:
    names = _keys(positions, "services")
    if isinstance(positions.find(("services",)), Table) and not names:
        yield positions.at_key(("services",), "a fleet needs at least one service")
    for name in names:
        if isinstance(positions.find(("services", name)), Table):
            yield from _service(positions, name)
    yield from _base_of(positions, "load_balancer")


def _service(positions: Positions, name: str) -> Iterator[Diagnostic]:
    location = ("services", name)
    keys = _keys(positions, *location)
    if "image" in keys and "build" in keys:
        yield positions.at_key((*location, "build"), "'build' and 'image' exclude each other")
    elif "image" not in keys and "build" not in keys:
        yield positions.at_key(location, f"service '{name}' needs 'image' or 'build'")
    if "port" not in keys and "host_port" in keys:
        message = f"service '{name}' has no port, so none can be published"
        yield positions.at_key((*location, "host_port"), message, "add 'port', the port it listens on inside")
    if "port" not in keys and "path" in _keys(positions, *location, "healthcheck"):
        message = f"service '{name}' has no port, so no path can be requested"
        yield positions.at_key((*location, "healthcheck", "path"), message, "use 'test', or add 'port'")
    yield from _targets(positions, location)
    yield from _secrets_of(positions, location)
    yield from _base_of(positions, *location)


def _targets(positions: Positions, location: Location) -> Iterator[Diagnostic]:
    """Refuse two mounts at one path of a container."""
    seen: set[str] = set()
    for place, target in _mount_targets(positions, location):
        if target and target in seen:
            yield positions.at_value(place, f"two mounts at '{target}'")
        seen.add(target)


def _mount_targets(positions: Positions, location: Location) -> Iterator[tuple[Location, str]]:
    """Yield where mounts are written, each with the path it is at."""
    for key in ("volumes", "tmpfs"):
        for index in range(_count(positions, *location, key)):
            place = (*location, key, index)
            text = _text(positions, *place)
            short = (text or "").split(":")[1 if key == "volumes" else 0 :][:1]
            target = (_text(positions, *place, "target") if text is None else "".join(short)) or ""
            yield place, target.rstrip("/")


def _base_of(positions: Positions, *location: str) -> Iterator[Diagnostic]:
    base = _text(positions, *location, "build", "base")
    known = _keys(positions, "bases")
    if base is not None and base not in known:
        suggestion = nearest(base, known) or (f"known bases: {', '.join(known)}" if known else "declare it in 'bases'")
        yield positions.at_value((*location, "build", "base"), f"there is no base '{base}'", suggestion)


def _routes(positions: Positions) -> Iterator[Diagnostic]:
    if not isinstance(positions.find(("load_balancer",)), Table):
        return
    names = _keys(positions, "services")
    with_port = [name for name in names if "port" in _keys(positions, "services", name)]
    routes = [("load_balancer", "routes", index) for index in range(_count(positions, "load_balancer", "routes"))]
    routed: Counter[str] = Counter()
    conditions: Counter[tuple[str, str]] = Counter()
    for route in routes:
        to = _text(positions, *route, "to")
        condition = (_text(positions, *route, "host") or "", _text(positions, *route, "path") or "/")
        routed[to or ""] += 1
        conditions[condition] += 1
        if to is not None and to not in names:
            yield positions.at_value((*route, "to"), f"there is no service '{to}'", _instead(to, names))
        elif to is not None and to not in with_port:
            yield positions.at_value((*route, "to"), f"service '{to}' has no port to send requests to")
        elif to is not None and routed[to] > 1:
            yield positions.at_value((*route, "to"), f"service '{to}' has a route already; one route per service")
        if conditions[condition] > 1:
            yield positions.at_value(route, "another route takes the same requests")
    if all(to in names for to in routed):
        yield from _without_route(positions, with_port, routed)


def _instead(name: str, known: tuple[str, ...]) -> str:
    return nearest(name, known) or f"known services: {', '.join(known)}"


def _without_route(positions: Positions, with_port: list[str], routed: Counter[str]) -> Iterator[Diagnostic]:
    if not with_port and _keys(positions, "services"):
        message = "no service has a port, so there is nothing to balance"
        yield positions.at_key(("load_balancer",), message, "give a service its 'port', or leave out 'load_balancer'")
    if len(with_port) > 1 or routed:
        for name in with_port:
            if not routed[name]:
                message = f"service '{name}' has a port but no route leads to it"
                suggestion = f"add {{to: {name}, path: /{name}}} to load_balancer.routes"
                yield positions.at_key(("services", name), message, suggestion)


def _binds(positions: Positions) -> Iterator[Diagnostic]:
    seen: dict[str, set[str]] = {}
    for index in range(_count(positions, "load_balancer", "bind")):
        place = ("load_balancer", "bind", index)
        port, address = _text(positions, *place, "port"), _text(positions, *place, "address") or ""
        if port is None:
            continue
        others = seen.setdefault(port, set())
        if others and (address in others or "" in {address, *others}):
            yield positions.at_value(place, f"port {port} is bound twice")
        others.add(address)


def _secrets(positions: Positions) -> Iterator[Diagnostic]:
    for name in _keys(positions, "secrets"):
        location = ("secrets", name)
        kinds = [key for key in _keys(positions, *location) if key in {"env", "file", "command"}]
        if isinstance(positions.find(location), Table) and not kinds:
            yield positions.at_key(location, f"secret '{name}' needs 'env', 'file' or 'command'")
        for other in kinds[1:]:
            yield positions.at_key((*location, other), f"'{kinds[0]}' and '{other}' exclude each other")


def _registry(positions: Positions) -> Iterator[Diagnostic]:
    keys = _keys(positions, "registry")
    if ("username" in keys) != ("password" in keys):
        one, other = ("username", "password") if "username" in keys else ("password", "username")
        yield positions.at_key(("registry", one), f"'{one}' needs '{other}'")
    yield from _known_secret(positions, ("registry", "password", "secret"))


def _hooks(positions: Positions) -> Iterator[Diagnostic]:
    for name in _keys(positions, "hooks"):
        for index in range(_count(positions, "hooks", name, "secrets")):
            yield from _known_secret(positions, ("hooks", name, "secrets", index))


def _known_secret(positions: Positions, place: Location) -> Iterator[Diagnostic]:
    """Refuse the name of a secret that is not declared."""
    known, name = _keys(positions, "secrets"), _text(positions, *place)
    if name is not None and name not in known:
        others = f"known secrets: {', '.join(known)}" if known else "declare it in 'secrets'"
        yield positions.at_value(place, f"there is no secret '{name}'", nearest(name, known) or others)


def _secrets_of(positions: Positions, service: Location) -> Iterator[Diagnostic]:
    """Refuse secrets that are not declared, that come twice, or where something else already is."""
    plain = set(_names(positions, *service, "environment"))
    given: set[tuple[str, str]] = set()
    for index in range(_count(positions, *service, "secrets")):
        place = (*service, "secrets", index)
        short = _text(positions, *place)
        yield from _known_secret(positions, (*place, "source") if short is None else place)
        source = short or _text(positions, *place, "source") or ""
        variable = _text(positions, *place, "environment") or ""
        if variable and variable in plain:
            yield positions.at_value(place, f"'{variable}' is set in 'environment' too", "keep one of them")
        if ("", variable) in given if variable else (source, "") in given:
            yield positions.at_value(place, f"'{variable or source}' is given twice", "keep one of them")
        given.add(("", variable) if variable else (source, ""))
    if any(source for source, _ in given):
        yield from _folder_of_secrets(positions, service)


def _folder_of_secrets(positions: Positions, service: Location) -> Iterator[Diagnostic]:
    """Refuse what would hide secrets, or be hidden by them."""
    message = f"secrets lie in {SECRETS_FOLDER}; nothing else can be there"
    for path in _keys(positions, *service, "files"):
        if f"{path}/".startswith(f"{SECRETS_FOLDER}/"):
            yield positions.at_key((*service, "files", path), message)
    for place, target in _mount_targets(positions, service):
        if f"{target}/".startswith(f"{SECRETS_FOLDER}/"):
            yield positions.at_value(place, message)


def _names(positions: Positions, *location: str | int) -> tuple[str, ...]:
    """Return the names that are set, in a mapping or in a list of `KEY=VALUE`."""
    lines = [_text(positions, *location, index) or "" for index in range(_count(positions, *location))]
    return (*_keys(positions, *location), *(line.partition("=")[0] for line in lines))
