"""The same spec gives the same image id, whichever engine builds it."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab_fleet import KindsLab

pytestmark = pytest.mark.lab

HOSTS = ("lb1", "web1", "web2", "web3", "web4")

SPEC = """\
name: same
bases:
  root: {suite: bookworm}
services:
  web:
    hosts: all
    port: 8000
    build: {template: ./docker/Dockerfile, context: ./app, base: root}
"""

# What tells builds apart, and what a careless normaliser loses: times, logs, the build's host name, a removed and a
# replaced file and a folder of the base, a hard link into it, a file that is only touched, odd modes and owners.
DOCKERFILE = """\
FROM {{ base }}
COPY . /app/
RUN date >/var/log/built.log && hostname >/tmp/who \\
 && rm /etc/issue.net && echo other >/etc/issue && touch /etc/debian_version \\
 && rm -r /etc/skel && mkdir /etc/skel && echo new >/etc/skel/new \\
 && ln /usr/bin/sort /usr/local/bin/sorted && ln -s /app/run /usr/local/bin/run \\
 && useradd --system --uid 4242 kept && install -o 4242 -m 4711 /app/run /opt/run && mkdir -m 1777 /opt/scratch
RUN mv /app/late /app/later && chmod 600 /app/later
CMD ["/app/run"]
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """Return a spec whose image goes through everything that differs between builders."""
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "run").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "app" / "run").chmod(0o755)
    (tmp_path / "app" / "late").write_text("late\n")
    (tmp_path / "fleet.yaml").write_text(SPEC)
    return tmp_path / "fleet.yaml"


def test_five_kinds_of_engine_build_one_image(kinds: KindsLab, spec: Path, tmp_path: Path) -> None:
    """Each builds for itself, with a layer cache of its own: 20.10, 26 and 28, both stores, one image id."""
    inventory = str(kinds.folder / "inventories" / f"{kinds.name}.yaml")

    def built_on(host: str) -> str:
        cache = tmp_path / f"cache-{host}"
        cache.mkdir()
        for shared in ("bases", "artefacts", "resolved"):
            (kinds.cache / shared).mkdir(exist_ok=True)
            (cache / shared).symlink_to(kinds.cache / shared)
        with kinds.engine_socket(host, tmp_path) as address:
            variables = {"DOCKER_HOST": address, "PROVISIONER_CACHE": str(cache)}
            ran = kinds.run("build", "--json", "-f", str(spec), "-i", inventory, variables=variables)
        assert ran.code == 0, ran.err
        (image,) = json.loads(ran.out.splitlines()[-1])["images"]
        return str(image["id"])

    first, *others = HOSTS
    image_id = built_on(first)
    for path in (spec.parent / "app").iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    with ThreadPoolExecutor(2) as pool:
        assert dict(zip(others, pool.map(built_on, others), strict=True)) == dict.fromkeys(others, image_id)
