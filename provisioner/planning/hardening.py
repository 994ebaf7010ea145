"""What the presets of `hardening:` mean, option by option."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from provisioner.model.container import ContainerOptions, TmpfsMount
from provisioner.model.spec import Hardening

UNPRIVILEGED_USER = "10001:10001"
LOG_OPTIONS = {"max-file": "3", "max-size": "10m"}
"""Bounds a container's log, so that a chatty service cannot fill its host's disk."""


def hardened(options: ContainerOptions, preset: Hardening) -> ContainerOptions:
    """Return the options with what the preset forbids; what the user set himself wins."""
    common = replace(options, no_new_privileges=True, init=True)
    match preset:
        case Hardening.COMPATIBLE:
            return common
        case Hardening.DEFAULT:
            return replace(
                common,
                user=options.user or UNPRIVILEGED_USER,
                read_only=True,
                cap_drop=("ALL",),
                tmpfs=_with_scratch(options.tmpfs),
            )
        case _:
            assert_never(preset)


def _with_scratch(declared: tuple[TmpfsMount, ...]) -> tuple[TmpfsMount, ...]:
    if any(mount.target == "/tmp" for mount in declared):  # noqa: S108 - the container's own /tmp
        return declared
    scratch = TmpfsMount("/tmp", "mode=1777,nodev,noexec,nosuid,size=64m")  # noqa: S108 - as above
    return tuple(sorted((*declared, scratch), key=lambda mount: mount.target))
