"""A process that has loaded the program, and gives every command line a process of its own by forking.

Loading takes five times as long as most commands do. What a command is given (arguments, folder, environment, streams)
is all that it sees; who wants its own interpreter too, with its own hash seed, starts one.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LARGEST = 1 << 20
"""Bytes that a command's arguments and environment may have."""


def run_forked(folder: Path, arguments: list[str], environment: Mapping[str, str], streams: list[int]) -> int:
    """Run the command line with these streams (input, output, errors), and return its exit code."""
    asked = {"folder": str(folder), "arguments": arguments, "environment": dict(environment)}
    line = _parent()
    socket.send_fds(line, [json.dumps(asked).encode()], streams)
    code: int = json.loads(line.recv(LARGEST))
    return code


@functools.cache
def _parent() -> socket.socket:
    """Return the line to the process that forks; it ends when the line does."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    here.settimeout(60)
    argv = [sys.executable, "-m", "tests.cli.forked", str(there.fileno())]
    process = subprocess.Popen(
        argv, cwd=Path(__file__).parents[2], stdin=subprocess.DEVNULL, pass_fds=(there.fileno(),)
    )
    there.close()

    def end() -> None:
        here.close()
        process.wait(10)

    atexit.register(end)
    return here


def main() -> None:
    """Load everything, then fork for every command that is asked for."""
    line = socket.socket(fileno=int(sys.argv[1]))
    package = importlib.import_module("provisioner")
    for found in pkgutil.walk_packages(package.__path__, "provisioner."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    gc.freeze()
    while True:
        text, streams, _, _ = socket.recv_fds(line, LARGEST, 3)
        if not text:
            return
        child = os.fork()
        if child == 0:
            _end(_become(json.loads(text), streams))
        for each in streams:
            os.close(each)
        line.send(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def _become(asked: Mapping[str, Any], streams: list[int]) -> int:
    """Be the command from here on, and return its exit code."""
    for place, each in enumerate(streams):
        os.dup2(each, place)
        os.close(each)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.argv = ["provisioner", *asked["arguments"]]
    try:
        importlib.import_module("provisioner.cli.app").main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def _end(code: int) -> None:
    """End without taking all that was loaded apart, which takes as long as most commands do."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
