"""What can go wrong below a rollout, made to happen inside hosts of a lab and nowhere else, and taken away again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.campaign.ground import CampaignLab

_FLEET_BALANCER = "$(docker ps -aq --filter label=provisioner.service=load-balancer | head -n 1)"
_DAEMON = "$(cat /run/docker.pid)"
_CUT = "iptables -t raw -{} PREROUTING -i eth0 -j DROP"
_FILE = "$(docker volume inspect -f '{{.Mountpoint}}' rolling_load-balancer-etc)/haproxy.cfg"


def _nothing(_: CampaignLab) -> None:
    return


@dataclass(frozen=True)
class Fault:
    """One fault: its name, the host it happens to, how it is made and taken away, and what clients may lose by it.

    `away` says that the host's node is out of rotation for it: one node may be, never a second.
    """

    name: str
    host: str
    make: Callable[[CampaignLab], object]
    undo: Callable[[CampaignLab], object] = _nothing
    away: bool = False
    may_lose: bool = False


def _shell(host: str, command: str) -> Callable[[CampaignLab], object]:
    return lambda lab: lab.on(host, command, check=False)


def _revive(host: str) -> Callable[[CampaignLab], object]:
    def revive(lab: CampaignLab) -> None:
        lab.start_host(host)
        time.sleep(3.0)

    return revive


def _balancer(name: str, command: str, undo: str = "", *, away: bool = False, may_lose: bool = False) -> Fault:
    taken_away = _shell("lb1", undo) if undo else _nothing
    return Fault(name, "lb1", _shell("lb1", command), taken_away, away, may_lose)


HOST_FAULTS = (
    Fault("host dies", "web2", lambda lab: lab.kill_host("web2"), _revive("web2"), away=True, may_lose=True),
    Fault(
        "host is cut off",
        "web2",
        _shell("web2", _CUT.format("I")),
        _shell("web2", _CUT.format("D")),
        away=True,
        may_lose=True,
    ),
    Fault("engine restarts", "web2", _shell("web2", f"kill -9 {_DAEMON}"), _revive("web2"), away=True, may_lose=True),
    Fault("engine hangs", "web2", _shell("web2", f"kill -STOP {_DAEMON}"), _shell("web2", f"kill -CONT {_DAEMON}")),
)
"""Each happens to web2 before, in and after its own step."""

BALANCER_FAULTS = (
    _balancer("balancer's worker is killed", "kill -9 $(pgrep -n -x haproxy)", may_lose=True),
    _balancer("balancer's container is restarted", f"docker restart -t 2 {_FLEET_BALANCER}", may_lose=True),
    _balancer(
        "admin socket is gone",
        f"docker exec {_FLEET_BALANCER} mv /run/haproxy/admin.sock /run/haproxy/gone.sock",
        f"docker exec {_FLEET_BALANCER} mv /run/haproxy/gone.sock /run/haproxy/admin.sock",
    ),
    _balancer("config is broken by hand", f"sed -i 's/^  balance .*/  balance nonsense/' {_FILE}"),
    _balancer(
        "a server is set to maintenance by hand",
        "echo 'set server web/web3.1.a state maint; set server web/web3.1.b state maint'"
        f" | docker exec -i {_FLEET_BALANCER} socat - UNIX-CONNECT:/run/haproxy/admin.sock",
        away=True,
    ),
)
"""Each happens to the balancer in the middle of a rollout."""
