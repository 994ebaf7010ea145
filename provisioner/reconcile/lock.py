"""The whole of `lock`: what is locked and asked for is kept, the rest resolved, and what nobody asks for dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from provisioner.model.image import BuildInputs
from provisioner.model.lock import Lock, LockedImage, LockedPackages, LockedSuite, LockedWheels
from provisioner.planning.lock import (
    Asked,
    AskedImage,
    AskedPackages,
    AskedSuite,
    AskedWheels,
    answers,
    locked,
    pins_for,
    requirements_digest,
    same_interpreter,
)
from provisioner.ports import Progress, Resolver


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a lock is asked for: names, what builds read, names to resolve again, and the version that writes it."""

    asked: tuple[Asked, ...]
    inputs: tuple[BuildInputs, ...] = ()
    upgrade: frozenset[Asked] = frozenset()
    platform: str = ""
    tool: str = ""


def relock(before: Lock, wanted: Wanted, resolver: Resolver, progress: Progress) -> Lock:
    """Return the lock that answers what is wanted; the same one where nothing changed. Raise ProvisionerError."""
    work = _Relocking(before, wanted, resolver, progress)
    after = Lock(wanted.tool, wanted.platform)
    after = replace(after, suites=tuple(work.suite(each) for each in wanted.asked if isinstance(each, AskedSuite)))
    packages = [each for each in wanted.asked if isinstance(each, AskedPackages)]
    after = replace(after, packages=tuple(work.packages(each, after.suites) for each in packages))
    after = replace(after, images=tuple(work.image(each) for each in wanted.asked if isinstance(each, AskedImage)))
    built = [each for each in wanted.inputs if each.requirements]
    after = replace(after, wheels=tuple(work.wheels(each, after) for each in built))
    return before if replace(after, tool=before.tool) == before else after


@dataclass(frozen=True, slots=True)
class _Relocking:
    """One name at a time: what the lock before says of it, or what it stands for now."""

    before: Lock
    wanted: Wanted
    resolver: Resolver
    progress: Progress

    def suite(self, asked: AskedSuite) -> LockedSuite:
        kept = self._kept(asked)
        return kept if isinstance(kept, LockedSuite) else self._resolved_suite(asked)

    def _resolved_suite(self, asked: AskedSuite) -> LockedSuite:
        return self.resolver.suite(asked.suite, asked.platform, self.progress)

    def packages(self, asked: AskedPackages, suites: Sequence[LockedSuite]) -> LockedPackages:
        """Packages are chosen for a root: on another one they are chosen again."""
        (root,) = (each for each in suites if answers(each) == AskedSuite(asked.suite, asked.platform))
        kept = self._kept(asked)
        if isinstance(kept, LockedPackages) and root in self.before.suites:
            return kept
        return self.resolver.packages(root, asked.packages, self.progress)

    def image(self, asked: AskedImage) -> LockedImage:
        kept = self._kept(asked)
        if isinstance(kept, LockedImage):
            return kept
        fresh = asked in self.wanted.upgrade
        return self.resolver.image(asked.reference, asked.platform, self.progress, fresh=fresh)

    def wheels(self, inputs: BuildInputs, after: Lock) -> LockedWheels:
        """Wheels are chosen by an interpreter: for another one they are chosen again."""
        placed = replace(inputs, platform=inputs.platform or self.wanted.platform)
        asked = AskedWheels(inputs.service, placed.platform or "", requirements_digest(inputs))
        pins, kept = pins_for(after, placed), self._kept(asked)
        if isinstance(kept, LockedWheels) and same_interpreter(pins_for(self.before, placed), pins):
            return kept
        return self.resolver.wheels(replace(placed, pins=pins), self.progress)

    def _kept(self, asked: Asked) -> object:
        return None if asked in self.wanted.upgrade else locked(self.before, asked)
