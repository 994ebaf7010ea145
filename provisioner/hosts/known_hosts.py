"""Whose host key we trust: reads OpenSSH's known_hosts files, and records into the project's own."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SSH_PORT = 22
_PLAIN_FIELDS = 3
_HASH_MARK = "|1|"


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public host key: its type (`ssh-ed25519`) and its bytes in SSH's wire format."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """Return `SHA256:…` as ssh-keygen prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        """Return type and base64 text, as known_hosts and public key files hold them."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line of a known_hosts file: the names it holds for, its key, and where it stands."""

    names: str
    key: HostKey
    path: str
    line: int
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Trusted:
    """The key is recorded for that name."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No key is recorded for that name."""


@dataclass(frozen=True, slots=True)
class Changed:
    """Another key is recorded for that name, at that file and line."""

    recorded: KnownKey


@dataclass(frozen=True, slots=True)
class Revoked:
    """The key is marked as revoked, at that file and line."""

    recorded: KnownKey


Verdict = Trusted | Unknown | Changed | Revoked


def known_name(host: str, port: int) -> str:
    """Return the name under which a host is recorded: `web1`, or `[web1]:2222` on another port than 22."""
    return host.lower() if port == SSH_PORT else f"[{host.lower()}]:{port}"


def parse_known_hosts(text: str, path: str = "") -> Iterator[KnownKey]:
    """Yield the keys of a known_hosts file; certificate authorities and lines nobody can read are left out."""
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        key = _key(fields)
        if key is not None and marker in {"", "@revoked"}:
            yield KnownKey(fields[0], key, path, number, revoked=bool(marker))


def _key(fields: list[str]) -> HostKey | None:
    if len(fields) < _PLAIN_FIELDS:
        return None
    try:
        blob = base64.b64decode(fields[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    return HostKey(fields[1], blob)


class KnownHosts:
    """The keys of several files, looked up by name; plain names cost nothing, hashed ones one HMAC each."""

    def __init__(self, keys: Iterable[KnownKey]) -> None:
        self._plain: dict[str, list[KnownKey]] = {}
        self._searched: list[KnownKey] = []
        for key in keys:
            if _is_plain(key.names):
                for name in key.names.lower().split(","):
                    self._plain.setdefault(name, []).append(key)
            else:
                self._searched.append(key)

    def keys(self, name: str) -> tuple[KnownKey, ...]:
        """Return every line that holds for a name as `known_name` gives it."""
        searched = (key for key in self._searched if _holds_for(key.names, name))
        return (*self._plain.get(name, ()), *searched)

    def kinds(self, host: str, port: int) -> tuple[str, ...]:
        """Return the types of the keys recorded for a host, each once."""
        return tuple(dict.fromkeys(key.key.kind for key in self._recorded(host, port) if not key.revoked))

    def judge(self, host: str, port: int, shown: HostKey) -> Verdict:
        """Tell whether the key that a host shows is the one recorded for it.

        As for OpenSSH, a key recorded for the bare name is good on any port, and a revoked key is good nowhere.
        """
        recorded = self._recorded(host, port)
        same = [key for key in recorded if key.key == shown]
        for key in same:
            if key.revoked:
                return Revoked(key)
        if same:
            return Trusted()
        others = [key for key in self.keys(known_name(host, port)) if not key.revoked]
        return Changed(others[0]) if others else Unknown()

    def _recorded(self, host: str, port: int) -> tuple[KnownKey, ...]:
        exact = self.keys(known_name(host, port))
        return exact if port == SSH_PORT else (*exact, *self.keys(known_name(host, SSH_PORT)))


def _is_plain(names: str) -> bool:
    return not names.startswith(_HASH_MARK) and not any(sign in names for sign in "*?!")


def _holds_for(names: str, name: str) -> bool:
    if names.startswith(_HASH_MARK):
        return _is_hash_of(names, name)
    patterns = names.lower().split(",")
    if any(_matches(pattern[1:], name) for pattern in patterns if pattern.startswith("!")):
        return False
    return any(_matches(pattern, name) for pattern in patterns if not pattern.startswith("!"))


def _matches(pattern: str, name: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern)
    return re.fullmatch(expression, name) is not None


def _is_hash_of(hashed: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in hashed[len(_HASH_MARK) :].split("|"))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)


class KnownHostsFiles:
    """Reads each known_hosts file once, whoever asks; a file that is not there holds nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, tuple[KnownKey, ...]] = {}
        self._sets: dict[tuple[str, ...], KnownHosts] = {}

    def load(self, paths: tuple[str, ...]) -> KnownHosts:
        """Return the keys of these files."""
        with self._lock:
            if paths not in self._sets:
                self._sets[paths] = KnownHosts(key for path in paths for key in self._file(path))
            return self._sets[paths]

    def forget(self) -> None:
        """Read every file again at the next need, because one was written."""
        with self._lock:
            self._files.clear()
            self._sets.clear()

    def _file(self, path: str) -> tuple[KnownKey, ...]:
        if path not in self._files:
            try:
                text = Path(path).read_text(encoding="utf-8", errors="replace")
            except OSError:
                text = ""
            self._files[path] = tuple(parse_known_hosts(text, path))
        return self._files[path]


def recorded_text(text: str, name: str, key: HostKey) -> str:
    """Return the text of a known_hosts file in which a name has this key and no other."""
    kept = [line for line in (_without(line, name) for line in text.splitlines()) if line is not None]
    return "".join(f"{line}\n" for line in [*kept, f"{name} {key}"])


def _without(line: str, name: str) -> str | None:
    fields = line.split(maxsplit=1)
    if not fields or fields[0].startswith(("#", "@")):
        return line
    names = [other for other in fields[0].split(",") if other.lower() != name]
    if len(names) == len(fields[0].split(",")):
        return line
    return " ".join([",".join(names), *fields[1:]]) if names else None


def record(path: Path, name: str, key: HostKey) -> None:
    """Write a key into a known_hosts file, in place of what the file held for that name."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_text(recorded_text(text, name, key), encoding="utf-8")
    beside.replace(path)
