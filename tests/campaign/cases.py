"""The cases of a campaign: each has a name, and says what was wrong when it was over."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count

from tests.campaign.faults import BALANCER_FAULTS, HOST_FAULTS, Fault
from tests.campaign.ground import TERM, Ended, Ground, Watch, started_on
from tests.campaign.record import NO_SUCH_EFFECT

HOST_EXITS = {0, 3, 4}
"""Exits with which a rollout may end whose host went away: complete all the same, taken back, unreachable."""

BALANCER_EXITS = {0, 3, 4, 6}
"""Exits with which a rollout may end whose balancer something happened to: it may also pause."""

LOST = 40
"""Requests that may fail where a host goes away with them under way."""

OUTAGE = 10
"""Seconds that a balancer which is the only one, and was ended, may take until requests are answered again."""

SWEEPS = 7
"""Runs over the places of a command that a kill is tried at, which see all of them together."""

KILLED = -signal.SIGKILL
_AGAIN = 4


@dataclass(frozen=True)
class Verdict:
    """What came of a case: in words what happened, and what was wrong; `over` ends a row of numbered cases."""

    words: str
    wrong: tuple[str, ...] = ()
    over: bool = False


@dataclass(frozen=True)
class Case:
    """A case: its group, its name, and how it is tried on ground where the fleet is well."""

    group: str
    name: str
    attempt: Callable[[Ground], Verdict]


def faults() -> Iterator[Case]:
    """Yield every fault at every moment that it is tried at."""
    for fault in HOST_FAULTS:
        for moment, host in (("before", "web1"), ("in", "web2"), ("after", "web3")):
            yield Case("faults", f"{fault.name}, {moment} its step", partial(_fault, fault, host))
    for fault in BALANCER_FAULTS:
        yield Case("faults", f"{fault.name}, in mid-rollout", partial(_fault, fault, "web2"))


def _fault(fault: Fault, host: str, ground: Ground) -> Verdict:
    """Make a fault when a host's new container has started; take it away; the same command has to complete."""
    ground.fleet.change()
    with ground.under_load() as watch:
        try:
            ended = ground.carried_out(started_on(host), partial(fault.make, ground.lab))
        finally:
            fault.undo(ground.lab)
    least = len(ground.lab.webs) - fault.away
    wrong = [] if ended.happened else ["the moment of the fault never came"]
    exits = BALANCER_EXITS if fault in BALANCER_FAULTS else HOST_EXITS
    wrong += [f"exit {ended.code}"] if ended.code not in exits else []
    if watch.fewest < least and (fault.away or not fault.may_lose):
        wrong.append(f"{watch.fewest} nodes in rotation")
    if fault.may_lose and fault in BALANCER_FAULTS:
        wrong += _outage(watch)
    else:
        wrong += _lost(watch, LOST if fault.may_lose else 0)
    return _again(ground, ended, watch, wrong)


def _lost(watch: Watch, most: int) -> list[str]:
    twice = [f"{len(watch.twice)} POSTs executed twice"] if watch.twice else []
    return twice + ([f"{watch.failed} failed requests: {dict(watch.reasons)}"] if watch.failed > most else [])


def _outage(watch: Watch) -> list[str]:
    """Return that requests failed for too long; how many they are in that time says how many were sent."""
    bad = [second for second, _, failed in watch.report["seconds"] if failed]
    long = bad and bad[-1] - bad[0] > OUTAGE
    return _lost(watch, watch.sent) + ([f"requests failed for {bad[-1] - bad[0]} s"] if long else [])


def _again(ground: Ground, ended: Ended, watch: Watch, wrong: list[str]) -> Verdict:
    """Run the same command until it is through, and look at the fleet; nothing else may be needed."""
    told = ""
    for _ in range(_AGAIN):
        told = ground.settle()
        if not told:
            break
        time.sleep(TERM / 2)
    wrong += [f"again: {told}"] if told else ground.wrong()
    ending = "killed" if ended.code == KILLED else f"exit {ended.code} {ended.outcome}".strip()
    words = f"{ending}; {watch.failed} of {watch.sent} requests failed; fewest nodes in rotation {watch.fewest}"
    return Verdict(words, tuple(wrong))


def crashes(verb: str, sweep: int = 0) -> Iterator[Case]:
    """Yield a kill at every seventh place of a command, before or after an effect, while there is a further effect.

    `SWEEPS` of them, each from another place on, see every place. Seven is odd: both sides come by turns.
    """
    for place in count(sweep, SWEEPS):
        name = f"{('before', 'after')[place % 2]}:{place // 2 + 1}"
        yield Case(f"crash in {verb}", name, partial(_crash, verb, name))


def _crash(verb: str, place: str, ground: Ground) -> Verdict:
    """Kill the controller at an effect; the same command with no switch has to converge."""
    before = dict(ground.fleet.variables)
    ground.fleet.change()
    told = ground.settle() if verb == "rollback" else ""
    with ground.under_load() as watch:
        ended = ground.carried_out(verb=verb, PROVISIONER_CRASH_AT=place)
        if ended.code == KILLED:
            told = told or _converges(ground, verb)
    if verb == "rollback":
        ground.fleet.variables = before
    if ended.code != KILLED:
        wrong = [] if ended.code == 0 else [f"exit {ended.code}"]
        return Verdict(NO_SUCH_EFFECT, tuple(wrong), over=True)
    wrong = [told] if told else []
    wrong += [f"{watch.fewest} nodes in rotation"] if watch.fewest < len(ground.lab.webs) else []
    return _again(ground, ended, watch, wrong + _lost(watch, 0))


def _converges(ground: Ground, verb: str) -> str:
    """Run a command until it is through, waiting for the lease of who was killed; return what is in its way."""
    codes: list[int] = []
    while len(codes) < _AGAIN:
        codes.append(ground.carried_out(verb=verb).code)
        if codes[-1] == 0:
            return ""
        time.sleep(TERM)
    return f"{verb} again: exits {codes}"


def controllers() -> Iterator[Case]:
    """Yield two controllers at once, and one that is frozen while another goes on."""
    for number in range(1, 51):
        yield Case("two controllers", f"both at once, {number}", _both)
    yield Case("two controllers", "one frozen for three terms, then woken", _frozen)


def _both(ground: Ground) -> Verdict:
    """Start two at the same moment: exactly one proceeds, the other is refused with exit 5."""
    ground.fleet.change()
    with ground.under_load() as watch:
        pair = [ground.start(), ground.start()]
        codes = sorted(_end(process) for process in pair)
    wrong = [] if codes == [0, 5] else [f"exits {codes}"]
    return _again(ground, Ended(code=codes[0]), watch, wrong + _lost(watch, 0))


def _frozen(ground: Ground) -> Verdict:
    """Freeze one in mid-rollout; another takes over; the first, woken, may not go on."""
    ground.fleet.change()
    with ground.under_load() as watch:
        sleeper = ground.start()
        assert sleeper.stdout is not None
        for line in sleeper.stdout:
            if '"start_node"' in line and '"action_succeeded"' in line:
                break
        sleeper.send_signal(signal.SIGSTOP)
        time.sleep(3 * TERM)
        told = ground.settle()
        sleeper.send_signal(signal.SIGCONT)
        code = _end(sleeper)
    wrong = [f"the other one: {told}"] if told else []
    wrong += [] if code else ["the sleeper says that it completed"]
    return _again(ground, Ended(code=code), watch, wrong + _lost(watch, 0))


def _end(process: subprocess.Popen[str]) -> int:
    """Read a command to its end and return its exit code."""
    process.communicate(timeout=300)
    return process.returncode
