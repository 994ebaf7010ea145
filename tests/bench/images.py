"""The benchmark of shipping: bytes and seconds beside four peers, on a slow uplink and without a limit.

    ROUNDS=3 .venv/bin/python -m tests.bench.images

It needs root for `tc`. The last line is `met N of N`; the exit status is 1 where a row misses.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker

from provisioner.images.cache import LayerCache
from provisioner.model.image import COURIER_REPOSITORY, SPOOL_VOLUME
from provisioner.model.inventory import Host
from tests.bench.bench_images import REPOSITORY, make_images
from tests.bench.network import Bridge
from tests.bench.peers import PIPES, pipe, registry, registry_running
from tests.bench.ship_once import lab_hosts

CHECKOUT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SLOW = 100
MEMORY = 150_000_000
SETTLED = 65.0
BASES = "provisioner/base"
NEEDED_BY_PEERS = "command -v zstd || { apt-get -qq update && apt-get -qq -y install zstd; }"
OURS, SAVE, REGISTRY = "provisioner", "save | load", "registry push + pull"


@dataclass(frozen=True)
class Case:
    """What is shipped to a host that has `v1` or nothing, and what it may cost: bytes, and shares of save | load."""

    name: str
    tag: str
    fresh: bool
    most_bytes: int | None
    slow_share: float
    fast_share: float


CASES = (
    Case("nothing changed", "v1", fresh=False, most_bytes=10_000, slow_share=1 / 50, fast_share=1 / 20),
    Case("small layer changed", "small", fresh=False, most_bytes=40_000, slow_share=1 / 20, fast_share=1 / 10),
    Case("one file in a big layer", "big", fresh=False, most_bytes=150_000, slow_share=1 / 3, fast_share=1.0),
    Case("first deploy", "v1", fresh=True, most_bytes=None, slow_share=0.6, fast_share=1.0),
)


@dataclass
class Row:
    """What one way cost in one case: bytes to the host, seconds, and this machine's peak memory, over the rounds."""

    sent: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)


class Bench:
    """A lab, the images, and what is measured on them."""

    def __init__(self) -> None:
        self.lab, self.port = os.environ.get("BENCH_LAB", "bench"), os.environ.get("BENCH_PORT", "18640")
        self.folder = CHECKOUT / ".provisioner" / "bench" / self.lab
        self.cache = self.folder / "cache"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.client: Any = docker.APIClient(timeout=600)
        self.rows: defaultdict[tuple[int, str, str], Row] = defaultdict(Row)

    def up(self) -> None:
        """Make the lab and the images."""
        groups = ("--group", "lb=1", "--group", "web=8")
        self._command("lab", "up", "--name", self.lab, "--port", self.port, *groups)
        self.bridge = Bridge(self.client, self.lab)
        tags = sorted(tag for image in self.client.images(BASES) for tag in image["RepoTags"] or [])
        base = next(tag for tag in tags if ":bookworm-amd64-" in tag)
        self.ids = make_images(self.client, base, LayerCache(self.cache / "layers"))
        self.hosts = {name: host for name, host in lab_hosts(self.inventory).items() if name.startswith("web")}
        for host in self.hosts:
            self.clear(host)
            self.bridge.on_host(host, NEEDED_BY_PEERS)
        self.courier = self._courier_bytes()

    @property
    def inventory(self) -> Path:
        """Return the lab's inventory."""
        return self.folder / "inventories" / f"{self.lab}.yaml"

    def ship(self, tag: str, *hosts: str, relay: bool = False, courier_only: bool = False) -> dict[str, Any]:
        """Ship with our own program, in a process of its own."""
        order = {
            "hosts": hosts,
            "tag": f"{REPOSITORY}:{tag}",
            "image_id": self.ids[tag],
            "cache": str(self.cache),
            "inventory": str(self.inventory),
            "relay": relay,
            "courier_only": courier_only,
        }
        argv = [sys.executable, "-m", "tests.bench.ship_once", json.dumps(order)]
        begun = time.monotonic()
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=CHECKOUT)
        assert done.returncode == 0, done.stderr
        return {**json.loads(done.stdout), "whole": time.monotonic() - begun}

    def clear(self, host: str) -> None:
        """Leave a host with the courier's image and nothing else."""
        self.bridge.on_host(
            host,
            "docker ps -aq | xargs -r docker rm -f; docker images --format '{{.Repository}}:{{.Tag}}' | "
            f"grep -v '^{COURIER_REPOSITORY}:' | xargs -r docker rmi -f; "
            f"docker volume rm {SPOOL_VOLUME}",
        )

    def measure(self, megabits: int, case: Case, way: str, host: str) -> None:
        """Bring a host to where the case begins and measure one way."""
        self.clear(host)
        if not case.fresh:
            self.ship("v1", host)
        if way == REGISTRY and not case.fresh:
            registry(self.hosts[host], "v1")
        if (way == OURS and case.tag != "v1") or case.fresh:
            shutil.rmtree(self.cache / "layers" / "parcels", ignore_errors=True)
        row = self.rows[megabits, case.name, way]
        with self.bridge.limited(megabits):
            before, begun = self.bridge.sent(), time.monotonic()
            if way == OURS:
                told = self.ship(case.tag, host)
                row.peak.append(told["peak"])
                row.seconds.append(told["seconds"])
            else:
                row.seconds.append(self._peer(way, self.hosts[host], case.tag))
            row.whole.append(time.monotonic() - begun)
            row.sent.append(self.bridge.sent() - before)

    def fan_out(self, megabits: int, *, relay: bool) -> None:
        """Bring a first deploy to eight hosts at once."""
        for host in self.hosts:
            self.clear(host)
        settle()
        name = "relay" if relay else "star"
        row = self.rows[megabits, "first deploy, 8 hosts", name]
        with self.bridge.limited(megabits):
            before = self.bridge.sent()
            told = self.ship("v1", *self.hosts, relay=relay)
            row.sent.append(self.bridge.sent() - before)
        row.seconds.append(told["seconds"])
        row.whole.append(told["whole"])
        row.peak.append(told["peak"])

    def _peer(self, way: str, host: Host, tag: str) -> float:
        return registry(host, tag) if way == REGISTRY else pipe(host, tag, PIPES[way])

    def _courier_bytes(self) -> int:
        """Bring the courier to every host; return the bytes that took for one."""
        for host in self.hosts:
            self.bridge.on_host(host, f"docker images -q {COURIER_REPOSITORY} | xargs -r docker rmi -f")
        before = self.bridge.sent()
        self.ship("v1", *self.hosts, courier_only=True)
        return int(self.bridge.sent() - before) // len(self.hosts)

    def _command(self, *words: str) -> None:
        variables = {**os.environ, "PROVISIONER_CACHE": str(self.cache)}
        subprocess.run(
            [sys.executable, "-m", "provisioner", *words],
            cwd=self.folder,
            env=variables,
            check=True,
            capture_output=True,
        )


def settle() -> None:
    """Wait until the file system of this machine, on which all hosts are, has forgotten what was just removed there.

    For a minute ext4 uses no inode again that was freed, and looks for others: 17 % of all CPU time in a profile.
    """
    os.sync()
    time.sleep(SETTLED)
    os.sync()  # what the journal had meanwhile


def median(row: Row) -> tuple[int, float]:
    """Return the medians of bytes and seconds."""
    return int(statistics.median(row.sent)), statistics.median(row.seconds)


def judged(bench: Bench) -> Iterator[tuple[str, bool]]:
    """Yield each promise in words, and whether it was kept."""
    for megabits in (SLOW, 0):
        link = f"at {megabits} Mbit/s" if megabits else "without a limit"
        for case in CASES:
            sent, seconds = median(bench.rows[megabits, case.name, OURS])
            theirs, reference = median(bench.rows[megabits, case.name, SAVE])
            limit = case.most_bytes or theirs // 2
            yield f"{case.name} {link}: {sent} bytes <= {limit}", sent <= limit
            share = case.slow_share if megabits else case.fast_share
            yield f"{case.name} {link}: {seconds:.2f} s <= {share * reference:.2f} s", seconds <= share * reference
        _, ours = median(bench.rows[megabits, CASES[1].name, OURS])
        _, theirs_seconds = median(bench.rows[megabits, CASES[1].name, REGISTRY])
        yield f"small layer {link}: {ours:.2f} s <= registry's {theirs_seconds:.2f} s", ours <= theirs_seconds
    one, _ = median(bench.rows[SLOW, "first deploy", OURS])
    relayed, fast = median(bench.rows[SLOW, "first deploy, 8 hosts", "relay"])
    _, star = median(bench.rows[SLOW, "first deploy, 8 hosts", "star"])
    yield f"relay to 8 hosts: {relayed} bytes <= {int(1.3 * one)}", relayed <= 1.3 * one
    yield f"relay to 8 hosts: {fast:.1f} s <= {star / 3:.1f} s", fast <= star / 3
    peak = max(peak for row in bench.rows.values() for peak in row.peak[:1] if row.peak)
    plain = [max(row.peak) for (_, case, way), row in bench.rows.items() if row.peak and "big layer" not in case]
    yield (
        f"memory: {max(plain) / 1e6:.0f} MB <= {MEMORY / 1e6:.0f} MB (with a patch {peak / 1e6:.0f})",
        max(plain) <= MEMORY,
    )


def main() -> int:
    """Measure everything and print the table; return the exit status."""
    bench = Bench()
    bench.up()
    program = shutil.which("docker-registry") or os.environ.get("BENCH_REGISTRY", "docker-registry")
    for round_number in range(ROUNDS):
        for megabits in (SLOW, 0):
            for case in CASES:
                for way in (OURS, *PIPES, REGISTRY):
                    shutil.rmtree(bench.folder / "registry", ignore_errors=True)
                    with registry_running(program, bench.folder / "registry"):
                        bench.measure(megabits, case, way, "web1")
                    told(round_number, megabits, case.name, way, bench)
        for relay in (False, True):
            bench.fan_out(SLOW, relay=relay)
            told(round_number, SLOW, "first deploy, 8 hosts", "relay" if relay else "star", bench)
    return report(bench)


def told(number: int, megabits: int, case: str, way: str, bench: Bench) -> None:
    """Say on standard error what was just measured."""
    row = bench.rows[megabits, case, way]
    sys.stderr.write(f"{number + 1} {megabits} {case} {way}: {row.sent[-1]} bytes {row.seconds[-1]:.2f} s\n")


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def report(bench: Bench) -> int:
    """Print the table and the verdict; return the exit status."""
    say("| link | case | way | bytes | seconds | whole command | peak memory |\n|---|---|---|---|---|---|---|")
    for (megabits, case, way), row in bench.rows.items():
        link = f"{megabits} Mbit/s" if megabits else "no limit"
        sent, seconds = median(row)
        peak = f"{max(row.peak) / 1e6:.0f} MB" if row.peak else ""
        whole = statistics.median(row.whole)
        say(f"| {link} | {case} | {way} | {sent:,} | {seconds:.2f} | {whole:.2f} | {peak} |")
    say(f"\nThe courier itself: {bench.courier:,} bytes, once for each host. Rounds: {ROUNDS}.\n")
    verdicts = list(judged(bench))
    for words, met in verdicts:
        say(f"{'met   ' if met else 'MISSED'} {words}")
    kept = sum(met for _, met in verdicts)
    say(f"met {kept} of {len(verdicts)}")
    return 0 if kept == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
