"""A fleet in rough hands: odd values, a reader who leaves, and what people do on hosts; then the same command again."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.lab_fleet import WEBS, Fleet

pytestmark = pytest.mark.lab

ODD = {
    "SPACED": "  two  ",
    "QUOTED": 'it\'s "so" \\',
    "EQUALS": "a=b=",
    "EMPTY": "",
    "LINES": "a\nb\n",
    "DOLLAR": "$HOME",
}


def mended(fleet: Fleet) -> None:
    """Apply, which has to end well, with every host serving and nothing that differs."""
    fleet.applied("--allow-interruption")
    assert fleet.drift() == []
    assert fleet.status()["uniform"]
    assert fleet.lab.serving_hosts(3) == set(WEBS)


def test_odd_values_arrive_as_they_were_written(hello: Fleet) -> None:
    """The container has them byte for byte, and they are no drift."""
    written = "".join(f"      {name}: {json.dumps(value.replace('$', '$$'))}\n" for name, value in ODD.items())
    hello.rewrite("    environment:\n", f"    environment:\n{written}")
    mended(hello)
    told = hello.lab.on("web1", f"docker inspect -f '{{{{json .Config.Env}}}}' {hello.container('web1')}")
    assert {f"{name}={value}" for name, value in ODD.items()} <= set(json.loads(told))
    assert hello.applied()["outcome"] == "unchanged"


def test_a_reader_who_leaves_does_not_stop_a_rollout(hello: Fleet) -> None:
    """`apply | head -1` ends with the whole fleet changed."""
    argv = [sys.executable, "-m", "provisioner", "-f", str(hello.file), "-i", hello.inventory, "apply", "-y", "--json"]
    cache = {"PROVISIONER_CACHE": str(hello.lab.cache)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, **cache, "NAME": "head"}) as run:
        assert run.stdout is not None
        run.stdout.readline()
        run.stdout.close()
    assert run.returncode == 0
    hello.variables = {"NAME": "head"}
    assert hello.drift() == []


def test_a_balancer_without_its_file_comes_back(hello: Fleet) -> None:
    """Its file deleted and its container stopped, it could only start to end again: it is made anew."""
    hello.lab.on("lb1", "rm -f /var/lib/docker/volumes/hello_load-balancer-etc/_data/*")
    hello.lab.on("lb1", f"docker stop -t 1 {hello.container('lb1', 'load-balancer')}")
    mended(hello)


def test_renamed_containers_are_replaced(hello: Fleet) -> None:
    """Under another name they still hold the ports of their successors."""
    hello.lab.on("web2", f"docker rename {hello.container('web2')} mine")
    hello.lab.on("lb1", f"docker rename {hello.container('lb1', 'load-balancer')} mine-too")
    mended(hello)
    assert "mine" not in hello.lab.on("web2", "docker ps -a --format '{{.Names}}'")
