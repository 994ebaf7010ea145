"""What a Debian root is made from, and with which arguments mmdebstrap makes it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from provisioner.errors import BuildFailed
from provisioner.model.lock import DebianPackage, LockedSuite

EPOCH = 1735689600
"""Seconds since 1970 that every younger file of a root is set back to, so that a root is reproducible."""

FORMAT = "1"
"""Changes when the same packages are to give another root."""

_OPTIONS = (
    "--variant=minbase",
    "--format=tar",
    "--skip=output/dev",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    '--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf" "$1/etc/apt/sources.list"',
)
_ROLLING = frozenset({"sid", "unstable", "experimental"})
_ARCHITECTURES = {
    "linux/amd64": "amd64",
    "linux/arm64": "arm64",
    "linux/arm64/v8": "arm64",
    "linux/arm/v7": "armhf",
    "linux/386": "i386",
    "linux/ppc64le": "ppc64el",
    "linux/s390x": "s390x",
    "linux/riscv64": "riscv64",
}


@dataclass(frozen=True, slots=True)
class DebianRoot:
    """What is asked of an archive: a suite, Debian's name of an architecture, the archive's address or nothing."""

    suite: str
    architecture: str
    mirror: str = ""

    def sources(self) -> list[str]:
        """Return apt's lines for a given mirror; none where the tool's own default is meant."""
        if not self.mirror:
            return []
        suites = [self.suite] if self.suite in _ROLLING else [self.suite, f"{self.suite}-updates"]
        return [f"deb {self.mirror} {suite} main" for suite in suites]


def debian_root(suite: str, platform: str, mirror: str = "") -> DebianRoot:
    """Return what to ask an archive for. Raise BuildFailed for a platform Debian does not have."""
    architecture = _ARCHITECTURES.get(platform)
    if architecture is None:
        known = ", ".join(sorted(_ARCHITECTURES))
        reason = f"Debian has no port for the platform {platform}"
        raise BuildFailed(f"base {suite}", instruction="", output=(), reason=reason, hint=f"known platforms: {known}")
    return DebianRoot(suite, architecture, mirror)


def root_stem(pins: LockedSuite) -> str:
    """Return the name of the root that pinned packages give: the same packages, the same name."""
    recipe = [FORMAT, str(EPOCH), *_arguments(pins, "-", "-"), *map(package_line, pins.packages)]
    digest = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()
    return f"{pins.suite}-{debian_root(pins.suite, pins.platform).architecture}-{digest[:12]}"


def root_command(pins: LockedSuite, repository: str, target: str) -> list[str]:
    """Return the command that makes a root as a tar at `target` from packages in a folder with an index."""
    argv = ["env", f"SOURCE_DATE_EPOCH={EPOCH}", "LC_ALL=C", "mmdebstrap"]
    return [*argv, *_arguments(pins, repository, target)]


def package_line(package: DebianPackage) -> str:
    """Return a package in one line."""
    return f"{package.name} {package.version} {package.architecture} {package.sha256}"


def _arguments(pins: LockedSuite, repository: str, target: str) -> list[str]:
    return [
        f"--architectures={debian_root(pins.suite, pins.platform).architecture}",
        *_OPTIONS,
        f'--customize-hook=cp -r {repository}/apt "$1/etc/"',
        f"--include={','.join(package.name for package in pins.packages)}",
        "",
        target,
        f"deb [trusted=yes] copy:{repository} ./",
    ]
