"""Bases without a registry: Debian roots bootstrapped from pinned packages and nothing else, the same every time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import docker

from provisioner.errors import BuildFailed
from provisioner.images.bases.artefacts import Artefacts
from provisioner.images.bases.debian_archive import DebianArchive
from provisioner.images.bases.debian_file import data_file, index_entry, installed_entry
from provisioner.images.bases.debian_root import debian_root, root_command, root_stem
from provisioner.images.bases.resolved import Resolved
from provisioner.images.bases.root_image import REPOSITORY, has_image, load_root
from provisioner.images.bases.root_tar import canonical
from provisioner.images.bases.workshop import Pieces, Workshop, last_words, open_workshop
from provisioner.images.disk import told_as_storage
from provisioner.model.lock import DebianPackage, LockedPackages, LockedSuite

Report = Callable[[str], None]

_SAMPLES = {
    "/usr/share/doc/apt/examples/sources.list": "apt/sources.list",
    "/usr/share/doc/apt/examples/debian.sources": "apt/sources.list.d/debian.sources",
}
"""Where Debian's apt says which archive its release is meant to use, and where a root says so."""

_OUTPUT_LINES = 20


@dataclass(frozen=True, slots=True)
class Roots:
    """Roots on one engine. `cache` is this machine's, `mirror` the address of an archive (empty: the tools' default).

    `installed` says whether Debian's tools are on this machine; where it is None we look. All raise BuildFailed,
    InputMissing and StorageFailed.
    """

    engine: docker.APIClient
    cache: Path
    mirror: str = ""
    proxies: Mapping[str, str] = field(default_factory=dict)
    report: Report = lambda _: None
    installed: bool | None = None

    @property
    def artefacts(self) -> Artefacts:
        """Return where packages are kept."""
        return Artefacts(self.cache / "artefacts")

    def platform(self) -> str:
        """Return the platform the engine runs, in Docker's words: `linux/amd64`."""
        version = self.engine.version()
        return f"{version['Os']}/{version['Arch']}"

    def suite(self, suite: str, platform: str) -> LockedSuite:
        """Return what a suite is on this machine: what it resolved to first."""
        asked = (suite, platform, self.mirror)
        return Resolved(self.cache / "resolved").of(LockedSuite, asked, lambda: self.resolve_suite(suite, platform))

    def packages(self, pins: LockedSuite, asked: tuple[str, ...]) -> LockedPackages:
        """Return what packages come to on a root on this machine: what they resolved to first."""
        question = (root_stem(pins), sorted(set(asked)), self.mirror)
        answer = Resolved(self.cache / "resolved")
        return answer.of(LockedPackages, question, lambda: self.resolve_packages(pins, asked))

    def resolve_suite(self, suite: str, platform: str) -> LockedSuite:
        """Return what the archive holds for a suite now."""
        self.report(f"resolving Debian {suite} for {platform}")
        with self._archive(suite, platform) as archive:
            return LockedSuite(suite, platform, archive.minimal())

    def resolve_packages(self, pins: LockedSuite, asked: tuple[str, ...]) -> LockedPackages:
        """Return what the archive now adds to a root for packages."""
        wanted = tuple(sorted(set(asked)))
        debs = self.debs(pins.packages, pins.suite, pins.platform)
        installed = "\n".join(map(installed_entry, debs.values())).encode()
        self.report(f"resolving {' '.join(wanted)} on Debian {pins.suite} for {pins.platform}")
        with self._archive(pins.suite, pins.platform) as archive:
            return LockedPackages(pins.suite, pins.platform, wanted, archive.added(installed, wanted))

    def debs(self, packages: Iterable[DebianPackage], suite: str, platform: str) -> dict[DebianPackage, Path]:
        """Return the files of pinned packages, verified; those that are not here are fetched."""
        wanted = tuple(packages)
        found = {each: self.artefacts.path(each.sha256) for each in wanted}
        lacking = [each for each, path in found.items() if path is None]
        if lacking:
            self.report(f"fetching {len(lacking)} packages of Debian {suite}")
            with self._archive(suite, platform) as archive:
                archive.fetch(lacking, self.artefacts, suite)
        return {each: path or self.artefacts.folder / each.sha256 for each, path in found.items()}

    def ensure(self, pins: LockedSuite) -> str:
        """Make sure the engine has the image of a pinned root; return its tag."""
        tag = f"{REPOSITORY}:{root_stem(pins)}"
        if not has_image(self.engine, tag):
            tar = self.tar(pins)
            self.report(f"loading {tag}")
            load_root(self.engine, tar, tag, pins)
        return tag

    def tar(self, pins: LockedSuite) -> Path:
        """Return a pinned root as a tar, made where there is none yet."""
        target = self.cache / "bases" / f"{root_stem(pins)}.tar"
        if target.exists():
            return target
        debs = self.debs(pins.packages, pins.suite, pins.platform)
        self.report(f"bootstrapping Debian {pins.suite} for {pins.platform}")
        unfinished = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
        with told_as_storage(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._workshop() as workshop:
                _bootstrap(workshop, pins, debs, unfinished)
            unfinished.rename(target)
        finally:
            unfinished.unlink(missing_ok=True)
        return target

    @contextmanager
    def _archive(self, suite: str, platform: str) -> Iterator[DebianArchive]:
        root = debian_root(suite, platform, self.mirror)
        with self._workshop() as workshop:
            yield DebianArchive(workshop, root)

    @contextmanager
    def _workshop(self) -> Iterator[Workshop]:
        with open_workshop(self.engine, self.proxies, installed=self.installed) as workshop:
            yield workshop


def suite_base(
    engine: docker.APIClient,
    suite: str,
    *,
    cache: Path,
    platform: str = "",
    mirror: str = "",
    report: Report = lambda _: None,
) -> str:
    """Make sure the engine has the image of a bootstrapped suite; return its tag.

    `platform` is the engine's own where empty, `mirror` the address of a Debian archive, `cache` this machine's.
    """
    roots = Roots(engine, cache, mirror, report=report)
    return roots.ensure(roots.suite(suite, platform or roots.platform()))


def _bootstrap(workshop: Workshop, pins: LockedSuite, debs: Mapping[DebianPackage, Path], target: Path) -> None:
    files: dict[str, Path | bytes] = {f"repository/{each.sha256}.deb": path for each, path in debs.items()}
    index = (index_entry(path, f"./{each.sha256}.deb") for each, path in debs.items())
    files["repository/Packages"] = "\n".join(index).encode()
    workshop.put(files | _apt_files(debs))
    argv = root_command(pins, f"{workshop.folder}/repository", f"{workshop.folder}/root.tar")
    done = workshop.run(*argv)
    if done.status:
        lines = tuple(done.stderr.decode(errors="replace").splitlines()[-_OUTPUT_LINES:])
        raise BuildFailed(
            f"base {pins.suite}",
            instruction="mmdebstrap",
            output=lines,
            reason=last_words(done),
            hint=f"the packages are all here; `provisioner lock --upgrade {pins.suite}` takes others",
        )
    for _, pieces in workshop.take("root.tar"):
        with told_as_storage(target), target.open("wb") as sink:
            sink.writelines(canonical(cast("IO[bytes]", Pieces(pieces))))


def _apt_files(debs: Mapping[DebianPackage, Path]) -> dict[str, Path | bytes]:
    """Return where a root looks for further packages: what its own apt comes with, and no mirror of anybody's."""
    files: dict[str, Path | bytes] = {"repository/apt/sources.list": b""}
    for package, path in debs.items():
        if package.name == "apt":
            samples = {place: data_file(path, sample) for sample, place in _SAMPLES.items()}
            files |= {f"repository/{place}": content for place, content in samples.items() if content is not None}
    return files
