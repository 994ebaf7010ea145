"""The command line as a person runs it: a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.cli.forked import run_forked

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

    `before` is a program that runs it in turn, in an interpreter of its own.
    """
    environment = _environment(folder) | dict(variables or {})
    if before:
        argv = [*before, sys.executable, "-m", "provisioner", *arguments]
        none = subprocess.DEVNULL
        done = subprocess.run(
            argv, cwd=folder, env=environment, stdin=none, capture_output=True, text=True, timeout=60, check=False
        )
        ran = Ran(done.returncode, done.stdout, done.stderr)
    else:
        ran = _forked(folder, list(arguments), environment)
    assert "Traceback" not in ran.err, ran.err
    return ran


def _forked(folder: Path, arguments: list[str], environment: Mapping[str, str]) -> Ran:
    """Run the command line with pipes for its answers, as a shell would that collects them."""
    pipes = [os.pipe() for _ in range(2)]
    with ThreadPoolExecutor(2) as pool, Path(os.devnull).open() as nothing:
        texts = [pool.submit(_read, reading) for reading, _ in pipes]
        try:
            code = run_forked(folder, arguments, environment, [nothing.fileno(), *(there for _, there in pipes)])
        finally:
            for _, there in pipes:
                os.close(there)
        return Ran(code, *(each.result() for each in texts))


def _read(stream: int) -> str:
    with os.fdopen(stream, encoding="utf-8") as opened:
        return opened.read()


def on_a_terminal(folder: Path, *arguments: str, variables: Mapping[str, str]) -> str:
    """Run the command line with its messages on a terminal, and return what that showed."""
    here, there = pty.openpty()
    environment = _environment(folder) | {"TERM": "xterm-256color"} | dict(variables)
    try:
        with Path(os.devnull).open() as nothing:
            run_forked(folder, list(arguments), environment, [nothing.fileno(), there, there])
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
