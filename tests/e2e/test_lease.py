"""Controllers that die, freeze or meet each other, on two real hosts, with the real command line and a short term."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.model.lease import JournalLine
from provisioner.reconcile.journal import decoded
from tests.lab_fleet import APART, Fleet, LabFleet
from tests.strict_client import StrictClient

pytestmark = pytest.mark.lab
TERM = 15


class PairLab(LabFleet):
    """One balancer host and one web host."""

    name = f"pair{APART}"
    port = 18870 + int(APART or 0)
    shape = ("--group", "lb=1", "--group", "web=1")


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Return the fleet `hello` on a lab of its own, applied, with a term of fifteen seconds."""
    lab = PairLab()
    lab.down()
    lab.up()
    fleet = Fleet(lab, tmp_path_factory.mktemp("pair"))
    fleet.rewrite("web:!web4", "web")
    fleet.variables |= {"PROVISIONER_LEASE_TTL": f"{TERM}s", "NAME": "Ada"}
    fleet.applied()
    yield fleet
    fleet.destroy()
    lab.down()


def latest(fleet: Fleet) -> Path:
    """Return the journal of the fleet's last run."""
    journals = (fleet.lab.folder / ".provisioner" / "journal" / "hello").glob("*.jsonl")
    return max(journals, key=lambda path: path.stat().st_mtime)


def effects(fleet: Fleet) -> list[JournalLine]:
    """Return what the last run was about to do, effect by effect."""
    return [line for line in decoded(latest(fleet).read_bytes()) if line.phase == "intent"]


def change(fleet: Fleet, turn: int) -> None:
    """Want another environment and another interval of the health check: containers and the balancer's file change."""
    fleet.variables["NAME"] = f"turn-{turn}"
    text = fleet.file.read_text()
    fleet.file.write_text(re.sub(r"interval: \d+ms|interval: 1s", f"interval: {900 + turn}ms", text))


def alone(fleet: Fleet) -> bool:
    """Tell whether the node has one container, and none is left over."""
    names = fleet.lab.on("web1", "docker ps -a --format '{{.Names}}'").splitlines()
    return len([name for name in names if ".web-1." in name]) == 1


def begun(fleet: Fleet, *arguments: str) -> subprocess.Popen[str]:
    """Start an apply and do not wait for it."""
    lab = fleet.lab
    environment = {**os.environ, "PROVISIONER_CACHE": str(lab.cache), "NO_COLOR": "1", **fleet.variables}
    argv = [sys.executable, "-m", "provisioner", "apply", "-y", "-f", str(fleet.file), "-i", fleet.inventory]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*argv, *arguments], cwd=lab.folder, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True
    )


def test_of_two_controllers_at_once_exactly_one_proceeds(hello: Fleet) -> None:
    """Five times: one ends well, the other leaves with 5 and says whose the fleet is."""
    for turn in range(5):
        runs = []
        for name in ("one", "two"):
            hello.variables["NAME"] = f"{name}-{turn}"
            runs.append(begun(hello))
        told = [run.communicate(timeout=120)[0] for run in runs]
        codes = [run.returncode for run in runs]
        assert sorted(codes) == [0, 5], (codes, told)
        assert "is changing the fleet hello since" in told[codes.index(5)]
        assert f"Hello {('one', 'two')[codes.index(0)]}-{turn}!" in hello.lab.get()


def test_one_that_was_frozen_makes_at_most_the_call_it_was_about_to_make(hello: Fleet) -> None:
    """Frozen for three terms it is taken over; woken it does no more, and the fleet ends as the other left it."""
    hello.variables["NAME"] = "sleeper"
    earlier = latest(hello)
    sleeper = begun(hello)
    while latest(hello) == earlier or not any(line.effect == "create" for line in effects(hello)):
        assert sleeper.poll() is None
        time.sleep(0.05)
    sleeper.send_signal(signal.SIGSTOP)
    frozen, asleep = time.monotonic(), latest(hello)
    before = len(asleep.read_bytes().splitlines())
    hello.variables["NAME"] = "successor"
    with StrictClient(hello.lab.port) as client:
        finished = hello.applied()
        assert finished["outcome"] == "complete"
        assert time.monotonic() - frozen >= TERM
        time.sleep(max(3 * TERM - (time.monotonic() - frozen), 0))
        sleeper.send_signal(signal.SIGCONT)
        told = sleeper.communicate(timeout=60)[0]
    assert sleeper.returncode == 5, told
    assert "this run lost the lease" in told
    woken = decoded(b"\n".join(asleep.read_bytes().splitlines()[before:]))
    assert len([line for line in woken if line.phase == "intent"]) <= 1
    assert client.failures == []
    assert alone(hello)
    assert hello.drift() == []
    assert "Hello successor!" in hello.lab.get()


def test_a_controller_killed_at_each_kind_of_effect_is_followed_by_the_same_command(hello: Fleet) -> None:
    """No flag, no unlocking: the first lease is waited for, the others are taken away as if their term were over."""
    change(hello, 0)
    hello.applied()
    numbers: dict[str, int] = {}
    for line in effects(hello):
        numbers.setdefault(line.effect, line.number)
    assert {"create", "start", "stop", "remove", "configure", "set_ready", "set_drain", "put"} <= set(numbers)
    with StrictClient(hello.lab.port) as client:
        for turn, (kind, number) in enumerate(numbers.items(), 1):
            change(hello, turn)
            hello.variables["PROVISIONER_CRASH_AT"] = f"{('before', 'after')[turn % 2]}:{number}"
            assert hello.apply().code == -signal.SIGKILL, kind
            del hello.variables["PROVISIONER_CRASH_AT"]
            if turn > 1:
                hello.lab.on("lb1", "docker rm -f $(docker ps -aq --filter label=provisioner.lease=hello)")
            # How it ended is judged by a fresh observation of everything.
            assert hello.applied()["outcome"] in {"complete", "unchanged"}, kind
            assert alone(hello), kind
    assert client.failures == []
    assert hello.drift() == []
