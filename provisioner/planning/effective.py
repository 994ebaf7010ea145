"""What a container made from options and an image really has, and the digest that must be equal on its peers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from typing import Any

from provisioner.model.container import ContainerOptions
from provisioner.model.image import ImageDefaults


def effective(options: ContainerOptions, defaults: ImageDefaults) -> ContainerOptions:
    """Return the options with everything the image decides filled in, as an engine would.

    As for the engine, setting an entrypoint discards the image's command.
    """
    command = defaults.command if options.entrypoint is None else ()
    return replace(
        options,
        command=options.command if options.command is not None else command,
        entrypoint=options.entrypoint if options.entrypoint is not None else defaults.entrypoint,
        environment={**defaults.environment, **options.environment},
        user=options.user if options.user is not None else defaults.user,
        health=options.health or defaults.health,
        stop_signal=options.stop_signal or defaults.stop_signal,
    )


def enforceable(options: ContainerOptions, absent: Collection[str]) -> ContainerOptions:
    """Return the options without the limits (`cpus`, `memory`, `pids`) that an engine says it cannot enforce."""
    if not absent:
        return options
    return replace(
        options,
        nano_cpus=0 if "cpus" in absent else options.nano_cpus,
        memory=0 if "memory" in absent else options.memory,
        pids=0 if "pids" in absent else options.pids,
    )


def fingerprint(
    image_id: str, options: ContainerOptions, container_ports: Collection[int], secrets: Mapping[str, str] | None = None
) -> str:
    """Return `sha256:…` over everything of a node that must be equal on its peers.

    `options` are effective, `secrets` digests by key. Host name, address, slot, host port and labels do not enter.
    """
    content: dict[str, object] = {"image": image_id, "options": options, "ports": sorted(set(container_ports))}
    if secrets:
        content["secrets"] = dict(secrets)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_as_table)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _as_table(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}
