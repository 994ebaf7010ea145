"""Ships one image to hosts of a lab, all at once, and says on one line what that took: the command under test."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from provisioner.hosts.access import AccessSettings, EngineHands, SshHosts
from provisioner.hosts.this_machine import THIS_MACHINE, local_client
from provisioner.images.build import BuildSettings, EngineBuilder
from provisioner.images.cache import LayerCache
from provisioner.images.shipping.courier.couriers import Couriers
from provisioner.images.shipping.relay import Relays
from provisioner.images.shipping.ship import CacheShipper
from provisioner.local.sources import inventory_sources
from provisioner.model.inventory import Host
from provisioner.spec.inventory import read_inventory


def lab_hosts(inventory: Path) -> dict[str, Host]:
    """Return the hosts of a lab under their addresses on its network, where traffic is counted and slowed down."""
    hosts = read_inventory(*inventory_sources(inventory)).hosts
    return {name: replace(host, address=host.private_address, port=22) for name, host in hosts.items()}


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Ship `order["image_id"]` under `order["tag"]` to `order["hosts"]`; return seconds, bytes and memory."""
    client = local_client(os.environ)
    assert client is not None
    cache = LayerCache(Path(order["cache"]) / "layers")
    builder = EngineBuilder(client, THIS_MACHINE, BuildSettings(cache=Path(order["cache"])))
    plain = CacheShipper(cache, lambda: [builder.images])
    couriers = Couriers(builder, plain.ship)
    hosts = lab_hosts(Path(order["inventory"]))
    relays = Relays(couriers.relay, {name: host.private_address or "" for name, host in hosts.items()})
    lent = relays if order["relay"] else None
    shipper = CacheShipper(cache, lambda: [builder.images], lend=couriers.at, relays=lent)
    known = Path(order["cache"]) / "known_hosts"
    wanted = [hosts[name] for name in order["hosts"]]
    with SshHosts(AccessSettings(known_hosts=known, environment=os.environ)) as opened:
        for host in wanted:
            if host.private_address not in (known.read_text() if known.exists() else ""):
                opened.record(opened.offered_key(host))
        hands = [opened.hands(host) for host in wanted]
        if order["courier_only"]:
            return {"sent": [_have_courier(couriers, to) for to in hands], "seconds": 0.0, "peak": _peak()}
        begun = time.monotonic()
        with ThreadPoolExecutor(len(hands)) as pool:
            sent = list(pool.map(lambda to: shipper.ship(order["image_id"], (order["tag"],), to, _told), hands))
        seconds = time.monotonic() - begun
        relays.close()
    return {"seconds": seconds, "sent": sent, "peak": _peak()}


def _have_courier(couriers: Couriers, to: EngineHands) -> int:
    with couriers.at(to, "bench", _told):
        return 0


def _told(text: str, done: int, total: int) -> None:
    if os.environ.get("BENCH_VERBOSE") and done in {0, total}:
        sys.stderr.write(f"{time.monotonic():.2f} {text} {done}/{total}\n")


def _peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(json.loads(sys.argv[1]))) + "\n")
