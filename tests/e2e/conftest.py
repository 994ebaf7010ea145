"""The fleet `hello`, brought back to its example before every test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab_fleet import Fleet, LabFleet
from tests.rolling_fleet import RollingFleet, RollingLab


@pytest.fixture(scope="module")
def standing(lab: LabFleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Return the fleet `hello` on three web hosts; it is taken off when the module's tests are over."""
    fleet = Fleet(lab, tmp_path_factory.mktemp("standing"))
    fleet.rewrite("parallelism: 1", "parallelism: 100%")
    yield fleet
    fleet.destroy()


@pytest.fixture(scope="session")
def rolling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RollingFleet]:
    """Return a fleet of five web hosts on a lab of its own, to be rolled out under load."""
    lab = RollingLab()
    lab.down()
    lab.up()
    fleet = RollingFleet(lab, tmp_path_factory.mktemp("rolling"))
    fleet.applied()
    yield fleet
    lab.down()


@pytest.fixture
def hello(standing: Fleet, tmp_path: Path) -> Fleet:
    """Return the fleet `hello` as its example wants it, with files a test may change."""
    standing.applied("--allow-interruption")
    return Fleet(standing.lab, tmp_path)
