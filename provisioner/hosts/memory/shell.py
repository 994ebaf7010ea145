"""Reaches into the containers of a host in memory: files, commands, signals."""

from __future__ import annotations

from provisioner.errors import EngineRefused
from provisioner.hosts.memory.containers import KILLED, end
from provisioner.hosts.memory.machine import HeldContainer, Machine, locate, mount_of
from provisioner.hosts.memory.reader import content
from provisioner.ports import Completed, FileContent, Stream

DEADLY = {"SIGKILL": KILLED, "SIGTERM": 143, "SIGINT": 130}
NOT_FOUND = Completed(127, b"", b"executable file not found in $PATH\n")


class MemoryShell:
    """Reaches into containers of one host in memory."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def put(self, container_id: str, folder: str, files: tuple[FileContent, ...]) -> None:
        """Write files into a folder of a container, running or not; refused where it is read-only."""
        machine = self._machine
        held = machine.need(container_id)
        names = " ".join(file.name for file in files)
        with machine.line.effect(f"put {held.name} {folder} {names}"), machine.lock:
            self._refuse_read_only(held, folder)
            for file in files:
                place, path = locate(machine, held, f"{folder.rstrip('/')}/{file.name}")
                place[path] = file

    def get(self, container_id: str, path: str) -> bytes | None:
        """Return a file of a container, None where there is none."""
        self._machine.line.reach()
        with self._machine.lock:
            return content(self._machine, self._machine.need(container_id), path)

    def run(self, container_id: str, argv: tuple[str, ...]) -> Completed:
        """Run a command inside: what the machine's `execute` knows, else `true`, `false`, `mv` and `rm`."""
        machine = self._machine
        held = self._running(container_id)
        with machine.line.effect(f"run {held.name} {argv[0]}"), machine.lock:
            return machine.execute(held.container_id, argv) or self._run_itself(held, argv)

    def open(self, container_id: str, argv: tuple[str, ...]) -> Stream:
        """Run a command inside and lend its standard input and output: what the machine's `converse` gives."""
        machine = self._machine
        held = self._running(container_id)
        with machine.line.effect(f"open {held.name} {argv[0]}"):
            if machine.converse is None:
                raise EngineRefused(machine.line.host, f"nothing in memory speaks {argv[0]}")
            return machine.converse(held.container_id, argv)

    def signal(self, container_id: str, name: str) -> None:
        """Send a signal to the first process of a container; the deadly ones end it, as `docker kill` does."""
        machine = self._machine
        held = self._running(container_id)
        with machine.line.effect(f"signal {held.name} {name}"), machine.lock:
            held.signals.append(name)
            if name in DEADLY:
                end(machine, held, DEADLY[name])

    def _running(self, container_id: str) -> HeldContainer:
        self._machine.line.reach()
        held = self._machine.need(container_id)
        if held.state(self._machine.clock.monotonic()) != "running":
            raise EngineRefused(self._machine.line.host, f"container {held.name} is not running", status=409)
        return held

    def _refuse_read_only(self, held: HeldContainer, folder: str) -> None:
        mount = mount_of(held, folder)
        if mount is None and held.request.options.read_only:
            raise EngineRefused(self._machine.line.host, "container rootfs is marked read-only", status=403)
        if mount is not None and mount.read_only:
            raise EngineRefused(self._machine.line.host, "mounted volume is marked read-only", status=403)

    def _run_itself(self, held: HeldContainer, argv: tuple[str, ...]) -> Completed:
        operands = [word for word in argv[1:] if not word.startswith("-")]
        match argv[0]:
            case "true" | "false":
                return Completed(int(argv[0] == "false"), b"", b"")
            case "mv":
                return self._move(held, *operands)
            case "rm":
                for path in operands:
                    folder, inside = locate(self._machine, held, path)
                    folder.pop(inside, None)
                return Completed(0, b"", b"")
            case _:
                return NOT_FOUND

    def _move(self, held: HeldContainer, source: str, target: str) -> Completed:
        folder, inside = locate(self._machine, held, source)
        if inside not in folder:
            return Completed(1, b"", f"mv: cannot stat '{source}': No such file or directory\n".encode())
        place, path = locate(self._machine, held, target)
        place[path] = folder.pop(inside)
        return Completed(0, b"", b"")
