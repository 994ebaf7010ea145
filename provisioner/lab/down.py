"""Takes a lab down: removes exactly what it made, whatever is left of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound

from provisioner.images.bases.root_image import REPOSITORY as BASES
from provisioner.lab.editions import EDITIONS
from provisioner.lab.host_image import REPOSITORY as HOST_IMAGES
from provisioner.lab.labels import LAB
from provisioner.lab.layout import lab_files
from provisioner.lab.machine import remove_machine
from provisioner.lab.refusals import explained

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Removed:
    """What was there and is gone: names of hosts, networks, volumes, images and files."""

    hosts: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def down(
    engine: docker.APIClient,
    name: str,
    *,
    directory: Path,
    keep_images: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Removed:
    """Remove a lab: hosts with their volumes, network, files and, unless kept, the images no other lab uses.

    Raise LabError.
    """
    with explained(f"lab {name}"):
        volumes = _volumes(engine, name)
        return Removed(
            hosts=_remove_hosts(engine, name, report),
            networks=_remove_networks(engine, name),
            volumes=_remove_volumes(engine, name, volumes),
            images=() if keep_images else _remove_images(engine, report),
            files=_remove_files(directory, name),
        )


def _remove_hosts(engine: docker.APIClient, name: str, report: Callable[[str], None]) -> tuple[str, ...]:
    containers = engine.containers(all=True, filters={"label": f"{LAB}={name}"})

    def remove(container: dict[str, Any]) -> str:
        label = str(*container["Names"][:1]).lstrip("/") or str(container["Id"][:12])
        report(f"removing {label}")
        remove_machine(engine, container["Id"])
        return label

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(pool.map(remove, containers))


def _remove_networks(engine: docker.APIClient, name: str) -> tuple[str, ...]:
    removed = []
    for network in engine.networks(filters={"label": f"{LAB}={name}"}):
        for guest in engine.inspect_network(network["Id"])["Containers"]:
            engine.disconnect_container_from_network(guest, network["Id"], force=True)
        engine.remove_network(network["Id"])
        removed.append(str(network["Name"]))
    return tuple(removed)


def _volumes(engine: docker.APIClient, name: str) -> tuple[str, ...]:
    found = engine.volumes(filters={"label": f"{LAB}={name}"})["Volumes"] or ()
    return tuple(volume["Name"] for volume in found)


def _remove_volumes(engine: docker.APIClient, name: str, there: tuple[str, ...]) -> tuple[str, ...]:
    for volume in _volumes(engine, name):
        engine.remove_volume(volume, force=True)
    return there


def _remove_images(engine: docker.APIClient, report: Callable[[str], None]) -> tuple[str, ...]:
    """Remove host images, then the roots they were built on, that nothing on this engine uses any more."""
    removed = []
    for repository in (HOST_IMAGES, *_roots()):
        for image in engine.images(repository):
            if _is_used(engine, image["Id"]):
                continue
            for tag in image["RepoTags"]:
                report(f"removing {tag}")
                engine.remove_image(tag)
                removed.append(str(tag))
    return tuple(removed)


def _roots() -> tuple[str, ...]:
    return tuple(f"{BASES}:{suite}-*-????????????" for suite in sorted({one.suite for one in EDITIONS.values()}))


def _is_used(engine: docker.APIClient, image: str) -> bool:
    if engine.containers(all=True, filters={"ancestor": image}):
        return True
    layers = _layers(engine, image)
    others = {other["Id"] for other in engine.images()} - {image}
    return any(_layers(engine, other)[: len(layers)] == layers for other in others)


def _layers(engine: docker.APIClient, image: str) -> list[str]:
    try:
        described = engine.inspect_image(image)  # type: ignore[no-untyped-call]  # so its stubs say
    except NotFound:
        return []
    return described["RootFS"].get("Layers") or []


def _remove_files(directory: Path, name: str) -> tuple[str, ...]:
    there = [path for path in lab_files(directory, name) if path.exists()]
    for path in there:
        path.unlink()
    return tuple(str(path) for path in there)
