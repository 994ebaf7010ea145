"""Ctrl-C while something is carried out."""

from __future__ import annotations

import json
import subprocess
import sys
import time

SCRIPT = """
import os, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from provisioner.cli.consent import stop_on_interrupt
from provisioner.views.choose import choose_view
from provisioner.views.settings import Settings

def press(times):
    for _ in range(times):
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

view = choose_view(sys.stdout, sys.stderr, Settings(), json=True, run=True)
with stop_on_interrupt(view) as stop, ThreadPoolExecutor() as pool:
    threading.Thread(target=press, args=(int(sys.argv[1]),)).start()
    list(pool.map(time.sleep, [float(sys.argv[2])]))
print(stop())
"""


def pressed(times: int, seconds: float) -> tuple[subprocess.CompletedProcess[str], float]:
    """Return how a step of some seconds ended when Ctrl-C was pressed a number of times, and how long it took."""
    began = time.monotonic()
    argv = [sys.executable, "-c", SCRIPT, str(times), str(seconds)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done, time.monotonic() - began


def test_the_first_lets_the_step_finish() -> None:
    """One Ctrl-C is heard, said, and waits for the step."""
    done, _ = pressed(1, 0.5)
    assert (done.returncode, done.stdout) == (0, "True\n")
    assert "finishing this step" in done.stderr


def test_the_second_ends_the_process_at_once() -> None:
    """Two do not wait for the deadline of a node that never gets healthy, and the last line says how it ended."""
    done, seconds = pressed(2, 20)
    assert done.returncode == 130
    assert json.loads(done.stdout.splitlines()[-1])["outcome"] == "interrupted"
    assert "the same command goes on from here" in done.stderr
    assert seconds < 10
