"""Asks a host for its users, groups, the state of passwords, and whose keys may log in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping

from provisioner.hosts.facts.replies import tabbed
from provisioner.model.facts import Fact, Gap

ASK = """\
section passwd
cat /etc/passwd
section group
cat /etc/group
section shadow
if [ -r /etc/shadow ]; then
    while IFS=: read -r name password _ least most warn unused end _; do
        case $password in
        '') state=empty ;;
        '!'* | '*'*) state=locked ;;
        *) state="set $(printf %s "$password" | sha256sum | cut -c 1-12)" ;;
        esac
        printf '%s\\t%s\\t%s %s %s %s %s\\n' "$name" "$state" "$least" "$most" "$warn" "$unused" "$end"
    done </etc/shadow
else
    echo unread
fi
section keys
cut -d : -f 1,6 /etc/passwd | while IFS=: read -r name home; do
    [ -d "$home" ] || continue
    if ! [ -x "$home" ] || { [ -d "$home/.ssh" ] && ! [ -x "$home/.ssh" ]; }; then
        printf 'unread\\t%s\\t%s\\n' "$name" "$home/.ssh/"
        continue
    fi
    for each in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
        [ -e "$each" ] || continue
        [ -r "$each" ] || printf 'unread\\t%s\\t%s\\n' "$name" "$each"
        [ -r "$each" ] && sed "s/^/$name\\t/" "$each"
    done
done
"""

_PASSWD, _GROUP = 7, 4
_USUAL_AGEING = re.compile(r"0? 99999 7 *|[ ]*")
_KEY = re.compile(
    r"(?P<options>.*?)\s*(?P<kind>(?:sk-)?(?:ssh|ecdsa)-[\w@.-]+)\s+(?P<blob>[A-Za-z0-9+/=]+)\s*(?P<comment>.*)"
)


def read_users(reply: Mapping[str, str]) -> Iterator[Fact]:
    """Yield every user and group of the host's own files; of a password its state and the digest of its hash.

    A group that a user has to himself is told with him: the one comes and goes with the other.
    """
    passwords = {name: rest for name, *rest in tabbed(reply.get("shadow", ""))}
    users = [cells for cells in _cells(reply.get("passwd", "")) if len(cells) == _PASSWD]
    groups = [cells for cells in _cells(reply.get("group", "")) if len(cells) == _GROUP]
    own = {(cells[0], cells[2]) for cells in groups if not cells[3]} & {(cells[0], cells[3]) for cells in users}
    for name, _, number, group, _, home, shell in users:
        whose = " (own)" if (name, group) in own else ""
        value = f"uid {number} gid {group}{whose} home {home} shell {shell}{_password(passwords.get(name))}"
        yield Fact("user", name, value)
    for name, _, number, listed in groups:
        if (name, number) not in own:
            members = ",".join(sorted(filter(None, listed.split(","))))
            yield Fact("user", f"group {name}", f"gid {number}" + (f" members {members}" if members else ""))


def _cells(told: str) -> Iterator[list[str]]:
    return (line.split(":") for line in told.splitlines())


def _password(told: list[str] | None) -> str:
    if told is None:
        return ""
    state, ageing, *_ = (*told, "")
    return f" password {state}" + ("" if _USUAL_AGEING.fullmatch(ageing) else f" ageing {ageing.strip()}")


def read_keys(reply: Mapping[str, str]) -> Iterator[Fact]:
    """Yield every key that may log in, by user and fingerprint."""
    for name, line, *_ in tabbed(reply.get("keys", "")):
        found = _KEY.fullmatch(line.strip())
        if name != "unread" and found and not line.lstrip().startswith("#"):
            value = " ".join(filter(None, (found["kind"], found["comment"], found["options"])))
            yield Fact("key", f"{name} {_fingerprint(found['blob'])}", value, mark=found["blob"])


def _fingerprint(blob: str) -> str:
    try:
        digest = hashlib.sha256(base64.b64decode(blob)).digest()
    except binascii.Error:
        return blob[:16]
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def account_gaps(reply: Mapping[str, str]) -> Iterator[Gap]:
    """Yield what of accounts the login may not read."""
    if reply.get("shadow", "").strip() == "unread":
        yield Gap("user", "passwords", "only root may read /etc/shadow")
    for name, *rest in tabbed(reply.get("keys", "")):
        if name == "unread" and len(rest) > 1:
            yield Gap("key", f"keys of {rest[0]}", f"{rest[1]} may not be read")
