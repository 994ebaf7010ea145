"""What an engine's inspection says about an image, as facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from provisioner.model.container import EngineHealthTest
from provisioner.model.image import ImageDefaults, ImageFacts

_NANOSECONDS = 1_000_000_000


def image_facts(inspection: Mapping[str, Any], image_id: str = "") -> ImageFacts:
    """Return the facts of an answer to `GET /images/{name}/json`.

    `image_id` is the config digest, to be given where the engine's own id is another one (containerd store).
    """
    config = inspection.get("Config") or {}
    return ImageFacts(
        image_id=image_id or inspection["Id"],
        tags=tuple(inspection.get("RepoTags") or ()),
        labels=dict(config.get("Labels") or {}),
        layers=tuple((inspection.get("RootFS") or {}).get("Layers") or ()),
        defaults=image_defaults(config),
        platform=platform_name(inspection.get("Os"), inspection.get("Architecture"), inspection.get("Variant")),
        size=int(inspection.get("Size") or 0),
    )


def image_defaults(config: Mapping[str, Any]) -> ImageDefaults:
    """Return what the `config` part of an image config sets in every container made from it."""
    return ImageDefaults(
        command=tuple(config.get("Cmd") or ()),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        environment=environment(config.get("Env") or ()),
        user=str(config.get("User") or ""),
        health=_health(config.get("Healthcheck")),
        stop_signal=str(config.get("StopSignal") or ""),
        working_dir=config.get("WorkingDir") or "",
        volumes=tuple(sorted(config.get("Volumes") or ())),
    )


def environment(entries: Sequence[str]) -> dict[str, str]:
    """Return `NAME=value` entries as a mapping; of two with one name the last counts, as in a container."""
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def platform_name(*parts: str | None) -> str:
    """Return operating system, architecture and variant in Docker's words: `linux/arm64/v8`."""
    return "/".join(part for part in parts if part)


def _health(check: Mapping[str, Any] | None) -> EngineHealthTest | None:
    if not check or not check.get("Test"):
        return None
    return EngineHealthTest(
        test=tuple(check["Test"]),
        interval=(check.get("Interval") or 0) / _NANOSECONDS,
        timeout=(check.get("Timeout") or 0) / _NANOSECONDS,
        start_period=(check.get("StartPeriod") or 0) / _NANOSECONDS,
        retries=check.get("Retries") or 0,
    )
