"""A Debian archive as it stands: which packages a suite needs now, and the files of those that were pinned."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, field

from provisioner.errors import BuildFailed, InputMissing
from provisioner.images.bases.artefacts import Artefacts
from provisioner.images.bases.debian_root import DebianRoot
from provisioner.images.bases.workshop import Workshop, last_words
from provisioner.model.lock import DebianPackage
from provisioner.ports import Completed

_URI = re.compile(
    r"^'[^']+' (?P<name>[^_\s]+)_(?P<version>[^_\s]+)_(?P<architecture>[^_.\s]+)\.deb"
    r" \d+ SHA256:(?P<sha256>[0-9a-f]{64})$",
    re.MULTILINE,
)
_OUTPUT_LINES = 20
_NAMED = 3
_REACH = "is a Debian archive reachable? PROVISIONER_DEBIAN_MIRROR names another one"


@dataclass(slots=True)
class DebianArchive:
    """One suite of an archive for one architecture, asked with apt's own tools in a workshop. Raise BuildFailed."""

    workshop: Workshop
    root: DebianRoot
    opened: bool = field(default=False)

    def minimal(self) -> tuple[DebianPackage, ...]:
        """Return the packages of the smallest root that has apt, sorted."""
        here = (
            f"?or(?archive(^{self.root.suite}$),?codename(^{self.root.suite}$)),?architecture({self.root.architecture})"
        )
        wanted = [f"?narrow({here},{kind})" for kind in ("?essential", "?priority(required)")]
        return self._would_install(b"", [*wanted, "apt"])

    def added(self, installed: bytes, asked: Iterable[str]) -> tuple[DebianPackage, ...]:
        """Return what packages come to on a root, sorted; `installed` is dpkg's list of what is there."""
        return self._would_install(installed, sorted(set(asked)))

    def fetch(self, packages: Iterable[DebianPackage], artefacts: Artefacts, upgrade: str) -> None:
        """Keep the files of pinned packages. Raise InputMissing for what the archive has no more, or otherwise.

        `upgrade` is what to call `provisioner lock --upgrade` with, for the error.
        """
        wanted = {_file_name(each): each for each in packages}
        if not wanted:
            return
        self._open()
        self.workshop.put({"debs/.keep": b""})
        names = [f"{each.name}:{each.architecture}={each.version}" for each in wanted.values()]
        cached = f"{self.workshop.folder}/debs"
        done = self.workshop.run("sh", "-c", 'cd "$0" && exec "$@"', cached, *self._apt("-q", "download", *names))
        for name, pieces in self.workshop.take("debs"):
            if name in wanted:
                _keep(wanted.pop(name), pieces, artefacts, upgrade)
        if wanted:
            raise _vanished(tuple(wanted.values()), done, upgrade)

    def _would_install(self, installed: bytes, wanted: list[str]) -> tuple[DebianPackage, ...]:
        self._open()
        self.workshop.put({"status": installed})
        argv = self._apt("-qq", "--yes", "--no-install-recommends", "--print-uris", "install", *wanted)
        done = self.workshop.run(*argv)
        if done.status:
            raise self._failed(argv, done)
        return tuple(sorted(_package(match) for match in _URI.finditer(done.stdout.decode())))

    def _open(self) -> None:
        """Let mmdebstrap find the archive and its keys, and read its lists."""
        if self.opened:
            return
        folder = self.workshop.folder
        target = f"{folder}/apt.tar"
        self.workshop.put({"status": b"", "state/lists/partial/.keep": b"", "cache/archives/partial/.keep": b""})
        argv = [
            *("mmdebstrap", "--variant=extract", "--format=tar", "--skip=cleanup/apt/lists"),
            f"--architectures={self.root.architecture}",
            *(self.root.suite, target, *self.root.sources()),
        ]
        unpack = ["tar", "--no-same-owner", "-xf", target, "./etc/apt", "./var/lib/apt/lists"]
        for command in (argv, unpack):
            done = self.workshop.run(*command)
            if done.status:
                raise self._failed(command, done)
        self.opened = True

    def _apt(self, *arguments: str) -> list[str]:
        folder, architecture = self.workshop.folder, self.root.architecture
        options = {
            "Dir::Etc": f"{folder}/etc/apt",
            "Dir::State": f"{folder}/var/lib/apt",
            "Dir::State::status": f"{folder}/status",
            "Dir::Cache": f"{folder}/cache",
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Sandbox::User": "",
            "Acquire::ForceHash": "sha256",
            "Acquire::Retries": "3",
        }
        said = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "apt-get", *said, *arguments]

    def _failed(self, argv: list[str], done: Completed) -> BuildFailed:
        lines = done.stderr.decode(errors="replace").splitlines()[-_OUTPUT_LINES:]
        return BuildFailed(
            f"base {self.root.suite}",
            instruction=" ".join(argv),
            output=tuple(lines),
            reason=last_words(done),
            hint=f"is the suite's name right, and {_REACH}",
        )


def _package(match: re.Match[str]) -> DebianPackage:
    version = urllib.parse.unquote(match["version"])
    return DebianPackage(match["name"], version, match["architecture"], match["sha256"])


def _file_name(package: DebianPackage) -> str:
    return f"{package.name}_{package.version.replace(':', '%3a')}_{package.architecture}.deb"


def _keep(package: DebianPackage, pieces: Iterable[bytes], artefacts: Artefacts, upgrade: str) -> None:
    try:
        artefacts.keep(package.sha256, pieces)
    except InputMissing as error:
        raise InputMissing(
            f"the archive's {package.name} {package.version} is not the one that was pinned: {error.message}",
            hint=f"`provisioner lock --upgrade {upgrade}` takes what the archive has now",
        ) from error


def _vanished(packages: tuple[DebianPackage, ...], done: Completed, upgrade: str) -> InputMissing:
    named = ", ".join(f"{each.name} {each.version}" for each in packages[:_NAMED])
    more = f" and {len(packages) - _NAMED} more" if len(packages) > _NAMED else ""
    return InputMissing(
        f"pinned packages cannot be had ({named}{more}): {last_words(done)}",
        hint=f"`provisioner lock --upgrade {upgrade}` takes what the archive has now; {_REACH}",
    )
