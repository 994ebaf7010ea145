"""Five web hosts that are rolled out under load on a lab of their own, and what their clients saw of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.spec.schema import RolloutText
from tests.lab_fleet import APART, CHECKOUT, Fleet, LabFleet, Ran
from tests.load.rotation import pages_of
from tests.strict_client import StrictClient

WEB_HOSTS = tuple(f"web{number}" for number in range(1, 6))
LEDGER = "/srv/ledger/posts"
TUNNELS = int(os.environ.get("TUNNELS", "3"))
"""Tunnels held under load; each of them makes its node's drain last as long as it may."""

_FIND = (
    "for each in $(docker ps -q --filter label=provisioner.service=load-balancer);"
    " do docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' $each; done; echo 127.0.0.1"
)


def knows(key: str) -> bool:
    """Return whether the spec's `rollout` carries out a key."""
    return key in RolloutText.model_fields


def offers(verb: str) -> bool:
    """Return whether the command line has a verb."""
    argv = [sys.executable, "-m", "provisioner", verb, "--help"]
    return subprocess.run(argv, capture_output=True, check=False, cwd=CHECKOUT).returncode == 0


class RollingLab(LabFleet):
    """One balancer host and five web hosts."""

    name = f"rolling{APART}"
    port = 18750 + int(APART or 0)
    shape = ("--group", "lb=1", "--group", "web=5")
    webs: tuple[str, ...] = WEB_HOSTS

    def __init__(self) -> None:
        super().__init__()
        self.folder = CHECKOUT / ".provisioner" / "rolling"
        self.folder.mkdir(parents=True, exist_ok=True)

    def up(self) -> None:
        """Make the lab, with a ledger on every web host that outlives the containers."""
        super().up()
        for host in self.webs:
            self.on(host, "mkdir -p /srv/ledger && chmod 1777 /srv/ledger")


@dataclass(frozen=True)
class Rolled:
    """One rollout under load: how long its command took, what clients saw, and what was executed."""

    seconds: float
    code: int
    out: str
    report: Mapping[str, Any]
    executed: Counter[str]
    """How often each POST was executed, by id, as the hosts' ledgers say."""
    gone: float = 0.0
    """Seconds from the command's begin until no container that left was running any more."""

    @property
    def failed(self) -> int:
        """Return the number of failed requests."""
        return sum(sum(reasons.values()) for reasons in self.report["failed"].values())

    @property
    def reasons(self) -> Counter[str]:
        """Return the failed requests by kind and reason."""
        found: Counter[str] = Counter()
        for kind, reasons in self.report["failed"].items():
            found.update({f"{kind}: {reason}": times for reason, times in reasons.items()})
        return found

    @property
    def sent(self) -> int:
        """Return the number of requests sent."""
        return sum(self.report["sent"].values())

    @property
    def twice(self) -> list[str]:
        """Return the ids of POSTs that were executed more than once."""
        return sorted({*self.report["twice"], *(name for name, times in self.executed.items() if times > 1)})

    @property
    def fewest(self) -> int:
        """Return the fewest nodes that were in rotation at any look, 0 where nobody could look."""
        return int(self.report["capacity"].get("web", {}).get("fewest") or 0)

    @property
    def cuts(self) -> Counter[str]:
        """Return the tunnels that were cut, by the host and the release that held them."""
        return Counter(f"{each['host']} ({each['release']})" for each in self.report["tunnels"]["cuts"])

    def failed_since(self, release: str) -> tuple[int, int]:
        """Return the requests failed and sent from the first answer of a release on, or from the first failure."""
        share = self.report["releases"].get(release, {})
        begun = min(filter(None, (share.get("first"), self.report["first_failure"])), default=float("inf"))
        since = [(sent, failed) for second, sent, failed in self.report["seconds"] if second >= int(begun)]
        return sum(failed for _, failed in since), sum(sent for sent, _ in since)


class RollingFleet(Fleet):
    """The fleet of `tests/load/fleet.yaml` on such a lab."""

    lab: RollingLab

    def __init__(self, lab: RollingLab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder / "rolling"
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(CHECKOUT / "tests" / "load", self.folder, ignore=shutil.ignore_patterns("*cache*", "test_*"))
        self.file = self.folder / "fleet.yaml"
        self.inventory = str(lab.folder / "inventories" / f"{lab.name}.yaml")
        self.variables: dict[str, str] = {}
        self.releases = 0

    def set_rollout(self, **keys: str) -> None:
        """Set keys of `rollout`, as far as they are carried out."""
        text = self.file.read_text()
        for key, value in keys.items():
            if knows(key):
                kept = re.sub(rf"^  {key}: .*\n", "", text, flags=re.MULTILINE)
                text = kept.replace("rollout:\n", f"rollout:\n  {key}: {value}\n")
        self.file.write_text(text)

    def change(self, mode: str = "graceful", after: float = 0.0) -> str:
        """Want another release whose application behaves so; return the name it answers under."""
        self.releases += 1
        self.variables |= {"RELEASE": f"r{self.releases}", "MODE": mode, "AFTER": f"{after:g}"}
        return f"r{self.releases}"

    def change_everything(self) -> None:
        """Want another image, environment, content of a file and balancer's file, all at once."""
        self.change()
        self.rewrite('"nothing new', '"nothing at all', "app/app.py")
        (self.folder / "extra.conf.j2").write_text("# written for {{ service }}\n")
        self.rewrite("    resources:", "    files: {/etc/app/extra.conf: {template: extra.conf.j2}}\n    resources:")
        self.rewrite("routes: [", "routes: [{path: /other, to: web}, ")

    def restore(self) -> None:
        """Want again what was wanted before everything was changed."""
        self.rewrite('"nothing at all', '"nothing new', "app/app.py")
        self.rewrite("    files: {/etc/app/extra.conf: {template: extra.conf.j2}}\n", "")
        self.rewrite("{path: /other, to: web}, ", "")

    def fingerprints(self) -> set[str]:
        """Return the fingerprints of the web nodes."""
        return {node["fingerprint"] for node in self.status()["nodes"] if node["service"] == "web"}

    @property
    def rotation(self) -> list[str]:
        """Return the command that prints what is in rotation."""
        return pages_of(f"{self.lab.name}-lb1", _FIND)

    def rolled(self, *arguments: str, verb: str = "apply") -> Rolled:
        """Apply what is wanted under load, whatever comes of it."""
        with watched(self.lab, self.lab.port, self.rotation) as seen:
            begun = time.monotonic()
            ran: Ran = self.run(verb, "-y", "--json", *arguments)
            seen.ended(time.monotonic() - begun, ran.code, ran.out + ran.err)
        return seen.rolled()


class Seen:
    """What is known of a rollout while its client runs."""

    def __init__(self, lab: RollingLab, client: StrictClient, run: str) -> None:
        self._lab, self._client, self._run = lab, client, run
        self._end: tuple[float, int, str] = (0.0, 0, "")
        self._gone = 0.0

    def ended(self, seconds: float, code: int, out: str) -> None:
        """Note how the command ended."""
        self._end = (seconds, code, out)

    def left(self, seconds: float) -> None:
        """Note when the last container that left had gone, where that was not before the command ended."""
        self._gone = seconds

    def rolled(self) -> Rolled:
        """Return everything, once the client has ended."""
        executed: Counter[str] = Counter()
        for host in self._lab.webs:
            told = self._lab.on(host, f"grep -s '^{self._run}-' {LEDGER} || true")
            executed.update(line.split()[0] for line in told.splitlines())
        return Rolled(*self._end, self._client.report, executed, self._gone or self._end[0])


@contextmanager
def watched(lab: RollingLab, port: int, rotation: list[str]) -> Iterator[Seen]:
    """Call a balancer with every kind of caller while something is done."""
    run = f"run{os.getpid()}x{time.monotonic_ns()}"
    with StrictClient(port, {"tunnels": TUNNELS}, rotation, run) as client:
        yield Seen(lab, client, run)
