"""Asks a host for its packages, and which configuration files are no longer as their package brought them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

from provisioner.hosts.facts.replies import tabbed
from provisioner.model.facts import Fact, Gap

ASK = """\
section packages
if command -v dpkg-query >/dev/null; then
    printf 'native\\t%s\\n' "$(dpkg --print-architecture)"
    dpkg-query -W -f '${Package}\\t${Architecture}\\t${Version}\\t${db:Status-Abbrev}\\n'
    section conffiles
    dpkg-query -W -f '${Package}\\n${Conffiles}\\n'
    section changed
    dpkg-query -W -f '${Conffiles}\\n' | sed -n 's/^ \\(\\/.*\\) \\([0-9a-f]\\{32\\}\\)\\( [a-z-]*\\)*$/\\2  \\1/p' \\
        | md5sum -c 2>/dev/null | sed -n 's/: FAILED$//p'
fi
"""

_ALIKE = 8
"""Answers that are kept: hosts of a fleet give the same one."""
_CELLS = 4
_WANTED = {"h": "held", "r": "to be removed", "p": "to be purged", "u": "not selected"}
_IS = {
    "c": "removed, its configuration left",
    "H": "half installed",
    "U": "unpacked, not configured",
    "F": "half configured",
    "W": "waits for triggers",
    "t": "triggers pending",
    "n": "not installed",
}


def read_packages(reply: Mapping[str, str]) -> Iterator[Fact]:
    """Yield every package with its version, and its state where that is not the usual one."""
    yield from _packages(reply.get("packages", ""))


@functools.lru_cache(_ALIKE)
def _packages(told: str) -> tuple[Fact, ...]:
    return tuple(_each(told))


def _each(told: str) -> Iterator[Fact]:
    native = ""
    for cells in tabbed(told):
        if cells[0] == "native":
            native = cells[1]
        elif len(cells) == _CELLS and not cells[3].startswith("un"):
            name = cells[0] if cells[1] in {"all", native} else f"{cells[0]}:{cells[1]}"
            yield Fact("package", name, ", ".join((cells[2], *_state(cells[3]))))


def _state(abbreviation: str) -> Iterator[str]:
    wanted, state, broken = tuple(abbreviation.ljust(3)[:3])
    if state in _IS:
        yield _IS[state]
    elif wanted in _WANTED:
        yield _WANTED[wanted]
    if broken == "R":
        yield "to be installed again"


def package_gaps(reply: Mapping[str, str]) -> Iterator[Gap]:
    """Yield that packages are not known, where no package manager that we know answered."""
    if not reply.get("packages", "").strip():
        yield Gap("package", "", "there is no dpkg")


def changed_conffiles(reply: Mapping[str, str]) -> Mapping[str, str]:
    """Return the packages of configuration files that differ from what the package brought, by path."""
    owners = _owners(reply.get("conffiles", ""))
    return {path: owners.get(path, "") for path in set(reply.get("changed", "").splitlines())}


@functools.lru_cache(_ALIKE)
def _owners(told: str) -> Mapping[str, str]:
    owners, package = dict[str, str](), ""
    for line in told.splitlines():
        if line and not line.startswith(" "):
            package = line
        else:
            owners[line.strip().rpartition(" ")[0]] = package
    return owners
