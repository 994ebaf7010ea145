"""Every page as a person sees it, on files: 80 columns, no colour, unless a case says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from provisioner.errors import BuildFailed, Diagnostic, HookFailed, HostUnreachable, InvalidInput, NodeUnhealthy
from provisioner.model.diagnosis import Cause, Diagnosis, Reason
from provisioner.model.drift import Drift, DriftReport, DriftSummary
from provisioner.model.event import (
    ActionFailed,
    ActionProgress,
    ActionSucceeded,
    DriftAppeared,
    DriftGone,
    Finished,
    HookRan,
    HookSaid,
    HostUnreachableSeen,
    LookFailed,
    PlanMade,
    StepStarted,
)
from provisioner.model.finding import Finding
from provisioner.model.image import Known
from provisioner.model.observed import Unreachable
from provisioner.model.plan import Plan, PlannedHook, ShipImage, Step
from provisioner.model.status import FleetStatus
from provisioner.views.settings import Settings
from provisioner.views.view import View
from tests.views.conftest import (
    DRAINED,
    IMAGE,
    RELEASE,
    Paint,
    Show,
    changing_plan,
    first_plan,
    secret_plan,
    start,
    status_sample,
)

ROWS = (
    *(Drift(f"web{n}", f"web{n}/web-1", "environment", "LOG_LEVEL", "info", "debug", "drift") for n in range(1, 11)),
    Drift("web3", "web3/web-1", "image", "", IMAGE, "sha256:" + "e" * 64, "pending"),
    Drift("web3", "web3/web-1", "command", "", "", "sleep 1", "drift"),
    Drift("db1", "", "container", "redis", "absent", "running", "unmanaged"),
    Drift("web12", "", "host", "", "reachable", "no route to host", "unknown"),
)
MOST = "3 of 4 hosts have it: lb1, web1, web2"
SSHD = "--- lb1, web1, web2\n+++ web3\n@@ -1,2 +1,2 @@\n Port 22\n-PermitRootLogin no\n+PermitRootLogin yes"
UNDO = "ssh root@10.0.0.5 'cat /etc/ssh/sshd_config' | ssh root@10.0.0.13 'cat >/etc/ssh/sshd_config'"
CONFIG = "file 644 root:root sha256 "
PERL = "--- lb1\n+++ lb2\n@@ -0,0 +1,2 @@\n+root: perl\n+root: perl -e"
HOST_ROWS = (
    Drift(
        "web3", "", "ssh", "/etc/ssh/sshd_config", f"{CONFIG}1f2e3d4c5b6a", f"{CONFIG}77aa01d0c0de", "outlier",
        SSHD, MOST, UNDO,
    ),
    *(
        Drift(f"web{n}", "", "package", "htop", "absent", "3.2.2-2", "outlier", "", "9 of 14 hosts lack it: …",
              f"ssh web{n} 'apt-get purge -y htop'")
        for n in range(1, 6)
    ),
    Drift("lb1", "", "sysctl", "net.core.somaxconn", "", "128", "outlier", "", "tie, no majority: lb1: 128; lb2: 4096"),
    Drift("lb2", "", "process", "perl", "absent", "root: perl\nroot: perl -e", "outlier", PERL),
    Drift("web3", "", "user", "passwords", "readable", "only root may read /etc/shadow", "unknown"),
)  # fmt: skip
DRIFTED_HOSTS = DriftReport(
    "shop", HOST_ROWS, DriftSummary(16, 14, 0, 0, 9), left_out=(("web1", "2 large files below /opt"),)
)
LEFT_ASIDE = DriftReport(
    "shop",
    tuple(replace(row, ignored="an experiment of the team") for row in HOST_ROWS[:3]),
    DriftSummary(4, 3, 0, 0, 0, 3),
)
SPEC = InvalidInput(
    (
        Diagnostic(
            "fleet.yaml",
            14,
            5,
            "unknown key 'intervall' in services.web.healthcheck",
            "did you mean 'interval'?",
            "    intervall: 5s",
        ),
        Diagnostic("fleet.yaml", 20, 2, "tabs are not allowed here", source_line="\tname: shop"),
        Diagnostic("fleet.prod.yaml", 0, 0, "the file is empty"),
        Diagnostic("fleet.yaml", 31, 125, "unset variable", "set it", "    command: " + "x" * 110 + " ${LEVEL}"),
    )
)
CHECKS = (
    Finding("", "python", "ok", "3.11.7"),
    Finding("web1", "engine", "ok", "20.10.24 through streamlocal"),
    Finding("web1", "memory limits", "warning", "the engine cannot enforce them", "boot with swapaccount=1"),
    Finding("web2", "login", "failure", "permission denied", "ssh-copy-id web2"),
)


def run(view: View) -> None:
    """Carry out a step that works."""
    ship = ShipImage("web1", "web", Known("web:1f", IMAGE))
    step = Step("ship images", (ship,))
    view.emit(PlanMade(Plan("shop", (step,), (), RELEASE)))
    view.emit(StepStarted(1, 1, step))
    view.emit(ActionProgress(ship, "sending", 1_200_000, 41_000_000))
    view.emit(ActionProgress(ship, "sending", 41_000_000, 41_000_000))
    view.emit(ActionSucceeded(ship, 12.34, "3 layers, 41 MB sent"))
    view.emit(Finished("complete", RELEASE, 0, actions=1, seconds=102.0))


def failing_run(view: View) -> None:
    """Carry out a step in which one host is lost and one node fails its gate."""
    action = start("web3/web-1")
    view.emit(StepStarted(4, 9, Step("web3/web-1: start", (action,))))
    view.emit(HostUnreachableSeen("web4", "connection timed out", "check its power"))
    log = ("Traceback (most recent call last):", "\x1b[31mKeyError\x1b[0m: 'NAME'\x07")
    view.emit(ActionFailed(action, "web3: web3/web-1 exited with status 1", "look at its environment", log))
    view.emit(Finished("halted", None, 6, actions=12, seconds=7.25, message="web1/web-1 runs r13, web2/web-1 r12."))


def unhealthy_run(view: View) -> None:
    """Carry out a step in which a node fails its gate, and say why."""
    action = start("web3/web-1")
    reasons = (
        Reason(
            Cause.MISSING_VARIABLE,
            "it asks for the variable NAME, which r11-1b2c3d4e5f60 set and r12-9f3c1e0a7b21 does not",
            "services: {web: {environment: {NAME: …}}}",
        ),
        Reason(Cause.CRASHED, "its program ended with exit code 1 (an error of the program itself)"),
    )
    log = ("Traceback (most recent call last):", "\x1b[31mKeyError\x1b[0m: 'NAME'\x07")
    changes = ("environment NAME: removed", "image: 4be1c0ffee12 -> 77aa01d0c0de")
    gaps = ("web3: could not look inside",)
    found = Diagnosis("web3", "web3/web-1", reasons, log, "r11-1b2c3d4e5f60", changes, gaps)
    view.emit(ActionFailed(action, "web3: the container of web3/web-1 ended (exit code 1)", "look", log, found))
    nothing_changed = replace(found, reasons=reasons[1:], log=(), changes=(), gaps=())
    view.emit(ActionFailed(action, "web3: the container of web3/web-1 ended (exit code 1)", "", (), nothing_changed))


def watched(view: View) -> None:
    """Watch a fleet in which one thing comes, another goes, and one look fails."""
    view.emit(DriftAppeared("2026-11-28T05:00:00Z", HOST_ROWS[1]))
    view.emit(DriftGone("2026-11-28T05:05:00Z", ROWS[-1]))
    view.emit(LookFailed("2026-11-28T05:10:00Z", "fleet.yaml is gone", "name another one with -f"))


HOOKED = (PlannedHook("pre-apply", ("./ask.sh", "right now")), PlannedHook("on-failure", ("./page.sh",)))


def hooked_run(view: View) -> None:
    """Hear hooks: one that agrees, one that fails after the fact."""
    view.emit(HookSaid("pre-apply", "it is \x1b[31mTuesday\x1b[0m"))
    view.emit(HookRan("pre-apply", ("./ask.sh", "--now"), 0.31, "", ("it is Tuesday",)))
    view.emit(HookRan("post-apply", ("./announce.sh",), 60.0, "./announce.sh took longer than 60 s and was killed", ()))


PAGES: dict[str, Show] = {
    "plan-first": lambda view: view.plan(first_plan()),
    "plan-changes": lambda view: view.plan(changing_plan()),
    "plan-drained": lambda view: view.plan(replace(first_plan(), drained=DRAINED)),
    "status-drained": lambda view: view.status(replace(status_sample(uniform=True), drained=DRAINED)),
    "plan-nothing": lambda view: view.plan(Plan("shop", release=RELEASE)),
    "plan-nothing-seen": lambda view: view.plan(Plan("shop", release=RELEASE, unreachable=("web2",))),
    "plan-secrets": lambda view: view.plan(secret_plan()),
    "plan-lost": lambda view: view.plan(first_plan(), (Unreachable("db1", "connection refused", "start sshd"),)),
    "status-uniform": lambda view: view.status(status_sample(uniform=True)),
    "status-mixed": lambda view: view.status(status_sample(uniform=False)),
    "status-nothing": lambda view: view.status(FleetStatus("shop", None, uniform=False, hosts=(), nodes=())),
    "drift": lambda view: view.drift(DriftReport("shop", ROWS, DriftSummary(12, 11, 10, 1))),
    "drift-none": lambda view: view.drift(DriftReport("shop", (), DriftSummary(4, 3, 0, 0))),
    "drift-hosts": lambda view: view.drift(DRIFTED_HOSTS),
    "drift-ignored": lambda view: view.drift(LEFT_ASIDE),
    "drift-watched": watched,
    "apply": run,
    "apply-failing": failing_run,
    "apply-unhealthy": unhealthy_run,
    "apply-hooks": hooked_run,
    "plan-hooks": lambda view: view.plan(replace(first_plan(), hooks=HOOKED)),
    "error-hook": lambda view: view.error(
        HookFailed(
            "pre-apply", "./ask.sh ended with exit status 3", output=("it is Friday",), hint="ask again on Monday"
        )
    ),
    "apply-unchanged": lambda view: view.emit(Finished("unchanged", RELEASE, 0)),
    "error-spec": lambda view: view.error(SPEC),
    "error-build": lambda view: view.error(
        BuildFailed(
            "web",
            instruction="RUN pip install -r requirements.txt",
            output=("ERROR: No matching distribution found for flaskk", "exit status 1"),
            reason="an instruction failed",
            hint="correct requirements.txt",
        )
    ),
    "error-unhealthy": lambda view: view.error(
        NodeUnhealthy("web3", "did not become healthy in 2m", node="web3/web-1", log=("boom",), hint="see its log")
    ),
    "error-host": lambda view: view.error(
        HostUnreachable("web3", "the host key is unknown", hint="provisioner trust web3")
    ),
    "checks": lambda view: view.checks(CHECKS),
    "table": lambda view: view.table("hosts", ("host", "state"), (("lb1", "running"), ("web1", "stopped"))),
    "table-empty": lambda view: view.table("hosts", ("host", "state"), ()),
    "document": lambda view: view.document({"title": "Größe der Flotte", "type": "object"}),
}


@pytest.mark.parametrize("case", PAGES)
def test_a_page_looks_as_recorded(case: str, paint: Paint, matches: Callable[[str, str], None]) -> None:
    """What people read changes on purpose only."""
    matches(case, paint(PAGES[case]))


@pytest.mark.parametrize("case", PAGES)
def test_a_json_answer_looks_as_recorded(case: str, paint: Paint, matches: Callable[[str, str], None]) -> None:
    """What programs read changes on purpose only."""
    matches(f"{case}-json", paint(PAGES[case], json=True, run=case.startswith("apply")))


@pytest.mark.parametrize("case", ["plan-changes", "status-mixed", "drift", "error-spec", "checks"])
def test_a_narrow_terminal_is_served_too(case: str, paint: Paint, matches: Callable[[str, str], None]) -> None:
    """Twenty columns are few, and enough."""
    text = paint(PAGES[case], Settings(width=20))
    matches(f"{case}-narrow", text)


@pytest.mark.parametrize("case", ["plan-changes", "status-mixed", "drift", "document"])
def test_a_stream_without_unicode_gets_ascii(case: str, paint: Paint, matches: Callable[[str, str], None]) -> None:
    """Nothing is lost and nothing fails where the encoding has no signs."""
    matches(f"{case}-ascii", paint(PAGES[case], encoding="ascii"))


@pytest.mark.parametrize("case", ["plan-changes", "apply"])
def test_verbose_shows_every_step_and_action(case: str, paint: Paint, matches: Callable[[str, str], None]) -> None:
    """Nothing is collapsed for who asks."""
    matches(f"{case}-verbose", paint(PAGES[case], Settings(verbosity=1)))
