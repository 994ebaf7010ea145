"""A spec, inventory or template that is wrong: exit 65, every place, a caret, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command_line import EIGHT_LINES, INVENTORY, Ran, project, provisioner


def refused(folder: Path, *verb: str) -> Ran:
    """Run a verb on what is wrong: exit 65, nothing on standard output."""
    ran = provisioner(folder, *(verb or ("validate",)))
    assert ran.code == 65, ran.err
    assert ran.out == ""
    return ran


@pytest.mark.parametrize("verb", ["validate", "apply"])
def test_a_mistyped_key_is_shown_in_its_line(tmp_path: Path, verb: str) -> None:
    """File, line and column are told, then the line with a caret under the key, and the key that was meant."""
    folder = project(tmp_path, EIGHT_LINES.replace("port: 80", "prot: 80"))
    ran = provisioner(folder, verb)
    assert ran.code == 65
    assert ran.err.splitlines()[:4] == [
        "error: fleet.yaml:6:5: unknown key 'prot'",
        "    6 |     prot: 80",
        "      |     ^^^^",
        "    help: did you mean 'port'?",
    ]


def test_every_error_is_told_at_once(tmp_path: Path) -> None:
    """Three mistakes are three places and a count."""
    spec = EIGHT_LINES.replace("port: 80", "port: eighty").replace("hosts: lb", "host: lb").replace("shop", "Shop")
    ran = refused(project(tmp_path, spec))
    assert [line.split(": ")[1] for line in ran.err.splitlines() if line.startswith("error: ")] == [
        "fleet.yaml:1:7", "fleet.yaml:6:11", "fleet.yaml:7:1", "fleet.yaml:8:3",
    ]  # fmt: skip
    assert "4 errors in fleet.yaml" in ran.err


def test_a_key_that_is_not_carried_out_is_refused_by_name(tmp_path: Path) -> None:
    """A key of the language that this version does not carry out is never ignored."""
    ran = refused(project(tmp_path, f"{EIGHT_LINES}accessories: {{}}\n"))
    assert "fleet.yaml:9:1: 'accessories' is part of the language but is not carried" in ran.err


def test_a_key_written_twice_is_an_error(tmp_path: Path) -> None:
    """The second of two equal keys is shown; neither wins in silence."""
    ran = refused(project(tmp_path, EIGHT_LINES.replace("    port: 80\n", "    port: 80\n    port: 81\n")))
    assert "fleet.yaml:7:5" in ran.err


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    """The variable and its place are told; with a value it is valid."""
    folder = project(tmp_path, EIGHT_LINES.replace("nginx:1.27", "nginx:${TAG}"))
    ran = refused(folder)
    assert "fleet.yaml:4:12" in ran.err
    assert "TAG" in ran.err
    assert provisioner(folder, "validate", variables={"TAG": "1.27"}).code == 0


def test_a_tab_is_shown_where_it_stands(tmp_path: Path) -> None:
    """A tab that indents is an error with its line, and the help is to use spaces."""
    ran = refused(project(tmp_path, EIGHT_LINES.replace("    port", "\tport")))
    assert "fleet.yaml:6:1" in ran.err
    assert "use spaces" in ran.err


def test_two_services_cannot_share_a_port(tmp_path: Path) -> None:
    """A clash of host ports is found before any host is asked, and another port is proposed."""
    api = "  api: {image: 'nginx:1.27', hosts: web, port: 80}\nload_balancer:\n"
    routes = "  routes: [{to: web}, {to: api, path: /api}]\n"
    ran = refused(project(tmp_path, EIGHT_LINES.replace("load_balancer:\n", api) + routes))
    assert "fleet.yaml:7:" in ran.err
    assert "host_port" in ran.err


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [("hosts: web", "hosts: wbe", "'wbe'"), ("hosts: web", "hosts: web:!web", "web:!web")],
    ids=["unknown", "empty"],
)
def test_a_pattern_that_matches_no_host_is_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    """A group nobody knows, and a pattern that leaves nobody, are errors at their place."""
    ran = refused(project(tmp_path, EIGHT_LINES.replace(old, new)))
    assert "fleet.yaml:5:12" in ran.err
    assert told in ran.err


def test_an_error_of_the_inventory_has_a_place_too(tmp_path: Path) -> None:
    """What is not plain data in an inventory is refused with the inventory's own file and line."""
    folder = project(tmp_path)
    (folder / "inventories" / "lab.yaml").write_text(INVENTORY.replace("192.0.2.10", '"{{ address }}"'))
    assert "inventories/lab.yaml:3:" in refused(folder).err


def test_an_error_in_a_template_has_its_file_and_line(tmp_path: Path) -> None:
    """A name that a template misspells is shown in the template, with what was meant."""
    folder = project(tmp_path, EIGHT_LINES.replace("image: nginx:1.27", "build: {template: ./Dockerfile.j2}"))
    (folder / "Dockerfile.j2").write_text("FROM scratch\n# the app\nENV PORT={{ prot }}\n")
    ran = refused(folder, "render")
    assert "Dockerfile.j2:3" in ran.err
    assert "prot" in ran.err


def test_a_template_that_does_not_parse_has_its_file_and_line(tmp_path: Path) -> None:
    """A block that is never closed is an error of the template's file."""
    folder = project(tmp_path, EIGHT_LINES.replace("image: nginx:1.27", "build: {template: ./Dockerfile.j2}"))
    (folder / "Dockerfile.j2").write_text("FROM scratch\n{% if port %}\n")
    assert "Dockerfile.j2:" in refused(folder).err


def test_a_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A template nobody has is an error that says which there are."""
    folder = project(tmp_path, EIGHT_LINES.replace("image: nginx:1.27", "build: {template: pyhton-web}"))
    assert "pyhton-web" in refused(folder).err


def test_bytes_that_are_no_text_are_placed(tmp_path: Path) -> None:
    """A file that is not UTF-8 is an error at the byte."""
    folder = project(tmp_path)
    (folder / "fleet.yaml").write_bytes(EIGHT_LINES.replace("shop", "sh\xf6p").encode("latin-1"))
    assert "fleet.yaml:1:" in refused(folder).err
