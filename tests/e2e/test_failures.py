"""Rollouts that cannot work: each ends with the reason, and with every old node serving."""

from __future__ import annotations

import pytest

from tests.lab_fleet import WEBS, Fleet, Ran
from tests.strict_client import StrictClient

pytestmark = pytest.mark.lab


def fails(hello: Fleet, *told: str, code: int = 1) -> Ran:
    """Apply what cannot work: its reason told, not one request lost, nothing left of it.

    Exit 1 where it fails before anything moves, 3 where a node was taken back.
    """
    with StrictClient(hello.lab.port) as client:
        ran = hello.run("apply", "-y")
    assert ran.code == code, ran.out + ran.err
    for text in told:
        assert text in ran.out + ran.err
    assert client.failures == []
    assert hello.lab.serving_hosts(3) == set(WEBS)
    for host in WEBS:
        assert len(hello.lab.on(host, "docker ps -aq --filter label=provisioner.service=web").split()) == 1
    return ran


def test_a_container_that_exits_at_once_shows_its_last_words(hello: Fleet) -> None:
    """A program that dies is named with its exit code and its last lines."""
    hello.rewrite("import html", "raise SystemExit('the database is not configured')", "app/app.py")
    fails(hello, "the container of web1/web-1 ended", "the database is not configured", code=3)


def test_a_container_that_never_gets_healthy_is_given_up(hello: Fleet) -> None:
    """A program whose health page fails is given up after the deadline, and what the check said is told."""
    hello.rewrite("/healthz", "/never", "app/app.py")
    hello.rewrite("healthy_deadline: 60s", "healthy_deadline: 5s")
    fails(hello, "did not become healthy within 5 s", "404", code=3)


def test_a_failing_build_names_its_instruction(hello: Fleet) -> None:
    """The instruction that failed and its output are shown; nothing reached a host."""
    template = hello.folder / "Dockerfile.j2"
    template.write_text("FROM {{ base }}\nCOPY . /app/\nRUN echo compiling && echo no such compiler >&2 && false\n")
    hello.rewrite("template: python-web ", "base: python\n      template: ./Dockerfile.j2 ")
    hello.rewrite("services:", "bases: {python: {suite: bookworm, packages: [python3]}}\nservices:")
    fails(hello, "RUN echo compiling", "no such compiler")


def test_a_port_that_somebody_else_holds_is_named(hello: Fleet) -> None:
    """A slot's port taken by a foreign container fails the start with the port, and undoes it."""
    hello.rewrite("port: 80  ", "port: 80\n    host_port: 13080  ")
    image = hello.lab.on("web1", f"docker inspect -f '{{{{.Image}}}}' {hello.container('web1')}")
    ports = " ".join(f"-p {port}:80" for port in (13080, 13081))
    hello.lab.on("web1", f"docker run -d --name squatter {ports} --entrypoint sleep {image} 600")
    try:
        fails(hello, "13080" if ".b" in hello.lab.on("web1", "docker ps --format '{{.Names}}'") else "13081", code=3)
    finally:
        hello.lab.on("web1", "docker rm -f squatter")


def test_a_disk_that_is_full_while_loading_is_named(hello: Fleet) -> None:
    """An engine that cannot unpack an image says so; the tag is not left behind and nothing changed."""
    hello.rewrite("import html", "import html  # changed", "app/app.py")
    hello.lab.on("web2", "mount -t tmpfs -o size=4k tmpfs /var/lib/docker/tmp")
    try:
        fails(hello, "no space left on device")
    finally:
        hello.lab.on("web2", "umount /var/lib/docker/tmp")
    assert hello.applied()["outcome"] == "complete"


def test_an_unreachable_host_stops_everything_before_anything_moves(hello: Fleet) -> None:
    """A frozen host is named, exit 4, and no node was touched."""
    before = {host: hello.container(host) for host in ("web1", "web2")}
    hello.variables["NAME"] = "Ada"
    hello.lab.pause_host("web3")
    try:
        ran = hello.run("apply", "-y")
    finally:
        hello.lab.unpause_host("web3")
    assert ran.code == 4
    assert "web3" in ran.err
    assert {host: hello.container(host) for host in before} == before


def test_two_services_on_one_port_are_refused_before_anything_is_asked(hello: Fleet) -> None:
    """A clash of host ports is exit 65 with the place in the spec."""
    service = "  api: {hosts: web, image: 'nginx:1.27', port: 80}\n"
    hello.rewrite("services:\n", f"services:\n{service}")
    ran = hello.run("plan")
    assert ran.code == 65
    assert "fleet.yaml:" in ran.err
