"""The images of the benchmark: about 260 MB in four layers, and two of them with a small change."""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker

from provisioner.images.archive import ImageContent, Layer, digest_of, pack
from provisioner.images.cache import LayerCache
from provisioner.images.engine import EngineImages

REPOSITORY = "provisioner/bench/web"
_BIG = 135_000_000
_CHANGED = 60_000
_CHECKOUT = Path(__file__).parents[2]


def make_images(client: docker.APIClient, base: str, cache: LayerCache) -> dict[str, str]:
    """Load `v1`, `small` and `big` into this machine's engine and the cache; return their ids."""
    root = cache.absorb(EngineImages(client, "this machine").save(base))[0]
    big = dict(_files(Path("/usr"), _BIG))
    app = dict(_files(_CHECKOUT / "provisioner" / "planning", 60_000))
    name = max(big, key=lambda path: (len(big[path]) == _CHANGED, -abs(len(big[path]) - _CHANGED)))
    noise = random.Random(1).randbytes(_CHANGED)  # noqa: S311 - the same in each run
    first = next(iter(app))
    variants = {
        "v1": (big, app),
        "small": (big, {**app, first: app[first] + b"\n# changed\n"}),
        "big": ({**big, name: noise}, app),
    }
    return {tag: _load(client, cache, root, tag, layers) for tag, layers in variants.items()}


def _load(client: Any, cache: LayerCache, root: ImageContent, tag: str, layers: tuple[dict[str, bytes], ...]) -> str:
    tars = {digest_of(content): content for content in map(_tar, layers)}
    config = json.loads(root.config)
    config["rootfs"]["diff_ids"] += list(tars)
    config["history"] = [{"created_by": "bench"}] * len(config["rootfs"]["diff_ids"])
    config["config"] = {"Cmd": ["/bin/true"]}
    added = tuple(Layer(diff_id, len(content)) for diff_id, content in tars.items())
    image = ImageContent(json.dumps(config).encode(), root.layers + added)
    archive = pack(image, (f"{REPOSITORY}:{tag}",), image.layers)

    def read(diff_id: str) -> Iterator[bytes]:
        return iter((tars[diff_id],)) if diff_id in tars else cache.layer(diff_id)

    for _ in client.load_image(archive.stream(read)):
        continue
    cache.absorb(archive.stream(read))
    return image.image_id


def _files(folder: Path, limit: int) -> Iterator[tuple[str, bytes]]:
    total = 0
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or "__pycache__" in path.parts or path.stat().st_size > limit // 4:
            continue
        content = path.read_bytes()
        total += len(content) + 1024
        if total > limit:
            return
        yield str(path).lstrip("/"), content


def _tar(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(f"bench/{path}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()
