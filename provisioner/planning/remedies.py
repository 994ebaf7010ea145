"""The command that makes one thing of a host what it is on its peers, where one is obvious; nothing is run here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from provisioner.model.drift import Shell
from provisioner.model.facts import Fact, PeerValue
from provisioner.planning.masking import is_secret_file, masked_text

Shells = Mapping[str, Shell]
"""How each host is reached from where a remedy is pasted."""

_USER = re.compile(r"uid (?P<uid>\d+) gid (?P<gid>\d+)(?P<own> \(own\))? home (?P<home>.*?) shell (?P<shell>\S*)")
_GROUP = re.compile(r"gid (?P<gid>\d+)(?: members (?P<members>\S+))?")
_FILE = re.compile(r"(?P<kind>file|folder) (?P<mode>[0-7]+) (?P<owner>[^ :]+:[^ ]+)(?: \d+ bytes)?")
_LINK = re.compile(r"link to (?P<target>.*)")
_ZONE = re.compile(r"[A-Za-z][\w+/-]*")
_MOST_RULES = 4


@dataclass(frozen=True, slots=True)
class _Case:
    """What most hosts have, what this one has, and how each is reached."""

    most: PeerValue
    found: Fact | None
    host: str
    shells: Shells

    @property
    def wanted(self) -> Fact | None:
        """Return what should be there, None where nothing should."""
        return self.most.fact

    def here(self, command: str) -> str:
        """Return what runs a command on this host."""
        return self._on(self.host, command)

    def fetched(self, path: str, command: str) -> str:
        """Return what hands a peer's file to a command on this host."""
        here = self.shells.get(self.host)
        on_this_machine = here is not None and here.is_root and not here.words
        taken = shlex.join(("sh", "-c", command)) if on_this_machine else self.here(command)
        return f"{self._on(self.most.hosts[0], f'cat {path}')} | {taken}"

    def _on(self, host: str, command: str) -> str:
        shell = self.shells.get(host, Shell(("ssh", host)))
        there = command if shell.is_root else shlex.join(("sudo", "sh", "-c", command))
        return shlex.join((*shell.words, there)) if shell.words else there


def pasted(command: str, host: str, shells: Shells) -> str:
    """Return what runs a command of a host from where the question was asked, empty where there is no command."""
    return _Case(PeerValue("", ()), None, host, shells).here(command) if command else ""


def remedy(most: PeerValue, found: Fact | None, host: str, shells: Shells) -> str:
    """Return what to paste where the question was asked: it reaches the host by itself. Empty where none is obvious."""
    case = _Case(most, found, host, shells)
    fact = most.fact or found
    if fact is None:
        return ""
    if fact.key.startswith("/"):
        return _file(fact.key, case)
    there = tuple(_commands(fact, most.fact, found))
    return case.here(" && ".join(there)) if there and not _holds_a_secret(most.fact, found) else ""


def _holds_a_secret(*facts: Fact | None) -> bool:
    texts = (text for fact in facts if fact for text in (fact.value, fact.mark))
    return any(masked_text(text) != text for text in texts)


def _commands(fact: Fact, wanted: Fact | None, found: Fact | None) -> Iterator[str]:
    name = shlex.quote(fact.key)
    match fact.kind:
        case "package":
            yield from _package(name, wanted, found)
        case "user" if fact.key.startswith("group "):
            yield from _group(shlex.quote(fact.key.removeprefix("group ")), wanted, found)
        case "user":
            yield from _user(name, wanted, found)
        case "key":
            yield from _key(fact.key.split(" ")[0], wanted, found)
        case "sysctl" if wanted and "\n" not in wanted.value:
            yield f"sysctl -w {shlex.quote(f'{fact.key}={wanted.value}')}"
        case "system" if fact.key == "time zone" and wanted and _ZONE.fullmatch(wanted.value):
            zone = wanted.value
            yield f"ln -sf /usr/share/zoneinfo/{zone} /etc/localtime && echo {zone} >/etc/timezone"
        case "firewall" if fact.key in {"iptables", "ip6tables"}:
            yield from _firewall(fact.key, wanted, found)
        case _:
            return


def _package(name: str, wanted: Fact | None, found: Fact | None) -> Iterator[str]:
    if wanted is None:
        yield f"apt-get purge -y {name}"
        return
    version, _, state = wanted.value.partition(", ")
    before, _, state_before = found.value.partition(", ") if found else ("", "", "")
    if state in {"", "held"} and (version != before or state_before not in {"", "held"}):
        yield f"apt-get install -y --allow-downgrades {name}={shlex.quote(version)}"
    if "held" in {state, state_before} and state != state_before:
        yield f"apt-mark {'hold' if state else 'unhold'} {name}"


def _user(name: str, wanted: Fact | None, found: Fact | None) -> Iterator[str]:
    if wanted is None:
        yield f"userdel {name}"
        return
    right = _USER.match(wanted.value)
    wrong = _USER.match(found.value) if found else None
    if right is None:
        return
    flags = {"uid": "-u", "gid": "-g", "home": "-d", "shell": "-s"}
    said = [
        f"{flag} {shlex.quote(right[part])}"
        for part, flag in flags.items()
        if right[part] and (wrong is None or wrong[part] != right[part])
    ]
    if right["own"] and (wrong is None or not wrong["own"]):
        yield f"groupadd -g {right['gid']} {name}"
    if said:
        yield f"{'useradd -M -N' if found is None else 'usermod'} {' '.join(said)} {name}"
    if found and " password locked" in wanted.value and " password locked" not in found.value:
        yield f"usermod -L {name}"


def _group(name: str, wanted: Fact | None, found: Fact | None) -> Iterator[str]:
    if wanted is None:
        yield f"! getent group {name} >/dev/null || groupdel {name}"
        return
    right, wrong = _GROUP.fullmatch(wanted.value), _GROUP.fullmatch(found.value) if found else None
    if right is None:
        return
    if wrong is None or wrong["gid"] != right["gid"]:
        yield f"{'groupmod' if wrong else 'groupadd'} -g {right['gid']} {name}"
    if (wrong["members"] if wrong else None) != right["members"]:
        yield f"gpasswd -M {shlex.quote(right['members'] or '')} {name}"


def _key(user: str, wanted: Fact | None, found: Fact | None) -> Iterator[str]:
    file = f"~{user}/.ssh/authorized_keys"
    if wanted is None and found is not None and found.mark:
        longest = max(found.mark.split(), key=len)
        yield f"sed -i '\\#{longest}#d' {file}"
    elif found is None and wanted is not None and wanted.mark:
        yield f"echo {shlex.quote(wanted.mark)} >>{file}"


def _firewall(tool: str, wanted: Fact | None, found: Fact | None) -> Iterator[str]:
    right, wrong = _rules(wanted), _rules(found)
    surplus = [f"{tool} -t {table} -D {rule}" for table, rule in wrong if (table, rule) not in right]
    missing = [_added(tool, table, rule) for table, rule in right if (table, rule) not in wrong]
    if len(surplus) + len(missing) <= _MOST_RULES:
        yield from chain(surplus, missing)


def _added(tool: str, table: str, rule: str) -> str:
    """Return what adds a rule: before the others where an engine lets its own chain end in a return."""
    return f"{tool} -t {table} -{'I' if rule.startswith('DOCKER-USER ') else 'A'} {rule}"


def _rules(fact: Fact | None) -> tuple[tuple[str, str], ...]:
    table, rules = "filter", list[tuple[str, str]]()
    for line in fact.value.splitlines() if fact else ():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A "):
            rules.append((table, line.removeprefix("-A ")))
    return tuple(rules)


def _file(path: str, case: _Case) -> str:
    name, found = shlex.quote(path), case.found
    was_folder = found is not None and found.value.startswith("folder ")
    if case.wanted is None:
        return case.here(f"rm -{'r' if was_folder else 'f'} -- {name}")
    link = _LINK.fullmatch(case.wanted.value)
    if link is not None:
        return "" if was_folder else case.here(f"ln -sfn -- {shlex.quote(link['target'])} {name}")
    right = _FILE.fullmatch(case.wanted.value)
    wrong = _FILE.fullmatch(found.value) if found else None
    if right is None or (wrong is not None and wrong["kind"] != right["kind"]):
        return ""
    if right["kind"] == "folder":
        return "" if found and wrong is None else case.here(_folder(name, right))
    return _content(path, case, right, wrong)


def _folder(name: str, right: re.Match[str]) -> str:
    user, _, group = right["owner"].partition(":")
    return f"install -d -m {right['mode']} -o {user} -g {group} -- {name}"


def _content(path: str, case: _Case, right: re.Match[str], wrong: re.Match[str] | None) -> str:
    """Return what brings a file's content from a peer, its owner and its mode: as much of it as differs."""
    name = shlex.quote(path)
    then = [f"chown {right['owner']} {name}"] if wrong is None or wrong["owner"] != right["owner"] else []
    then += [f"chmod {right['mode']} {name}"] if wrong is None or wrong["mode"] != right["mode"] else []
    if wrong is not None and case.found and case.wanted and case.found.digest == case.wanted.digest:
        return case.here(" && ".join(then)) if then else ""
    if is_secret_file(path):
        return ""
    before = [f"rm -f -- {name}"] if case.found is not None and wrong is None else []
    return case.fetched(name, " && ".join((*before, f"cat >{name}", *then)))
