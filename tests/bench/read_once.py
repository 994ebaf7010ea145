"""Reads one fixed set of facts of every host of a lab, in our way or as raw text, and says what that took.

    python -m tests.bench.read_once '{"way": "ours", "inventory": "…", "hosts": ["web1"], "forks": 50}'

The command under test. What it says of CPU and memory leaves its imports aside.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import paramiko

from provisioner.hosts.access import AccessSettings, sight_of
from provisioner.hosts.answers import ask_all
from provisioner.hosts.attentive import SignsOfLife
from provisioner.hosts.observe import Sight
from provisioner.hosts.ways import Ways
from provisioner.local.sources import inventory_sources
from provisioner.model.inventory import Host
from provisioner.spec.inventory import read_inventory

PROBE = """\
cat /proc/net/fib_trie /proc/net/if_inet6 2>/dev/null
grep -hs ' 0A ' /proc/net/tcp /proc/net/tcp6
"""
CONTAINERS = """\
docker ps -aq --no-trunc | xargs -r docker inspect
for each in $(docker ps -aq --no-trunc); do echo "diff $each"; docker diff $each; done
"""
FACTS = PROBE + CONTAINERS
"""The fixed set: what a host answers to a probe of its addresses and listeners, inspection and changed files of every
container."""

Read = Callable[[Host], tuple[int, int]]
"""Reads a host; returns how many containers and changed files it saw."""


def lab_hosts(inventory: Path) -> dict[str, Host]:
    """Return the hosts of a lab under their own addresses."""
    hosts = read_inventory(*inventory_sources(inventory)).hosts
    return {name: replace(host, address=host.private_address or host.address, port=22) for name, host in hosts.items()}


def raw(host: Host, known: Path) -> tuple[int, int]:
    """Read a host over a paramiko connection of its own, as one shell text."""
    client = paramiko.SSHClient()
    client.load_host_keys(str(known))
    client.connect(host.address, host.port or 22, host.user, key_filename=host.key_file, allow_agent=False)
    try:
        stdin, stdout, _ = client.exec_command("sh -s")
        stdin.write(FACTS)
        stdin.channel.shutdown_write()
        text = stdout.read().decode()
    finally:
        client.close()
    lines = text.splitlines()
    return text.count('"Id": "'), sum(line[:2] in {"A ", "C ", "D "} for line in lines)


def main(order: dict[str, Any]) -> dict[str, Any]:
    """Read hosts as ordered and return what that took."""
    inventory = Path(order["inventory"])
    hosts = lab_hosts(inventory)
    wanted = [hosts[name] for name in order["hosts"]]
    if order.get("port"):
        wanted = [replace(host, address="127.0.0.1", port=order["port"]) for host in wanted]
    known = Path(order["known_hosts"])
    before = peak()
    begun, cpu = time.monotonic(), time.process_time()
    seen = read_all(order["way"], wanted, known, order["forks"])
    return {
        "seconds": time.monotonic() - begun,
        "cpu": time.process_time() - cpu,
        "memory": peak() - before,
        "containers": sum(each[0] for each in seen),
        "changes": sum(each[1] for each in seen),
    }


def peak() -> int:
    """Return the most memory this process has had, in bytes; `ru_maxrss` would count that of whoever started it too."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def read_all(way: str, hosts: Iterable[Host], known: Path, forks: int) -> list[tuple[int, int]]:
    """Read hosts at once."""
    with ThreadPoolExecutor(forks) as pool:
        if way == "raw":
            return list(pool.map(lambda host: raw(host, known), hosts))
        settings = AccessSettings(known_hosts=known, environment=os.environ)
        ways = Ways(known, os.environ, None, settings.timeouts)
        return list(
            pool.map(
                lambda host: ours(sight_of(host, ways, settings, SignsOfLife(host.name, settings.timeouts))), hosts
            )
        )


def ours(sight: Sight) -> tuple[int, int]:
    """Read a host as a look at a fleet does, without what it makes of the answers."""
    with ThreadPoolExecutor(1) as pool:
        probing = pool.submit(sight.connection.run, PROBE)
        answers = ask_all(sight.engine, sight.images, "bench")
        assert probing.result().stdout
    sight.engine.close()
    sight.connection.close()
    return len(answers.inspections), sum(len(told) for told in answers.told.values() if not isinstance(told, str))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]))) + "\n")
