"""A fleet of every kind of engine pulls its images from a real registry that wants a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab_fleet import Fleet, KindsLab
from tests.registry_server import registry_server

pytestmark = pytest.mark.lab

PASSWORD = "open-sesame-4711"
HOSTS = ("lb1", "web1", "web2", "web3", "web4")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Lend the address of a real registry that lets `deploy` in."""
    with registry_server(tmp_path, "deploy", PASSWORD) as server:
        yield server


def test_every_kind_pulls_and_none_keeps_the_password(kinds: KindsLab, registry: str, tmp_path: Path) -> None:
    """Five kinds of engine pull one image by digest; afterwards the password is on no host's disk and in no log."""
    fleet = Fleet(kinds, tmp_path)
    fleet.rewrite("hosts: web:!web4", "hosts: all")
    declared = f"registry: {{server: '{registry}', username: deploy, password: {{secret: R}}}}"
    fleet.rewrite("name: hello", f"name: pulled\n{declared}\nsecrets: {{R: {{env: REGISTRY_PASSWORD}}}}")
    fleet.variables["REGISTRY_PASSWORD"] = PASSWORD
    for host in HOSTS:
        # On layers that came by archive Docker 26 with the containerd store cannot read back what it pulls.
        kinds.on(host, "docker image prune -af >/dev/null")
    with ExitStack() as tunnels:
        for host in HOSTS:
            tunnels.enter_context(kinds.reverse_tunnel(host, registry))
        ran = fleet.apply()
        assert ran.code == 0, ran.out + ran.err
    shipping = [line for line in ran.out.splitlines() if "ship_image" in line]
    assert not [line for line in shipping if "over SSH instead" in line]
    assert {host for host in HOSTS if any("pulling " in line and host in line for line in shipping)} == set(HOSTS)
    assert PASSWORD not in ran.out + ran.err
    assert len({node["image_id"] for node in fleet.status()["nodes"] if node["service"] == "web"}) == 1
    for host in HOSTS:
        searched = "/etc /root /tmp /var/log /run /var/lib/docker/containers"
        assert kinds.on(host, f"grep -rlsF {PASSWORD} {searched} || true") == ""
        assert kinds.on(host, "docker images --digests | grep -F 127.0.0.1 || true") == ""
    fleet.destroy()
