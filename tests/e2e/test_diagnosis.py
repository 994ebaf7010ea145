"""A release that cannot work, on four hosts for as many reasons: every one of them is named, with what would help."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab_fleet import CHECKOUT, Fleet, LabFleet

pytestmark = pytest.mark.lab

HOSTS = ("web1", "web2", "web3", "web4")
FOREIGN = "use IO::Socket; $s = IO::Socket::INET->new(LocalPort => %d, Listen => 1, ReuseAddr => 1) or die $!; sleep 60"

Diagnoses = dict[str, dict[str, Any]]


class Faulty(Fleet):
    """A fleet whose app does wrong what it is told to."""

    def __init__(self, lab: LabFleet, folder: Path) -> None:
        self.lab = lab
        self.folder = folder / "faulty"
        shutil.copytree(CHECKOUT / "tests/cases/e2e/faulty", self.folder)
        shutil.copytree(CHECKOUT / "templates/haproxy", self.folder / "lb")
        self.file = self.folder / "fleet.yaml"
        self.inventory = str(lab.folder / "inventories" / f"{lab.name}.yaml")
        self.variables: dict[str, str] = {}
        # Stricter than ours, as some like it: a page that lies elsewhere is none.
        self.rewrite("expect status 200-399", "expect status 200", "lb/haproxy.cfg.j2")

    def diagnoses(self, **modes: str) -> Diagnoses:
        """Roll out a release that fails, and return by host why."""
        self.variables["MODES"] = " ".join(f"{host}={mode}" for host, mode in modes.items())
        ran = self.apply()
        assert ran.code in {1, 3}, ran.out + ran.err
        lines = [json.loads(line) for line in ran.out.splitlines()]
        failed = [line["diagnosis"] for line in lines if line["type"] == "action_failed"]
        return {each["host"]: each for each in failed if each}


@pytest.fixture(scope="module")
def faulty(lab: LabFleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """Return the fleet on a release that works; it is taken off in the end."""
    fleet = Faulty(lab, tmp_path_factory.mktemp("faulty"))
    fleet.applied()
    yield fleet
    fleet.destroy()


def expect(found: Diagnoses, **causes: str) -> None:
    """See that the likeliest cause of every host is the one that was seeded, and that no other host failed."""
    told = {host: each["reasons"][0]["cause"] for host, each in found.items()}
    assert told == causes, json.dumps({host: found[host] for host in told if told[host] != causes.get(host)}, indent=1)


def first(found: Diagnoses, host: str) -> tuple[str, str]:
    """Return the sentence and the fix of the likeliest reason of a host."""
    reason = found[host]["reasons"][0]
    return reason["evidence"], reason["fix"]


def test_what_listens_or_answers_wrongly(faulty: Faulty) -> None:
    """Another port, loopback alone, a page that moved, a page that is not there: each on its host, at once."""
    found = faulty.diagnoses(web1="listens-elsewhere", web2="listens-on-loopback", web3="redirects", web4="has-no-page")
    expect(found, web1="wrong_port", web2="bound_to_loopback", web3="redirected", web4="path_not_found")
    assert first(found, "web1") == (
        "it listens on port 8080, and the spec says 8000",
        "services: {web: {port: 8080}}",
    )
    assert "127.0.0.1:8000" in first(found, "web2")[0]
    assert first(found, "web3") == (
        "GET /healthz is answered with 301, to /health/live",
        "services: {web: {healthcheck: {path: /health/live}}}",
    )
    assert "404" in first(found, "web4")[0]
    assert "environment MODES: changed" in found["web1"]["changes"]


def test_what_answers_too_late_or_with_an_error(faulty: Faulty) -> None:
    """An error page, a program that needs two seconds more, one that hangs, one that refuses the host name."""
    found = faulty.diagnoses(web1="fails", web2="is-slow", web3="hangs", web4="rejects-the-host")
    expect(found, web1="server_error", web2="slow_start", web3="no_answer", web4="request_rejected")
    assert "500: 'cannot reach the cache'" in first(found, "web1")[0]
    told, fix = first(found, "web2")
    assert told.startswith("it became healthy ")
    assert 3.0 < float(told.split()[3]) < 9.0
    assert fix in {"rollout: {healthy_deadline: 10s}", "rollout: {healthy_deadline: 15s}"}
    assert "localhost" in first(found, "web4")[0]


def test_what_ends_by_itself(faulty: Faulty) -> None:
    """An exit code, memory, a variable and a file that the last release had: each with what shows it."""
    faulty.rewrite("      GREETING: hello\n", "")
    faulty.rewrite("    files: {/etc/app/app.toml: {template: app.toml.j2}}\n", "")
    try:
        found = faulty.diagnoses(web1="crashes", web2="takes-memory", web3="wants-a-variable", web4="wants-a-file")
    finally:
        faulty.rewrite('MODES: "${MODES:-}"\n', 'MODES: "${MODES:-}"\n      GREETING: hello\n')
        faulty.rewrite("    tmpfs:", "    files: {/etc/app/app.toml: {template: app.toml.j2}}\n    tmpfs:")
    expect(found, web1="crashed", web2="out_of_memory", web3="missing_variable", web4="missing_file")
    release = found["web1"]["since"]
    assert "exit code 1" in first(found, "web1")[0]
    assert "the licence has expired" in found["web1"]["log"]
    assert first(found, "web2")[0] == "the kernel killed it when it reached its limit of 48m"
    assert f"GREETING, which {release} set" in first(found, "web3")[0]
    assert f"/etc/app/app.toml, which {release} had" in first(found, "web4")[0]


def test_what_its_surroundings_do_not_allow(faulty: Faulty) -> None:
    """A read-only root, a file of root's, a name nobody knows, a full file system in memory."""
    found = faulty.diagnoses(web1="writes-to-its-root", web2="may-not", web3="resolves", web4="fills-its-scratch")
    expect(found, web1="read_only_path", web2="permission_denied", web3="name_not_resolved", web4="disk_full")
    assert "tmpfs: [/app]" in first(found, "web1")[1]
    assert "/etc/shadow" in first(found, "web2")[0]
    assert "/tmp" in first(found, "web4")[0]


def test_ports_that_others_hold(faulty: Faulty, lab: LabFleet) -> None:
    """A container by hand is named, and so is a program of the host."""
    used = lab.on("web1", "docker ps --filter label=provisioner.service=web --format '{{.Ports}}'")
    free = 8001 if ":8000->" in used else 8000
    lab.on("web1", f"docker run -d --name squatter -p {free}:80 $(docker images -q | head -1) sleep 60")
    lab.on("web2", f"nohup perl -e '{FOREIGN % free}' >/dev/null 2>&1 &")
    time.sleep(0.5)
    try:
        found = faulty.diagnoses(web3="nothing")
    finally:
        lab.on("web1", "docker rm -f squatter")
        lab.on("web2", "pkill -f IO::Socket", check=False)
    expect(found, web1="port_taken", web2="port_taken")
    assert f"port {free} of web1 is taken by the container squatter" in first(found, "web1")[0]
    assert f"port {free} of web2 is taken by the program perl of the user root" in first(found, "web2")[0]


@pytest.mark.parametrize(
    ("command", "cause"), [("no-such-program", "missing_command"), ("/app/arm", "wrong_architecture")]
)
def test_programs_that_cannot_be_started(faulty: Faulty, command: str, cause: str) -> None:
    """A program that is not there, and one for another processor, on every host."""
    foreign = bytearray(Path("/bin/true").read_bytes())
    foreign[18:20] = b"\xb7\x00"
    (faulty.folder / "arm").write_bytes(foreign)
    (faulty.folder / "arm").chmod(0o755)
    faulty.rewrite("    port: 8000\n", f"    port: 8000\n    command: [{command}]\n")
    try:
        found = faulty.diagnoses()
    finally:
        faulty.rewrite(f"    command: [{command}]\n", "")
    expect(found, **dict.fromkeys(HOSTS, cause))
