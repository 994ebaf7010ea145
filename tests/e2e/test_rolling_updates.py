"""Rolling updates of five web hosts under every kind of caller, whether or not the application stops when told."""

from __future__ import annotations

import pytest

from tests.rolling_fleet import WEB_HOSTS, Rolled, RollingFleet

pytestmark = pytest.mark.lab


def test_rolling_updates_under_load_lose_nothing(rolling: RollingFleet) -> None:
    """Twice: first the containers that leave stop when told, then they ignore it."""
    for leaving in ("graceful", "stubborn"):
        release = rolling.change("stubborn")
        loses_nothing(rolling.rolled(), release, leaving)


def loses_nothing(rolled: Rolled, release: str, leaving: str) -> None:
    """No request fails, no POST is executed twice or lost, every node stays in rotation, cut tunnels are named."""
    assert rolled.code == 0, rolled.out
    assert rolled.reasons == {}, leaving
    assert rolled.twice == []
    assert len(rolled.executed) == rolled.report["answered"]["post"] > 100
    assert rolled.report["unasked"] == 0
    assert rolled.fewest == len(WEB_HOSTS)
    assert sum(rolled.cuts.values()) == rolled.report["tunnels"]["cut"]
    assert all(host.partition(" ")[0] in WEB_HOSTS for host in rolled.cuts)
    assert set(rolled.report["hosts"]) == set(WEB_HOSTS)
    assert rolled.report["releases"][release]["answers"] > 100
