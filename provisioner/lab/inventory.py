"""Writes down how a lab's hosts are reached: the inventory, the user's key, the keys of the hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

import docker

from provisioner.lab.containers import lone_container, read_file
from provisioner.lab.layout import LabFiles, LabHost

_HEADER = "# The lab `{name}`, as `provisioner lab up` found it. The next one writes this file again.\n"
_HOST = """\
        {host.name}:
          ansible_host: {host.address}
          ansible_port: {host.ssh_port}
          ansible_user: root
          ansible_ssh_private_key_file: {key}
          private_address: {host.private_address}
"""


def inventory_text(name: str, hosts: Iterable[LabHost], key: str) -> str:
    """Return the inventory of a lab; `key` is the key file's path relative to the inventory."""
    text = _HEADER.format(name=name) + "all:\n  children:\n"
    for group, members in groupby(sorted(hosts, key=lambda host: host.group), key=lambda host: host.group):
        text += f"    {group}:\n      hosts:\n"
        text += "".join(_HOST.format(host=host, key=key) for host in members)
    return text


def known_hosts_text(keys: Iterable[tuple[LabHost, str]]) -> str:
    """Return OpenSSH's known_hosts lines for hosts and their public keys."""
    return "".join(f"[{host.address}]:{host.ssh_port} {key}\n" for host, key in keys)


def write_if_changed(path: Path, text: str) -> None:
    """Write a file whole or not at all, and only where it says something else."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.replace(path)


def user_key(engine: docker.APIClient, lab: str, files: LabFiles, image: Callable[[], str]) -> str:
    """Return the public key of a lab's user; the pair is made, inside the host image, where there is none."""
    if not (files.key.exists() and files.public_key.exists()):
        private, public = _make_key(engine, lab, image())
        files.key.parent.mkdir(parents=True, exist_ok=True)
        files.key.unlink(missing_ok=True)
        files.key.touch(mode=0o600)
        files.key.write_bytes(private)
        files.public_key.write_bytes(public)
    return files.public_key.read_text()


def _make_key(engine: docker.APIClient, lab: str, image: str) -> tuple[bytes, bytes]:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", "/root/key"]
    with lone_container(engine, lab, image, command) as container:
        engine.start(container)
        engine.wait(container)
        return read_file(engine, container, "/root/key"), read_file(engine, container, "/root/key.pub")
