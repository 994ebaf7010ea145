"""Hosts, and the groups they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Host:
    """A machine reached over SSH that runs Docker Engine.

    `address`, `port`, `user` and `key_file` are what the inventory says; an empty or absent one is left to
    the user's SSH configuration. `private_address` is what other hosts reach it by.
    """

    name: str
    address: str
    port: int | None = None
    user: str | None = None
    key_file: str | None = None
    connection: Literal["ssh", "local"] = "ssh"
    private_address: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every host by name, every group with all hosts below it, both in the order they were written."""

    path: str
    hosts: Mapping[str, Host]
    groups: Mapping[str, tuple[str, ...]]
