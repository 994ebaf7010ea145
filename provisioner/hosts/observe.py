"""Reads a host without changing it: its engine, containers, images, releases and addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import docker.errors

from provisioner.errors import EngineRefused
from provisioner.hosts.answers import ask_all
from provisioner.hosts.connection import Connection
from provisioner.hosts.container_files import read_file
from provisioner.hosts.deviations.files import read_state
from provisioner.hosts.deviations.look import Closer, Gathered, look_closer
from provisioner.hosts.engine import Engine
from provisioner.hosts.engine_settings import read_settings
from provisioner.hosts.image_lookup import ImageLookup
from provisioner.hosts.image_reading import Answer, is_containerd, read_releases
from provisioner.hosts.inspection import read_container
from provisioner.hosts.pages import fetch_page
from provisioner.hosts.probe import PROBE, read_addresses, read_listeners, read_probe
from provisioner.model.file_state import FileState
from provisioner.model.image import ImageDefaults, ImageFacts
from provisioner.model.observed import EngineFacts, ObservedContainer, ObservedHost

_LARGEST_MANAGED = 16 * 1024 * 1024
_PAGE_SECONDS = 20.0
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LIMITS = {"MemoryLimit": "memory", "SwapLimit": "swap", "PidsLimit": "pids", "CpuCfsQuota": "cpus"}


@dataclass(frozen=True, slots=True)
class Sight:
    """What a reader looks through: the connection to the host, its engine, its images."""

    connection: Connection
    engine: Engine
    images: ImageLookup


class EngineReader:
    """Reads one host through its engine's API and one script. Nothing here changes anything."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    def observe(self, fleet: str) -> ObservedHost:
        """Return the host as it is now. Raise HostUnreachable, EngineUnavailable or EngineRefused.

        Layers, defaults and platform are filled in for images of ours and images of containers only, deviations for
        containers of this fleet.
        """
        with ThreadPoolExecutor(1) as pool:
            probing = pool.submit(self._sight.connection.run, PROBE, fleet)
            answers = ask_all(self._sight.engine, self._sight.images, fleet)
            probed = probing.result().stdout
        images = answers.images
        gathered = Gathered(answers.info, read_probe(probed), answers.inspections, answers.told, images)
        closer = look_closer(self._sight.connection, self._sight.engine, gathered)
        text = probed.decode(errors="replace")
        containers = (_deviating(_container(each, images), closer) for each in answers.inspections)
        return ObservedHost(
            name=self._sight.connection.name,
            engine=self._facts(answers.info, answers.versions),
            route=self._sight.connection.route(),
            addresses=read_addresses(text),
            listeners=read_listeners(text),
            containers=tuple(sorted(containers, key=lambda seen: seen.name)),
            images=tuple(sorted(images.values(), key=lambda image: (image.tags, image.image_id))),
            volumes=answers.volumes,
            releases=read_releases(images.values(), fleet),
            sockets=closer.sockets,
        )

    def containers(self) -> ObservedHost:
        """Return a host as far as its engine and containers go. Raise as `observe` does."""
        answers = ask_all(self._sight.engine, self._sight.images, "")
        return ObservedHost(
            self._sight.connection.name,
            self._facts(answers.info, answers.versions),
            self._sight.connection.route(),
            containers=tuple(_container(each, answers.images) for each in answers.inspections),
        )

    def container(self, name_or_id: str) -> ObservedContainer | None:
        """Return one container as it is now, None where there is none of that name or id."""
        found = self._inspection(name_or_id)
        if found is None:
            return None
        image = self._sight.images.inspect_own(found["Image"])
        return _container(found, {found["Image"]: image} if image else {})

    def logs(self, container_id: str, lines: int) -> tuple[str, ...]:
        """Return the last lines a container wrote, oldest first, without control characters."""
        with self._sight.engine.client() as client:
            written: bytes = client.logs(container_id, tail=lines) if lines > 0 else b""
        return read_log(written)[-lines:]

    def file(self, container_id: str, path: str) -> bytes | None:
        """Return a file of a container, running or not; None where there is none."""
        return read_file(self._sight.engine, container_id, path)

    def state(self, container_id: str, path: str) -> FileState | None:
        """Return a file of a container with mode and owner, links not followed; None where there is none."""
        return read_state(self._sight.engine, container_id, path, _LARGEST_MANAGED)

    def page(self, container_id: str, port: int, path: str) -> bytes:
        """Return the body of a page that a running container serves on one of its own ports. Raise EngineRefused."""
        host = self._sight.connection.name
        found = self.container(container_id)
        if found is None or not found.running:
            raise EngineRefused(host, f"container {container_id} does not run")
        own = ("127.0.0.1",) if found.options.network == "host" else found.addresses
        if not own:
            raise EngineRefused(host, f"container {found.name} has no address of its own")
        return fetch_page(self._sight.connection, own[0], port, path, _PAGE_SECONDS)

    def _inspection(self, name_or_id: str) -> Answer | None:
        with self._sight.engine.client() as client:
            try:
                found: Answer = client.inspect_container(name_or_id)
            except docker.errors.NotFound:
                return None
            return found

    def _facts(self, info: Answer, versions: Answer) -> EngineFacts:
        route = self._sight.engine.find()
        return EngineFacts(
            version=versions.get("Version") or info.get("ServerVersion") or "",
            api_version=route.api_version,
            store="containerd" if is_containerd(info) else "classic",
            platform=f"{versions.get('Os') or 'linux'}/{versions.get('Arch') or ''}",
            route=route.name,
            unenforceable=read_unenforceable(info),
            settings=read_settings(info, versions),
        )


def read_unenforceable(info: Answer) -> tuple[str, ...]:
    """Return the limits that an engine says it cannot enforce, from an answer to `GET /info`."""
    return tuple(sorted(name for key, name in _LIMITS.items() if info.get(key) is False))


def read_log(written: bytes) -> tuple[str, ...]:
    """Return the lines of a log, without terminal escapes and control characters but tabs."""
    text = _ESCAPES.sub("", written.decode(errors="replace").replace("\r\n", "\n"))
    return tuple(_CONTROLS.sub("", line) for line in text.removesuffix("\n").split("\n")) if text else ()


def _container(inspection: Answer, images: Mapping[str, ImageFacts]) -> ObservedContainer:
    image = images.get(inspection["Image"])
    image_id: Any = image.image_id if image else inspection["Image"]
    return read_container(inspection, image_id, image.defaults if image else ImageDefaults())


def _deviating(container: ObservedContainer, closer: Closer) -> ObservedContainer:
    container_id = container.container_id
    deviations, unseen = closer.deviations.get(container_id, ()), closer.unseen.get(container_id, ())
    return replace(container, deviations=deviations, unseen=unseen) if deviations or unseen else container
