"""The command line as a person runs it: a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
EXAMPLES = tuple(sorted(path.parent.name for path in (CHECKOUT / "examples").glob("*/fleet.yaml")))

INVENTORY = """\
all:
  children:
    lb: {hosts: {lb1: {ansible_host: 192.0.2.10}}}
    web: {hosts: {web1: {ansible_host: 192.0.2.21}, web2: {ansible_host: 192.0.2.22}}}
"""

EIGHT_LINES = """\
name: shop
services:
  web:
    image: nginx:1.27
    hosts: web
    port: 80
load_balancer:
  hosts: lb
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str


def provisioner(
    folder: Path, *arguments: str, variables: Mapping[str, str] | None = None, before: tuple[str, ...] = ()
) -> Ran:
    """Run the command line in a folder, with no terminal and nothing of this machine's settings; never a traceback.

    `before` is a program that runs it in turn.
    """
    argv = [*before, sys.executable, "-m", "provisioner", *arguments]
    done = subprocess.run(
        argv,
        cwd=folder,
        env=_environment(folder) | dict(variables or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


def on_a_terminal(folder: Path, *arguments: str, variables: Mapping[str, str]) -> str:
    """Run the command line with its messages on a terminal, and return what that showed."""
    here, there = pty.openpty()
    environment = _environment(folder) | {"TERM": "xterm-256color"} | dict(variables)
    argv = [sys.executable, "-m", "provisioner", *arguments]
    try:
        subprocess.run(argv, cwd=folder, env=environment, stdout=there, stderr=there, timeout=60, check=False)
        return os.read(here, 65536).decode()
    finally:
        os.close(here)
        os.close(there)


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(CHECKOUT),
        "COLUMNS": "250",  # wide enough for the long names of a test's folder
    }


def project(folder: Path, spec: str = EIGHT_LINES, inventories: tuple[str, ...] = ("lab",)) -> Path:
    """Write a spec and its inventories into a folder and return it."""
    (folder / "fleet.yaml").write_text(spec)
    (folder / "inventories").mkdir()
    for name in inventories:
        (folder / "inventories" / f"{name}.yaml").write_text(INVENTORY)
    return folder


def example(folder: Path, name: str) -> Path:
    """Copy an example into a folder, give it an inventory, and return its own folder."""
    copy = folder / name
    shutil.copytree(CHECKOUT / "examples" / name, copy)
    (copy / "inventories").mkdir()
    (copy / "inventories" / "lab.yaml").write_text(INVENTORY)
    return copy
