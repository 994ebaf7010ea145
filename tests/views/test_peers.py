"""Comparisons of hosts as people and programs see them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from provisioner.model.facts import Gap, HostGap, PeerComparison, PeerDifference, PeerValue
from provisioner.model.observed import Unreachable
from tests.views.conftest import Paint

DIFF = "--- web1, web3\n+++ web2\n@@ -1 +1 @@\n-worker_connections 768;\n+worker_connections 512;"
GONE = "--- web1\n+++ web2\n@@ -1,2 +0,0 @@\n-root: nginx\n-www-data: nginx"
THREE = PeerComparison(
    hosts=("web1", "web2", "web3", "web4"),
    kinds=("package", "file", "sysctl", "sudo"),
    differences=(
        PeerDifference(
            "package", "nginx", "outlier", (PeerValue("1.22.1", ("web1", "web3")), PeerValue("", ("web2",)))
        ),
        PeerDifference(
            "file",
            "/etc/nginx/nginx.conf",
            "outlier",
            (
                PeerValue("file 644 root:root sha256 1f2e3d4c5b6a", ("web1", "web3")),
                PeerValue(
                    "file 644 root:root sha256 77aa01d0c0de (changed from what nginx brought)", ("web2",), diff=DIFF
                ),
            ),
        ),
        PeerDifference(
            "file", "/etc/old", "tie", (PeerValue("folder 755 root:root", ("web1",)), PeerValue("", ("web2",))), below=2
        ),
    ),
    gaps=(HostGap(Gap("sudo", "/etc/sudoers", "this login may not read it"), ("web2", "web3")),),
    left_out=(("web1", "3 large files below /srv: only size, mode and owner"),),
    unreachable=(Unreachable("web4", "connection refused", "is it up?"),),
)
PAIR = PeerComparison(
    ("web1", "web2"),
    ("process", "cron"),
    (
        PeerDifference(
            "process",
            "nginx",
            "tie",
            (PeerValue("root: nginx\nwww-data: nginx", ("web1",)), PeerValue("", ("web2",), diff=GONE)),
        ),
    ),
)
SAME = PeerComparison(("web1", "web2"), ("package", "file"))


@pytest.mark.parametrize(("case", "found"), [("peers", THREE), ("peers-pair", PAIR), ("peers-same", SAME)])
def test_a_comparison_shows_a_matrix_then_each_difference_once(
    paint: Paint, matches: Callable[[str, str], None], case: str, found: PeerComparison
) -> None:
    """Hosts with the same value stand together, files with their diff, the verdict last."""
    matches(case, paint(lambda view: view.peers(found)))


def test_json_names_class_values_and_hosts(paint: Paint) -> None:
    """One object, with the matrix, and null where a host lacks something."""
    told = json.loads(paint(lambda view: view.peers(THREE), json=True).splitlines()[1])
    assert told["summary"] == {"hosts": 4, "differences": 3, "unknown": 2}
    assert told["differences"][0] == {
        "kind": "package",
        "key": "nginx",
        "class": "outlier",
        "outliers": ["web2"],
        "values": [{"value": "1.22.1", "hosts": ["web1", "web3"]}, {"value": None, "hosts": ["web2"]}],
        "below": 0,
        "diffs": [],
    }
    assert {"host": "web3", "kind": "sudo", "differences": 0, "unknown": True} in told["matrix"]
    assert [each["reachable"] for each in told["hosts"]] == [True, True, True, False]
