"""What an engine's answers about images mean."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from provisioner.model.container import FLEET_LABEL, KIND_LABEL, EngineHealthTest
from provisioner.model.image import ImageDefaults, ImageFacts
from provisioner.model.observed import ObservedRelease, release_outcome

Answer = Mapping[str, Any]
"""A JSON object as an engine gives it."""

RELEASE_KIND = "release"
OUR_NAMES = "provisioner"
_NANOSECONDS = 1_000_000_000
_NO_TAG = "<none>:<none>"


def read_image(inspection: Answer, image_id: str) -> ImageFacts:
    """Read an answer to `GET /images/{name}/json`; `image_id` is the digest of the image's configuration."""
    config = inspection.get("Config") or {}
    platform = (inspection.get("Os"), inspection.get("Architecture"), inspection.get("Variant"))
    return ImageFacts(
        image_id=image_id,
        tags=_tags(inspection),
        labels=dict(config.get("Labels") or {}),
        layers=tuple((inspection.get("RootFS") or {}).get("Layers") or ()),
        defaults=read_defaults(config),
        platform="/".join(part for part in platform if part),
        size=int(inspection.get("Size") or 0),
    )


def read_listed(entry: Answer) -> ImageFacts:
    """Read an entry of `GET /images/json`, which knows neither layers nor defaults nor platform."""
    return ImageFacts(
        image_id=entry["Id"],
        tags=_tags(entry),
        labels=dict(entry.get("Labels") or {}),
        size=int(entry.get("Size") or 0),
    )


def read_defaults(config: Answer) -> ImageDefaults:
    """Read the configuration part of an image."""
    return ImageDefaults(
        command=tuple(config.get("Cmd") or ()),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        environment=read_environment(config.get("Env")),
        user=config.get("User") or "",
        health=read_health(config.get("Healthcheck")),
        stop_signal=config.get("StopSignal") or "",
        volumes=tuple(sorted(config.get("Volumes") or ())),
        working_dir=config.get("WorkingDir") or "",
    )


def read_environment(entries: Iterable[str] | None) -> dict[str, str]:
    """Read `NAME=value` entries; of two with one name the last one counts, as in the container."""
    return {name: value for name, _, value in (entry.partition("=") for entry in entries or ())}


def read_health(test: Answer | None) -> EngineHealthTest | None:
    """Read a health test: None where there is none, one with an empty test where it is switched off (`NONE`)."""
    if not test or not test.get("Test"):
        return None
    if test["Test"] == ["NONE"]:
        return EngineHealthTest(())
    return EngineHealthTest(
        test=tuple(test["Test"]),
        interval=(test.get("Interval") or 0) / _NANOSECONDS,
        timeout=(test.get("Timeout") or 0) / _NANOSECONDS,
        start_period=(test.get("StartPeriod") or 0) / _NANOSECONDS,
        retries=test.get("Retries") or 0,
    )


def read_releases(images: Iterable[ImageFacts], fleet: str) -> tuple[ObservedRelease, ...]:
    """Return the releases of a fleet among images, as their labels claim, oldest first."""
    found = (
        ObservedRelease(
            image_id=image.image_id,
            reference=image.tags[0] if image.tags else image.image_id,
            number=_number(image.labels.get("provisioner.number", "")),
            digest=image.labels.get("provisioner.digest", ""),
            created=image.labels.get("provisioner.created", ""),
            author=image.labels.get("provisioner.author", ""),
            commit=image.labels.get("provisioner.commit", ""),
            outcome=release_outcome(image.labels),
        )
        for image in images
        if image.labels.get(KIND_LABEL) == RELEASE_KIND and image.labels.get(FLEET_LABEL) == fleet
    )
    return tuple(sorted(found, key=lambda release: (release.number, release.reference)))


def is_ours(entry: Answer) -> bool:
    """Tell whether an entry of the image list carries a label or a tag of ours."""
    labels = entry.get("Labels") or {}
    return any(name.startswith(f"{OUR_NAMES}.") for name in labels) or any(
        tag.startswith(f"{OUR_NAMES}/") for tag in _tags(entry)
    )


def chain_ids(layers: Iterable[str]) -> tuple[str, ...]:
    """Return the chain id of each layer, from the diff ids bottom-up (OCI image specification, config.md)."""
    chain: list[str] = []
    for diff_id in layers:
        text = f"{chain[-1]} {diff_id}" if chain else ""
        chain.append("sha256:" + hashlib.sha256(text.encode()).hexdigest() if text else diff_id)
    return tuple(chain)


def is_containerd(info: Answer) -> bool:
    """Tell from `GET /info` whether images lie in containerd's store, where an id is a manifest's digest."""
    return ["driver-type", "io.containerd.snapshotter.v1"] in (info.get("DriverStatus") or [])


def _tags(entry: Answer) -> tuple[str, ...]:
    return tuple(tag for tag in entry.get("RepoTags") or () if tag != _NO_TAG)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
