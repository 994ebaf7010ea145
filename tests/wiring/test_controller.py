"""What a user sets for leases, the clock a run is lent, and the switch that kills it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from provisioner.errors import UsageError
from provisioner.wiring.controller import fuse, owner, term
from provisioner.wiring.parts import SystemClock


def test_a_term_is_a_duration_of_fifteen_seconds_or_more() -> None:
    """Thirty seconds where nothing is said; what is shorter than hosts can tell is refused."""
    assert (term(""), term("15s"), term("1m30s")) == (30.0, 15.0, 90.0)
    for wrong in ("14s", "30", "soon"):
        with pytest.raises(UsageError, match="PROVISIONER_LEASE_TTL"):
            term(wrong)


def test_an_owner_is_a_user_on_a_machine() -> None:
    """Whoever meets the lease reads whom to ask."""
    assert "@" in owner()


def test_the_switch_is_read_strictly() -> None:
    """A mistyped switch must not let a test pass that tested nothing."""
    for wrong in ("before", "after:", "between:3", "before:-1"):
        with pytest.raises(UsageError, match="PROVISIONER_CRASH_AT"):
            fuse(wrong)


def test_the_switch_kills_the_process_at_that_effect_alone() -> None:
    """It dies by SIGKILL, after what came before and before anything else."""
    script = (
        "from provisioner.wiring.controller import fuse\n"
        "burn = fuse('after:2')\n"
        "for number in (1, 2, 3):\n"
        "    burn('before', number)\n"
        "    print(number, flush=True)\n"
        "    burn('after', number)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (-9, ["1", "2"])


def test_a_pulse_beats_until_it_is_left() -> None:
    """It beats beside what goes on, and not afterwards."""
    beats: list[float] = []
    with SystemClock().every(0.02, lambda: beats.append(time.monotonic())):
        time.sleep(0.3)
    count = len(beats)
    assert count >= 3
    time.sleep(0.1)
    assert len(beats) == count
