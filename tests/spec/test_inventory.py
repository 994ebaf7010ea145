"""Inventories: what we read is what Ansible reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import UsageError
from provisioner.local.sources import inventory_sources
from provisioner.model.inventory import Host, Inventory
from provisioner.spec.inventory import read_inventory
from provisioner.spec.patterns import select
from provisioner.spec.source import SourceText

INVENTORIES = sorted((Path(__file__).parents[1] / "cases" / "spec").glob("ansible-*/inventory.yaml"))
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "ANSIBLE_LOCALHOST_WARNING": "0"}
CONNECTION = {
    "address": "ansible_host",
    "port": "ansible_port",
    "user": "ansible_user",
    "key_file": "ansible_ssh_private_key_file",
    "connection": "ansible_connection",
}
PATTERNS = (
    "all", "*", "web", "web:lb", "web,lb", "lb:web", "web:!web2", "web:&prod", "!web", "all:!lb:&prod", "web*", "*1",
    "w?b1", "~web[12]$", "~(lb|db)", "web1", "prod:!~.*1", "&prod", "web:&prod:!web3", "ungrouped", "web:web:!lb",
)  # fmt: skip


def _read(path: Path) -> Inventory:
    return read_inventory(*inventory_sources(path))


def _text(text: str) -> Inventory:
    return read_inventory(SourceText("inventories/lab.yaml", text, "/srv/inventories"), {}, {})


def _ansible(path: Path) -> Any:
    program = Path(sys.executable).parent / "ansible-inventory"
    command = [str(program), "-i", str(path), "--list"]
    done = subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT, cwd=path.parent)
    return json.loads(done.stdout)


def _members(listed: Any, group: str) -> set[str]:
    below = (_members(listed, child) for child in listed.get(group, {}).get("children", ()))
    return set(listed.get(group, {}).get("hosts", ())).union(*below)


def _connection(host: Host, folder: Path) -> dict[str, object]:
    found = {name: getattr(host, field) for field, name in CONNECTION.items()}
    found["ansible_ssh_private_key_file"] = str(host.key_file or "").removeprefix(f"{folder}/") or None
    return found


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.parent.name)
def test_we_read_what_ansible_reads(path: Path) -> None:
    """Hosts, groups and the value that wins for each variable are those of `ansible-inventory`."""
    ours, listed = _read(path), _ansible(path)
    groups = {"all", *listed} - {"_meta"}
    assert set(ours.hosts) == _members(listed, "all")
    assert {name: set(hosts) for name, hosts in ours.groups.items() if hosts} == {
        group: members for group in groups if (members := _members(listed, group))
    }
    for name, host in ours.hosts.items():
        theirs = listed["_meta"]["hostvars"].get(name, {})
        wanted = dict.fromkeys(CONNECTION.values()) | {"ansible_host": name, "ansible_connection": "ssh"}
        assert _connection(host, path.parent) == {key: theirs.get(key, value) for key, value in wanted.items()}
        others = {key: value for key, value in theirs.items() if key not in (*wanted, "private_address")}
        assert dict(host.variables) == {key: _as_ours(value) for key, value in others.items()}
        assert host.private_address == theirs.get("private_address", host.address)


def _as_ours(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def test_patterns_mean_what_ansible_means() -> None:
    """Each pattern chooses the hosts that Ansible's own inventory manager chooses."""
    path = next(path for path in INVENTORIES if path.parent.name == "ansible-patterns")
    program = (
        "import json,sys\n"
        "from ansible.inventory.manager import InventoryManager\n"
        "from ansible.parsing.dataloader import DataLoader\n"
        "manager = InventoryManager(loader=DataLoader(), sources=[sys.argv[1]])\n"
        "print(json.dumps([[host.name for host in manager.list_hosts(p)] for p in json.loads(sys.argv[2])]))\n"
    )
    command = [sys.executable, "-c", program, str(path), json.dumps(PATTERNS)]
    done = subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT, cwd=path.parent)
    inventory, chosen = _read(path), json.loads(done.stdout)
    assert {p: set(select(inventory, p)) for p in PATTERNS} == dict(zip(PATTERNS, map(set, chosen), strict=True))


def test_hosts_come_in_the_order_written() -> None:
    """Hosts, groups and what a pattern chooses keep the order of the file."""
    inventory = _text("z: {hosts: {'b[1:2]x': }}\na: {hosts: {a1: , b1x: }}\n")
    assert list(inventory.hosts) == ["b1x", "b2x", "a1"]
    assert list(inventory.groups) == ["all", "z", "a"]
    assert select(inventory, "a1:z") == ("b1x", "b2x", "a1")
    assert inventory.groups["a"] == ("b1x", "a1")


def test_a_host_knows_how_it_is_reached() -> None:
    """What is not written is left open; the private address is the address, and a key lies beside the inventory."""
    text = "all: {hosts: {web1: , web2: {ansible_host: 10.0.0.2, ansible_port: '22', ansible_ssh_private_key_file: k}}}"
    hosts = _text(text).hosts
    assert hosts["web1"] == Host("web1", "web1", private_address="web1")
    assert hosts["web2"] == Host("web2", "10.0.0.2", port=22, key_file="/srv/inventories/k", private_address="10.0.0.2")


@pytest.mark.parametrize(("key", "path"), [("~/.ssh/id", "~/.ssh/id"), ("/k", "/k"), ("../k", "/srv/k")])
def test_key_files_are_found_from_the_inventory(key: str, path: str) -> None:
    """A relative key lies beside the inventory; the user's home is left to whoever knows it."""
    inventory = _text(f"all: {{vars: {{ansible_ssh_private_key_file: {key}}}, hosts: {{a: }}}}")
    assert inventory.hosts["a"].key_file == path


def test_variable_files_of_strangers_are_left_alone() -> None:
    """Files for groups and hosts of another inventory in the same folder are not even read."""
    stranger = {"db": SourceText("group_vars/db.yaml", "{{")}
    assert read_inventory(SourceText("i.yaml", "web: {hosts: {web1: }}"), stranger, stranger).groups["web"] == ("web1",)


@pytest.mark.parametrize(
    ("pattern", "message", "hint"),
    [
        ("wbe", "'wbe' is neither", "did you mean 'web'?"),
        ("web:!wbe1", "'wbe1' is neither", "did you mean 'web1'?"),
        ("xyz", "'xyz' is neither", "groups of inventories/lab.yaml: all, web"),
        ("web[0]", "host ranges are not supported", "name the hosts, or use *"),
        ("~(", "not a regular expression", ""),
        (" ", "the host pattern is empty", "'all' means every host"),
    ],
)
def test_a_pattern_that_names_nobody_is_an_error(pattern: str, message: str, hint: str) -> None:
    """A mistyped name never means no host, least of all behind an exclamation mark."""
    with pytest.raises(UsageError) as caught:
        select(_text("web: {hosts: {'web[1:2]': }}"), pattern)
    assert message in caught.value.message
    assert caught.value.hint == hint


def test_large_inventories_are_read_quickly() -> None:
    """A thousand hosts under nested groups take no more than moments."""
    groups = "".join(
        f"g{n}: {{children: {{g{n + 1}: , h{n + 1}: }}}}\nh{n}: {{children: {{g{n + 1}: }}}}\n" for n in range(40)
    )
    inventory = _text(groups + "g40: {hosts: {'web[1:1000]': {zone: a}}}\n")
    assert len(inventory.groups["g0"]) == 1000
