"""A fleet of every kind of engine pulls its images from a real registry that wants a password."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import bcrypt
import pytest

from tests.lab_fleet import Fleet, KindsLab

pytestmark = pytest.mark.lab

PASSWORD = "open-sesame-4711"
HOSTS = ("lb1", "web1", "web2", "web3", "web4")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Lend the address of a real registry that lets `deploy` in."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{free.getsockname()[1]}"
    secret = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"deploy:{secret}\n")
    config = tmp_path / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/data}}}}\n"
        f"http: {{addr: '{server}'}}\nauth: {{htpasswd: {{realm: test, path: {tmp_path}/htpasswd}}}}\n"
    )
    program = shutil.which("docker-registry")
    assert program, ".ci/packages installs it"
    with subprocess.Popen([program, "serve", str(config)], stderr=subprocess.DEVNULL) as running:
        while not _listens(server):
            assert running.poll() is None
            time.sleep(0.05)
        yield server
        running.terminate()


def _listens(server: str) -> bool:
    host, _, port = server.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def test_every_kind_pulls_and_none_keeps_the_password(kinds: KindsLab, registry: str, tmp_path: Path) -> None:
    """Five kinds of engine pull one image by digest; afterwards the password is on no host's disk and in no log."""
    fleet = Fleet(kinds, tmp_path)
    fleet.rewrite("hosts: web:!web4", "hosts: all")
    declared = f"registry: {{server: '{registry}', username: deploy, password: {{secret: R}}}}"
    fleet.rewrite("name: hello", f"name: pulled\n{declared}\nsecrets: {{R: {{env: REGISTRY_PASSWORD}}}}")
    fleet.variables["REGISTRY_PASSWORD"] = PASSWORD
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
