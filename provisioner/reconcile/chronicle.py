"""The whole of `history`: which fleets there are, their releases, and what one of them changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provisioner.errors import HostUnreachable, ProvisionerError, UsageError
from provisioner.model.container import FLEET_LABEL, KIND_LABEL
from provisioner.model.inventory import Host
from provisioner.model.observed import Observed, ObservedRelease
from provisioner.model.release import Chapter, Comparison, History, Release
from provisioner.planning.compare import compare, summary
from provisioner.planning.naming import named, recorded, to_go_back_to, to_repair
from provisioner.reconcile.observe import observe, read_recorded
from provisioner.reconcile.world import Lookout

RELEASE_KIND = "release"


@dataclass(frozen=True, slots=True)
class Archive:
    """Everything that hosts were seen to hold of one fleet, to read releases from."""

    lookout: Lookout
    fleet: str
    hosts: Mapping[str, Host]
    observed: Observed

    @property
    def releases(self) -> tuple[ObservedRelease, ...]:
        """Return every release, newest first."""
        return recorded(self.observed)

    def find(self, name: str) -> Release:
        """Return the release that is meant. Raise UsageError, ProvisionerError where no copy of it is whole."""
        return self.read(named(name, self.releases))

    def behind(self, name: str) -> Release:
        """Return the release that a rollback leads to, the one before where none is named. Raise UsageError."""
        return self.read(to_go_back_to(name, self.observed))

    def current(self) -> Release:
        """Return the release that the fleet is on. Raise UsageError where a rollout stands half way, or none ended."""
        return self.read(to_repair(self.observed))

    def read(self, found: ObservedRelease) -> Release:
        """Return a release. Raise ProvisionerError where no copy of it is whole."""
        release = read_recorded(self.lookout, self.observed, self.hosts, found)
        if release is None:
            holders = ", ".join(holding(self.observed, found))
            raise ProvisionerError(
                f"release {found.name} cannot be read: its copy on {holders} is damaged",
                hint="`provisioner apply` leaves whole copies of the current release",
            )
        return release


def open_archive(lookout: Lookout, hosts: Mapping[str, Host], fleet: str = "") -> Archive:
    """Look at hosts for the releases of a fleet, or of the only fleet there is.

    Raise UsageError where there are several, HostUnreachable where no host answers.
    """
    observed = observe(lookout, fleet, hosts.values())
    if not observed.hosts and observed.unreachable:
        first = observed.unreachable[0]
        raise HostUnreachable(first.name, first.reason, hint=first.hint)
    if fleet:
        return Archive(lookout, fleet, hosts, observed)
    found = _fleets(observed)
    if len(found) != 1:
        hint = f"say which with -f: there are {', '.join(found)}" if found else "no release lies on any of its hosts"
        raise UsageError("several fleets are found" if found else "no fleet is found", hint=hint)
    return Archive(lookout, found[0], hosts, observe(lookout, found[0], hosts.values()))


def _fleets(observed: Observed) -> tuple[str, ...]:
    labels = [image.labels for host in observed.hosts for image in host.images]
    return tuple(sorted({each.get(FLEET_LABEL, "") for each in labels if each.get(KIND_LABEL) == RELEASE_KIND} - {""}))


def history(archive: Archive) -> History:
    """Return every release with what it changed against the one before it."""
    known = archive.releases
    read = [_readable(archive, each) for each in known]
    chapters = tuple(
        _chapter(archive.observed, found, _changed(read[at], _before(known, read, at), first=found is known[-1]))
        for at, found in enumerate(known)
    )
    return History(archive.fleet, chapters, tuple(host.name for host in archive.observed.unreachable))


def _before(known: tuple[ObservedRelease, ...], read: list[Release | None], at: int) -> Release | None:
    """Return the stable release before one: against that a person sees what it changed."""
    return next((read[older] for older in range(at + 1, len(known)) if known[older].stable), None)


def _readable(archive: Archive, found: ObservedRelease) -> Release | None:
    return read_recorded(archive.lookout, archive.observed, archive.hosts, found)


def _chapter(observed: Observed, found: ObservedRelease, changed: str) -> Chapter:
    return Chapter(
        name=found.name,
        number=found.number,
        digest=found.digest,
        created=found.created,
        author=found.author,
        commit=found.commit,
        changed=changed,
        hosts=holding(observed, found),
        outcome=found.outcome,
        stable=found.stable,
    )


def _changed(release: Release | None, before: Release | None, *, first: bool) -> str:
    if release is None:
        return "damaged: no copy can be read"
    if before is None:
        return "the first that is kept" if first else "the one before cannot be read"
    return summary(compare(before.content, release.content)) or "nothing that a container carries"


def holding(observed: Observed, found: ObservedRelease) -> tuple[str, ...]:
    """Return the hosts that hold a release."""
    wanted = (found.number, found.digest)
    return tuple(
        host.name for host in observed.hosts if any((each.number, each.digest) == wanted for each in host.releases)
    )


def comparison(archive: Archive, before: str, after: str) -> Comparison:
    """Return in what a release differs from another, both as people name them. Raise UsageError."""
    old, new = archive.find(before), archive.find(after)
    return Comparison(archive.fleet, old.name, new.name, compare(old.content, new.content))
