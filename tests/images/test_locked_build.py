"""What was built once is built again from what was kept, with no archive and no index in reach."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from provisioner.images.bases.debian_root import root_stem
from provisioner.images.bases.packages import packages_tag
from provisioner.images.build import BuildSettings, EngineBuilder
from provisioner.images.engine import EngineImages
from provisioner.local.build_settings import build_files, proxy_arguments
from provisioner.model.image import BuildInputs, ContextFile
from provisioner.model.lock import LockedSuite, Pins
from provisioner.model.spec import SuiteBase

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

CACHE = Path(__file__).parents[2] / ".provisioner" / "cache"
TAG = "provisioner/test-locked/web:1"
CLOSED = "http://127.0.0.1:9/"
DOCKERFILE = """\
FROM provisioner.invalid/base AS dependencies
COPY provisioner-build/wheels/ /run/wheels/
RUN python3 -m venv /run/pip && python3 -m venv --without-pip /opt/venv \\
 && /run/pip/bin/pip --python /opt/venv/bin/python3 install --no-compile --no-index --no-deps \\
      --find-links /run/wheels --require-hashes --requirement /run/wheels/requirements.txt
FROM provisioner.invalid/base
COPY --from=dependencies /opt/venv /opt/venv
"""


@pytest.fixture
def client() -> Iterator[docker.APIClient]:
    """The engine of this machine, without what the test made there."""
    made = docker.APIClient(version="auto", timeout=600)
    yield made
    if made.images(name=TAG):
        made.remove_image(TAG, force=True)
    made.close()


def test_pins_give_the_same_image_without_a_network(client: docker.APIClient, tmp_path: Path) -> None:
    """An unlocked build says what it stood on; its pins give the same image with archive and index unreachable."""
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("itsdangerous==2.2.0\n")
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    entry = ContextFile("requirements.txt", str(requirements), 0o644, requirements.stat().st_size, digest)
    inputs = BuildInputs("web", TAG, DOCKERFILE, SuiteBase("bookworm", ("python3-venv",)), (entry,))
    inputs = replace(inputs, requirements=("requirements.txt",), offline=True)
    open_settings = BuildSettings(CACHE, files=build_files({}, Path.home()), arguments=proxy_arguments({}))
    first = EngineBuilder(client, "this machine", open_settings).build(inputs, silent)

    assert first.pins.wheels is not None
    assert [wheel.name for wheel in first.pins.wheels.wheels] == ["itsdangerous"]
    forget_layer(client, first.pins)
    settings = {"pip.conf": f"[global]\nindex-url = {CLOSED}\n".encode()}
    shut = EngineBuilder(client, "this machine", BuildSettings(CACHE, CLOSED, settings))
    again = shut.build(replace(inputs, pins=first.pins), silent)
    assert again.facts.image_id == first.facts.image_id
    assert again.pins == first.pins
    forget_layer(client, first.pins)


def forget_layer(client: docker.APIClient, pins: Pins) -> None:
    """Remove the layer of packages from the engine, so that it has to be made from what was kept."""
    assert isinstance(pins.suite, LockedSuite)
    assert pins.packages is not None
    root = EngineImages(client, "this machine").inspect(f"provisioner/base:{root_stem(pins.suite)}")
    assert root is not None
    client.remove_image(packages_tag(root.image_id, pins.packages), noprune=True)


def silent(_text: str, _done: int, _total: int) -> None:
    """Hear nothing."""
