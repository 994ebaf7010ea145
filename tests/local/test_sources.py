"""Finding and reading the files the user wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import InvalidInput, UsageError
from provisioner.local.sources import find_inventory, inventory_sources, read_source, with_home
from provisioner.model.inventory import Host, Inventory
from provisioner.spec.yaml_reader import SIZE_LIMIT


def test_a_text_knows_its_folder(tmp_path: Path) -> None:
    """A file's text comes with its absolute folder, a byte order mark left out."""
    (tmp_path / "fleet.yaml").write_bytes(b"\xef\xbb\xbfname: \xc3\xbc\n")
    source = read_source(tmp_path / "fleet.yaml")
    assert (source.text, source.directory) == ("name: ü\n", str(tmp_path))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    """A file that is not there and a folder in its place are wrong usage."""
    with pytest.raises(UsageError, match="there is no file"):
        read_source(tmp_path / "fleet.yaml")
    with pytest.raises(UsageError, match="is a folder"):
        read_source(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="Not a directory"):
        read_source(tmp_path / "file" / "fleet.yaml")


def test_bytes_that_are_no_text_are_placed(tmp_path: Path) -> None:
    """The first byte that is not UTF-8 is named with line and column."""
    (tmp_path / "fleet.yaml").write_bytes("name: ü\nx: ä".encode() + b"\xe9\n")
    with pytest.raises(InvalidInput) as caught:
        read_source(tmp_path / "fleet.yaml")
    fault = caught.value.diagnostics[0]
    assert (fault.line, fault.column, fault.message) == (2, 5, "the byte 0xe9 is not UTF-8")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """A file beyond the limit is refused before it is decoded."""
    (tmp_path / "fleet.yaml").write_bytes(b"#" * (SIZE_LIMIT + 1))
    with pytest.raises(InvalidInput, match="larger than 1 MiB"):
        read_source(tmp_path / "fleet.yaml")


def _files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("a: 1\n")


def test_variable_files_are_found_by_name(tmp_path: Path) -> None:
    """Files beside the inventory belong to the group or host they are named for; hidden ones and backups to none."""
    _files(tmp_path, "lab.yaml", "group_vars/all", "group_vars/web.yml", "group_vars/.hidden", "group_vars/web.yaml~")
    _files(tmp_path, "host_vars/web1.example.com.yaml", "host_vars/web2.example.com")
    main, groups, hosts = inventory_sources(tmp_path / "lab.yaml")
    assert main.path == str(tmp_path / "lab.yaml")
    assert sorted(groups) == ["all", "web"]
    assert sorted(hosts) == ["web1.example.com", "web2.example.com"]


def test_two_files_for_one_name_are_refused(tmp_path: Path) -> None:
    """Where Ansible would take one of two files in silence, we ask."""
    _files(tmp_path, "lab.yaml", "group_vars/web.yml", "group_vars/web.yaml")
    with pytest.raises(UsageError, match="are for the same name"):
        inventory_sources(tmp_path / "lab.yaml")


def test_folders_of_variables_are_refused(tmp_path: Path) -> None:
    """A folder in place of a file is refused, not ignored."""
    _files(tmp_path, "lab.yaml", "group_vars/web/vars.yaml")
    with pytest.raises(UsageError, match="is a folder"):
        inventory_sources(tmp_path / "lab.yaml")


def test_the_only_inventory_is_meant(tmp_path: Path) -> None:
    """Without a name it is the only file in `inventories`, which may have other things beside it."""
    _files(tmp_path, "inventories/lab.yaml", "inventories/README.md", "inventories/group_vars/all.yaml")
    assert find_inventory(None, None, str(tmp_path), "fleet.yaml") == str(tmp_path / "inventories/lab.yaml")


def test_an_inventory_is_found_by_environment(tmp_path: Path) -> None:
    """With an environment it is the file of that name, and with a path it is that path."""
    _files(tmp_path, "inventories/lab.yaml", "inventories/prod.yml")
    assert find_inventory(None, "prod", str(tmp_path), "fleet.yaml") == str(tmp_path / "inventories/prod.yml")
    assert find_inventory("other.yaml", "prod", str(tmp_path), "fleet.yaml") == "other.yaml"


def test_several_inventories_are_named(tmp_path: Path) -> None:
    """Where several could be meant, none is taken, and all are named."""
    _files(tmp_path, "inventories/lab.yaml", "inventories/prod.yaml")
    with pytest.raises(UsageError) as caught:
        find_inventory(None, None, str(tmp_path), "fleet.yaml")
    assert "lab.yaml" in caught.value.message
    assert "prod.yaml" in caught.value.message
    assert caught.value.exit_code == 64


def test_an_inventory_beside_the_spec_is_second(tmp_path: Path) -> None:
    """The working directory is looked at first, then the spec's folder."""
    _files(tmp_path, "shop/fleet.yaml", "shop/inventories/lab.yaml")
    found = find_inventory(None, None, str(tmp_path), "shop/fleet.yaml")
    assert found == str(tmp_path / "shop/inventories/lab.yaml")
    _files(tmp_path, "inventories/here.yaml")
    assert find_inventory(None, None, str(tmp_path), "shop/fleet.yaml") == str(tmp_path / "inventories/here.yaml")
    assert find_inventory(None, "lab", str(tmp_path), "shop/fleet.yaml") == found


def test_no_inventory_is_wrong_usage(tmp_path: Path) -> None:
    """Where there is none, the message says where it was looked for."""
    with pytest.raises(UsageError, match=r"there is no inventory 'prod' in .*inventories"):
        find_inventory(None, "prod", str(tmp_path), "shop/fleet.yaml")


def test_the_users_home_is_filled_in() -> None:
    """A key below `~` lies in the user's home; other keys and hosts without one stay as they are."""
    hosts = {name: Host(name, name, key_file=key) for name, key in (("a", "~/.ssh/id"), ("b", "/k"), ("c", None))}
    expanded = with_home(Inventory("lab.yaml", hosts, {}), Path("/home/ana")).hosts
    assert [host.key_file for host in expanded.values()] == ["/home/ana/.ssh/id", "/k", None]
