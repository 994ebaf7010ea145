"""The lock file of a fleet: what is asked of it, what it says, and what it should."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from provisioner import __version__
from provisioner.errors import UsageError
from provisioner.hosts.this_machine import local_client
from provisioner.local.lock_file import find_lock, lock_path, write_lock
from provisioner.local.sources import read_source
from provisioner.local.templates import TemplateFolders
from provisioner.model.inventory import Inventory
from provisioner.model.lock import Lock
from provisioner.model.placement import Placement
from provisioner.planning.lock import Asked, LockChange, LockDifference, aliases, asked_names, changes, check
from provisioner.ports import Progress, Resolver
from provisioner.reconcile.lock import Wanted, relock
from provisioner.spec.read import read_fleet
from provisioner.wiring.fleet import Declared, Settings, declare, unlocked_inputs
from provisioner.wiring.parts import open_resolver


def lock_file(settings: Settings) -> Path:
    """Return the lock file that is written."""
    return lock_path(settings.file, settings.environment_name)


def differences(settings: Settings) -> tuple[LockDifference, ...]:
    """Return what the lock file lacks, what nobody asks it for, and whose requirements changed; needs no engine."""
    declared = _declared(settings)
    return check(declared.lock, asked_names(declared.spec, unlocked_inputs(declared), declared.lock.platform))


def lock(settings: Settings, names: Iterable[str], progress: Progress, *, upgrade: bool) -> tuple[LockChange, ...]:
    """Resolve what is missing, or is to be upgraded, and write the lock file; return what changed.

    Raise UsageError for a name that nothing in the fleet has.
    """
    declared = _declared(settings)
    inputs = unlocked_inputs(declared)
    with _resolver(settings, declared) as resolver:
        platform = declared.lock.platform or resolver.platform()
        asked = asked_names(declared.spec, inputs, platform)
        chosen = _chosen(declared, asked, frozenset(names)) if upgrade else frozenset()
        wanted = Wanted(asked, inputs, chosen, platform, __version__)
        after = relock(declared.lock, wanted, resolver, progress)
    path = lock_file(settings)
    if after != declared.lock or not path.exists():
        write_lock(path, after)
    return changes(declared.lock, after)


def _declared(settings: Settings) -> Declared:
    """Return what the spec says, without an inventory: what is locked depends on no host."""
    spec = read_fleet(read_source(settings.file), settings.environment).spec
    found = find_lock(settings.file, settings.environment_name) or Lock()
    folders = TemplateFolders(settings.file.absolute().parent)
    return Declared(spec, Inventory("", {}, {}), Placement((), (), {}), folders, found)


@contextmanager
def _resolver(settings: Settings, declared: Declared) -> Iterator[Resolver]:
    client = local_client(settings.environment)
    if client is not None:
        client.close()
    whole = declare(settings) if client is None else declared
    with open_resolver(settings, replace(whole, lock=Lock())) as resolver:
        yield resolver


def _chosen(declared: Declared, asked: tuple[Asked, ...], names: frozenset[str]) -> frozenset[Asked]:
    inputs = unlocked_inputs(declared)
    known = {each: aliases(declared.spec, inputs, each) for each in asked}
    unknown = names - frozenset().union(*known.values())
    if unknown:
        every = sorted({name for found in known.values() for name in found})
        raise UsageError(f"nothing in the fleet is locked as '{min(unknown)}'", hint=f"there are {', '.join(every)}")
    return frozenset(each for each, found in known.items() if not names or found & names)
