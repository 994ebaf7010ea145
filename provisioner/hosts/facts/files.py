"""Asks a host for its configuration and application files: kind, mode, owner, sha256; no content."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from provisioner.hosts.facts.replies import fields
from provisioner.model.facts import Fact, Gap, Kind

_REMEMBERED = 100_000
"""Answers of pure functions that are kept: hosts alike ask for the same ones."""

MOST_ENTRIES = 60_000
MOST_FILES = 20_000
MOST_BYTES = 512 * 2**20
LARGEST = 64 * 2**20
"""Bounds of each of the two trees: entries listed, files and bytes read for their digests, bytes of one file."""

APPLICATIONS = ("/srv", "/opt", "/var/www", "/usr/local")

ASK = f"""\
listed() {{
    find -H "$@" \\( -readable \\( ! -type d -o -executable \\) -printf 'r ' -o -printf '- ' \\) \\
        -printf '%y %m %u:%g %s\\0%p\\0%l\\0' 2>/dev/null | head -z -n {3 * (MOST_ENTRIES + 1)}
}}
digests() {{
    find -H "$@" -type f -readable ! -name '*
*' -printf '%s %p\\n' 2>/dev/null | sort -n -k 1,1 -k 2 | awk '
        $1 <= {LARGEST} && n < {MOST_FILES} && sum + $1 <= {MOST_BYTES} {{ n++; sum += $1; sub(/^[0-9]+ /, ""); print }}
    ' | tr '\\n' '\\0' | xargs -0 -r sha256sum -z 2>/dev/null
}}
looked_at() {{
    name=$1
    shift
    set -- "$@" -xdev \\( -name .git -o -name .svn -o -name __pycache__ -o -name '*.log' -o -name '*.pid' \\)
    section "$name-listed"
    listed "$@" -prune -o
    section "$name-digests"
    digests "$@" -prune -o
}}
there() {{ for each; do [ -d "$each" ] && printf '%s ' "$each"; done; }}
looked_at settings $(there /etc /var/spool/cron /usr/lib/systemd/system)
apart=$(there {" ".join(APPLICATIONS)})
[ -z "$apart" ] || looked_at applications $apart
"""
"""Lists two trees. Version control, byte code, logs and pid files are no part of them.

Small files are read first: what a bound leaves out are the largest ones, on every host the same.
"""

TREES = ("settings", "applications")
_WHOLE: Mapping[str, tuple[Kind, str]] = {"settings": ("file", "/"), "applications": ("application", "")}
"""What is unknown where a tree is too large to be looked at."""

_KINDS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"/etc/(?:passwd|group|shadow|gshadow|subuid|subgid)$"), "user"),
    (re.compile(r"/etc/sudo"), "sudo"),
    (re.compile(r"/etc/ssh\b"), "ssh"),
    (re.compile(r"/etc/(?:docker|containerd)\b"), "engine"),
    (re.compile(r"/etc/(?:cron|anacrontab$|at\.)|/var/spool/cron\b|.*\.timer$|.*/timers\.target\.wants$"), "cron"),
    (re.compile(r"/etc/security/limits"), "limits"),
    (
        re.compile(r"/etc/(?:hosts$|resolv\.conf$|resolvconf\b|nsswitch\.conf$|(?:host|gai)\.conf$)|.*/resolved\.conf"),
        "dns",
    ),
    (re.compile(r"/etc/sysctl"), "sysctl"),
    (re.compile(r"/etc/(?:fstab|exports|auto\.)"), "mount"),
    (re.compile(r"/etc/(?:nftables|iptables|ufw|firewalld)\b"), "firewall"),
    (re.compile(r"/etc/apt\b"), "package"),
    (re.compile(r"/etc/(?:systemd|init\.d|rc.\.d|default|environment|sv|supervisor)\b|/usr/lib/systemd\b"), "service"),
    (re.compile(rf"(?:{'|'.join(APPLICATIONS)})\b"), "application"),
)
_ACCOUNTS = "user"
"""The kind whose files are read line by line elsewhere: here only who may read them counts."""

_GENERATED = re.compile(
    r"/var/spool/cron/atjobs/\.SEQ|/etc/(?:ld\.so\.cache|hostname|machine-id|mtab|adjtime|localtime|timezone|\.pwd\.lock|\.updated|krb5\.keytab"
    r"|(?:passwd|group|shadow|gshadow|subuid|subgid)-|ssh/ssh_host_.*|udev/hwdb\.bin|lvm/(?:archive|backup|cache)(?:/.*)?"
    r"|docker/key\.json|iscsi/initiatorname\.iscsi|nvme/host(?:id|nqn)|zfs/zpool\.cache|multipath/wwids|bind/rndc\.key"
    r"|ssl/(?:certs|private)/ssl-cert-snakeoil\..*|ssl/certs/(?:[0-9a-f]{8}\.\d+|java/cacerts)|aliases\.db|apparmor\.d/cache(?:/.*)?"
    r"|popularity-contest\.conf|random-seed|network/run|cups/subscriptions\.conf(?:\.O)?)"
)
"""What is drawn, counted or copied together on each host for itself, or told elsewhere in an answer."""

_WORDS = {"f": "file", "d": "folder", "p": "pipe", "s": "socket", "b": "device", "c": "device"}


@dataclass(frozen=True, slots=True)
class Tree:
    """What was found of one tree: facts, what may not be read, and what was left out."""

    facts: tuple[Fact, ...] = ()
    gaps: tuple[Gap, ...] = ()
    left_out: tuple[str, ...] = ()


@functools.lru_cache(_REMEMBERED)
def kind_of(path: str) -> Kind:
    """Return what a file is for."""
    return next((kind for pattern, kind in _KINDS if pattern.match(path)), "file")


def read_tree(reply: Mapping[str, str], name: str, changed: Mapping[str, str]) -> Tree:
    """Return the files of one tree; `changed` names the packages whose configuration files were changed, by path."""
    entries = tuple(fields(reply.get(f"{name}-listed", ""), 3))
    if len(entries) > MOST_ENTRIES:
        return Tree(gaps=(Gap(*_WHOLE[name], f"more than {MOST_ENTRIES} files, none of which was looked at"),))
    digests = dict(_digests(reply.get(f"{name}-digests", "")))
    kept = [entry for entry in entries if not _is_generated(entry[1])]
    facts = tuple(_fact(what, path, link, digests.get(path), changed.get(path)) for what, path, link in kept)
    gaps = tuple(gap for entry in kept if entry[0].startswith("-") for gap in _gaps(entry))
    unread = {gap.key for gap in gaps}
    skipped = Counter(_root(fact.key) for fact in facts if fact.digest is None and fact.key not in unread)
    left_out = tuple(
        f"{count} large or oddly named files below {root}: only size, mode and owner" for root, count in skipped.items()
    )
    return Tree(facts, gaps, left_out)


def _digests(body: str) -> Iterator[tuple[str, str]]:
    for (line,) in fields(body, 1):
        digest, _, path = line.partition("  ")
        yield path, digest


@functools.lru_cache(_REMEMBERED)
def _is_generated(path: str) -> bool:
    return bool(_GENERATED.fullmatch(path))


@functools.lru_cache(_REMEMBERED)
def _fact(what: str, path: str, link: str, digest: str | None, package: str | None) -> Fact:
    """Return one fact for every host that has it: hosts of a fleet have most in common."""
    _, letter, mode, owner, size = what.split(" ")
    kind = kind_of(path)
    if letter == "l":
        return Fact(kind, path, f"link to {link}")
    value = f"{_WORDS.get(letter, letter)} {mode} {owner}"
    if letter != "f" or kind == _ACCOUNTS:
        return Fact(kind, path, value)
    note = "" if package is None else f"changed from what {package} brought"
    return Fact(kind, path, value if digest else f"{value} {size} bytes", digest, note)


def _gaps(entry: tuple[str, ...]) -> Iterator[Gap]:
    what, path, _ = entry
    _, letter, *_ = what.split(" ")
    kind = kind_of(path)
    if letter == "d":
        yield Gap(kind, f"{path}/", "this login may not read the folder")
    elif letter == "f" and kind != _ACCOUNTS:
        yield Gap(kind, path, "this login may not read it")


def _root(path: str) -> str:
    return next((each for each in APPLICATIONS if path.startswith(f"{each}/")), "/".join(path.split("/")[:2]))
