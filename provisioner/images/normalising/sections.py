"""Which layer of an image a path belongs to: what changes seldom lies below what changes often."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

Section = Literal["packages", "app", "config"]
SECTIONS: tuple[Section, ...] = ("packages", "app", "config")

_PACKAGES = re.compile(
    r"""
    (?:bin|sbin|lib|lib32|lib64|libx32|boot|opt/venv)(?:/.*)?
    | usr/(?!local/).+ | usr/local/(?:lib|lib64|share)/.+
    | var/(?:lib/(?:apt|dpkg|pam|python|systemd|ucf|polkit-1|alternatives)|cache)(?:/.*)?
    | (?:.*/)?(?:site-packages|dist-packages|node_modules)/.*
    | etc/(?:alternatives|apt|ca-certificates|cron\.[a-z]+|default|dpkg|init\.d|ld\.so\.conf\.d|logrotate\.d|pam\.d
            |perl|python3(?:\.\d+)?|profile\.d|rc[0-6S]\.d|security|ssl|systemd|terminfo|ufw)/.*
    | etc/(?:ca-certificates\.conf|group|gshadow|ld\.so\.(?:cache|conf)|passwd|shadow|shells|subgid|subuid)
    """,
    re.VERBOSE | re.DOTALL,
)
_CONFIG = re.compile(r"etc/.+", re.DOTALL)


def section_of(path: str, files: Collection[str]) -> Section:
    """Return the section of a path; `files` are the paths of the service's own rendered files."""
    if path in files:
        return "config"
    if _PACKAGES.fullmatch(path):
        return "packages"
    return "config" if _CONFIG.fullmatch(path) else "app"
