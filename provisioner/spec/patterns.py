"""Inventory patterns as Ansible has them: which hosts `web:&prod:!web3` means."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase

from provisioner.errors import UsageError
from provisioner.model.inventory import Inventory
from provisioner.spec.fields import nearest


def select(inventory: Inventory, pattern: str) -> tuple[str, ...]:
    """Return the names of the hosts a pattern means, in inventory order; may be empty.

    `a:b` and `a,b` join, `:&b` keeps what is also in b, `:!b` takes out, `*` and `?` match any text and any
    character, `~` begins a regular expression. As in Ansible the order of the parts does not matter: first all
    are joined, then kept, then taken out. Raise UsageError for a name that is neither group nor host.
    """
    parts = [part.strip() for part in re.split(r"[,:]", pattern) if part.strip()]
    if not parts:
        raise UsageError("the host pattern is empty", hint="'all' means every host")
    joined = [part for part in parts if part[0] not in "&!"] or ["all"]
    chosen = {host for part in joined for host in _matched(inventory, part)}
    for part in (part for part in parts if part.startswith("&")):
        chosen &= _matched(inventory, part[1:])
    for part in (part for part in parts if part.startswith("!")):
        chosen -= _matched(inventory, part[1:])
    return tuple(name for name in inventory.hosts if name in chosen)


def _matched(inventory: Inventory, part: str) -> set[str]:
    if part == "all":
        return set(inventory.hosts)
    if part.startswith("~"):
        return _all_matching(inventory, _expression(part[1:]))
    if "[" in part:
        raise UsageError(f"'{part}': host ranges are not supported in patterns", hint="name the hosts, or use *")
    if "*" in part or "?" in part:
        return _all_matching(inventory, lambda name: fnmatchcase(name, part))
    if part in inventory.groups:
        return set(inventory.groups[part])
    if part in inventory.hosts:
        return {part}
    known = ["all", *inventory.groups, *inventory.hosts]
    hint = nearest(part, known) or f"groups of {inventory.path}: {', '.join(inventory.groups)}"
    raise UsageError(f"'{part}' is neither a group nor a host of the inventory", hint=hint)


def _expression(text: str) -> Callable[[str], bool]:
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise UsageError(f"'~{text}' is not a regular expression: {error}") from None
    return lambda name: compiled.match(name) is not None


def _all_matching(inventory: Inventory, matches: Callable[[str], bool]) -> set[str]:
    groups = {host for group, hosts in inventory.groups.items() if matches(group) for host in hosts}
    return groups | {host for host in inventory.hosts if matches(host)}
