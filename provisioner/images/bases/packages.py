"""Debian packages as one layer on a bootstrapped root, installed from files that were pinned, without a network."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from provisioner.errors import BuildFailed
from provisioner.images.bases.debian_root import package_line
from provisioner.images.bases.root_image import REPOSITORY
from provisioner.model.image import SETTINGS_FOLDER
from provisioner.model.lock import DebianPackage, LockedPackages

DEBS = "debs"
"""The folder of a build's settings folder that holds the packages."""

_INSIDE = "/var/cache/provisioner"
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+)?")
_NO_SERVICES = "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d"
_LEFTOVERS = (
    _INSIDE,
    "/usr/sbin/policy-rc.d",
    "/var/lib/apt/lists/*",
    "/var/cache/apt/*",
    "/var/cache/debconf/*-old",
    "/var/cache/ldconfig/aux-cache",
    "/var/lib/dpkg/*-old",
    "/var/log/apt",
    "/var/log/*.log",
)


def refuse_package_names(packages: tuple[str, ...]) -> None:
    """Raise BuildFailed for what is no package name."""
    for name in packages:
        if not _NAME.fullmatch(name):
            reason = f"{name!r} is no name of a Debian package"
            raise BuildFailed("base", instruction="packages", output=(), reason=reason, hint="name, or name=version")


def packages_tag(root_id: str, pins: LockedPackages) -> str:
    """Return the tag of a root with pinned packages on it; it depends on all that is put in."""
    recipe = json.dumps([root_id, packages_dockerfile(root_id), *map(package_line, pins.packages)])
    return f"{REPOSITORY}:{pins.suite}-with-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"


def package_files(debs: dict[DebianPackage, Path]) -> dict[str, Path]:
    """Return the files for a build's settings folder: each package under a name that apt takes."""
    return {f"{DEBS}/{each.name}_{each.architecture}.deb": path for each, path in debs.items()}


def packages_dockerfile(root: str) -> str:
    """Return the Dockerfile that installs the packages of the settings folder and leaves no lists, caches or logs.

    No service may start meanwhile.
    """
    steps = (
        _NO_SERVICES,
        f"DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {_INSIDE}/*.deb",
        f"rm -rf {' '.join(_LEFTOVERS)}",
    )
    return f"FROM {root}\nCOPY {SETTINGS_FOLDER}/{DEBS}/ {_INSIDE}/\nRUN {' && '.join(steps)}\n"
