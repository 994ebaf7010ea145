"""What people call releases: their numbers, their names, and which one is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable

from provisioner.errors import UsageError
from provisioner.model.container import RELEASE_LABEL
from provisioner.model.observed import Observed, ObservedRelease

DIGITS = 12
"""How many digits of its digest a release's name shows."""

_NUMBER = re.compile(r"r?(\d{1,9})")
_NAME = re.compile(r"r(\d{1,9})-([0-9a-f]{1,64})…?")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")


def next_number(observed: Observed, digest: str) -> int:
    """Return the number of a release that no host holds.

    Containers carry the name of the release they came with. Where every host lost its releases the numbers go on
    from there, and the release that still runs has the number it had.
    """
    labels = (each.labels.get(RELEASE_LABEL, "") for host in observed.hosts for each in host.containers)
    worn = {int(match[1]): match[2] for label in labels if (match := _NAME.fullmatch(label))}
    held = {release.number for host in observed.hosts for release in host.releases}
    top = max({*worn, *held}, default=0)
    return top if top not in held and worn.get(top) == digest[:DIGITS] else top + 1


def recorded(observed: Observed) -> tuple[ObservedRelease, ...]:
    """Return every release that some host holds, each once, newest first."""
    found = {(release.number, release.digest): release for host in observed.hosts for release in host.releases}
    return tuple(found[key] for key in sorted(found, reverse=True))


def stable(observed: Observed) -> tuple[ObservedRelease, ...]:
    """Return every release whose rollout ended well, newest first: the fleet is on the first of them."""
    return tuple(release for release in recorded(observed) if release.stable)


def cut_short(current: ObservedRelease, observed: Observed) -> str:
    """Return the name of a release newer than the one the fleet is on, which some container came with; else nothing."""
    labels = (each.labels.get(RELEASE_LABEL, "") for host in observed.hosts for each in host.containers)
    worn = {int(match[1]): label for label in labels if (match := _NAME.fullmatch(label))}
    newest = max(worn, default=0)
    return worn[newest] if newest > current.number else ""


def to_repair(observed: Observed) -> ObservedRelease:
    """Return the release that the fleet is on. Raise UsageError where there is none, or a rollout stands half way."""
    known = stable(observed)
    if not known:
        raise UsageError("there is no release to put the fleet back to", hint="`provisioner apply` makes the first one")
    if begun := cut_short(known[0], observed):
        raise UsageError(
            f"the rollout of {begun} stands half way: what differs from {known[0].name} may be meant",
            hint="`provisioner apply` goes on with it, `provisioner rollback` goes back",
        )
    return known[0]


def to_go_back_to(text: str, observed: Observed) -> ObservedRelease:
    """Return the stable release that a rollback leads to: the one that is named, else the one before.

    Where a rollout was cut short, containers carry the name of a release that is newer than any stable one: then it is
    the newest stable one itself. Raise UsageError where there is none.
    """
    known = stable(observed)
    if not known:
        raise UsageError("there is no release to go back to", hint="none went through its whole rollout yet")
    if text:
        return _stable_one(named(text, recorded(observed)), known)
    current = known[0]
    if cut_short(current, observed):
        return current
    before = next((each for each in known if each.digest != current.digest), None)
    if before is None:
        raise UsageError(f"there is no release before {current.name}", hint="`provisioner history` lists what is kept")
    return before


def _stable_one(meant: ObservedRelease, known: tuple[ObservedRelease, ...]) -> ObservedRelease:
    if meant in known:
        return meant
    hint = f"known are: {', '.join(each.name for each in known)}"
    raise UsageError(f"{meant.name} never went through its whole rollout", hint=hint)


def named(text: str, releases: Iterable[ObservedRelease]) -> ObservedRelease:
    """Return the release that is meant by `r12`, `12`, `r12-9f3c…` or the beginning of its digest.

    Raise UsageError, naming the candidates, where none or more than one is meant.
    """
    known = tuple(releases)
    meant = [each for each in known if _means(text, each)]
    if len(meant) == 1:
        return meant[0]
    # What may be a number and the beginning of a digest is a number first.
    by_number = [each for each in meant if (match := _NUMBER.fullmatch(text)) and int(match[1]) == each.number]
    if len(by_number) == 1:
        return by_number[0]
    if meant and len({each.digest for each in meant}) == 1 and not by_number:
        return max(meant, key=lambda each: (each.stable, each.number))
    candidates = ", ".join(each.name for each in meant or known) or "there is none"
    fault = f"'{text}' means more than one release" if meant else f"there is no release '{text}'"
    raise UsageError(fault, hint=f"{'they are' if meant else 'known are'}: {candidates}" if known else candidates)


def _means(text: str, release: ObservedRelease) -> bool:
    if (match := _NUMBER.fullmatch(text)) and int(match[1]) == release.number:
        return True
    if match := _NAME.fullmatch(text):
        return int(match[1]) == release.number and release.digest.startswith(match[2])
    match = _DIGEST.fullmatch(text)
    return match is not None and release.digest.startswith(match[1])
