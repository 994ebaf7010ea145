"""The image that every host of a lab is started from: Debian, sshd and a Docker Engine."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import docker

from provisioner.errors import BuildFailed
from provisioner.images.bases.root_image import has_image
from provisioner.images.bases.roots import suite_base
from provisioner.lab.editions import edition

REPOSITORY = "provisioner/lab-host"

_OUTPUT_LINES = 20


def host_image(
    engine: docker.APIClient, version: str, *, cache: Path, mirror: str, report: Callable[[str], None]
) -> str:
    """Make sure the engine has the image of a host with this engine version inside; return its tag.

    Raise BuildFailed.
    """
    wanted = edition(version)
    base = suite_base(engine, wanted.suite, cache=cache, mirror=mirror, report=report)
    arguments = {"BASE": base, "PACKAGES": " ".join(wanted.packages), "BORROWED": wanted.borrowed}
    context = _context()
    tag = f"{REPOSITORY}:{version}-{_digest(context, arguments)}"
    if not has_image(engine, tag):
        report(f"building {tag}")
        _build(engine, tag, context, arguments)
    return tag


def _context() -> dict[str, bytes]:
    folder = resources.files("provisioner.lab") / "host"
    return {name: (folder / name).read_bytes() for name in ("Dockerfile", "init", "sshd.conf")}


def _digest(context: Mapping[str, bytes], arguments: Mapping[str, str]) -> str:
    digest = hashlib.sha256(repr(sorted(arguments.items())).encode())
    for name, content in sorted(context.items()):
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def _build(engine: docker.APIClient, tag: str, context: Mapping[str, bytes], arguments: Mapping[str, str]) -> None:
    lines = engine.build(
        fileobj=io.BytesIO(_tar(context)),
        custom_context=True,
        tag=tag,
        buildargs=dict(arguments),
        network_mode="host",
        rm=True,
        forcerm=True,
        decode=True,
    )
    read_build(tag, lines)


def read_build(tag: str, lines: Iterable[Mapping[str, Any]]) -> None:
    """Read an engine's answer to a build to its end. Raise BuildFailed with the instruction that failed."""
    instruction, output = "", list[str]()
    for line in lines:
        text = str(line.get("stream", "")).rstrip()
        if text.startswith("Step "):
            instruction = text.partition(" : ")[2]
        if text:
            output.append(text)
        if "error" in line:
            raise BuildFailed(
                tag,
                instruction=instruction,
                output=tuple(output[-_OUTPUT_LINES:]),
                reason=str(line["error"]),
                hint="is a Debian archive reachable? PROVISIONER_DEBIAN_MIRROR names another one",
            )


def _tar(context: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in sorted(context.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755 if name == "init" else 0o644
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()
