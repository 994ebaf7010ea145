"""Thousands of stories of a fleet in memory; one that breaks a law is told again by its number alone.

PROVISIONER_SEED=4711 .venv/bin/pytest -q tests/simulated
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.simulated.story import Story

pytestmark = pytest.mark.seeds

CHUNK = 50
COUNT = int(os.environ.get("PROVISIONER_SEEDS", "2000"))
ONE = os.environ.get("PROVISIONER_SEED", "")
CHUNKS = [[int(ONE)]] if ONE else [list(range(start, start + CHUNK)) for start in range(0, COUNT, CHUNK)]


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_every_story_keeps_the_laws(seeds: list[int], tmp_path: Path) -> None:
    """Whatever is slow, lost, refused, repeated, cut off or dies: what serves goes on; the same command converges."""
    told: list[str] = []
    for seed in seeds:
        story = Story(seed, tmp_path / str(seed))
        story.tell()
        if story.broken:
            told += [f"seed {seed}, {len(story.webs)} hosts, {story.behaviour}:"]
            told += [f"    {words}" for words in (*story.faults.happened, "broke:", *story.broken[:6])]
    assert not told, "\n".join(told)
