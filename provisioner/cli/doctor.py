"""`provisioner doctor`: whether every host can be reached, how, and what is in the way."""

from __future__ import annotations

import typer

from provisioner.cli.options import Common, takes_common
from provisioner.cli.screen import open_view, settings


@takes_common
def doctor(context: typer.Context, common: Common) -> int:
    """Check this machine and every host, and say what to do."""
    from provisioner.reconcile.diagnose import diagnose
    from provisioner.wiring import fleet, parts

    view, chosen = open_view(context, common), settings(common)
    declared = fleet.declare(chosen)
    with parts.open_lookout(chosen, declared.inventory) as lookout:
        findings = (*parts.machine_findings(chosen), *diagnose(lookout, declared.spec.name, declared.placement.hosts))
    view.checks(findings)
    return 1 if any(finding.verdict == "failure" for finding in findings) else 0
