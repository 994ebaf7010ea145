"""The image config that says what an image is, and nothing of who built it or how."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from provisioner.errors import ArchiveBroken
from provisioner.images.bases.debian_root import EPOCH

CREATED = datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

_KEPT = (
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Labels",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
)
# Every engine adds it where an image has none; some write it into the images they build.
_PATH_BY_DEFAULT = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def image_config(raw: bytes, labels: Mapping[str, str], layers: Sequence[tuple[str, str]]) -> bytes:
    """Return the config of a normalised image: canonical JSON from what counts in the engine's own.

    `labels` are ours, laid over those of the image; `layers` are diff ids with what each is, bottom-up. Raise
    ArchiveBroken.
    """
    try:
        said: dict[str, Any] = json.loads(raw)
        system, architecture = said["os"], said["architecture"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveBroken(f"the image config that the engine saved cannot be read: {error}") from error
    variant = {"variant": said["variant"]} if said.get("variant") else {}
    config = {
        "architecture": architecture,
        "os": system,
        **variant,
        "created": CREATED,
        "config": run_settings(said.get("config") or {}, labels),
        "history": [{"created": CREATED, "created_by": f"provisioner {what}"} for _, what in layers],
        "rootfs": {"type": "layers", "diff_ids": [diff_id for diff_id, _ in layers]},
    }
    return json.dumps(config, sort_keys=True, separators=(",", ":")).encode()


def run_settings(said: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Return the part of a config that containers take over, without what is empty or an engine's own default."""
    kept = {key: said.get(key) for key in _KEPT}
    kept["Env"] = [entry for entry in said.get("Env") or () if entry != _PATH_BY_DEFAULT]
    kept["WorkingDir"] = "" if said.get("WorkingDir") == "/" else said.get("WorkingDir")
    kept["Labels"] = {**(said.get("Labels") or {}), **labels}
    return {key: value for key, value in kept.items() if value}
