"""Secrets of a real fleet: planted values are searched for in everything that is written, printed and run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab_fleet import Fleet, LabFleet, Ran

pytestmark = pytest.mark.lab

HOSTS = ("lb1", "web1", "web2")
SPEC = """\
name: hush
services:
  web:
    hosts: web1:web2
    build: {template: python-web, context: ./app}
    port: 80
    secrets: [API_KEY, {source: TOKEN, environment: APP_TOKEN}]
    healthcheck: {path: /healthz, interval: 1s, timeout: 1s, retries: 2}
  jobs:
    hosts: web1
    build: {template: python-web, context: ./app}
    user: www-data
    command: [python3, -c, "import time; time.sleep(9999)"]
    secrets: [API_KEY]
load_balancer:
  hosts: lb
secrets:
  API_KEY: {file: private/api-key}
  TOKEN: {env: HUSH_TOKEN}
rollout: {parallelism: 100%, min_healthy_time: 500ms, healthy_deadline: 15s, drain_timeout: 2s}
"""
DIES = (
    "import os; raise SystemExit('cannot log in with ' + os.environ['APP_TOKEN'] + open('/run/secrets/API_KEY').read())"
)
EVERYWHERE = "grep -rls -D skip '{pattern}' / --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev || true"

ENGINES_OWN = "/var/lib/docker/containerd/daemon/io.containerd.metadata.v1.bolt/meta.db"
"""Where containerd notes what containers are made with, their environment too; it does not wipe what it frees."""


class Hush(Fleet):
    """A fleet with secrets, and all that its commands printed."""

    def __init__(self, lab: LabFleet, folder: Path) -> None:
        super().__init__(lab, folder)
        self.file.write_text(SPEC)
        self.key = folder / "hello" / "private" / "api-key"
        self.key.parent.mkdir()
        self.printed: list[str] = []

    def plant(self, number: int) -> None:
        """Give both secrets another value."""
        self.key.write_text(f"kanarie-{number}-in-a-file\n")
        self.variables["HUSH_TOKEN"] = f"kanarie-{number}-in-a-variable"

    def run(self, verb: str, *arguments: str) -> Ran:
        """Run a verb and keep what it printed."""
        ran = super().run(verb, *arguments)
        self.printed += [ran.out, ran.err]
        return ran

    def ask_everything(self) -> None:
        """Run every verb that only looks, as a person and as a program would."""
        for verb in ("validate", "render", "plan", "drift", "status", "history", "doctor"):
            self.run(verb, "-v")
            self.run(verb, "--json")
        self.run("history", "1", "--json")

    def kept_here(self) -> set[str]:
        """Return the files of this machine, but the secret's own source, in which a planted value is."""
        folders = (self.folder, self.lab.folder, self.lab.cache)
        files = {path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}
        return {str(path) for path in files - {self.key} if _holds(path, b"kanarie-")}

    def places(self, host: str, planted: str) -> set[str]:
        """Return every file of a host in which a planted value is; the engine's database may keep variables."""
        # The value itself must not be in an argument of what looks for it.
        found = set(self.lab.on(host, EVERYWHERE.format(pattern=f"[{planted[0]}]{planted[1:]}")).split())
        return found - {ENGINES_OWN} if planted.endswith("-in-a-variable") else found

    def slots(self, host: str) -> dict[str, str]:
        """Return the ids of the containers of the fleet by their names, every one of which has to run."""
        told = self.lab.on(host, "docker ps -a --no-trunc --format '{{.Names}} {{.ID}} {{.State}}'")
        found = [line.split() for line in told.splitlines() if line.startswith("hush.")]
        assert found, told
        assert [words for words in found if words[2:] != ["running"]] == []
        return {words[0]: words[1] for words in found}


def _holds(path: Path, needle: bytes) -> bool:
    tail = b""
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            if needle in tail + piece:
                return True
            tail = piece[-len(needle) :]
    return False


@contextmanager
def process_list() -> Iterator[set[str]]:
    """Collect the arguments of every process of this machine, those of its lab hosts too, while a block runs."""
    seen, over = set[str](), threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes().decode(errors="replace"))
                except OSError:
                    continue

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@pytest.fixture
def hush(lab: LabFleet, tmp_path: Path) -> Iterator[Hush]:
    """Return a fleet whose secrets are planted values; it is taken off in the end."""
    fleet = Hush(lab, tmp_path)
    fleet.plant(1)
    yield fleet
    fleet.destroy()


def only_with_their_nodes(hush: Hush, number: int) -> None:
    """See that hosts have planted values in volumes and environments of running nodes, and nowhere else."""
    for host in HOSTS:
        nodes = hush.slots(host)
        volumes = {f"/var/lib/docker/volumes/{name}.secrets/_data/API_KEY" for name in nodes if ".load-" not in name}
        assert hush.places(host, f"kanarie-{number}-in-a-file") == volumes
        webs = [container_id for name, container_id in nodes.items() if ".web-" in name]
        found = hush.places(host, f"kanarie-{number}-in-a-variable")
        assert bool(found) == bool(webs)
        assert {path for path in found if not any(container_id in path for container_id in webs)} == set()


def test_a_planted_secret_is_found_with_its_node_alone(hush: Hush) -> None:
    """After a rollout, a failed one, a new value and `destroy`: in no output, process list, image, log or folder."""
    with process_list() as processes:
        assert hush.applied("-v")["outcome"] == "complete"
        hush.ask_everything()
        only_with_their_nodes(hush, 1)
        web, jobs = (hush.container("web1", service) for service in ("web", "jobs"))
        for container, uid in ((web, 10001), (jobs, 33)):
            read = f"docker exec {container} sh -c 'stat -c %a:%u /run/secrets/API_KEY; cat /run/secrets/API_KEY'"
            assert hush.lab.on("web1", read) == f"400:{uid}\nkanarie-1-in-a-file"
        assert "kanarie" not in hush.lab.on("web1", f"docker inspect {jobs}")
        assert hush.applied()["outcome"] == "unchanged"

        hush.rewrite("import html", DIES, "app/app.py")
        hush.rewrite("hosts: web1\n", "hosts: web1\n    environment: {CHANGED: yes}\n")
        failed = hush.run("apply", "-y", "-v")
        assert failed.code not in {0, 4}
        assert "cannot log in with ******" in failed.out + failed.err
        hush.rewrite(DIES, "import html", "app/app.py")
        assert hush.applied()["outcome"] == "complete"

        hush.plant(2)
        rows = {(row["kind"], row["key"], row["observed"], row["class"]) for row in hush.drift()}
        keys = ("API_KEY", "TOKEN in environment APP_TOKEN")
        assert rows == {("secret", key, "changed", "pending") for key in keys}
        assert hush.applied()["outcome"] == "complete"
        hush.ask_everything()
        only_with_their_nodes(hush, 2)
        for planted in ("kanarie-1-in-a-file", "kanarie-1-in-a-variable"):
            assert [hush.places(host, planted) for host in HOSTS] == [set()] * len(HOSTS)

        hush.destroy()
        for planted in ("kanarie-2-in-a-file", "kanarie-2-in-a-variable"):
            assert [hush.places(host, planted) for host in HOSTS] == [set()] * len(HOSTS)
    assert len(hush.printed) > 50
    assert [text for text in hush.printed if "kanarie" in text] == []
    assert {arguments for arguments in processes if "kanarie-" in arguments} == set()
    assert hush.kept_here() == set()


def test_a_missing_secret_stops_apply_and_is_named(hush: Hush) -> None:
    """Nothing moved; `plan` and `drift` name it too, and what runs goes on being compared."""
    assert hush.applied()["outcome"] == "complete"
    before = {host: hush.slots(host) for host in HOSTS}
    del hush.variables["HUSH_TOKEN"]
    hush.rewrite("hosts: web1:web2\n", "hosts: web1:web2\n    environment: {CHANGED: yes}\n")
    ran = hush.run("apply", "-y")
    assert (ran.code, "secret TOKEN: the variable HUSH_TOKEN is not set" in ran.err) == (1, True), ran.err
    assert {host: hush.slots(host) for host in HOSTS} == before
    assert "secret TOKEN: the variable HUSH_TOKEN is not set" in hush.run("plan").out
    drifted = hush.run("drift", "--json")
    assert drifted.code == 4
    assert {row["class"] for row in drifted.json()["drift"] if row["kind"] == "secret"} == {"unknown"}
    volume = next(name for name in before["web1"] if ".web-" in name)
    hush.lab.on("web1", f"echo forged > /var/lib/docker/volumes/{volume}.secrets/_data/API_KEY")
    classes = {(row["key"], row["class"]) for row in hush.drift() if row["kind"] == "secret"}
    assert ("API_KEY", "drift") in classes
