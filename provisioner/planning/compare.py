"""What differs between two releases, by the fields that drift is found by."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

from provisioner.model.desired import Desired, DesiredBalancer, DesiredNode
from provisioner.model.image import BuildInputs, Known
from provisioner.model.lock import Lock, LockedPackages, LockedSuite, Pins
from provisioner.model.release import ReleaseChange, ReleaseContent
from provisioner.model.spec import LOAD_BALANCER, HealthCheck
from provisioner.planning.fields import (
    ABSENT,
    PRESENT,
    Difference,
    image_difference,
    option_differences,
    port_difference,
    secret_differences,
    words,
)


def compare(before: ReleaseContent | None, after: ReleaseContent) -> tuple[ReleaseChange, ...]:
    """Return everything in which a release differs from another; from nothing where there was none before."""
    old = before or ReleaseContent(Desired(after.desired.fleet, (), ()))
    return (
        *_services(old.desired, after.desired),
        *_placement(old.desired, after.desired),
        *_balancers(old.desired, after.desired),
        *_builds(_inputs(old), _inputs(after)),
        *_locks(old.lock, after.lock),
    )


def _services(before: Desired, after: Desired) -> Iterator[ReleaseChange]:
    old, new = _by_service(before), _by_service(after)
    for service in sorted({*old, *new}):
        if service not in old or service not in new:
            states = (PRESENT, ABSENT) if service in old else (ABSENT, PRESENT)
            yield ReleaseChange(service, "service", "", *states)
            continue
        for row in _node_differences(old[service], new[service]):
            yield _change(service, row)


def _by_service(desired: Desired) -> Mapping[str, DesiredNode]:
    """Return one node of every service: its peers are equal in all that is compared here."""
    return {node.node.service: node for node in reversed(desired.nodes)}


def _node_differences(before: DesiredNode, after: DesiredNode) -> Iterator[Difference]:
    image = image_difference(after.image, _image_id(before))
    if image is not None:
        yield image
    yield from option_differences(after.options, before.options)
    yield from secret_differences(after.secrets, {secret.key: secret.digest for secret in before.secrets})
    if before.port != after.port:
        yield Difference("ports", "container", str(after.port or ABSENT), str(before.port or ABSENT))
    if before.healthcheck != after.healthcheck:
        yield Difference("healthcheck", "", _check(after.healthcheck), _check(before.healthcheck))


def _image_id(node: DesiredNode | DesiredBalancer) -> str:
    return node.image.image_id if isinstance(node.image, Known) else ""


def _check(check: HealthCheck) -> str:
    what = check.path or words(check.test) or "TCP connect"
    return f"{what} every {check.interval:g}s timeout {check.timeout:g}s retries {check.retries}"


def _change(subject: str, row: Difference, text: str = "") -> ReleaseChange:
    return ReleaseChange(subject, row.kind, row.key, row.observed, row.desired, text)


def _placement(before: Desired, after: Desired) -> Iterator[ReleaseChange]:
    old, new = ({str(node.node): _places(node) for node in each.nodes} for each in (before, after))
    for node in sorted({*old, *new}):
        was, is_now = old.get(node, ABSENT), new.get(node, ABSENT)
        if was != is_now:
            yield ReleaseChange(node, "placement", "", was, is_now)


def _places(node: DesiredNode) -> str:
    return " ".join(f"{at.slot}={at.address}:{at.host_port}" for at in node.slots) or PRESENT


def _balancers(before: Desired, after: Desired) -> Iterator[ReleaseChange]:
    old, new = ({each.host: each for each in desired.balancers} for desired in (before, after))
    for host in sorted({*old, *new}):
        if host not in old or host not in new:
            states = (PRESENT, ABSENT) if host in old else (ABSENT, PRESENT)
            yield ReleaseChange(f"{host}/{LOAD_BALANCER}-1", "placement", "", *states)
    pair = _first(before.balancers), _first(after.balancers)
    if pair[0] is not None and pair[1] is not None:
        yield from _balancer(pair[0], pair[1])


def _first(balancers: tuple[DesiredBalancer, ...]) -> DesiredBalancer | None:
    return balancers[0] if balancers else None


def _balancer(before: DesiredBalancer, after: DesiredBalancer) -> Iterator[ReleaseChange]:
    rows = (image_difference(after.image, _image_id(before)), port_difference(after.ports, before.ports))
    for row in (*(row for row in rows if row), *option_differences(after.options, before.options)):
        yield _change(LOAD_BALANCER, row)
    if before.digest != after.digest:
        text = unified(before.text, after.text, "haproxy.cfg")
        yield ReleaseChange(LOAD_BALANCER, "config", "", before.digest, after.digest, text)


def _inputs(content: ReleaseContent) -> Mapping[str, BuildInputs]:
    return {each.inputs.service: each.inputs for each in content.builds}


def _builds(before: Mapping[str, BuildInputs], after: Mapping[str, BuildInputs]) -> Iterator[ReleaseChange]:
    for service in sorted({*before} & {*after}):
        old, new = before[service], after[service]
        if old.dockerfile != new.dockerfile:
            text = unified(old.dockerfile, new.dockerfile, "Dockerfile")
            yield ReleaseChange(service, "build", "Dockerfile", "", "", text)
        if (old.base, old.platform) != (new.base, new.platform):
            yield ReleaseChange(service, "build", "base", _base(old), _base(new))
        yield from _files(service, old, new)
        yield from _entries(service, "context", _context(old), _context(new))
        yield from _entries(service, "pinned", _pinned(old.pins), _pinned(new.pins))


def _base(inputs: BuildInputs) -> str:
    told = [f"{key}={value}" for key, value in asdict(inputs.base).items()] if inputs.base else []
    return " ".join([*told, *([inputs.platform] if inputs.platform else [])]) or ABSENT


def _files(service: str, before: BuildInputs, after: BuildInputs) -> Iterator[ReleaseChange]:
    old, new = ({file.path: file for file in each.files} for each in (before, after))
    for path in sorted({*old, *new}):
        was, is_now = old.get(path), new.get(path)
        if was != is_now:
            states = tuple(f"mode {each.mode:o}" if each else ABSENT for each in (was, is_now))
            text = unified(was.text if was else "", is_now.text if is_now else "", path)
            yield ReleaseChange(service, "files", path, states[0], states[1], text)


def _context(inputs: BuildInputs) -> Mapping[str, str]:
    return {
        entry.path: f"link to {entry.link}" if entry.link else f"{entry.digest} mode {entry.mode:o}"
        for entry in inputs.context
    }


def _pinned(pins: Pins) -> Mapping[str, str]:
    packages = [each for part in (pins.suite, pins.packages) if part for each in part.packages]
    found = {each.name: f"{each.version} {each.sha256}" for each in packages}
    found |= {each.name: f"{each.version} {each.sha256}" for each in (pins.wheels.wheels if pins.wheels else ())}
    return found | ({pins.image.reference: pins.image.image_id} if pins.image else {})


def _locks(before: Lock, after: Lock) -> Iterator[ReleaseChange]:
    yield from _entries("", "lock", _locked(before), _locked(after))


def _locked(lock: Lock) -> Mapping[str, str]:
    found: dict[str, str] = {}
    debian: tuple[LockedSuite | LockedPackages, ...] = (*lock.suites, *lock.packages)
    for part in debian:
        found |= {f"{part.suite} {part.platform} {each.name}": each.version for each in part.packages}
    for wheels in lock.wheels:
        found |= {f"{wheels.service} {each.name}": each.version for each in wheels.wheels}
    return found | {f"{image.reference} {image.platform}": image.image_id for image in lock.images}


def _entries(subject: str, kind: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[ReleaseChange]:
    for key in sorted({*before, *after}):
        was, is_now = before.get(key, ABSENT), after.get(key, ABSENT)
        if was != is_now:
            yield ReleaseChange(subject, kind, key, was, is_now)


def unified(before: str, after: str, name: str) -> str:
    """Return a unified diff of two texts."""
    lines: Iterable[str] = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"before/{name}", f"after/{name}", lineterm=""
    )
    return "\n".join(lines)


def summary(changes: tuple[ReleaseChange, ...]) -> str:
    """Return in a few words what changed: `web: environment, image; placement of 2`."""
    kinds: dict[str, set[str]] = {}
    for change in changes:
        if change.kind not in {"placement", "lock"}:
            kinds.setdefault(change.subject, set()).add(change.kind)
    told = [f"{subject}: {', '.join(sorted(found))}" for subject, found in kinds.items()]
    moved = sum(change.kind == "placement" for change in changes)
    told += [f"placement of {moved}"] if moved else []
    return "; ".join(told + (["lock"] if any(change.kind == "lock" for change in changes) else []))
