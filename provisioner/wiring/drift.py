"""What of a fleet `drift` looks at, and what of it the spec and the command line leave aside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from provisioner.errors import UsageError
from provisioner.local.files import replace_file
from provisioner.model.drift import DRIFT_KINDS, DriftQuestion, DriftReport, Ignore, Shell
from provisioner.model.inventory import Host
from provisioner.ports import EventSink
from provisioner.reconcile.drift import drift
from provisioner.reconcile.watch import watch
from provisioner.spec.fields import Unfit, duration
from provisioner.spec.patterns import select
from provisioner.views.metrics import metrics_text
from provisioner.wiring import fleet, parts
from provisioner.wiring.compare import PATIENCE, known_kind

_USERS_OWN = "~/.ssh/known_hosts"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line said: kinds to look at, what not to count, where the counts are written."""

    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    metrics: Path | None = None


class Looks:
    """Looks at a fleet, once or again and again; every look reads the spec anew. Raise UsageError for no such kind."""

    def __init__(self, settings: fleet.Settings, asked: Asked) -> None:
        self._settings = settings
        self._kinds = tuple(known_kind(name, DRIFT_KINDS) for name in asked.only)
        self._aside = tuple(_said(text) for text in asked.ignore)
        self._metrics = asked.metrics
        self._last: tuple[DriftReport, float] | None = None

    def once(self) -> DriftReport:
        """Look at the whole fleet once, and return every difference."""
        found = self._look()
        self._publish(found)
        return found

    def go_on(self, seconds: float, sink: EventSink) -> None:
        """Look every so many seconds and tell what changed, until a person interrupts it."""
        watch(self._look, parts.SystemClock(), sink, seconds, self._publish)

    def _look(self) -> DriftReport:
        settings, declared = self._settings, fleet.declare(self._settings)
        asked = DriftQuestion(self._kinds, (*self._aside, *_declared(declared)), _today(), _shells(declared))
        with parts.open_lookout(settings, declared.inventory, PATIENCE) as lookout:
            return drift(lookout, fleet.intend(settings, declared), asked)

    def _publish(self, found: DriftReport | None) -> None:
        if found is not None:
            self._last = (found, datetime.now(UTC).timestamp())
        if self._metrics is not None:
            replace_file(self._metrics, metrics_text(self._last, is_up=found is not None))


def interval(text: str) -> float:
    """Return the seconds between two looks. Raise UsageError."""
    try:
        seconds = duration(text)
    except Unfit as error:
        raise UsageError(f"--watch {text}: {error.message}", hint=error.suggestion or "say --watch 5m") from error
    if seconds < 1:
        raise UsageError(f"--watch {text}: a second at least", hint="say --watch 5m")
    return seconds


def _said(text: str) -> Ignore:
    name, colon, pattern = text.partition(":")
    kind = known_kind(name, DRIFT_KINDS)
    return Ignore(kind, f"--ignore {text}", pattern if colon else "*")


def _declared(declared: fleet.Declared) -> Iterator[Ignore]:
    for each in declared.spec.ignored:
        hosts = frozenset(select(declared.inventory, each.hosts)) if each.hosts else None
        yield Ignore(each.kind, each.reason, each.key, hosts, each.until)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _shells(declared: fleet.Declared) -> dict[str, Shell]:
    from provisioner.hosts.access import project_known_hosts

    known = project_known_hosts(Path(declared.inventory.path).absolute())
    files = f"{_USERS_OWN} {known}" if known.exists() else ""
    return {name: _shell(host, files) for name, host in declared.placement.hosts.items()}


def _shell(host: Host, known: str) -> Shell:
    is_root = host.user in {None, "", "root"}
    if host.connection == "local":
        return Shell((), is_root=is_root)
    words = ["ssh", *(("-p", str(host.port)) if host.port else ()), *(("-i", host.key_file) if host.key_file else ())]
    words += ["-o", f"UserKnownHostsFile={known}"] if known else []
    return Shell((*words, f"{host.user}@{host.address}" if host.user else host.address), is_root=is_root)
