"""Sockets of a host that wait for whoever comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, order=True)
class OpenSocket:
    """A socket that no container's published port accounts for; an empty address means all addresses of the host.

    `program` and `container_id` are whose it is, empty where that cannot be seen, or where it is no container's.
    """

    protocol: Literal["tcp", "udp"]
    address: str
    port: int
    program: str = ""
    container_id: str = ""
