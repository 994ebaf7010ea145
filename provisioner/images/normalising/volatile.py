"""Paths that say when, where or by whom an image was built, and nothing about what it is."""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass

from provisioner.images.normalising.tree import Entry


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by its name: the paths it is about, and whether it leaves folders, links and empty files alone.

    An application may need a log folder with an owner, or a log that is a link to its output; neither has a date.
    """

    name: str
    paths: re.Pattern[str]
    only_written_files: bool = False

    def drops(self, path: str, entry: Entry) -> bool:
        """Tell whether an entry is to be left out."""
        if self.only_written_files and (entry.is_folder or entry.kind == tarfile.SYMTYPE or not entry.size):
            return False
        return self.paths.fullmatch(path) is not None


def _rule(name: str, *paths: str, only_written_files: bool = False) -> Rule:
    return Rule(name, re.compile("|".join(f"(?:{path})" for path in paths), re.DOTALL), only_written_files)


RULES = (
    _rule("logs", r"var/log/.+", only_written_files=True),
    _rule("temporary files", r"tmp/.+", r"var/tmp/.+"),
    _rule("run-time files", r"run/.+", r"var/run/.+", only_written_files=True),
    _rule("what the engine mounts", r"(dev|proc|sys)(/.*)?", r"etc/(hostname|hosts|resolv\.conf|mtab)", r"\.dockerenv"),
    _rule("package lists", r"var/lib/apt/lists/.+"),
    _rule(
        "caches",
        r"var/cache/(apt|debconf|ldconfig|man|fontconfig)/.+",
        r"(root|home/[^/]+)/\.cache/pip(/.*)?",
        r"(root|home/[^/]+)/\.npm/_(logs|cacache)(/.*)?",
    ),
    _rule("package manager's locks and backups", r"var/lib/dpkg/(.+-old|lock.*|triggers/Lock)", r"var/lib/apt/.*lock"),
    _rule("backups of accounts", r"etc/(passwd|group|shadow|gshadow|subuid|subgid)-", r"etc/\.pwd\.lock"),
    _rule("identity of the machine", r"etc/machine-id", r"var/lib/dbus/machine-id", r"var/lib/systemd/random-seed"),
    _rule("histories", r"root/\.(bash_history|python_history|wget-hsts|lesshst|viminfo)"),
)


def dropped_by(path: str, entry: Entry) -> str | None:
    """Return the name of the rule that leaves an entry out, None where it stays."""
    return next((rule.name for rule in RULES if rule.drops(path, entry)), None)
