"""The kinds of Docker Engine that hosts of a lab can have, and where each comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from provisioner.errors import UsageError

Store = Literal["classic", "containerd"]

NO_ENGINE = "none"
"""Stands for an engine's version where a host has none: then it has what a web server set up by hand has."""

_TOOLS = ("ca-certificates", "iproute2", "iptables", "openssh-server", "procps", "tini")


@dataclass(frozen=True, slots=True)
class Edition:
    """What a host of a lab is made of: its Debian suite, the packages that bring its engine, the image stores of that.

    `borrowed` is another suite that packages may come from as well, empty where none is needed.
    """

    suite: str
    packages: tuple[str, ...]
    stores: tuple[Store, ...] = get_args(Store)
    borrowed: str = ""


EDITIONS: Mapping[str, Edition] = {
    "20.10": Edition("bookworm", ("docker.io=20.10.*", *_TOOLS), stores=("classic",)),
    "26": Edition("trixie", ("docker.io=26.*", "docker-cli=26.*", *_TOOLS)),
    "28": Edition("trixie", ("docker.io=28.*", "docker-cli=28.*", *_TOOLS), borrowed="forky"),
    NO_ENGINE: Edition("bookworm", (*_TOOLS, "cron", "nginx-light", "sudo"), stores=("classic",)),
}


@dataclass(frozen=True, slots=True)
class InnerEngine:
    """The Docker Engine inside a host: which edition, and where it keeps its images."""

    version: str = "20.10"
    store: Store = "classic"

    def __str__(self) -> str:
        return f"{self.version}/{self.store}"

    def settings(self) -> dict[str, object]:
        """Return what its `daemon.json` says."""
        return {"features": {"containerd-snapshotter": True}} if self.store == "containerd" else {}


def edition(version: str) -> Edition:
    """Return where an engine of this version comes from. Raise UsageError for one we have no host image for."""
    if version not in EDITIONS:
        raise UsageError(f"no lab host with engine {version}", hint=f"there are engines {', '.join(EDITIONS)}")
    return EDITIONS[version]


def inner_engine(version: str, store: str = "classic") -> InnerEngine:
    """Return an engine by version and store. Raise UsageError for one that cannot be."""
    stores = edition(version).stores
    for known in stores:
        if known == store:
            return InnerEngine(version, known)
    raise UsageError(f"no engine {version} keeps images in a {store} store", hint=f"it takes {', '.join(stores)}")


def parse_host_engine(text: str) -> tuple[str, InnerEngine]:
    """Read `web1=26/containerd`; without a store the classic one is meant. Raise UsageError."""
    host, equals, engine = text.partition("=")
    version, slash, store = engine.partition("/")
    if not (host and equals and version) or (slash and not store):
        hint = "for example: --host-engine web1=26/containerd"
        raise UsageError(f"the engine of a host is written HOST=VERSION[/STORE], not {text!r}", hint=hint)
    return host, inner_engine(version, store or "classic")
