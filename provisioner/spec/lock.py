"""The lock file: what it says, read with a place for every fault, and its text, the same for the same lock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from provisioner.errors import Diagnostic, InvalidInput
from provisioner.model.lock import DebianPackage, Lock, LockedImage, LockedPackages, LockedSuite, LockedWheels, Wheel
from provisioner.spec.fields import nearest
from provisioner.spec.source import SourceText, in_order
from provisioner.spec.tree import Items, Scalar, Table, Tree, describe
from provisioner.spec.yaml_reader import read_document

SCHEMA = "1"
"""Changes when an older version of this tool would misread the file."""

_TOP = "# What the names that move in this fleet came to. `provisioner lock` writes it; commit it beside the spec.\n"
_DIGEST = r"[0-9a-f]{64}"
_PLATFORM = r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9]+)?"
_SUITE = r"[a-z][a-z0-9-]*"
_PACKAGE = r"[a-z0-9][a-z0-9+.-]+"
_PINNED_PACKAGE = rf"({_PACKAGE}) ([A-Za-z0-9][A-Za-z0-9.+:~-]*) ([a-z0-9-]+) ({_DIGEST})"
_PINNED_WHEEL = (
    rf"([A-Za-z0-9][A-Za-z0-9._-]*) ([A-Za-z0-9][A-Za-z0-9.!+_-]*) ([A-Za-z0-9][A-Za-z0-9_.!+-]*\.whl) ({_DIGEST})"
)
_IMAGE = r"[A-Za-z0-9][A-Za-z0-9._:/@-]*"
_NAME = r"[a-z0-9][a-z0-9-]*"
_WRITE_AGAIN = "`provisioner lock` writes this file; take the one that is committed, or remove it and lock again"


def read_lock(source: SourceText) -> Lock:
    """Read a lock file. Raise InvalidInput with every fault, in file order."""
    document = read_document(source)
    reader = _Reader(source, list(document.faults))
    lock = _lock(reader, document.root)
    if reader.faults:
        raise InvalidInput(in_order(reader.faults))
    return lock


def lock_text(lock: Lock) -> str:
    """Return the text of a lock file; the order in which things were found does not show."""
    lines = [_TOP, f"schema: {SCHEMA}\n", f'tool: "{lock.tool}"\n', f"platform: {lock.platform}\n"]
    lines += _section("suites", map(_suite_lines, lock.suites))
    lines += _section("packages", map(_packages_lines, lock.packages))
    lines += _section("images", map(_image_lines, lock.images))
    lines += _section("wheels", map(_wheels_lines, lock.wheels))
    return "".join(lines)


def _section(name: str, entries: Iterable[list[str]]) -> list[str]:
    written = sorted(entries)
    return [f"{name}:\n", *(line for entry in written for line in entry)] if written else []


def _suite_lines(locked: LockedSuite) -> list[str]:
    return [f"  - suite: {locked.suite}\n", f"    platform: {locked.platform}\n", *_package_lines(locked.packages)]


def _packages_lines(locked: LockedPackages) -> list[str]:
    asked = ", ".join(f'"{name}"' for name in sorted(locked.asked))
    top = [f"  - suite: {locked.suite}\n", f"    platform: {locked.platform}\n", f"    asked: [{asked}]\n"]
    return [*top, *_package_lines(locked.packages)]


def _package_lines(packages: Iterable[DebianPackage]) -> list[str]:
    lines = [f"      - {each.name} {each.version} {each.architecture} {each.sha256}\n" for each in sorted(packages)]
    return ["    packages:\n", *lines] if lines else ["    packages: []\n"]


def _image_lines(locked: LockedImage) -> list[str]:
    manifests = ", ".join(f'"{each}"' for each in sorted(locked.manifests))
    return [
        f'  - image: "{locked.reference}"\n',
        f"    platform: {locked.platform}\n",
        f"    id: {locked.image_id}\n",
        f"    manifests: [{manifests}]\n",
    ]


def _wheels_lines(locked: LockedWheels) -> list[str]:
    lines = [f"      - {each.name} {each.version} {each.filename} {each.sha256}\n" for each in sorted(locked.wheels)]
    return [
        f'  - service: "{locked.service}"\n',
        f"    platform: {locked.platform}\n",
        f'    requirements: "{locked.requirements}"\n',
        *(["    wheels:\n", *lines] if lines else ["    wheels: []\n"]),
    ]


def _lock(reader: _Reader, root: Tree) -> Lock:
    keys = ("schema", "tool", "platform", "suites", "packages", "images", "wheels")
    table = reader.table(root, keys, optional=keys[3:])
    reader.text(table.get("schema"), SCHEMA, f"schema {SCHEMA}, which this version reads")
    lock = Lock(
        tool=reader.text(table.get("tool"), r"[A-Za-z0-9.+-]*", "a version"),
        platform=reader.text(table.get("platform"), _PLATFORM, "a platform such as linux/amd64"),
        suites=tuple(map(reader.suite, reader.items(table.get("suites")))),
        packages=tuple(map(reader.packages, reader.items(table.get("packages")))),
        images=tuple(map(reader.image, reader.items(table.get("images")))),
        wheels=tuple(map(reader.wheels, reader.items(table.get("wheels")))),
    )
    for name, entries in _identities(lock).items():
        reader.refuse_twins(table.get(name), entries)
    return lock


def _identities(lock: Lock) -> Mapping[str, list[object]]:
    """Return what each entry of a section answers; no two may answer the same."""
    return {
        "suites": [replace(each, packages=()) for each in lock.suites],
        "packages": [replace(each, packages=()) for each in lock.packages],
        "images": [(each.reference, each.platform) for each in lock.images],
        "wheels": [(each.service, each.platform) for each in lock.wheels],
    }


@dataclass(slots=True)
class _Reader:
    """Reads nodes as what they should be and collects what they are not."""

    source: SourceText
    faults: list[Diagnostic] = field(default_factory=list)

    def suite(self, tree: Tree) -> LockedSuite:
        table = self.table(tree, ("suite", "platform", "packages"))
        return LockedSuite(*self._where(table), self._packages(table))

    def packages(self, tree: Tree) -> LockedPackages:
        table = self.table(tree, ("suite", "platform", "asked", "packages"))
        asked = tuple(self.text(each, _PACKAGE, "a package") for each in self.items(table.get("asked")))
        return LockedPackages(*self._where(table), tuple(sorted(asked)), self._packages(table))

    def image(self, tree: Tree) -> LockedImage:
        table = self.table(tree, ("image", "platform", "id", "manifests"))
        return LockedImage(
            self.text(table.get("image"), _IMAGE, "the name of an image"),
            self.text(table.get("platform"), _PLATFORM, "a platform"),
            self.text(table.get("id"), rf"sha256:{_DIGEST}", "an image id"),
            tuple(
                sorted(
                    self.text(each, rf"{_IMAGE}@sha256:{_DIGEST}", "a name with a digest")
                    for each in self.items(table.get("manifests"))
                )
            ),
        )

    def wheels(self, tree: Tree) -> LockedWheels:
        table = self.table(tree, ("service", "platform", "requirements", "wheels"))
        service = self.text(table.get("service"), _NAME, "a service")
        platform = self.text(table.get("platform"), _PLATFORM, "a platform")
        requirements = self.text(table.get("requirements"), _DIGEST, "a sha256")
        lines = self._lines(table.get("wheels"), _PINNED_WHEEL, "name, version, file and sha256 of a wheel")
        return LockedWheels(service, platform, requirements, tuple(sorted(Wheel(*each) for each in lines)))

    def table(self, tree: Tree, keys: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Tree]:
        if not isinstance(tree, Table):
            self._fault(tree, f"expected a mapping, found {describe(tree)}", _WRITE_AGAIN)
            return {}
        for entry in tree.entries:
            if entry.key not in keys:
                hint = nearest(entry.key, list(keys)) or _WRITE_AGAIN
                self.faults.append(self.source.diagnostic(entry.place, f"unknown key '{entry.key}'", hint))
        found = {entry.key: entry.value for entry in tree.entries}
        for key in keys:
            if key not in found and key not in optional:
                self._fault(tree, f"'{key}' is missing", _WRITE_AGAIN)
        return found

    def items(self, tree: Tree | None) -> tuple[Tree, ...]:
        if isinstance(tree, Items):
            return tree.items
        if tree is not None:
            self._fault(tree, f"expected a list, found {describe(tree)}", _WRITE_AGAIN)
        return ()

    def text(self, tree: Tree | None, pattern: str, wanted: str) -> str:
        if tree is None:
            return ""
        if not isinstance(tree, Scalar) or not re.fullmatch(pattern, tree.text):
            self._fault(tree, f"expected {wanted}, found {describe(tree)}", _WRITE_AGAIN)
            return ""
        return tree.text

    def refuse_twins(self, tree: Tree | None, entries: list[object]) -> None:
        for index, (entry, place) in enumerate(zip(entries, self.items(tree), strict=False)):
            if entry in entries[:index]:
                self._fault(place, "this is locked twice", "keep one of them")

    def _where(self, table: Mapping[str, Tree]) -> tuple[str, str]:
        suite = self.text(table.get("suite"), _SUITE, "a Debian suite")
        return suite, self.text(table.get("platform"), _PLATFORM, "a platform")

    def _packages(self, table: Mapping[str, Tree]) -> tuple[DebianPackage, ...]:
        wanted = "name, version, architecture and sha256 of a package"
        lines = self._lines(table.get("packages"), _PINNED_PACKAGE, wanted)
        return tuple(sorted(DebianPackage(*each) for each in lines))

    def _lines(self, tree: Tree | None, pattern: str, wanted: str) -> Iterator[tuple[str, str, str, str]]:
        for each in self.items(tree):
            match = re.fullmatch(pattern, self.text(each, pattern, wanted))
            if match:
                yield match[1], match[2], match[3], match[4]

    def _fault(self, tree: Tree, message: str, suggestion: str) -> None:
        self.faults.append(self.source.diagnostic(tree.place, message, suggestion))
