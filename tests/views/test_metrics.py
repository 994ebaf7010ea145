"""The counts of a look, as Prometheus reads them."""

from __future__ import annotations

from provisioner.model.drift import Drift, DriftReport, DriftSummary
from provisioner.views.metrics import metrics_text

ROWS = (
    Drift("web3", "", "package", "htop", "absent", "3.2.2", "outlier"),
    Drift("web3", "", "package", "atop", "absent", "2.8", "outlier"),
    Drift("web3", "", "user", "mallory", "absent", "uid 1", "outlier", ignored="a guest"),
    Drift('web"4', "", "host", "", "reachable", "no route", "unknown"),
)
REPORT = DriftReport("shop", ROWS, DriftSummary(2, 1, 0, 1, 3, 1), ("web3", 'web"4'))


def test_counts_are_told_by_host_class_and_kind() -> None:
    """Every class has a line, so that nothing is a number too; a lost host is down; labels are quoted."""
    lines = metrics_text((REPORT, 1764300000.5), is_up=True).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'provisioner_drift_up{fleet="shop"} 1',
        'provisioner_drift_last_look_timestamp_seconds{fleet="shop"} 1764300000.500',
        'provisioner_drift_host_up{fleet="shop",host="web3"} 1',
        'provisioner_drift_host_up{fleet="shop",host="web\\"4"} 0',
        'provisioner_drift_class_differences{fleet="shop",class="drift"} 0',
        'provisioner_drift_class_differences{fleet="shop",class="pending"} 0',
        'provisioner_drift_class_differences{fleet="shop",class="unmanaged"} 0',
        'provisioner_drift_class_differences{fleet="shop",class="outlier"} 2',
        'provisioner_drift_class_differences{fleet="shop",class="unknown"} 1',
        'provisioner_drift_differences{fleet="shop",host="web\\"4",class="unknown",kind="host"} 1',
        'provisioner_drift_differences{fleet="shop",host="web3",class="outlier",kind="package"} 2',
        'provisioner_drift_ignored{fleet="shop"} 1',
    ]
    assert lines[1] == "# TYPE provisioner_drift_up gauge"


def test_a_look_that_failed_leaves_the_counts_before_and_says_so() -> None:
    """Where none ever worked there is nothing but that."""
    assert 'provisioner_drift_up{fleet="shop"} 0' in metrics_text((REPORT, 1.0), is_up=False)
    assert metrics_text(None, is_up=False).splitlines()[-1] == "provisioner_drift_up 0"
