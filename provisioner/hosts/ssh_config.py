"""What the user's SSH configuration says of a host, and what the inventory says instead."""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import paramiko

from provisioner.errors import HostUnreachable
from provisioner.hosts.ssh_blocks import speaks_of_hosts
from provisioner.model.inventory import Host

Settings = Mapping[str, tuple[str, ...]]
"""Values by lower-case keyword, as `ssh -G` prints them."""

NOBODY = "provisioner.invalid"
"""A name that no configuration speaks of (RFC 2606); what is said of it are the defaults."""

DEFAULT_IDENTITIES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_ASK_SECONDS = 20.0
_SEVERAL = frozenset({"identityfile", "userknownhostsfile", "globalknownhostsfile"})


@dataclass(frozen=True, slots=True)
class Jump:
    """A host on the way to another one; what is not given is left to the SSH configuration."""

    address: str
    port: int | None = None
    user: str | None = None

    def __str__(self) -> str:
        """Return `user@host:port`, as ProxyJump has it."""
        user = f"{self.user}@" if self.user else ""
        return f"{user}{self.address}" + (f":{self.port}" if self.port else "")


@dataclass(frozen=True, slots=True)
class Target:
    """A host as it is to be reached: every question answered.

    `key_name` is the name its host key is looked up by. `key_file` is the inventory's, `identity_files` are the
    configuration's; `agent` is the path of an agent's socket, empty for none.
    """

    name: str
    address: str
    port: int
    user: str
    key_name: str
    key_file: str | None = None
    identity_files: tuple[str, ...] = ()
    identities_only: bool = False
    agent: str = ""
    jumps: tuple[Jump, ...] = ()
    known_hosts: tuple[str, ...] = ()


def parse_settings(text: str) -> Settings:
    """Read what `ssh -G` printed; a keyword that may stand on several lines keeps all of them."""
    settings: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        keyword, _, value = line.strip().partition(" ")
        if keyword and value:
            keyword = keyword.lower()
            settings[keyword] = (*settings.get(keyword, ()), value) if keyword in _SEVERAL else (value,)
    return settings


def parse_jumps(text: str) -> tuple[Jump, ...]:
    """Read `ProxyJump`: `user@host:port` or `ssh://…`, several with commas, `none`."""
    if text.lower() in {"", "none"}:
        return ()
    return tuple(_jump(part.strip()) for part in text.split(",") if part.strip())


def _jump(text: str) -> Jump:
    user, _, place = text.removeprefix("ssh://").rstrip("/").rpartition("@")
    found = re.fullmatch(r"\[(?P<bracketed>[^\]]+)\](?::(?P<a>\d+))?|(?P<plain>[^:]+)(?::(?P<b>\d+))?", place)
    if found is None:
        return Jump(place, user=user or None)
    port = found["a"] or found["b"]
    return Jump(found["bracketed"] or found["plain"], int(port) if port else None, user or None)


def merged(address: Settings, alias: Settings, defaults: Settings) -> Settings:
    """Return what is said of a host under its address, and where that is a default, under its inventory name."""
    keywords = {*address, *alias}
    chosen = {word: address if address.get(word) != defaults.get(word) else alias for word in keywords}
    return {word: source[word] for word, source in chosen.items() if word in source}


class SshConfig:
    """Asks `ssh -G`; where there is no ssh, reads the user's configuration file with paramiko."""

    def __init__(self, environment: Mapping[str, str], file: Path | None = None) -> None:
        self._environment = environment
        self._file = file
        self._binary = shutil.which("ssh", path=environment.get("PATH", ""))
        self._home = environment.get("HOME", "")
        self._lock = threading.Lock()
        self._general: Settings | None = None
        self._particular: bool | None = None

    def resolve(self, host: Host) -> Target:
        """Return how to reach a host; the inventory wins. Raise HostUnreachable for a configuration in error."""
        settings = self._settings(host)
        if settings.get("proxycommand", ("none",))[0].lower() != "none":
            message = "its SSH configuration has a ProxyCommand, which is not followed"
            raise HostUnreachable(host.name, message, hint="use ProxyJump for it instead")
        address = settings.get("hostname", (host.address,))[0]
        return Target(
            name=host.name,
            address=address,
            port=host.port or int(settings.get("port", ("22",))[0]),
            user=host.user or settings.get("user", ("",))[0] or getpass.getuser(),
            key_name=settings.get("hostkeyalias", (address,))[0],
            key_file=self.expand(host.key_file) if host.key_file else None,
            identity_files=tuple(map(self.expand, settings.get("identityfile", DEFAULT_IDENTITIES))),
            identities_only=settings.get("identitiesonly", ("no",))[0].lower() == "yes",
            agent=self._agent(settings),
            jumps=parse_jumps(settings.get("proxyjump", ("none",))[0]),
            known_hosts=self._known_hosts(settings),
        )

    def expand(self, path: str) -> str:
        """Return a path with `~`, `%d` and `%%` replaced."""
        path = path.strip('"').replace("%d", self._home).replace("%%", "%")
        return self._home + path[1:] if path == "~" or path.startswith("~/") else path

    def _known_hosts(self, settings: Settings) -> tuple[str, ...]:
        values = (
            *settings.get("userknownhostsfile", ("~/.ssh/known_hosts",)),
            *settings.get("globalknownhostsfile", ("/etc/ssh/ssh_known_hosts",)),
        )
        return tuple(self.expand(path) for value in values for path in value.split() if path != "none")

    def _agent(self, settings: Settings) -> str:
        named = settings.get("identityagent", ("SSH_AUTH_SOCK",))[0]
        if named.lower() == "none":
            return ""
        if named == "SSH_AUTH_SOCK":
            return self._environment.get("SSH_AUTH_SOCK", "")
        return self._environment.get(named[1:], "") if named.startswith("$") else self.expand(named)

    def _settings(self, host: Host) -> Settings:
        general = self._said_of_all(host)
        if general is not None:
            return {**general, "hostname": (host.address,)}
        said = self._ask(host, host.address)
        if host.name == host.address:
            return said
        alias = {**self._ask(host, host.name), "hostname": said.get("hostname", (host.address,))}
        return merged(said, alias, self._ask(host, NOBODY))

    def _said_of_all(self, host: Host) -> Settings | None:
        """Return what the configuration says of every host alike, asked once; None where it speaks of single ones."""
        with self._lock:
            if self._particular is None:
                self._particular = speaks_of_hosts(self._binary, self._environment, self._file)
            if not self._particular and self._general is None:
                self._general = self._ask(Host(host.name, NOBODY), NOBODY)
            return self._general

    def _ask(self, host: Host, name: str) -> Settings:
        if self._binary is None:
            return self._read(host, name)
        argv = [self._binary, "-G", *(("-F", str(self._file)) if self._file else ())]
        argv += ["-p", str(host.port)] if host.port else []
        argv += ["-l", host.user] if host.user else []
        try:
            answer = subprocess.run([*argv, "--", name], capture_output=True, timeout=_ASK_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise HostUnreachable(host.name, "`ssh -G` did not answer", hint="look at your ~/.ssh/config") from None
        if answer.returncode:
            reason = answer.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise HostUnreachable(host.name, f"ssh refuses its configuration: {reason[0]}", hint="correct that line")
        return parse_settings(answer.stdout.decode(errors="replace"))

    def _read(self, host: Host, name: str) -> Settings:
        path = self._file or Path(self._home, ".ssh", "config")
        if not path.is_file():
            return {}
        try:
            found: Mapping[str, object] = paramiko.SSHConfig.from_path(str(path)).lookup(name)
        except paramiko.ConfigParseError as error:
            raise HostUnreachable(host.name, f"{path} has an error: {error}", hint="correct that line") from error
        return {key: tuple(value) if isinstance(value, list) else (str(value),) for key, value in found.items()}
