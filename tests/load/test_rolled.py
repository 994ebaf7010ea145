"""What is concluded from a rollout under load."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.rolling_fleet import Rolled

REPORT: dict[str, Any] = {
    "sent": {"get": 90, "post": 10},
    "failed": {"get": {"status 502": 2, "closed_reused": 1}, "post": {"status 502": 1}},
    "first_failure": 103.5,
    "twice": ["run-1"],
    "releases": {"r2": {"answers": 5, "first": 102.2, "last": 104.0}},
    "seconds": [[101, 50, 0], [102, 20, 0], [103, 20, 3], [104, 10, 1]],
    "tunnels": {"cut": 2, "cuts": [{"host": "web1", "release": "r1"}, {"host": "web1", "release": "r1"}]},
    "capacity": {"web": {"samples": 9, "fewest": 4, "changes": []}},
}
ROLLED = Rolled(12.0, 0, "", REPORT, Counter({"run-1": 1, "run-2": 2, "run-3": 1}))


def test_failures_are_named_by_kind_and_reason() -> None:
    """All are counted, each under what was asked and how it failed."""
    assert (ROLLED.failed, ROLLED.sent) == (4, 100)
    assert ROLLED.reasons == {"get: status 502": 2, "get: closed_reused": 1, "post: status 502": 1}


def test_a_post_is_executed_twice_whoever_tells() -> None:
    """The application's answer and the hosts' ledgers both count."""
    assert ROLLED.twice == ["run-1", "run-2"]


def test_the_share_of_failures_counts_from_the_first_request_of_a_release() -> None:
    """What was sent before its first answer does not count; where it never answered, the first failure begins."""
    assert ROLLED.failed_since("r2") == (4, 50)
    assert ROLLED.failed_since("r3") == (4, 30)


def test_cut_tunnels_are_named_and_the_fewest_nodes_known() -> None:
    """Each cut tunnel belongs to a host and its release; nobody having looked counts as no node."""
    assert ROLLED.cuts == {"web1 (r1)": 2}
    assert ROLLED.fewest == 4
    assert Rolled(1.0, 0, "", {"capacity": {}}, Counter()).fewest == 0
