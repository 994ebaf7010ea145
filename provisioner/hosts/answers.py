"""What an engine tells of itself, its containers and images when it is asked in two rounds, each in one write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from provisioner.errors import EngineRefused
from provisioner.hosts.deviations.look import Told, is_of_fleet
from provisioner.hosts.engine import Engine
from provisioner.hosts.image_lookup import ImageLookup
from provisioner.hosts.image_reading import Answer, is_ours, read_image, read_listed
from provisioner.hosts.questions import Questions
from provisioner.hosts.questions import Told as Heard
from provisioner.model.container import FLEET_LABEL
from provisioner.model.image import ImageFacts


@dataclass(frozen=True, slots=True)
class Answers:
    """The engine itself, every container by inspection, images by the engine's own id, what changed in a fleet's own.

    `volumes` are the names of the fleet's.
    """

    info: Answer
    versions: Answer
    inspections: tuple[Answer, ...]
    images: Mapping[str, ImageFacts]
    volumes: tuple[str, ...]
    told: Mapping[str, Told]


def ask_all(engine: Engine, images: ImageLookup, fleet: str) -> Answers:
    """Ask everything that a look at a host takes of its engine. Raise EngineRefused, EngineUnavailable.

    Layers, defaults and platform are filled in for images of ours and images of containers only.
    """
    with engine.questions() as questions:
        info, versions, listed, listed_images, volumes = _first(engine.host, questions, fleet)
        matter = _that_matter(listed, listed_images)
        wanted = () if images.is_containerd(info) else tuple(f"/images/{own_id}/json" for own_id in matter)
        ids = [entry["Id"] for entry in listed]
        watched = [entry["Id"] for entry in listed if is_of_fleet(entry, fleet)]
        paths = [*(f"/containers/{each}/json" for each in ids), *(f"/containers/{each}/changes" for each in watched)]
        heard = questions.ask((*paths, *wanted))
    seen = [each.json(engine.host) for each in heard[: len(ids)]]
    changes = heard[len(ids) : len(paths)]
    return Answers(
        info=info,
        versions=versions,
        inspections=tuple(each for each in seen if each is not None),
        images=_images(engine.host, images, listed_images, matter, heard[len(paths) :]),
        volumes=tuple(sorted(each["Name"] for each in volumes.get("Volumes") or ())),
        told={each: _told(engine.host, told) for each, told in zip(watched, changes, strict=True)},
    )


def _first(
    host: str, questions: Questions, fleet: str
) -> tuple[Answer, Answer, tuple[Answer, ...], tuple[Answer, ...], Answer]:
    labelled = quote(json.dumps({"label": [f"{FLEET_LABEL}={fleet}"]}))
    paths = ("/info", "/version", "/containers/json?all=1", "/images/json", f"/volumes?filters={labelled}")
    info, versions, containers, images, volumes = (each.json(host) for each in questions.ask(paths))
    return info or {}, versions or {}, tuple(containers or ()), tuple(images or ()), volumes or {}


def _that_matter(containers: tuple[Answer, ...], images: tuple[Answer, ...]) -> tuple[str, ...]:
    used = {entry["ImageID"] for entry in containers} - {""}
    return tuple(sorted(used | {entry["Id"] for entry in images if is_ours(entry)}))


def _images(
    host: str, lookup: ImageLookup, listed: tuple[Answer, ...], matter: tuple[str, ...], heard: list[Heard]
) -> Mapping[str, ImageFacts]:
    images = {entry["Id"]: read_listed(entry) for entry in listed}
    for place, own_id in enumerate(matter):
        try:
            if not heard:
                found = lookup.inspect_own(own_id)
            else:
                told = heard[place].json(host)
                found = read_image(told, told["Id"]) if told else None
        except EngineRefused:
            # It is listed and cannot be shown: what is in it is unknown, and the host is not.
            continue
        if found is not None:
            images[own_id] = found
    return images


def _told(host: str, heard: Heard) -> Told:
    """Return what an engine says has changed in a container, or why it does not say."""
    try:
        return tuple(heard.json(host) or ())
    except EngineRefused as error:
        return error.reason
