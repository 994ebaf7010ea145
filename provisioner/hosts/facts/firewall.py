"""Asks a host for its firewall's rules, where the kernel has any and the login may see them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from provisioner.hosts.facts.replies import fields
from provisioner.model.facts import Fact, Gap

ASK = """\
section firewall
rules() {
    command -v "$1" >/dev/null || return 0
    if told=$("$@" 2>/dev/null); then printf '%s\\0%s\\0' "$1" "$told"; else printf '%s\\0unread\\0' "$1"; fi
}
tables=
! grep -qsm 1 ' nft_do_chain' /proc/kallsyms || tables=nft
if [ -n "$tables" ] || [ -e /proc/net/ip_tables_names ]; then
    rules iptables-save
    rules ip6tables-save
fi
[ -z "$tables" ] || rules nft list ruleset
"""
"""Asks no tool for what the kernel does not have loaded: the tool would load it."""

_COUNTERS = re.compile(r"\[\d+:\d+\]|packets \d+ bytes \d+")
_OF_AN_ENGINE = re.compile(
    r"DOCKER(?!-USER)|\bdocker0\b|\bbr-[0-9a-f]{12}\b|\bveth[0-9a-f]+\b|-A DOCKER-USER -j RETURN"
    r"|-A POSTROUTING -s (?P<itself>\S+)/32 -d (?P=itself)/32 .*-j MASQUERADE"
)
"""What it adds by itself, the way of a container to its own published port among it."""
_TABLES_OF_AN_ENGINE = re.compile(r"^table \S+ docker-\S+ \{.*?^\}\n?", re.MULTILINE | re.DOTALL)
_SAVED = re.compile(r"^\*.*?^COMMIT$\n?", re.MULTILINE | re.DOTALL)
_DECIDES = re.compile(r"^-A |^table |:\S+ (?:DROP|REJECT)\b")
"""What is there only where somebody made a rule."""
_MANAGED = re.compile(r"# Warning: table [^\n]* is managed by iptables-nft[^\n]*\n", re.MULTILINE)
_TABLE = re.compile(r"^table .*?^}\n?", re.MULTILINE | re.DOTALL)


def read_firewall(reply: Mapping[str, str]) -> Iterator[Fact]:
    """Yield the rules by the tool that shows them, without counters and without what an engine adds by itself."""
    for tool, text in fields(reply.get("firewall", ""), 2):
        parts = [_others(text)] if tool == "nft" else _SAVED.findall(text)
        kept = [line for part in parts for line in _deciding(part)]
        if text != "unread" and kept:
            yield Fact("firewall", tool.removesuffix("-save"), "\n".join(kept))


def _deciding(part: str) -> list[str]:
    """Return the lines of a part, none where nothing is decided in it: a table is there as soon as somebody asks."""
    lines = [_COUNTERS.sub("", line).rstrip() for line in part.splitlines() if line and not line.startswith("#")]
    kept = [line for line in lines if not _OF_AN_ENGINE.search(line)]
    return kept if any(_DECIDES.search(line) for line in kept) else []


def _others(ruleset: str) -> str:
    """Return the tables that `iptables-save` does not show as well."""
    parts = _MANAGED.split(_TABLES_OF_AN_ENGINE.sub("", ruleset))
    return parts[0] + "".join(_TABLE.sub("", part, count=1) for part in parts[1:])


def firewall_gaps(reply: Mapping[str, str]) -> Iterator[Gap]:
    """Yield the tools that did not answer this login."""
    for tool, text in fields(reply.get("firewall", ""), 2):
        if text == "unread":
            yield Gap("firewall", tool.removesuffix("-save"), "only root may read the rules")
