"""Where a campaign is fought: a lab, the fleet on it, commands that something happens to, and what must hold after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab_fleet import APART, CHECKOUT
from tests.rolling_fleet import Rolled, RollingFleet, RollingLab, watched

TERM = 15
"""Seconds a lease lasts here."""

_LONGEST = 300.0
"""Seconds after which a command is ended that does not end by itself."""

Event = Mapping[str, Any]
Trigger = Callable[[Event], bool]


class CampaignLab(RollingLab):
    """One balancer host and three web hosts."""

    name = f"campaign{APART}"
    port = 18780 + int(APART or 0)
    shape = ("--group", "lb=1", "--group", "web=3")
    webs = ("web1", "web2", "web3")

    def kill_host(self, host: str) -> None:
        """Switch a host off as a power cut does: every process of it at once."""
        self.engine.kill(self._own(host))

    def _own(self, host: str) -> str:
        """Return the container that is a host of this lab, and of no other."""
        name = f"{self.name}-{host}"
        labels = self.engine.inspect_container(name)["Config"]["Labels"]
        assert self.name in labels.values(), (name, labels)
        return name


@dataclass
class Ended:
    """How a command ended that something happened to: its exit code, its lines and its messages."""

    code: int = 0
    lines: list[Event] = field(default_factory=list)
    err: str = ""
    happened: bool = False

    @property
    def outcome(self) -> str:
        """Return the outcome of the last line; empty where there is none, as of a killed process."""
        return str(self.lines[-1].get("outcome", "")) if self.lines else ""


class Ground:
    """A lab with the fleet `rolling` on it."""

    def __init__(self, folder: Path) -> None:
        self.lab = CampaignLab()
        self.fleet = RollingFleet(self.lab, folder)
        self.fleet.set_rollout(drain_timeout="5s", canary="1", canary_soak="2s")
        self.fleet.variables["PROVISIONER_LEASE_TTL"] = f"{TERM}s"

    def up(self) -> None:
        """Make the lab and the fleet on it."""
        self.lab.up()
        self.settle()

    def settle(self) -> str:
        """Bring the fleet to where a case begins; return why that is not possible, empty where it is."""
        ran = self.fleet.apply("--allow-interruption")
        return "" if ran.code == 0 else f"apply ends in {ran.code}: {_last(ran.err or ran.out)}"

    def start(self, verb: str = "apply", variables: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command on the fleet that tells its events."""
        fleet, lab = self.fleet, self.lab
        environment = {**os.environ, "PROVISIONER_CACHE": str(lab.cache), **fleet.variables, **(variables or {})}
        where = ["-f", str(fleet.file), "-i", fleet.inventory]
        argv = [sys.executable, "-m", "provisioner", verb, "-y", "--json", *where]
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, cwd=lab.folder, env=environment, stdout=pipe, stderr=pipe, text=True)

    def carried_out(
        self, at: Trigger | None = None, what: Callable[[], object] = lambda: None, *, verb: str = "apply", **said: str
    ) -> Ended:
        """Run a command to its end; when one of its events is the one waited for, do something once."""
        ended = Ended()
        process = self.start(verb, said)
        assert process.stdout is not None
        assert process.stderr is not None
        guard = threading.Timer(_LONGEST, process.kill)
        guard.start()
        with process:
            for line in process.stdout:
                ended.lines.append(json.loads(line))
                if at is not None and not ended.happened and at(ended.lines[-1]):
                    ended.happened = True
                    what()
            ended.err = process.stderr.read()
            ended.code = process.wait()
        guard.cancel()
        return ended

    @contextmanager
    def under_load(self) -> Iterator[Watch]:
        """Call the balancer with every kind of caller; the watch is filled in when the block is left."""
        watch = Watch()
        with watched(self.lab, self.lab.port, self.fleet.rotation) as seen:
            begun = time.monotonic()
            yield watch
            seen.ended(time.monotonic() - begun, 0, "")
        watch.seen.append(seen.rolled())

    def wrong(self) -> list[str]:
        """Return what is wrong with the fleet at rest: nothing, where every promise holds."""
        found = []
        status = self.fleet.status()
        if not status["uniform"]:
            found.append("the fleet is not uniform")
        states = {f"{node['node']} {node['state']}, {node['balancer']}" for node in status["nodes"]}
        found += sorted(state for state in states if not state.endswith("healthy, ready"))
        found += [f"drift: {row['host']} {row['kind']} {row['key']}" for row in self.fleet.drift()]
        for host in self.lab.webs:
            listed = self.lab.on(host, "docker ps -aq --filter label=provisioner.service=web").split()
            if len(listed) != 1:
                found.append(f"{host} has {len(listed)} containers of web")
        return found


@dataclass
class Watch:
    """What clients saw while something happened."""

    seen: list[Rolled] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        """Return what was seen of the rollout."""
        return getattr(self.seen[0], name)


def started_on(host: str) -> Trigger:
    """Return what recognises that the new container of a host's node has started."""

    def recognises(event: Event) -> bool:
        mine = str(event.get("node", "")).startswith(f"{host}/")
        return mine and event["type"] == "action_succeeded" and event["action"] == "start_node"

    return recognises


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def commit() -> str:
    """Return the commit that is tried."""
    asked = ["git", "-C", str(CHECKOUT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
