"""The wheel, installed into an empty environment: all it needs is inside it, and it works from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.lab_fleet import LabFleet

CHECKOUT = Path(__file__).parents[2]
TEMPLATES = sorted(path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "templates").rglob("*.j2"))
SPEC = """\
name: shop
services:
  web:
    build: {template: static-web, context: ./site}
    hosts: web:!web4
    port: 8080
    host_port: 18480
load_balancer:
  hosts: lb
  bind: [{port: 8480}]
"""
INVENTORY = """\
all:
  children:
    lb: {hosts: {lb1: {ansible_host: 192.0.2.10}}}
    web: {hosts: {web1: {ansible_host: 192.0.2.21}, web2: {ansible_host: 192.0.2.22}, web4: {ansible_host: 192.0.2.24}}}
"""


def done(argv: list[str], folder: Path, **variables: str) -> str:
    """Run a program that has to succeed, without anything of this checkout on its path; return what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PROVISIONER_"))}
    ran = subprocess.run(argv, cwd=folder, env=kept | variables, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    done([*build, str(CHECKOUT)], CHECKOUT)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the command, as installed with its dependencies into an environment that had nothing."""
    home = tmp_path_factory.mktemp("empty")
    venv.create(home / "venv", with_pip=False, symlinks=True)
    python = str(home / "venv" / "bin" / "python")
    done([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile", str(wheel)], home)
    return home / "venv" / "bin" / "provisioner"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a spec, a site and an inventory, far from the checkout."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<h1>hello</h1>\n")
    (tmp_path / "fleet.yaml").write_text(SPEC)
    (tmp_path / "inventories").mkdir()
    (tmp_path / "inventories" / "prod.yaml").write_text(INVENTORY)
    return tmp_path


@pytest.mark.engine
def test_the_wheel_holds_the_templates_and_nothing_of_the_checkout(wheel: Path) -> None:
    """Every template is inside the package, the types are marked, and tests and caches stay out."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"provisioner/{template}" for template in TEMPLATES} <= set(names)
    assert "provisioner/py.typed" in names
    roots = {name.split("/")[0] for name in names}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"provisioner"}
    assert [name for name in names if "__pycache__" in name or name.endswith(".pyc")] == []


@pytest.mark.engine
def test_the_installed_command_works_from_any_folder(installed: Path, project: Path) -> None:
    """Both names of the command are there; `validate` and `render` need nothing but what was installed."""
    assert "valid" in done([str(installed), "validate", "--json"], project)
    done([str(installed.with_name("prov")), "render", "--out", "out"], project)
    dockerfile = (project / "out" / "web" / "Dockerfile").read_text()
    assert "nginx" in dockerfile
    assert (project / "out" / "load-balancer" / "lb1" / "haproxy.cfg").is_file()


@pytest.mark.engine
def test_the_installed_templates_are_those_of_the_wheel(installed: Path) -> None:
    """The installed package reads the templates that came inside it."""
    python = str(installed.with_name("python"))
    program = "from provisioner.local.templates import shipped_templates; print(shipped_templates())"
    folder = Path(done([python, "-c", program], installed.parent).strip())
    assert folder.is_relative_to(installed.parents[1])
    assert sorted(f"templates/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*.j2")) == TEMPLATES


@pytest.mark.lab
def test_the_installed_command_plans_on_real_hosts(installed: Path, project: Path, lab: LabFleet) -> None:
    """`plan` reaches the hosts of a lab and says what it would do there, from a folder of its own."""
    inventory = str(lab.folder / "inventories" / f"{lab.name}.yaml")
    told = done([str(installed), "plan", "--json", "-i", inventory], project, PROVISIONER_CACHE=str(lab.cache))
    assert '"action":"start_node"' in told
