"""Image archives as engines write and read them: a configuration, its layers, and the names they go by."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

from provisioner.model.container import EngineHealthTest
from provisioner.model.image import ImageDefaults, ImageFacts

NANOSECONDS = 1_000_000_000
Blobs = Mapping[str, bytes]


def image_archive(
    tags: tuple[str, ...],
    *,
    files: Mapping[str, bytes] | None = None,
    labels: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
) -> tuple[str, bytes]:
    """Make an image of one layer; return its id and the archive to load. `config` is the image's own (`Cmd`, …)."""
    layer = tar({path.lstrip("/"): data for path, data in (files or {}).items()})
    content = {
        "architecture": "amd64",
        "os": "linux",
        "config": {**(config or {}), "Labels": dict(labels or {})},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
    }
    text = json.dumps(content, sort_keys=True).encode()
    return digest(text), pack(text, (layer,), tags)


def pack(config: bytes, layers: tuple[bytes, ...], tags: tuple[str, ...]) -> bytes:
    """Return the archive of an image."""
    blobs = {_blob_path(blob): blob for blob in (config, *layers)}
    manifest = [
        {"Config": _blob_path(config), "RepoTags": list(tags), "Layers": [_blob_path(layer) for layer in layers]}
    ]
    return tar({**blobs, "manifest.json": json.dumps(manifest).encode()})


def tar(files: Mapping[str, bytes]) -> bytes:
    """Return a tar archive of files by path, the same for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def unpack(archive: bytes) -> dict[str, bytes]:
    """Return the files of a tar archive by absolute path."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        members = [(member.name, opened.extractfile(member)) for member in opened if member.isfile()]
        return {"/" + name.removeprefix("./").lstrip("/"): data.read() for name, data in members if data is not None}


def image_facts(entry: Mapping[str, Any], blobs: Blobs) -> tuple[ImageFacts, bytes, tuple[str, ...]]:
    """Read an entry of a manifest: the image, its configuration's bytes, and where its layers lie."""
    config = blobs["/" + entry["Config"]]
    content = json.loads(config)
    settings = content.get("config") or {}
    facts = ImageFacts(
        image_id=digest(config),
        tags=tuple(entry.get("RepoTags") or ()),
        labels=settings.get("Labels") or {},
        layers=tuple(content["rootfs"]["diff_ids"]),
        defaults=_defaults(settings),
        platform=f"{content.get('os', 'linux')}/{content.get('architecture', 'amd64')}",
        size=sum(len(blobs.get("/" + path, b"")) for path in entry["Layers"]),
    )
    return facts, config, tuple("/" + path for path in entry["Layers"])


def chains_of(layers: tuple[str, ...]) -> tuple[str, ...]:
    """Return the chain id of each layer, from the diff ids bottom-up (OCI image specification)."""
    chains: list[str] = []
    for layer in layers:
        chains.append(digest(f"{chains[-1]} {layer}".encode()) if chains else layer)
    return tuple(chains)


def digest(data: bytes) -> str:
    """Return `sha256:…` of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _blob_path(blob: bytes) -> str:
    return "blobs/sha256/" + digest(blob).removeprefix("sha256:")


def _defaults(settings: Mapping[str, Any]) -> ImageDefaults:
    return ImageDefaults(
        command=tuple(settings.get("Cmd") or ()),
        entrypoint=tuple(settings.get("Entrypoint") or ()),
        environment=dict(pair.partition("=")[::2] for pair in settings.get("Env") or ()),
        user=settings.get("User") or "",
        health=_health(settings.get("Healthcheck")),
        stop_signal=settings.get("StopSignal") or "",
        volumes=tuple(sorted(settings.get("Volumes") or ())),
        working_dir=settings.get("WorkingDir") or "",
    )


def _health(test: Mapping[str, Any] | None) -> EngineHealthTest | None:
    if not test or not test.get("Test"):
        return None
    interval, timeout, start = (test.get(key, 0) / NANOSECONDS for key in ("Interval", "Timeout", "StartPeriod"))
    return EngineHealthTest(tuple(test["Test"]), interval, timeout, start, test.get("Retries", 0))
