"""The verbs that need no host: they read, check and write files, and touch no network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

from tests.cli.command_line import EIGHT_LINES, EXAMPLES, example, on_a_terminal, project, provisioner

COLOUR = "\x1b["
MISTYPED = EIGHT_LINES.replace("port: 80", "prot: 80")


def without_network() -> tuple[str, ...]:
    """Return the program that runs another one without any network; skip where there is none."""
    unshare = shutil.which("unshare") or ""
    isolated = (unshare, "--net") if os.geteuid() == 0 else (unshare, "--net", "--map-root-user")
    if not unshare or subprocess.run([*isolated, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nobody here may take a network away")
    return isolated


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_valid_and_renders_without_a_network(tmp_path: Path, name: str) -> None:
    """Every example passes `validate` and `render` on a machine that has no network at all."""
    folder = example(tmp_path, name)
    alone = without_network()
    assert provisioner(folder, "validate", before=alone).code == 0
    ran = provisioner(folder, "render", "--out", "out", before=alone)
    assert ran.code == 0, ran.err
    assert "listen" not in ran.err
    written = {path.relative_to(folder / "out").as_posix() for path in (folder / "out").rglob("*") if path.is_file()}
    assert {"load-balancer/Dockerfile", "load-balancer/lb1/haproxy.cfg"} < written


def test_rendering_says_the_same_each_time(tmp_path: Path) -> None:
    """Renderings by two interpreters are equal byte for byte, and standard output holds what the files hold."""
    folder = example(tmp_path, "hello")
    for out in ("one", "two"):
        assert provisioner(folder, "render", "--out", out, before=("env",)).code == 0
    files = [path for path in (folder / "one").rglob("*") if path.is_file()]
    assert len(files) == 3
    shown = provisioner(folder, "render").out
    for path in files:
        assert path.read_bytes() == (folder / "two" / path.relative_to(folder / "one")).read_bytes()
        assert path.read_text() in shown


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file in the place of the folder is an error that names it."""
    ran = provisioner(project(tmp_path), "render", "--out", "fleet.yaml")
    assert ran.code == 1
    assert "fleet.yaml" in ran.err


def test_the_schema_is_one_an_editor_can_use(tmp_path: Path) -> None:
    """`schema` prints a JSON Schema that accepts the smallest spec and refuses a mistyped key."""
    ran = provisioner(tmp_path, "schema")
    schema = json.loads(ran.out)
    jsonschema.Draft202012Validator.check_schema(schema)
    judge = jsonschema.Draft202012Validator(schema)
    web = {"image": "nginx:1.27", "hosts": "web", "port": 80}
    assert ran.code == 0
    assert judge.is_valid({"name": "shop", "services": {"web": web}, "load_balancer": {"hosts": "lb"}})
    assert not judge.is_valid({"name": "shop", "services": {"web": web | {"prot": 80}}})


def test_validate_answers_programs_too(tmp_path: Path) -> None:
    """With `--json` the answer is one object on standard output and nothing else."""
    ran = provisioner(project(tmp_path), "validate", "--json")
    assert json.loads(ran.out) == {"schema": 1, "valid": True, "fleet": "shop", "nodes": 2, "hosts": 3}
    assert ran.err == ""


@pytest.mark.parametrize(
    "words",
    ["--json -e lab validate", "validate --json -e lab", "-e nowhere validate --json -e lab"],
)
def test_options_stand_before_the_verb_or_after_it(tmp_path: Path, words: str) -> None:
    """Common options mean the same in both places; the later one wins."""
    ran = provisioner(project(tmp_path, inventories=("lab", "prod")), *words.split())
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["valid"] is True


def test_settings_may_come_from_the_environment(tmp_path: Path) -> None:
    """PROVISIONER_FILE, _ENV and _INVENTORY stand for options, and an option wins over them."""
    folder = project(tmp_path, inventories=("lab", "prod"))
    (folder / "fleet.yaml").rename(folder / "shop.yaml")
    said = {"PROVISIONER_FILE": "shop.yaml", "PROVISIONER_ENV": "prod"}
    assert provisioner(folder, "validate", variables=said).code == 0
    assert provisioner(folder, "validate", "-f", "other.yaml", variables=said).code == 64
    named = {"PROVISIONER_FILE": "shop.yaml", "PROVISIONER_INVENTORY": "inventories/lab.yaml"}
    assert provisioner(folder, "validate", variables=named).code == 0


def test_nothing_is_coloured_in_a_pipe(tmp_path: Path) -> None:
    """Where nobody looks no colour is written."""
    ran = provisioner(project(tmp_path, MISTYPED), "validate")
    assert ran.code == 65
    assert COLOUR not in ran.out + ran.err


@pytest.mark.parametrize(
    ("words", "variables", "coloured"),
    [
        ((), {}, True),
        ((), {"NO_COLOR": "1"}, False),
        ((), {"TERM": "dumb"}, False),
        (("--no-color",), {}, False),
    ],
    ids=["terminal", "NO_COLOR", "dumb", "--no-color"],
)
def test_a_terminal_is_coloured_unless_somebody_minds(
    tmp_path: Path, words: tuple[str, ...], variables: dict[str, str], *, coloured: bool
) -> None:
    """On a terminal errors are coloured; NO_COLOR, TERM=dumb and `--no-color` each forbid it."""
    shown = on_a_terminal(project(tmp_path, MISTYPED), "validate", *words, variables=variables)
    assert "unknown key" in shown
    assert (COLOUR in shown) is coloured


def test_a_quiet_success_says_nothing(tmp_path: Path) -> None:
    """With `-q` only results and errors are written."""
    ran = provisioner(project(tmp_path), "validate", "-q")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
