"""Looks at the containers of a fleet on one host for whatever no request of ours leaves there."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from provisioner.errors import EngineRefused
from provisioner.hosts.connection import Connection
from provisioner.hosts.deviations import files, processes, sockets
from provisioner.hosts.deviations.changes import VOLATILE_LABEL, Change, changes
from provisioner.hosts.deviations.daemon import read_daemon
from provisioner.hosts.deviations.engine_files import NAMES, EngineFiles, engine_files, read_engine_files
from provisioner.hosts.deviations.networks import networks
from provisioner.hosts.deviations.settings import settings
from provisioner.hosts.engine import Engine
from provisioner.hosts.image_reading import Answer
from provisioner.hosts.probe import Probed
from provisioner.model.deviation import Deviation, Unseen
from provisioner.model.file_state import FileState
from provisioner.model.image import ImageDefaults, ImageFacts
from provisioner.model.sockets import OpenSocket

SECOND_LOOK = 1.0
"""Seconds after which what began on its own has ended."""

_AT_ONCE = 4

Told = tuple[Answer, ...] | str
"""What an engine says has changed in a container, or why it says nothing."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What one round of questions told of a host: the engine, the probe, every container, what changed in our own."""

    info: Answer
    probed: Probed
    inspections: tuple[Answer, ...]
    told: Mapping[str, Told]
    images: Mapping[str, ImageFacts]

    @property
    def watched(self) -> tuple[Answer, ...]:
        """Return the containers that are looked at closely."""
        return tuple(each for each in self.inspections if each["Id"] in self.told)


@dataclass(frozen=True, slots=True)
class Closer:
    """What a closer look gave: deviations and what could not be seen, by container id, and open sockets of the host."""

    deviations: Mapping[str, tuple[Deviation, ...]] = field(default_factory=dict)
    unseen: Mapping[str, tuple[Unseen, ...]] = field(default_factory=dict)
    sockets: tuple[OpenSocket, ...] = ()


def look_closer(connection: Connection, engine: Engine, gathered: Gathered) -> Closer:
    """Return what containers have beside what was asked for. Raise HostUnreachable, EngineUnavailable."""
    look = _Look(connection, engine, gathered)
    strangers = look.strangers()
    written, changed = look.engine_files(), look.changed()
    daemon = read_daemon(gathered.info, gathered.probed.daemon_file, gathered.probed.daemon_flags)
    found, unseen = {}, {}
    for each in gathered.watched:
        container_id = each["Id"]
        rows = [
            *settings(each, look.defaults(each), daemon),
            *networks(each),
            *(engine_files(each, written[container_id]) if container_id in written else ()),
            *changed.get(container_id, ()),
            *strangers.get(container_id, ()),
        ]
        found[container_id] = tuple(sorted(set(rows)))
        unseen[container_id] = tuple(look.unseen(each))
    return Closer(found, unseen, look.sockets())


def is_of_fleet(entry: Answer, fleet: str) -> bool:
    """Tell whether an entry of the container list carries a fleet's label, or a name that a fleet's container has."""
    named = any(name.removeprefix("/").startswith(f"{fleet}.") for name in entry.get("Names") or ())
    return named or (entry.get("Labels") or {}).get("provisioner.fleet") == fleet


@dataclass(frozen=True, slots=True)
class _Look:
    """One closer look; whatever it has to ask again it asks at once, and only where something was found."""

    connection: Connection
    engine: Engine
    gathered: Gathered

    def defaults(self, inspection: Answer) -> ImageDefaults:
        """Return what the image of a container sets."""
        image = self.gathered.images.get(inspection["Image"])
        return image.defaults if image else ImageDefaults(working_dir=inspection["Config"].get("WorkingDir") or "")

    def unseen(self, inspection: Answer) -> Iterator[Unseen]:
        """Yield what of a container nobody could look at."""
        told = self.gathered.told[inspection["Id"]]
        if isinstance(told, str):
            yield Unseen("files", told)
        reason = processes.hidden(inspection, self.gathered.probed.processes.get(inspection["Id"], ()))
        if reason:
            yield Unseen("process", reason)

    def engine_files(self) -> Mapping[str, EngineFiles]:
        """Return the files that the engine wrote for each container, off the host's disk, else through the engine."""
        probed = self.gathered.probed
        found = read_engine_files(probed.archive, probed.resolvers)
        lacking = [each["Id"] for each in self.gathered.watched if each["State"]["Running"] and each["Id"] not in found]
        asked = [(container_id, name) for container_id in lacking for name in NAMES]
        read: dict[str, dict[str, FileState]] = {}
        for (container_id, name), state in zip(asked, self._states((i, f"/etc/{n}") for i, n in asked), strict=True):
            if state is not None:
                read.setdefault(container_id, {})[name] = state
        return found | {each: EngineFiles(states, "", probed.resolvers) for each, states in read.items()}

    def changed(self) -> Mapping[str, tuple[Deviation, ...]]:
        """Return what has changed inside each container, by what its engine says and by what lies on the disk."""
        found = {}
        for each in self.gathered.watched:
            told = self.gathered.told[each["Id"]]
            known = () if isinstance(told, str) else told
            on_disk = self.gathered.probed.changes.get(each["Id"], ())
            more = tuple({"Path": path, "Kind": kind} for kind, path in on_disk)
            if kept := changes(each, (*known, *more), self._volatile(each)):
                found[each["Id"]] = self._described(each, kept)
        return found

    def _described(self, inspection: Answer, kept: tuple[Change, ...]) -> tuple[Deviation, ...]:
        read = files.shown(kept)
        paths = tuple(each.path for each in read if each.kind != "deleted")
        now, before = self._versions(inspection, paths)
        rest = tuple(path for path in paths if path not in now)
        states = self._states((inspection["Id"], path) for path in rest)
        now |= {path: state for path, state in zip(rest, states, strict=True) if state is not None}
        return tuple(files.deviations(kept, now, before, inspection))

    def _versions(self, inspection: Answer, paths: tuple[str, ...]) -> tuple[dict[str, FileState], Mapping[str, str]]:
        first = inspection["State"].get("Pid")
        if not paths or not first:
            return {}, {}
        answer = self.connection.run(files.VERSIONS, str(first), *paths).stdout
        return files.read_versions(answer.decode(errors="replace"), paths)

    def _volatile(self, inspection: Answer) -> str:
        image = self.gathered.images.get(inspection["Image"])
        return image.labels.get(VOLATILE_LABEL, "") if image else ""

    def strangers(self) -> Mapping[str, tuple[Deviation, ...]]:
        """Return the processes that somebody else started, as far as they are still there at a second look."""
        seen = self.gathered.probed.processes
        found = {each["Id"]: processes.suspects(each, seen.get(each["Id"], ())) for each in self.gathered.watched}
        numbers = [str(each.process.number) for suspects in found.values() for each in suspects]
        if not numbers:
            return {}
        time.sleep(SECOND_LOOK)
        answer = self.connection.run(processes.LOOK_CLOSER, *numbers).stdout.decode(errors="replace")
        there, words = processes.read_closer(answer)
        left = {each["Id"]: processes.remaining(found[each["Id"]], there, words) for each in self.gathered.watched}
        return {
            each["Id"]: tuple(processes.deviations(left[each["Id"]], words, _tests(self.engine, each)))
            for each in self.gathered.watched
            if left[each["Id"]]
        }

    def sockets(self) -> tuple[OpenSocket, ...]:
        """Return the sockets of the host that nothing explains, with whose they are."""
        found = sockets.unaccounted(self.gathered.probed, self.gathered.inspections)
        if not found:
            return ()
        wanted = "|".join(sorted({each.inode for each in found}))
        return sockets.open_sockets(found, self.connection.run(sockets.OWNERS, wanted).stdout.decode(errors="replace"))

    def _states(self, asked: Iterable[tuple[str, str]]) -> list[FileState | None]:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda each: self._state(*each), asked))

    def _state(self, container_id: str, path: str) -> FileState | None:
        try:
            return files.read_state(self.engine, container_id, path)
        except EngineRefused:
            return None


def _tests(engine: Engine, inspection: Answer) -> tuple[int, ...]:
    """Return the numbers of processes that are health tests of a container's engine."""
    commands = processes.health_commands(inspection)
    found = []
    for exec_id in inspection.get("ExecIDs") or () if commands else ():
        try:
            with engine.client() as client:
                told = client.exec_inspect(exec_id)
        except EngineRefused:
            continue
        config = told.get("ProcessConfig") or {}
        if (config.get("entrypoint"), *(config.get("arguments") or ())) in commands:
            found.append(int(told.get("Pid") or 0))
    return tuple(found)
