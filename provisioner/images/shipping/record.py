"""Images that hold a few files and labels and nothing that runs."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence

from provisioner.images.archive import ImageContent, Layer, digest_of

CREATED = "1970-01-01T00:00:00Z"
_FOLDER_MODE = 0o755
_FILE_MODE = 0o444


def record_image(files: Mapping[str, bytes], labels: Mapping[str, str], platform: str) -> tuple[ImageContent, bytes]:
    """Return an image of these files and labels, and the bytes of its only layer: the same input, the same bytes.

    It has a command, without which no engine makes a container of it, though none is ever started.
    """
    layer = _layer(files)
    diff_id = digest_of(layer)
    return ImageContent(inert_config([diff_id], labels, platform), (Layer(diff_id, len(layer)),)), layer


def inert_config(diff_ids: Sequence[str], labels: Mapping[str, str], platform: str) -> bytes:
    """Return the configuration of an image that only holds files: the same input, the same bytes."""
    system, architecture, *variant = platform.split("/")
    config = {
        "architecture": architecture,
        "os": system,
        **({"variant": variant[0]} if variant else {}),
        "created": CREATED,
        "config": {"Cmd": ["x"], "Labels": dict(labels)},
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "history": [{"created": CREATED, "created_by": "provisioner"} for _ in diff_ids],
    }
    return json.dumps(config, sort_keys=True, separators=(",", ":")).encode()


def _layer(files: Mapping[str, bytes]) -> bytes:
    contents = {path.strip("/"): content for path, content in files.items()}
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as layer:
        for path in sorted({*contents, *_folders(contents)}):
            member = tarfile.TarInfo(path)
            if path in contents:
                member.mode, member.size = _FILE_MODE, len(contents[path])
            else:
                member.mode, member.type = _FOLDER_MODE, tarfile.DIRTYPE
            layer.addfile(member, io.BytesIO(contents.get(path, b"")))
    return target.getvalue()


def _folders(paths: Mapping[str, bytes]) -> set[str]:
    return {path[:index] for path in paths for index, letter in enumerate(path) if letter == "/"}
