"""A new file for a running HAProxy: written beside, checked, renamed, reloaded, and seen to run."""

from __future__ import annotations

from provisioner.balancers.session import AdminSession
from provisioner.errors import BalancerRefused, EngineRefused
from provisioner.ports import Clock, Completed, ContainerShell, FileContent

FOLDER = "/etc/haproxy"
CONFIG = f"{FOLDER}/haproxy.cfg"
PREVIOUS = f"{CONFIG}.previous"
OWNER = 99
"""The user and group HAProxy runs as in our image: the file is readable by nobody else."""

NEW_WORKER = 15.0
OLD_WORKERS = 900.0
POLL = 0.1
_ASK_MASTER = """\
for at in /run/master /run/haproxy; do test -S $at/master.sock && break; done
echo "$0" | socat -t 5 - UNIX-CONNECT:$at/master.sock
"""
"""Asks the master of this container itself: on its host's network the balancer's other folders are shared."""
_OLD = "# old workers"


def running_digest(session: AdminSession) -> str:
    """Return the digest in the description of the running worker, which parsed the file that says so."""
    return shown_digest(session.ask("show info"))


def own_digest(shell: ContainerShell, container_id: str) -> str:
    """Return the same, asked through the container's own master, empty where it has no worker that answers."""
    return shown_digest(shell.run(container_id, master_asked("@1 show info")).stdout.decode(errors="replace"))


def master_asked(command: str) -> tuple[str, ...]:
    """Return what asks the master of a container, run inside it."""
    return ("sh", "-c", _ASK_MASTER, command)


def shown_digest(info: str) -> str:
    """Return the digest in an answer to `show info`."""
    for line in info.splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "description":
            return value.strip().removeprefix("cfg=")
    return ""


class FileChange:
    """One change of the file of one balancer."""

    def __init__(
        self, host: str, shell: ContainerShell, container_id: str, clock: Clock, session: AdminSession
    ) -> None:
        self._host = host
        self._shell = shell
        self._container = container_id
        self._clock = clock
        self._session = session

    def carry_out(self, text: str, digest: str) -> None:
        """Do it; where the new file does not come to run, put the old one back and raise BalancerRefused."""
        beside = f"{CONFIG}.{digest}"
        try:
            self._shell.put(self._container, FOLDER, (_file(beside, text.encode()),))
            self._check(beside)
            kept = self._run("ln", "-f", "--", CONFIG, PREVIOUS).status == 0
            self._must("mv", "-f", "--", beside, CONFIG)
            # A conversation that began before the reload would keep the old worker alive, and speak for it.
            self._session.close()
            self._shell.signal(self._container, "SIGUSR2")
        except EngineRefused as error:
            raise BalancerRefused(self._host, f"its file could not be changed: {error.reason}") from error
        if not self._runs(digest):
            self._put_back(kept=kept)
        self._await_old_workers()

    def replace(self, path: str, content: bytes) -> None:
        """Put another file in the place of one beside the configuration, at once and whole."""
        beside = f"{path}.new"
        try:
            self._shell.put(self._container, FOLDER, (_file(beside, content),))
        except EngineRefused as error:
            raise BalancerRefused(self._host, f"{path} could not be written: {error.reason}") from error
        self._must("mv", "-f", "--", beside, path)

    def _check(self, path: str) -> None:
        checked = self._run("haproxy", "-c", "-f", path)
        if checked.status == 0:
            return
        self._run("rm", "-f", "--", path)
        lines = checked.stderr.decode(errors="replace").splitlines()
        alerts = [line.strip() for line in lines if "[ALERT]" in line] or [line.strip() for line in lines]
        raise BalancerRefused(self._host, "HAProxy does not accept the file: " + " / ".join(alerts))

    def _runs(self, digest: str) -> bool:
        """Tell whether a worker of the new file answers in time. Each look is a new conversation."""
        deadline = self._clock.monotonic() + NEW_WORKER
        while self._clock.monotonic() < deadline:
            try:
                if running_digest(self._session) == digest:
                    return True
            except BalancerRefused:  # between two workers nobody answers for a moment
                pass
            self._session.close()
            self._clock.sleep(POLL)
        return False

    def _put_back(self, *, kept: bool) -> None:
        """Put the previous file back, which still runs: the new one would keep the container from starting."""
        if kept:
            self._must("mv", "-f", "--", PREVIOUS, CONFIG)
        hint = "its log says why; an address or port that is taken is not found by a check of the file"
        message = f"the balancer did not take its new file within {NEW_WORKER:g} s and goes on with the old one"
        raise BalancerRefused(self._host, message, hint=hint)

    def _await_old_workers(self) -> None:
        """Wait for the workers of the old file, which still send requests to the servers it names."""
        deadline = self._clock.monotonic() + OLD_WORKERS
        while self._clock.monotonic() < deadline:
            shown = self._run(*master_asked("show proc"))
            if shown.status == 0 and b"# workers" in shown.stdout and not _old_workers(shown.stdout.decode()):
                return
            self._clock.sleep(POLL)
        raise BalancerRefused(self._host, f"workers of the previous file still serve after {OLD_WORKERS:g} s")

    def _must(self, *argv: str) -> None:
        done = self._run(*argv)
        if done.status != 0:
            words = done.stderr.decode(errors="replace").strip()
            raise BalancerRefused(self._host, f"`{' '.join(argv)}` failed in the balancer's container: {words}")

    def _run(self, *argv: str) -> Completed:
        try:
            return self._shell.run(self._container, argv)
        except EngineRefused as error:
            raise BalancerRefused(self._host, f"`{argv[0]}` could not be run: {error.reason}") from error


def _file(path: str, content: bytes) -> FileContent:
    return FileContent(path.rpartition("/")[2], content, 0o440, OWNER, OWNER)


def _old_workers(shown: str) -> int:
    """Return how many workers of earlier files the master lists."""
    _, found, rest = shown.partition(_OLD)
    section = rest.split("\n#", 1)[0] if found else ""
    return sum(1 for line in section.splitlines() if line.strip())
