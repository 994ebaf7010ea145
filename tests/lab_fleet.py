"""A lab for tests: its hosts, the command line run as a person runs it, and changes made by hand on a host."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from provisioner.hosts.this_machine import local_client
from provisioner.images.bases.roots import suite_base
from provisioner.local.sources import inventory_sources
from provisioner.model.inventory import Inventory
from provisioner.spec.inventory import read_inventory

CHECKOUT = Path(__file__).parents[1]
APART = os.environ.get("PROVISIONER_TEST_LABS", "")
"""A number that is added to names and ports of labs: runs of tests side by side each have their own."""

WEBS = ("web1", "web2", "web3")
READING = {"archive-path", "mount", "unmount", "save"}
"""What an engine notes when a file is read out of a container (and for that its volumes), or a release is read."""


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return its answer as JSON."""
        return json.loads(self.out)

    def finished(self) -> dict[str, Any]:
        """Return the last line of a run."""
        line: dict[str, Any] = json.loads(self.out.strip().splitlines()[-1])
        assert line["type"] == "finished", line
        return line


class LabFleet:
    """Five hosts on this machine; commands run in a folder of their own below the checkout."""

    name = f"e2e{APART}"
    port = 18380 + int(APART or 0)
    shape: tuple[str, ...] = ("--group", "lb=1", "--group", "web=4")

    def __init__(self) -> None:
        self.folder = CHECKOUT / ".provisioner" / "e2e"
        self.cache = CHECKOUT / ".provisioner" / "cache"
        self.folder.mkdir(parents=True, exist_ok=True)
        engine = local_client(os.environ)
        assert engine is not None, "no Docker Engine answers on this machine: .ci/engine start"
        self.engine: docker.APIClient = engine

    def up(self) -> None:
        """Make the lab or bring it back."""
        ran = self.run("lab", "up", "--name", self.name, "--port", str(self.port), *self.shape)
        assert ran.code == 0, ran.err

    def down(self) -> None:
        """Remove it, and keep images for the next."""
        assert self.run("lab", "down", "--name", self.name, "--keep-images").code == 0

    def run(self, *arguments: str, variables: Mapping[str, str] | None = None, cwd: Path | None = None) -> Ran:
        """Run the command line with a limit of time."""
        environment = {**os.environ, "PROVISIONER_CACHE": str(self.cache), "NO_COLOR": "1", **(variables or {})}
        argv = [sys.executable, "-m", "provisioner", *arguments]
        done = subprocess.run(
            argv, cwd=cwd or self.folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    def inventory(self) -> Inventory:
        """Return the lab's inventory."""
        return read_inventory(*inventory_sources(self.folder / "inventories" / f"{self.name}.yaml"))

    def on(self, host: str, command: str, *, check: bool = True) -> str:
        """Run a shell command on a host as root and return what it printed."""
        made = self.engine.exec_create(f"{self.name}-{host}", ["sh", "-c", command])
        output: bytes = self.engine.exec_start(made["Id"])
        code = self.engine.exec_inspect(made["Id"])["ExitCode"]
        assert code == 0 or not check, (host, command, output.decode())
        return output.decode().strip()

    def clock(self, host: str) -> str:
        """Return a host's clock, with nanoseconds."""
        told = self.on(host, "date +%s.%N")
        assert told, host
        return told

    def restart_host(self, host: str) -> None:
        """Restart a host as a power button would, with no controller running."""
        self.engine.restart(f"{self.name}-{host}", timeout=10)

    def stop_host(self, host: str) -> None:
        """Switch a host off."""
        self.engine.stop(f"{self.name}-{host}", timeout=10)

    def start_host(self, host: str) -> None:
        """Switch it on, and wait until its engine answers."""
        self.engine.start(f"{self.name}-{host}")
        self.up()

    def pause_host(self, host: str) -> None:
        """Freeze a host: it answers nobody."""
        self.engine.pause(f"{self.name}-{host}")

    def unpause_host(self, host: str) -> None:
        """Let it go on."""
        self.engine.unpause(f"{self.name}-{host}")

    def get(self, path: str = "/", port: int = 0) -> str:
        """Return a page as the balancer gives it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}{path}", timeout=10) as answer:
            body: bytes = answer.read()
        return body.decode()

    def serving_hosts(self, wanted: int, seconds: float = 40.0) -> set[str]:
        """Return the hosts that answer requests, after as many as wanted did or the time is up."""
        deadline, seen = time.monotonic() + seconds, set[str]()
        while len(seen) < wanted and time.monotonic() < deadline:
            try:
                page = self.get()
                seen |= {host for host in (*WEBS, "web4") if f"<b>{host}</b>" in page}
            except OSError:
                time.sleep(0.3)
        return seen

    def events(self, host: str, since: str, until: str) -> list[str]:
        """Return what the engine of a host noted in between that was not reading."""
        shown = "--format '{{.Type}} {{.Action}}'"
        lines = self.on(host, f"docker events --since {since} --until {until} {shown}")
        return [line for line in lines.splitlines() if line and line.split()[-1] not in READING]

    def load_base(self, host: str) -> str:
        """Bring the bootstrapped base to a host as it is and return its id there."""
        tag = suite_base(self.engine, "bookworm", cache=self.cache)
        target = f"{self.name}-{host}"
        if not self.on(host, f"docker image inspect -f ok {tag} 2>/dev/null || true"):
            pipe = f"docker save {tag} | docker exec -i {target} docker load -q"
            subprocess.run(["sh", "-c", pipe], check=True, capture_output=True)
        return self.on(host, f"docker image inspect -f '{{{{.Id}}}}' {tag}")


class BareLab(LabFleet):
    """Three web servers without Docker, as somebody would set them up by hand."""

    name = f"bare{APART}"
    port = 18880 + int(APART or 0)
    shape = ("--group", "web=3", "--engine", "none")


class KindsLab(LabFleet):
    """Five hosts, each with another kind of engine: 20.10, then 26 and 28, both with each image store."""

    name = f"kinds{APART}"
    port = 18630 + int(APART or 0)
    shape = (
        *LabFleet.shape,
        "--host-engine=web1=26",
        "--host-engine=web2=26/containerd",
        "--host-engine=web3=28",
        "--host-engine=web4=28/containerd",
    )

    @contextmanager
    def engine_socket(self, host: str, folder: Path) -> Iterator[str]:
        """Lend the address, for DOCKER_HOST, at which the engine of a host answers on this machine."""
        socket = folder / f"{host}.sock"
        files = self.folder / "inventories" / self.name
        port = next(found.port for found in self.inventory().hosts.values() if found.name == host)
        options = [f"UserKnownHostsFile={files}.known_hosts", "BatchMode=yes", "ExitOnForwardFailure=yes"]
        argv = ["ssh", "-F", "none", "-i", f"{files}.key", "-p", str(port), "-nNT", "-L", f"{socket}:/run/docker.sock"]
        argv += [word for option in options for word in ("-o", option)]
        with subprocess.Popen([*argv, "root@127.0.0.1"], stderr=subprocess.PIPE, text=True) as tunnel:
            try:
                while not socket.exists():
                    assert tunnel.poll() is None, tunnel.stderr and tunnel.stderr.read()
                    time.sleep(0.05)
                yield f"unix://{socket}"
            finally:
                tunnel.terminate()

    @contextmanager
    def reverse_tunnel(self, host: str, address: str) -> Iterator[None]:
        """Let a host reach an address of this machine's loopback under the same address of its own."""
        files = self.folder / "inventories" / self.name
        port = next(found.port for found in self.inventory().hosts.values() if found.name == host)
        options = [f"UserKnownHostsFile={files}.known_hosts", "BatchMode=yes", "ExitOnForwardFailure=yes"]
        argv = ["ssh", "-F", "none", "-i", f"{files}.key", "-p", str(port), "-nNT", "-R", f"{address}:{address}"]
        argv += [word for option in options for word in ("-o", option)]
        with subprocess.Popen([*argv, "root@127.0.0.1"]) as tunnel:
            try:
                time.sleep(1)
                assert tunnel.poll() is None
                yield
            finally:
                tunnel.terminate()


class Fleet:
    """A spec in a folder of its own on the lab, and the verbs on it."""

    def __init__(self, lab: LabFleet, folder: Path, example: str = "hello") -> None:
        self.lab = lab
        self.folder = folder / example
        shutil.copytree(CHECKOUT / "examples" / example, self.folder, dirs_exist_ok=True)
        self.file = self.folder / "fleet.yaml"
        self.inventory = str(lab.folder / "inventories" / f"{lab.name}.yaml")
        self.variables: dict[str, str] = {}
        text = self.file.read_text()
        text = re.sub(r"hosts: web\b", "hosts: web:!web4", text)
        text = text.replace("canary_soak: 3s, monitor: 5s", "canary: 0, canary_soak: 0s, monitor: 0s")
        self.file.write_text(text.replace("min_healthy_time: 2s", "min_healthy_time: 500ms"))

    def rewrite(self, old: str, new: str, file: str = "fleet.yaml") -> None:
        """Change the first place of a text in the spec, or in another file beside it."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, (old, text)
        path.write_text(text.replace(old, new, 1))

    def strike_from_inventory(self, host: str) -> None:
        """Use an inventory from now on that does not name a host any more."""
        source = Path(self.inventory)
        text = source.read_text().replace(f"{self.lab.name}.key", str(source.with_name(f"{self.lab.name}.key")))
        struck = self.folder / "struck.yaml"
        struck.write_text(re.sub(rf"( +){host}:\n(?:\1 +.*\n)+", "", text))
        struck.with_suffix(".known_hosts").write_text(source.with_suffix(".known_hosts").read_text())
        assert host not in struck.read_text()
        self.inventory = str(struck)

    def run(self, verb: str, *arguments: str) -> Ran:
        """Run a verb on this fleet."""
        return self.lab.run(verb, "-f", str(self.file), "-i", self.inventory, *arguments, variables=self.variables)

    def apply(self, *arguments: str) -> Ran:
        """Apply, with JSON lines as the answer."""
        return self.run("apply", "-y", "--json", *arguments)

    def applied(self, *arguments: str) -> dict[str, Any]:
        """Apply and return how it finished, which has to be well."""
        ran = self.apply(*arguments)
        assert ran.code == 0, ran.out + ran.err
        return ran.finished()

    def status(self) -> Any:
        """Return the fleet's status."""
        return self.run("status", "--json").json()

    def drift(self) -> list[dict[str, str]]:
        """Return the rows of drift, without those in which a host differs from its peers: a fault may leave traces."""
        rows: list[dict[str, str]] = self.run("drift", "--json").json()["drift"]
        return [row for row in rows if row["class"] != "outlier"]

    def container(self, host: str, service: str = "web") -> str:
        """Return the id of the running container of a service on a host."""
        return self.lab.on(host, f"docker ps -q --no-trunc --filter label=provisioner.service={service}")

    def destroy(self) -> None:
        """Take the fleet off the lab."""
        name = next(line.split()[1] for line in self.file.read_text().splitlines() if line.startswith("name:"))
        ran = self.run("destroy", "--confirm", name, "--volumes")
        assert ran.code == 0, ran.err
