"""What the benchmark of rollouts makes of its figures, and of our balancer's file for the swarm."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tests.bench.bad_releases import CASES
from tests.bench.rollout import Taken, judged_bad, judged_rolls, row
from tests.bench.swarm import in_front_of_tasks
from tests.lab_fleet import CHECKOUT
from tests.rolling_fleet import Rolled

FILE = CHECKOUT / "tests" / "cases" / "render" / "balancer" / "one-service" / "haproxy.cfg"
WELL = Rolled(
    12.0,
    0,
    "",
    {
        "sent": {"get": 1000},
        "failed": {},
        "twice": [],
        "tunnels": {"cut": 1, "cuts": [{"at": 9.0, "host": "web2", "release": "r1", "how": "end of stream"}]},
        "capacity": {"web": {"samples": 30, "fewest": 5, "changes": [[1.0, 5]]}},
        "releases": {"r2": {"answers": 400, "first": 3.5, "last": 12.0}},
        "first_failure": None,
        "seconds": [[second, 100, 0] for second in range(10)],
    },
    Counter({"run-1": 1}),
    12.0,
)


def missed(rolled: Rolled) -> list[str]:
    """Return the promises that a rollout did not keep."""
    return [words for words, met in judged_rolls("graceful", [WELL, rolled]) if not met]


def test_a_rollout_that_loses_nothing_keeps_every_promise() -> None:
    """A cut tunnel with a name is told and breaks none."""
    assert missed(WELL) == []
    assert "| 1,000 | 0 | 0 | 5 | 1 (web2 1) |" in row("provisioner", "graceful", [WELL])


def test_each_loss_breaks_its_own_promise() -> None:
    """A failed request, a POST executed twice, a node out of rotation, a run that did not complete: each is a line."""
    failing = {**WELL.report, "failed": {"get": {"status 503": 2}}}
    short = {**WELL.report, "capacity": {"web": {"samples": 30, "fewest": 4, "changes": []}}}
    assert missed(replace(WELL, report=failing)) == ["graceful: 2 failed requests"]
    assert missed(replace(WELL, executed=Counter({"run-1": 2}))) == ["graceful: 1 POSTs executed twice"]
    assert missed(replace(WELL, report=short)) == ["graceful: 4 of 5 nodes in rotation at the fewest, 60 looks"]
    assert missed(replace(WELL, code=6)) == ["graceful: every one of 2 rollouts complete"]
    assert "2 (get: status 503 2)" in row("provisioner", "graceful", [replace(WELL, report=failing)])


def test_a_release_that_was_ready_may_fail_a_few_requests() -> None:
    """One in two hundred since its first answer; a release that never became ready none at all."""
    few = {**WELL.report, "failed": {"get": {"status 500": 3}}, "first_failure": 4.0}
    few["seconds"] = [[second, 100, 3 if second == 4 else 0] for second in range(10)]
    rolled = replace(WELL, code=3, report=few)
    ready = next(case for case in CASES if case.becomes_ready)
    never = next(case for case in CASES if not case.becomes_ready)
    assert all(met for _, met in judged_bad(Taken(ready, rolled, "r2", 1)))
    assert [words for words, met in judged_bad(Taken(never, rolled, "r2", 1)) if not met] == [
        f"{never.name}: 3 failed requests"
    ]
    assert [words for words, met in judged_bad(Taken(ready, replace(rolled, code=1), "r2", 2)) if not met] == [
        f"{ready.name}: exit 1 = 3",
        f"{ready.name}: 2 fingerprint",
    ]


def test_the_swarm_has_our_balancers_file_with_its_own_servers() -> None:
    """Nothing but the servers of the backend differs, and the names service they come from."""
    ours = FILE.read_text()
    theirs = in_front_of_tasks(ours)
    left = [line for line in ours.splitlines() if line not in theirs.splitlines()]
    assert left
    assert all(line.startswith("  server ") for line in left)
    assert theirs.count("server-template") == 1
