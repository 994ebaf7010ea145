"""A fleet in memory for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation import Simulation


@pytest.fixture
def fleet(tmp_path: Path) -> Simulation:
    """Return three empty web hosts and an empty balancer host."""
    return Simulation(tmp_path)
