"""The benchmark of looking: CPU, seconds, round trips and memory beside Ansible, pyinfra and a raw connection.

    ROUNDS=3 .venv/bin/python -m tests.bench.drift

All read the same facts of the same hosts in the same run. The last line is `met N of N`; the exit status is 1 where a
row misses. The peers are installed from the package index into a folder of their own.
"""

from __future__ import annotations

import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import time
import venv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import docker

from provisioner.hosts.access import AccessSettings, SshHosts
from provisioner.model.image import COURIER_REPOSITORY
from provisioner.model.inventory import Host
from tests.bench.network import Bridge
from tests.bench.read_once import FACTS, lab_hosts

CHECKOUT = Path(__file__).parents[2]
FOLDER = CHECKOUT / ".provisioner" / "bench" / "drift"
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SIZES = tuple(int(each) for each in os.environ.get("HOSTS", "10,50").split(","))
BINDING = 50
FORKS = 50
OUR_FORKS = 10
CONTAINERS = 3
ONE_WAY = 0.1
MOST_TRIPS, MOST_MEMORY = 12, 30_000_000
OURS, RAW, PYINFRA, ANSIBLE = "provisioner", "raw paramiko", "pyinfra", "Ansible"
VERSIONS = ("pyinfra", "ansible-core")
IMPORTS = {
    PYINFRA: "import pyinfra_cli.main, pyinfra.connectors.ssh, pyinfra.facts.server",
    ANSIBLE: (
        "import ansible.cli.adhoc, ansible.executor.task_queue_manager, ansible.plugins.connection.ssh, "
        "ansible.plugins.action.raw, ansible.plugins.callback.minimal, ansible.plugins.strategy.linear"
    ),
}
"""What a peer imports before it does anything, so that it can be left aside."""


@dataclass
class Row:
    """What one way cost with one number of hosts, over the rounds: seconds and CPU seconds without and with imports."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    whole_seconds: list[float] = field(default_factory=list)
    whole_cpu: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Cost:
    """What one command took."""

    seconds: float
    cpu: float
    said: str


def timed(argv: Sequence[str], variables: dict[str, str] | None = None) -> Cost:
    """Run a command; return its seconds and the CPU seconds of it and of all that it waited for."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {**os.environ, **(variables or {})}
    done = subprocess.run(
        argv, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    seconds, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, (argv[:4], done.stdout[-2000:])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, cpu, done.stdout)


class Bench:
    """A lab with containers on every host, and the ways to read it."""

    def __init__(self, size: int) -> None:
        self.size, self.name, self.port = size, f"look{size}", str(18700 + size)
        self.client: Any = docker.APIClient(timeout=600)
        self.known = FOLDER / f"{self.name}.known_hosts"
        self.inventory = FOLDER / "inventories" / f"{self.name}.yaml"
        self.tools = FOLDER / "peers" / "bin"

    def up(self) -> None:
        """Make the lab, containers on its hosts, and the peers' inventories."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        self._lab("up", "--port", self.port, "--group", f"web={self.size}")
        self.hosts = lab_hosts(self.inventory)
        self.bridge = Bridge(self.client, self.name)
        self._know(*self.hosts.values())
        self._containers()
        self._install()
        self._peer_inventories()

    def down(self) -> None:
        """Take the lab away; the host's image stays for the next one."""
        self._lab("down", "--keep-images")

    def ours(self, way: str, **order: Any) -> tuple[Cost, dict[str, Any]]:
        """Read every host with our code, or over raw connections, in a process of its own."""
        order = {
            "way": way,
            "inventory": str(self.inventory),
            "known_hosts": str(self.known),
            "hosts": sorted(self.hosts),
            "forks": OUR_FORKS if way == "ours" else FORKS,
            **order,
        }
        cost = timed((sys.executable, "-m", "tests.bench.read_once", json.dumps(order)))
        return cost, json.loads(cost.said.splitlines()[-1])

    def peer(self, way: str) -> Cost:
        """Read every host with a peer."""
        return timed(self.command(way), self.variables(way))

    def command(self, way: str) -> tuple[str, ...]:
        """Return a peer's command, as a person would type it."""
        if way == PYINFRA:
            inventory = str(FOLDER / f"{self.name}_pyinfra.py")
            return (str(self.tools / "pyinfra"), inventory, "fact", "server.Command", f"command={FACTS}")
        inventory = str(FOLDER / f"{self.name}_ansible.ini")
        return (str(self.tools / "ansible"), "all", "-i", inventory, "-f", str(FORKS), "-m", "raw", "-a", FACTS)

    def variables(self, way: str) -> dict[str, str]:
        """Return a peer's settings: pipelining, and no connection that outlives the command and its account."""
        if way == PYINFRA:
            return {}
        shared = "-o ControlMaster=no -o ControlPersist=no"
        return {"ANSIBLE_PIPELINING": "1", "ANSIBLE_SSH_ARGS": shared, "ANSIBLE_NOCOLOR": "1"}

    def imports(self, way: str) -> Cost:
        """Return what a peer's imports take."""
        return timed((str(self.tools / "python"), "-c", IMPORTS[way]))

    def trips(self) -> float:
        """Return how many times one host's answer is waited for, one after the other; the TCP connection is one."""
        name = min(self.hosts)
        near, far = (self._far(name, seconds) for seconds in (0.0, ONE_WAY))
        return 1 + (far - near) / (2 * ONE_WAY)

    def _far(self, name: str, one_way: float) -> float:
        with far_host(self.hosts[name].address, one_way) as port:
            self._know(replace(self.hosts[name], address="127.0.0.1", port=port))
            told: list[float] = [self.ours("ours", hosts=[name], port=port)[1]["seconds"] for _ in range(ROUNDS)]
            return statistics.median(told)

    def versions(self) -> str:
        """Return the peers' versions in a sentence."""
        argv = [str(self.tools / "pip"), "list", "--format=freeze"]
        listed = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
        found = [line.replace("==", " ") for line in listed if line.split("==")[0] in {*VERSIONS, "paramiko"}]
        return f"Peers: {', '.join(found)}."

    def _lab(self, verb: str, *words: str) -> None:
        argv = [sys.executable, "-m", "provisioner", "lab", verb, "--name", self.name, *words]
        subprocess.run(argv, cwd=FOLDER, check=True, capture_output=True)

    def _know(self, *hosts: Host) -> None:
        with SshHosts(AccessSettings(known_hosts=self.known, environment=os.environ)) as opened:
            for host in hosts:
                opened.record(opened.offered_key(host))

    def _containers(self) -> None:
        tag = next(tag for image in self.client.images(COURIER_REPOSITORY) for tag in image["RepoTags"])
        archive = b"".join(self.client.get_image(tag))
        labelled = f"docker run -d --name bench-$n --label provisioner.fleet=bench {tag}"
        begin = f'{labelled} sh -c "touch /tmp/$n /tmp/other; sleep 86400"'
        each = f"for n in $(seq {CONTAINERS}); do {begin}; done"

        def prepare(host: str) -> None:
            assert self.client.put_archive(f"{self.name}-{host}", "/var", one_file("courier.tar", archive))
            self.bridge.on_host(host, f"docker load -q -i /var/courier.tar; {each}")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(prepare, self.hosts))

    def _install(self) -> None:
        if not (self.tools / "pyinfra").exists():
            venv.create(self.tools.parent, with_pip=True)
            argv = [str(self.tools / "pip"), "install", "-q", *VERSIONS]
            subprocess.run(argv, check=True, capture_output=True)

    def _peer_inventories(self) -> None:
        key = next(iter(self.hosts.values())).key_file
        each = [(name, host.address, host.user or "root") for name, host in sorted(self.hosts.items())]
        lines = [
            f"{name} ansible_host={address} ansible_user={user} ansible_ssh_private_key_file={key} "
            f"ansible_ssh_common_args='-o UserKnownHostsFile={self.known}'"
            for name, address, user in each
        ]
        (FOLDER / f"{self.name}_ansible.ini").write_text("\n".join(lines) + "\n")
        hosts = [
            (address, {"ssh_user": user, "ssh_key": key, "ssh_known_hosts_file": str(self.known)})
            for _, address, user in each
        ]
        (FOLDER / f"{self.name}_pyinfra.py").write_text(f"hosts = {hosts!r}\n")


def one_file(name: str, content: bytes) -> bytes:
    """Return an archive of one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@contextmanager
def far_host(address: str, one_way: float) -> Iterator[int]:
    """Lend a port of this machine behind which sshd of a host is, so many seconds away."""
    argv = (sys.executable, "-m", "tests.bench.far_host", address, "22", str(one_way))
    with subprocess.Popen(argv, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield int(process.stdout.readline())
        process.stdin.close()


def measured(bench: Bench) -> tuple[dict[str, Row], float]:
    """Read the lab in every way, round by round; return what each cost, and the round trips of ours."""
    rows: defaultdict[str, Row] = defaultdict(Row)
    imports = {way: bench.imports(way) for way in (PYINFRA, ANSIBLE)}  # once untimed: the first one compiles
    imports = {way: bench.imports(way) for way in imports}
    for number in range(ROUNDS):
        for way in (OURS, RAW):
            cost, told = bench.ours("ours" if way == OURS else "raw")
            assert told["containers"] == CONTAINERS * bench.size, told
            assert told["changes"] >= CONTAINERS * bench.size, told
            row = rows[way]
            row.seconds.append(told["seconds"])
            row.cpu.append(told["cpu"])
            row.memory.append(told["memory"])
            row.whole_seconds.append(cost.seconds)
            row.whole_cpu.append(cost.cpu)
        for way in (PYINFRA, ANSIBLE):
            cost, row = bench.peer(way), rows[way]
            assert cost.said.count("/bench-") >= CONTAINERS * bench.size, cost.said[-2000:]
            row.seconds.append(cost.seconds - imports[way].seconds)
            row.cpu.append(cost.cpu - imports[way].cpu)
            row.whole_seconds.append(cost.seconds)
            row.whole_cpu.append(cost.cpu)
        sys.stderr.write(f"{bench.size} hosts, round {number + 1}: {summary(rows)}\n")
    return dict(rows), bench.trips()


def summary(rows: dict[str, Row]) -> str:
    """Return the last round in one line."""
    return ", ".join(f"{way} {row.cpu[-1]:.2f} s CPU {row.seconds[-1]:.2f} s" for way, row in rows.items())


def judged(rows: dict[str, Row], trips: float) -> Iterator[tuple[str, bool]]:
    """Yield each promise in words, and whether it was kept."""
    cpu = {way: statistics.median(row.cpu) for way, row in rows.items()}
    seconds = {way: statistics.median(row.seconds) for way, row in rows.items()}
    memory = max(rows[OURS].memory)
    for peer, share in ((PYINFRA, 0.7), (ANSIBLE, 0.1)):
        limit = share * cpu[peer]
        yield f"CPU {cpu[OURS]:.2f} s <= {share} of {peer}'s {cpu[peer]:.2f} s", cpu[OURS] <= limit
    limit = 1.5 * seconds[RAW]
    yield f"{seconds[OURS]:.2f} s <= 1.5 times the raw connection's {seconds[RAW]:.2f} s", seconds[OURS] <= limit
    yield f"{trips:.1f} round trips <= {MOST_TRIPS}", trips <= MOST_TRIPS
    yield f"{memory / 1e6:.0f} MB above the imports <= {MOST_MEMORY / 1e6:.0f} MB", memory <= MOST_MEMORY


def table(size: int, rows: dict[str, Row]) -> Iterator[str]:
    """Yield the lines of the table for one number of hosts."""
    for way, row in rows.items():
        middle = [statistics.median(each) for each in (row.cpu, row.seconds, row.whole_cpu, row.whole_seconds)]
        memory = f"{max(row.memory) / 1e6:.0f} MB" if row.memory else ""
        yield f"| {size} | {way} | {' | '.join(f'{each:.2f}' for each in middle)} | {memory} |"


def main() -> int:
    """Measure everything and print the table; return the exit status."""
    lines: list[str] = []
    verdicts: list[tuple[str, bool]] = []
    commands: list[str] = []
    for size in SIZES:
        bench = Bench(size)
        bench.up()
        try:
            rows, trips = measured(bench)
            lines += table(size, rows)
            found = [(f"{size} hosts: {words}", met) for words, met in judged(rows, trips)]
            verdicts += found if size == max(SIZES) else []
            lines += [] if size == max(SIZES) else [f"| {size} | | | | | | {trips:.1f} round trips |"]
            commands = [" ".join(bench.command(way)[:4]) for way in (PYINFRA, ANSIBLE)]
            versions = bench.versions()
        finally:
            bench.down()
    say("| hosts | way | CPU s | seconds | CPU s with imports | seconds with imports | memory above imports |")
    say("|---|---|---|---|---|---|---|")
    for line in lines:
        say(line)
    say(f"\nMedians of {ROUNDS} rounds. {versions}\n")
    for command in commands:
        say(f"    {command} …")
    say("")
    for words, met in verdicts:
        say(f"{'met   ' if met else 'MISSED'} {words}")
    kept = sum(met for _, met in verdicts)
    say(f"met {kept} of {len(verdicts)}")
    return 0 if kept == len(verdicts) else 1


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
