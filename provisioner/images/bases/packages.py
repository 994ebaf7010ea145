"""Debian packages as one layer on a bootstrapped root."""

from __future__ import annotations

import hashlib
import json
import re
import shlex

from provisioner.errors import BuildFailed
from provisioner.images.bases.bootstrap import REPOSITORY

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+)?")
_NO_SERVICES = "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d"
_LEFTOVERS = (
    "/usr/sbin/policy-rc.d",
    "/var/lib/apt/lists/*",
    "/var/cache/apt/*",
    "/var/cache/debconf/*-old",
    "/var/cache/ldconfig/aux-cache",
    "/var/lib/dpkg/*-old",
    "/var/log/apt",
    "/var/log/*.log",
)


def packages_tag(root_id: str, suite: str, packages: tuple[str, ...]) -> str:
    """Return the tag of a root with these packages on it; it depends on all that is put in."""
    recipe = json.dumps([root_id, packages_dockerfile(root_id, packages)])
    return f"{REPOSITORY}:{suite}-with-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"


def packages_dockerfile(root: str, packages: tuple[str, ...]) -> str:
    """Return the Dockerfile that installs packages on a root and leaves no lists, caches or logs.

    No service may start meanwhile: builds run on the host's network. Raise BuildFailed for what is no package name.
    """
    for name in packages:
        if not _NAME.fullmatch(name):
            reason = f"{name!r} is no name of a Debian package"
            raise BuildFailed(root, instruction="packages", output=(), reason=reason, hint="name, or name=version")
    install = shlex.join(["apt-get", "install", "-y", "--no-install-recommends", *sorted(set(packages))])
    steps = (
        _NO_SERVICES,
        "apt-get update -o Acquire::Retries=3",
        f"DEBIAN_FRONTEND=noninteractive {install} -o Acquire::Retries=3",
        f"rm -rf {' '.join(_LEFTOVERS)}",
    )
    return f"FROM {root}\nRUN {' && '.join(steps)}\n"
