"""Asks a host for what only it is called by: names, addresses, ids of machine, boot, disks and interfaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provisioner.hosts.facts.replies import tabbed
from provisioner.hosts.probe import read_addresses
from provisioner.model.facts import OwnWord

ASK = """\
section identity
printf 'host name\\t%s\\n' "$(cat /proc/sys/kernel/hostname)"
printf 'boot id\\t%s\\n' "$(cat /proc/sys/kernel/random/boot_id)"
[ -r /etc/machine-id ] && printf 'machine id\\t%s\\n' "$(cat /etc/machine-id)"
for each in /sys/class/net/*/address; do [ -r "$each" ] && printf 'hardware address\\t%s\\n' "$(cat "$each")"; done
for each in /dev/disk/by-uuid/* /dev/disk/by-partuuid/*; do
    [ -e "$each" ] && printf 'disk id\\t%s\\n' "${each##*/}"
done
for each in /etc/ssh/ssh_host_*_key.pub; do
    [ -r "$each" ] && printf 'host key\\t%s\\n' "$(cut -d ' ' -f 2 "$each")"
done
printf 'login\\t%s\\n' "$(id -u)"
section addresses
cat /proc/net/fib_trie 2>/dev/null
echo
echo --
cat /proc/net/if_inet6 2>/dev/null
echo
echo --
"""

_SHORTEST = 2
_NOBODYS = frozenset({"localhost", "00:00:00:00:00:00", "(none)"})


def read_own(reply: Mapping[str, str]) -> tuple[OwnWord, ...]:
    """Return the words, the longer ones first: a part of one is not to be replaced in it."""
    found = {word.text: word for word in _words(reply) if len(word.text) >= _SHORTEST and word.text not in _NOBODYS}
    return tuple(sorted(found.values(), key=lambda word: (-len(word.text), word.text)))


def _words(reply: Mapping[str, str]) -> Iterator[OwnWord]:
    for what, text in tabbed(reply.get("identity", "")):
        if what == "host name":
            yield OwnWord(text.partition(".")[0], "<host name>")
        if what != "login":
            yield OwnWord(text, f"<{what}>")
    for address in read_addresses(reply.get("addresses", "")):
        yield OwnWord(address, "<address>")


def is_root(reply: Mapping[str, str]) -> bool:
    """Tell whether the script ran as root."""
    return any(line == ("login", "0") for line in tabbed(reply.get("identity", "")))
