"""Variables of an inventory: which are supported, what they may be, and the host they make."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from provisioner.errors import Diagnostic
from provisioner.model.inventory import Host
from provisioner.spec.fields import Unfit, choice, matching, nearest, whole
from provisioner.spec.groups import Variable
from provisioner.spec.source import SourceText
from provisioner.spec.tree import Items, Scalar, Table, Tree, as_values

_ADDRESS = matching(r"[A-Za-z0-9:][A-Za-z0-9:._%-]*", "a host name or an IP address")
_USER = matching(r"[A-Za-z0-9_][A-Za-z0-9._@\\-]*\$?", "the name of a user")
_PORT = whole(1, 65535)
_UNUSED = ("ansible_python_interpreter",)
_PREFIX = "ansible_"


def _port(value: object) -> int:
    is_digits = isinstance(value, Scalar) and re.fullmatch(r"[0-9]{1,5}", value.text)
    return _PORT(replace(value, value=int(value.text)) if isinstance(value, Scalar) and is_digits else value)


def _key_file(value: object) -> str:
    return matching(r".+", "the path of a private key")(value)


_READERS: dict[str, tuple[str, Callable[[object], Any]]] = {
    "ansible_host": ("address", _ADDRESS),
    "ansible_port": ("port", _port),
    "ansible_user": ("user", _USER),
    "ansible_ssh_private_key_file": ("key_file", _key_file),
    "ansible_connection": ("connection", choice("ssh", "local")),
    "private_address": ("private_address", _ADDRESS),
}


def faults_of(variable: Variable) -> Iterator[Diagnostic]:
    """Yield what is wrong with one variable, whether or not it reaches a host."""
    name, source = variable.entry.key, variable.source
    expressions = list(_jinja(variable.entry.value, source))
    if expressions:
        yield from expressions
    elif name in _READERS:
        try:
            _READERS[name][1](_leaf(variable.entry.value))
        except Unfit as fault:
            yield source.diagnostic(variable.entry.value.place, f"{name}: {fault.message}", fault.suggestion)
    elif name.startswith(_PREFIX) and name not in _UNUSED:
        supported = tuple(known for known in _READERS if known.startswith(_PREFIX))
        suggestion = nearest(name, supported, likeness=0.9) or f"supported: {', '.join(supported)}"
        yield source.diagnostic(variable.entry.place, f"'{name}' is not supported in an inventory", suggestion)
    elif not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        yield source.diagnostic(variable.entry.place, f"'{name}' cannot be the name of a variable")


def host(name: str, variables: Mapping[str, Variable], main: SourceText) -> Host:
    """Return the host that sound variables make; key files are looked for from the inventory's folder."""
    known = {
        key: read(_leaf(variables[variable].entry.value))
        for variable, (key, read) in _READERS.items()
        if variable in variables
    }
    address = known.pop("address", name)
    if "key_file" in known and not known["key_file"].startswith("~"):
        known["key_file"] = main.resolve(known["key_file"])
    others = {key: _as_text(variable.entry.value) for key, variable in variables.items() if key not in _READERS}
    return Host(name, address, variables=others, **{"private_address": address} | known)


def _leaf(tree: Tree) -> object:
    return tree if isinstance(tree, Scalar) else as_values(tree)


def _as_text(tree: Tree) -> str:
    match tree:
        case Scalar(value=None):
            return ""
        case Scalar():
            return tree.text
        case _:
            return json.dumps(as_values(tree), ensure_ascii=False, sort_keys=True)


def _jinja(tree: Tree, source: SourceText) -> Iterator[Diagnostic]:
    match tree:
        case Table():
            for entry in tree.entries:
                yield from _jinja(entry.value, source)
        case Items():
            for item in tree.items:
                yield from _jinja(item, source)
        case Scalar(text=text) if "{{" in text or "{%" in text:
            yield source.diagnostic(
                tree.place, "Jinja expressions are not supported in an inventory", "write the value"
            )
        case Scalar():
            return
