"""Python wheels: what requirement files come to on a base, fetched by its own Python, kept and handed to the build."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker

from provisioner.errors import BuildFailed, InputMissing
from provisioner.images.bases.artefacts import Artefacts
from provisioner.images.bases.debian_root import EPOCH
from provisioner.images.bases.workshop import InContainer, last_words, open_container
from provisioner.model.image import SETTINGS_FOLDER, WHEELS_FOLDER, BuildInputs
from provisioner.model.lock import LockedWheels, Wheel
from provisioner.planning.lock import requirements_digest

_FOLDER = WHEELS_FOLDER.removeprefix(f"{SETTINGS_FOLDER}/")
_PIP = """
export SOURCE_DATE_EPOCH="$1"; shift
if [ -s settings/pip.conf ]; then export PIP_CONFIG_FILE="$PWD/settings/pip.conf"; fi
if [ -s settings/ca.pem ]; then export PIP_CERT="$PWD/settings/ca.pem"; fi
[ -d pip ] || python3 -m venv pip
mkdir -p wheels && cd requirements
exec ../pip/bin/pip --no-cache-dir --disable-pip-version-check "$@"
"""
_DOWNLOAD = ("download", "--dest", "../wheels", "--require-hashes")
_BUILD = ("wheel", "--wheel-dir", "../wheels", "--use-pep517")
_OUTPUT_LINES = 30


@dataclass(frozen=True, slots=True)
class Wheels:
    """Resolves and fetches wheels in throw-away containers of a base. `settings` are files for pip, by name."""

    engine: docker.APIClient
    artefacts: Artefacts
    settings: Mapping[str, bytes] = field(default_factory=dict)
    proxies: Mapping[str, str] = field(default_factory=dict)

    def resolve(self, inputs: BuildInputs, base: str, platform: str) -> LockedWheels:
        """Return what the requirement files of a build come to now; all wheels are kept. Raise BuildFailed."""
        files = {entry.path: Path(entry.source) for entry in inputs.context if entry.path in inputs.requirements}
        with self._container(base, files) as container:
            argv = (*_BUILD, "--requirement", "requirements.txt")
            done = container.run("sh", "-ceu", _PIP, "pip", str(EPOCH), *argv)
            if done.status:
                output = (done.stdout + done.stderr).decode(errors="replace").splitlines()[-_OUTPUT_LINES:]
                hint = "does the engine reach a package index? pip's own settings name another one"
                raise BuildFailed(
                    inputs.service,
                    instruction=f"pip {' '.join(argv)}",
                    output=tuple(output),
                    reason=last_words(done),
                    hint=hint,
                )
            found = [_wheel(name, self.artefacts.add(pieces)[0]) for name, pieces in container.take("wheels")]
        return LockedWheels(inputs.service, platform, requirements_digest(inputs), tuple(sorted(found)))

    def files(self, pins: LockedWheels, base: str) -> dict[str, Path]:
        """Return the files for a build's settings folder, verified; wheels that are not here are fetched.

        Raise InputMissing.
        """
        lacking = [wheel for wheel in pins.wheels if self.artefacts.path(wheel.sha256) is None]
        if lacking:
            self._fetch(lacking, pins.service, base)
        folder = self.artefacts.folder
        _, listed = self.artefacts.add([_requirements(pins.wheels).encode()])
        return {f"{_FOLDER}/requirements.txt": listed} | {
            f"{_FOLDER}/{wheel.filename}": folder / wheel.sha256 for wheel in pins.wheels
        }

    def _fetch(self, wheels: Iterable[Wheel], service: str, base: str) -> None:
        """Keep pinned wheels: from the index by digest, else built again from what their version's source is."""
        lacking, said = {wheel.filename: wheel for wheel in wheels}, ""
        for command in (_DOWNLOAD, _BUILD):
            if lacking:
                by_digest = command is _DOWNLOAD
                listed = "".join(_requirement(each, by_digest=by_digest) for each in lacking.values())
                with self._container(base, {"requirements.txt": listed.encode()}) as container:
                    argv = (*command, "--no-deps", "--requirement", "requirements.txt")
                    said = last_words(container.run("sh", "-ceu", _PIP, "pip", str(EPOCH), *argv))
                    _keep_all(container.take("wheels"), lacking, self.artefacts)
        if lacking:
            named = ", ".join(f"{wheel.name} {wheel.version}" for wheel in lacking.values())
            raise InputMissing(
                f"pinned wheels of {service} cannot be had ({named}): {said}",
                hint=f"does the engine reach a package index? `provisioner lock --upgrade {service}` takes others",
            )

    @contextmanager
    def _container(self, base: str, requirements: Mapping[str, Path | bytes]) -> Iterator[InContainer]:
        with open_container(self.engine, base, self.proxies) as container:
            container.put({f"settings/{name}": content for name, content in self.settings.items()})
            container.put({f"requirements/{name}": content for name, content in requirements.items()})
            yield container


def _keep_all(found: Iterable[tuple[str, Iterator[bytes]]], lacking: dict[str, Wheel], artefacts: Artefacts) -> None:
    for name, pieces in found:
        digest, _ = artefacts.add(pieces)
        if name in lacking and lacking[name].sha256 == digest:
            del lacking[name]


def _wheel(filename: str, sha256: str) -> Wheel:
    name, version, *_ = filename.split("-")
    return Wheel(name, version, filename, sha256)


def _requirements(wheels: Iterable[Wheel]) -> str:
    return "".join(_requirement(each, by_digest=True) for each in sorted(wheels))


def _requirement(wheel: Wheel, *, by_digest: bool) -> str:
    return f"{wheel.name}=={wheel.version}" + (f" --hash=sha256:{wheel.sha256}\n" if by_digest else "\n")
