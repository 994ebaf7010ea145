"""Who this controller is, what its user set for leases, and the switch that ends it where a test wants."""

from __future__ import annotations

import getpass
import os
import re
import signal
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from provisioner.errors import UsageError
from provisioner.local.journal_file import open_journal
from provisioner.model.inventory import Host, Inventory
from provisioner.model.lease import SHORTEST_TERM, USUAL_TERM
from provisioner.ports import Leases, Pulse
from provisioner.reconcile.world import Controller, Fuse, unlit
from provisioner.spec.fields import Unfit, duration
from provisioner.wiring.fleet import STATE_FOLDER, Settings

if TYPE_CHECKING:
    from provisioner.hosts.access import SshHosts

TERM_VARIABLE = "PROVISIONER_LEASE_TTL"
CRASH_VARIABLE = "PROVISIONER_CRASH_AT"
_CRASH = re.compile(r"(before|after):(\d{1,6})")


def controller(settings: Settings, hosts: SshHosts, pulse: Pulse) -> Controller:
    """Return who carries a run out, with an id that no other run has. Raise UsageError."""

    def leases(host: Host) -> Leases:
        return hosts.hands(host).leases

    return Controller(
        run=uuid.uuid4().hex[:12],
        owner=owner(),
        leases=leases,
        pulse=pulse,
        journal=lambda fleet, run: open_journal(settings.folder / STATE_FOLDER, fleet, run),
        term=term(settings.environment.get(TERM_VARIABLE, "")),
        fuse=fuse(settings.environment.get(CRASH_VARIABLE, "")),
    )


@contextmanager
def open_leases(settings: Settings, inventory: Inventory) -> Iterator[Callable[[Host], Leases]]:
    """Lend what looks at the leases on hosts."""
    from provisioner.wiring.parts import open_hosts

    with open_hosts(settings, inventory) as hosts:
        yield lambda host: hosts.hands(host).leases


def owner() -> str:
    """Return who runs this where, for people: `ada@desk`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # nobody has a name for this user id
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def term(said: str) -> float:
    """Return the seconds a lease lasts. Raise UsageError."""
    if not said:
        return USUAL_TERM
    try:
        seconds = duration(said)
    except Unfit as error:
        raise UsageError(f"{TERM_VARIABLE}={said}: {error}", hint="give a duration such as 30s") from error
    if seconds < SHORTEST_TERM:
        raise UsageError(f"{TERM_VARIABLE}={said} is too short", hint=f"give {SHORTEST_TERM:g}s or more")
    return seconds


def fuse(said: str) -> Fuse:
    """Return what kills this process at an effect: `before:3` or `after:3`. Raise UsageError."""
    if not said:
        return unlit
    found = _CRASH.fullmatch(said)
    if found is None:
        raise UsageError(f"{CRASH_VARIABLE}={said} is not understood", hint="give before:N or after:N")
    chosen = (found[1], int(found[2]))

    def burn(moment: Literal["before", "after"], number: int) -> None:
        if (moment, number) == chosen:
            os.kill(os.getpid(), signal.SIGKILL)

    return burn
