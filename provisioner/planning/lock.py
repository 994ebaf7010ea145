"""Which names of a fleet move, what a lock says of them, and what it should say and does not."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Literal, assert_never

from provisioner.errors import NotLocked
from provisioner.model.image import BuildInputs
from provisioner.model.lock import Lock, LockedImage, LockedPackages, LockedSuite, LockedWheels, Pins
from provisioner.model.spec import FleetSpec, FromImage, ImageBase, SuiteBase

_INTERPRETER = re.compile(r"(?:lib)?python3\.\d+(?:-minimal)?")


@dataclass(frozen=True, slots=True)
class AskedSuite:
    """A Debian root."""

    suite: str
    platform: str


@dataclass(frozen=True, slots=True)
class AskedPackages:
    """Packages on a root, sorted."""

    suite: str
    platform: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskedImage:
    """An image by a name of its registry or engine."""

    reference: str
    platform: str


@dataclass(frozen=True, slots=True)
class AskedWheels:
    """What a service's requirement files ask for; `requirements` is the digest of those files and of their base."""

    service: str
    platform: str
    requirements: str


Asked = AskedSuite | AskedPackages | AskedImage | AskedWheels
"""A name that moves: what it stands for is another thing tomorrow."""

Locked = LockedSuite | LockedPackages | LockedImage | LockedWheels


@dataclass(frozen=True, slots=True)
class LockChange:
    """What became of one name of a lock; `details` says it piece by piece."""

    kind: Literal["added", "removed", "changed"]
    section: str
    name: str
    platform: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LockDifference:
    """A name that is missing from a lock, that nobody asks for any more, or whose requirements changed since."""

    kind: Literal["missing", "unasked", "changed"]
    section: str
    name: str
    platform: str


def asked_names(spec: FleetSpec, inputs: Iterable[BuildInputs], platform: str) -> tuple[Asked, ...]:
    """Return every name of a fleet that moves, each once, roots before what stands on them.

    `platform` is that of services which name none.
    """
    builds = tuple(inputs)
    built = {each.service for each in builds}
    found = [asked for each in builds for asked in _asked_by(each, each.platform or platform)]
    found += [
        AskedImage(service.source.reference, service.platform or platform)
        for service in spec.services.values()
        if service.name not in built and isinstance(service.source, FromImage)
    ]
    return tuple(sorted(dict.fromkeys(found), key=_order))


def aliases(spec: FleetSpec, inputs: Iterable[BuildInputs], asked: Asked) -> frozenset[str]:
    """Return the names a person may mean something by: its own, a base's of the spec, a service's that needs it."""
    bases = {name for name, base in spec.bases.items() if _is_base(base, asked)}
    services = {each.service for each in inputs if each.base and not each.requirements and _is_base(each.base, asked)}
    fetched = {service.name for service in spec.services.values() if _is_image(service.source, asked)}
    return frozenset({label(asked), *_own_names(asked), *bases, *services, *fetched})


def pins_for(lock: Lock, inputs: BuildInputs) -> Pins:
    """Return what a lock says of everything that a build stands on; what it does not say stays open."""
    platform = inputs.platform or lock.platform
    found = [entry for asked in _asked_by(inputs, platform) if (entry := locked(lock, asked)) is not None]
    return Pins(
        suite=next((each for each in found if isinstance(each, LockedSuite)), None),
        packages=next((each for each in found if isinstance(each, LockedPackages)), None),
        image=next((each for each in found if isinstance(each, LockedImage)), None),
        wheels=next((each for each in found if isinstance(each, LockedWheels)), None),
    )


def locked(lock: Lock, asked: Asked) -> Locked | None:
    """Return what a lock says of a name, None where it says nothing, or what it says is no answer any more."""
    return next((entry for entry in _entries(lock) if answers(entry) == asked), None)


def check(lock: Lock, asked: Iterable[Asked]) -> tuple[LockDifference, ...]:
    """Return what a lock lacks, what it holds for nobody, and whose requirement files are others now."""
    wanted, held = set(asked), {answers(entry) for entry in _entries(lock)}
    missing, unasked = wanted - held, held - wanted
    moved = {_without_digest(each) for each in missing} & {_without_digest(each) for each in unasked}
    rows = [_difference("changed" if _without_digest(each) in moved else "missing", each) for each in missing]
    rows += [_difference("unasked", each) for each in unasked if _without_digest(each) not in moved]
    return tuple(sorted(rows, key=lambda row: (row.section, row.name, row.platform, row.kind)))


def changes(before: Lock, after: Lock) -> tuple[LockChange, ...]:
    """Return what a new lock says otherwise than the one before it."""
    old = {_without_digest(answers(entry)): entry for entry in _entries(before)}
    new = {_without_digest(answers(entry)): entry for entry in _entries(after)}
    return tuple(
        LockChange(
            "added" if name not in old else "removed" if name not in new else "changed",
            section(name),
            label(name),
            name.platform,
            _details(old[name], new[name]) if name in old and name in new else (),
        )
        for name in sorted({*old, *new}, key=_order)
        if old.get(name) != new.get(name)
    )


def _details(before: Locked, after: Locked) -> tuple[str, ...]:
    old, new = _versions(before), _versions(after)
    rows = [(name, old.get(name, ""), new.get(name, "")) for name in sorted({*old, *new})]
    return tuple(f"{name} {was or 'new'} -> {now or 'gone'}" for name, was, now in rows if was != now)


def _versions(entry: Locked) -> dict[str, str]:
    match entry:
        case LockedSuite(packages=pieces) | LockedPackages(packages=pieces):
            return {each.name: each.version for each in pieces}
        case LockedWheels(wheels=wheels):
            return {each.name: each.version for each in wheels}
        case LockedImage(reference, _, image_id):
            return {reference: image_id[:19]}
    assert_never(entry)


def refuse_unlocked(lock: Lock, asked: Iterable[Asked]) -> None:
    """Raise NotLocked where a lock does not say what every name stands for."""
    lacking = [row for row in check(lock, asked) if row.kind != "unasked"]
    if lacking:
        named = ", ".join(f"{row.name} ({row.section})" for row in lacking)
        raise NotLocked(f"the lock file does not say what these stand for: {named}", hint="run `provisioner lock`")


def answers(entry: Locked) -> Asked:
    """Return the name that an entry of a lock answers."""
    match entry:
        case LockedSuite(suite, platform):
            return AskedSuite(suite, platform)
        case LockedPackages(suite, platform, asked):
            return AskedPackages(suite, platform, asked)
        case LockedImage(reference, platform):
            return AskedImage(reference, platform)
        case LockedWheels(service, platform, requirements):
            return AskedWheels(service, platform, requirements)
    assert_never(entry)


def label(asked: Asked) -> str:
    """Return a name that moves as a person would say it."""
    match asked:
        case AskedSuite(suite):
            return suite
        case AskedPackages(suite, _, packages):
            return f"{suite} with {' '.join(packages)}"
        case AskedImage(reference):
            return reference
        case AskedWheels(service):
            return service
    assert_never(asked)


def section(asked: Asked) -> str:
    """Return the section of a lock that a name stands in."""
    match asked:
        case AskedSuite():
            return "suites"
        case AskedPackages():
            return "packages"
        case AskedImage():
            return "images"
        case AskedWheels():
            return "wheels"
    assert_never(asked)


def same_interpreter(before: Pins, after: Pins) -> bool:
    """Tell whether wheels chosen for one base fit another: it has the same Python, as far as the lock can say."""
    return before.image == after.image and _interpreters(before) == _interpreters(after)


def requirements_digest(inputs: BuildInputs) -> str:
    """Return the digest of a service's requirement files and of the base they are installed on, in hex."""
    files = sorted((entry.path, entry.digest) for entry in inputs.context if entry.path in inputs.requirements)
    base = [type(inputs.base).__name__, asdict(inputs.base)] if inputs.base else None
    return hashlib.sha256(json.dumps([files, base], sort_keys=True).encode()).hexdigest()


def _asked_by(inputs: BuildInputs, platform: str) -> Iterator[Asked]:
    match inputs.base:
        case SuiteBase(suite, packages):
            yield AskedSuite(suite, platform)
            if packages:
                yield AskedPackages(suite, platform, tuple(sorted(set(packages))))
        case ImageBase(reference):
            yield AskedImage(reference, platform)
        case None:
            pass
        case _:
            assert_never(inputs.base)
    if inputs.requirements:
        yield AskedWheels(inputs.service, platform, requirements_digest(inputs))


def _entries(lock: Lock) -> tuple[Locked, ...]:
    return (*lock.suites, *lock.packages, *lock.images, *lock.wheels)


def _order(asked: Asked) -> tuple[int, str, str]:
    rank = ("suites", "packages", "images", "wheels").index(section(asked))
    return rank, label(asked), asked.platform


def _without_digest(asked: Asked) -> Asked:
    return replace(asked, requirements="") if isinstance(asked, AskedWheels) else asked


def _difference(kind: Literal["missing", "unasked", "changed"], asked: Asked) -> LockDifference:
    return LockDifference(kind, section(asked), label(asked), asked.platform)


def _own_names(asked: Asked) -> tuple[str, ...]:
    """Return the names that are an asked name's own; a suite's name means what stands on it too."""
    return (asked.suite,) if isinstance(asked, AskedSuite | AskedPackages) else ()


def _is_base(base: SuiteBase | ImageBase, asked: Asked) -> bool:
    match base:
        case SuiteBase(suite, packages) if packages:
            return isinstance(asked, AskedPackages) and (asked.suite, asked.packages) == (
                suite,
                tuple(sorted(set(packages))),
            )
        case SuiteBase(suite):
            return isinstance(asked, AskedSuite) and asked.suite == suite
        case ImageBase(reference):
            return isinstance(asked, AskedImage) and asked.reference == reference
    assert_never(base)


def _is_image(source: object, asked: Asked) -> bool:
    return isinstance(source, FromImage) and isinstance(asked, AskedImage) and source.reference == asked.reference


def _interpreters(pins: Pins) -> frozenset[str]:
    held = [*(pins.suite.packages if pins.suite else ()), *(pins.packages.packages if pins.packages else ())]
    return frozenset(each.name for each in held if _INTERPRETER.fullmatch(each.name))
