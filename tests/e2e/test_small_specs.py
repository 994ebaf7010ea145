"""The eight-line spec and the other example, each from nothing to a page, and off again."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from provisioner.images.bases.roots import suite_base
from tests.lab_fleet import Fleet, LabFleet

pytestmark = pytest.mark.lab

EIGHT_LINES = """\
name: small
services:
  web:
    image: nginx:1.27
    hosts: web
    port: 80
load_balancer:
  hosts: lb
"""
NGINX = """\
FROM {base}
RUN apt-get -qq update && apt-get -qq -y --no-install-recommends install nginx-light && rm -rf /var/lib/apt/lists/*
CMD ["nginx", "-g", "daemon off;"]
"""


@pytest.fixture(scope="module")
def nginx(lab: LabFleet) -> Iterator[str]:
    """Return the name of an nginx image on the local engine, made from the Debian archive."""
    base = suite_base(lab.engine, "bookworm", cache=lab.cache)
    text = NGINX.format(base=base)
    for line in lab.engine.build(fileobj=BytesIO(text.encode()), tag="nginx:1.27", network_mode="host", decode=True):
        assert "error" not in line, line
    yield "nginx:1.27"
    lab.engine.remove_image("nginx:1.27")


def test_the_eight_line_spec_runs(lab: LabFleet, nginx: str, tmp_path: Path) -> None:
    """Eight lines and an image of the local engine give four equal web servers behind a balancer."""
    fleet = Fleet(lab, tmp_path)
    fleet.file.write_text(EIGHT_LINES)
    try:
        assert fleet.applied()["outcome"] == "complete"
        assert "nginx" in lab.get()
        assert fleet.status()["uniform"] is True
        assert fleet.drift() == []
        assert fleet.applied()["outcome"] == "unchanged"
    finally:
        fleet.destroy()


def test_destroy_leaves_nothing_of_the_fleet(lab: LabFleet, tmp_path: Path) -> None:
    """After destroy no host has a container, volume or image of the fleet; a wrong name destroys nothing."""
    site = Fleet(lab, tmp_path, "static-site")
    assert site.applied()["outcome"] == "complete"
    assert "<html" in lab.get().lower()
    assert site.status()["uniform"] is True
    assert site.run("destroy", "--confirm", "other").code == 64
    assert site.status()["uniform"] is True
    site.destroy()
    for host in ("lb1", "web1", "web2", "web3"):
        assert lab.on(host, "docker ps -aq; docker volume ls -q; docker images -q 'provisioner/*/*'") == ""
