"""A release: an immutable bundle of what the fleet should be, identified by the digest of its content."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.model.desired import Desired
from provisioner.model.image import RenderedFile
from provisioner.model.observed import HostRoute


@dataclass(frozen=True, slots=True)
class ReleaseContent:
    """What identifies a release: the desired fleet with every image known, and the rendered files."""

    desired: Desired
    files: tuple[RenderedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """A release with what stands beside its content: number, time (RFC 3339), author, commit, routes.

    `departed` are hosts that carried this fleet before and were not yet seen clean.
    """

    number: int
    digest: str
    content: ReleaseContent
    created: str = ""
    author: str = ""
    commit: str = ""
    routes: tuple[HostRoute, ...] = ()
    departed: tuple[HostRoute, ...] = ()

    @property
    def name(self) -> str:
        """Return the name people use: `r12-9f3c1e0a7b21`."""
        return f"r{self.number}-{self.digest[:12]}"
