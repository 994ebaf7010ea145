"""One seed, one story: a fleet in memory is given a new version while everything goes wrong, and then heals.

What is checked are the laws of a rollout: nobody is left without a node that answers, no second node is out at once,
the last line says what is true, and the same command converges.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from provisioner.errors import EngineRefused, HostUnreachable, ProvisionerError
from provisioner.hosts.memory import AppBehaviour
from provisioner.model.container import FLEET_LABEL, KIND_LABEL
from provisioner.model.event import Finished
from provisioner.model.spec import FleetSpec, SecretUse
from tests import fleets
from tests.simulation import Simulation

BIG = 50
REPEATED = ("create", "start", "stop", "remove", "set_state", "distrust", "cut_sessions", "configure")
"""What requests to an engine and commands to a balancer begin with that may arrive twice."""
BALANCER = "lb1"
COMMAND = "shop.web.release-command"
SOME = 0.3
"""The share of stories whose service has secrets, and of those that run a release command."""
LEASE_LOST = 5
"""How a run ends whose lease was taken so slowly that it could not be trusted any more: with nothing changed."""

BEHAVIOURS: dict[str, AppBehaviour] = {
    "good": AppBehaviour(starts_listening_after=0.5),
    "slow to start": AppBehaviour(starts_listening_after=6.0),
    "never healthy": AppBehaviour(healthy_paths=frozenset({"/other"})),
    "crashes at once": AppBehaviour(exits_after=0.2, exit_code=1),
    "crashes later": AppBehaviour(starts_listening_after=0.5, exits_after=9.0, exit_code=3),
    "fails requests": AppBehaviour(starts_listening_after=0.5, failing_requests=1.0),
    "out of memory": AppBehaviour(exits_after=1.0, exit_code=137, out_of_memory=True),
}


class Died(BaseException):
    """Stands for a controller that is killed: nothing of ours catches it."""


@dataclass
class Faults:
    """What goes wrong at an effect, drawn from a seed; `left` are how many of them are still to come."""

    dice: random.Random
    fleet: Simulation
    rate: float
    left: int
    happened: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)

    def before(self, host: str, effect: str) -> None:
        """Let a request be slow, lost, or refused, a host die or be cut off, or the controller die."""
        if self._strikes():
            self._strike(host, effect, ("slow", "lost", "refused", "dies", "is cut off", "killed"))

    def after(self, host: str, effect: str) -> None:
        """Let an answer be lost, or the controller die after what it did."""
        if self._strikes():
            self._strike(host, effect, ("answer lost", "killed"))

    def twice(self, host: str, effect: str) -> bool:
        """Let the request of an effect arrive twice: its first answer was lost on the way."""
        if not effect.startswith(REPEATED) or not self._strikes():
            return False
        self.left -= 1
        self.happened.append(f"twice: {host}: {effect}")
        return True

    def _strikes(self) -> bool:
        return self.left > 0 and self.dice.random() < self.rate

    def _strike(self, host: str, effect: str, kinds: tuple[str, ...]) -> None:
        kind = self.dice.choice(kinds)
        self.left -= 1
        self.happened.append(f"{kind}: {host}: {effect}")
        match kind:
            case "slow":
                self.fleet.hosts.clock.sleep(self.dice.uniform(1.0, 20.0))
            case "lost" | "answer lost":
                raise HostUnreachable(host, "connection reset")
            case "refused":
                raise EngineRefused(host, "server error", status=500)
            case "dies" if host != BALANCER:
                self.lost.add(host)
                self.fleet.hosts[host].power_off()
                raise HostUnreachable(host, "no route to host")
            case "is cut off":
                self.lost.add(host)
                self.fleet.hosts[host].cut()
                raise HostUnreachable(host, "connection timed out")
            case "killed":
                raise Died


@dataclass
class Story:
    """A fleet, its versions and its faults, all of them made from one number."""

    seed: int
    folder: Path
    dice: random.Random = field(init=False)
    webs: tuple[str, ...] = field(init=False)
    fleet: Simulation = field(init=False)
    faults: Faults = field(init=False)
    behaviour: str = field(init=False)
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = _dice(self.seed)
        count = BIG if self.seed % 500 == 0 else self.dice.choice((1, 1, 2, 2, 2, 3, 3, 4))
        self.webs = tuple(f"web{number}" for number in range(1, count + 1))
        self.fleet = Simulation(self.folder, (BALANCER, *self.webs))
        self.fleet.values = {"API_KEY": "canary", "TOKEN": "canary"}
        self.fleet.hosts.behaviours[COMMAND] = AppBehaviour(exits_after=0.5)
        self.fleet.forks = 1
        self.behaviour = self.dice.choices(list(BEHAVIOURS), (6, 1, 1, 1, 1, 1, 1))[0]
        rate, most = self.dice.choice(((0.0, 0), (0.02, 1), (0.05, 2), (0.1, 3), (0.3, 6)))
        self.faults = Faults(_dice(self.seed + 1), self.fleet, rate, most)

    def spec(self, version: str) -> FleetSpec:
        """Return the spec of a version, always with the policy that the seed chose."""
        dice = _dice(self.seed + 2)
        policy = replace(
            fleets.POLICY,
            canary=dice.choice((0, 1)),
            canary_soak=dice.choice((0.0, 2.0)),
            monitor=dice.choice((0.0, 3.0)),
            parallelism=dice.choice((1, 1, 2, "50%")),
            on_failure=dice.choice(("rollback", "rollback", "pause", "abort")),
            on_unreachable=dice.choice(("pause", "rollback")),
        )
        service = fleets.web_service(environment={"VERSION": version})
        if dice.random() < SOME:
            service = replace(service, secrets=(SecretUse("API_KEY"), SecretUse("TOKEN", "APP_TOKEN")))
        if dice.random() < SOME:
            service = replace(service, release_command=("migrate",))
        return replace(fleets.spec(service), rollout=policy)

    def tell(self) -> None:
        """Run the whole story; what it broke is in `broken`."""
        first = self._apply("1")
        self._law(first is not None and first.outcome == "complete", f"the first apply ended {first}")
        self._change()
        self._heal()
        again = self._apply("3")
        self._law(again is not None and again.outcome in {"complete", "unchanged"}, f"healed, it ended {again}")
        self._check_uniform("3")
        last = self._apply("3")
        self._law(last is not None and last.outcome == "unchanged", f"one apply more ended {last}")

    def _change(self) -> None:
        """Give the fleet a new version under faults, and judge how that ended."""
        effects = self.fleet.hosts.effects
        self.fleet.version = "2"
        self.fleet.behave(BEHAVIOURS[self.behaviour])
        effects.before, effects.after, effects.twice = self.faults.before, self.faults.after, self.faults.twice
        self.fleet.clock.watchers.append(self._watch)
        finished = self._apply("2")
        self.fleet.clock.watchers.clear()
        effects.before = effects.after = effects.twice = None
        if finished is not None:
            self._judge(finished)

    def _judge(self, finished: Finished) -> None:
        """Compare the last line of a run with what is there."""
        codes = {
            "complete": {0, 4},
            "rolled_back": {3, 4},
            "halted": {6},
            "paused": {4, 6},
            "failed": {1, 4, LEASE_LOST},
        }
        self._law(finished.exit_code in codes.get(finished.outcome, set()), f"{finished.outcome} {finished.exit_code}")
        lost = {host for host in self.faults.lost if host in (*self.webs, BALANCER)}
        if finished.exit_code == 0:
            self._law(not lost, f"complete, and {lost} cannot be reached")
            self._check_uniform("2")
        if finished.exit_code == 3:
            self._law(not lost, f"rolled back, and {lost} cannot be reached")
            self._check_uniform("1")
        if (finished.outcome, finished.exit_code) == ("failed", LEASE_LOST) and not lost:
            self._check_uniform("1")

    def _heal(self) -> None:
        for host in (BALANCER, *self.webs):
            self.fleet.hosts[host].power_on()
        self.fleet.version = "3"
        self.fleet.behave(BEHAVIOURS["good"])
        self.fleet.hosts.clock.sleep(60.0)

    def _apply(self, version: str) -> Finished | None:
        """Apply a version; None where the controller died."""
        try:
            return self.fleet.apply(self.spec(version), self.webs)
        except Died:
            return None
        except ProvisionerError as error:
            return Finished("failed", None, error.exit_code, message=str(error))

    def _check_uniform(self, version: str) -> None:
        """See that every web host runs one container of the version, and nothing else of ours but the balancer."""
        for host in self.webs:
            seen = self.fleet.hosts.reader(self.fleet.inventory[host]).observe("shop")
            ours = [each for each in seen.containers if _is_node(each.labels)]
            versions = [each.options.environment.get("VERSION") for each in ours if each.running]
            self._law(versions == [version], f"{host} runs {versions} where {version} should be")
            self._law(len(ours) == 1, f"{host} keeps {[each.name for each in ours]}")

    def _watch(self, now: float) -> None:
        """See, whenever time passes, that all nodes answer but those that faults took.

        A program that dies after it was proven takes its node along, whoever watches.
        """
        if self.behaviour == "crashes later":
            return
        answering = self._answering(now)
        at_least = 1 if set(self.webs) - self.faults.lost else 0
        self._law(len(answering) >= at_least, f"nobody answers at {now:.1f}")
        floor = len(self.webs) - len(self.faults.lost & set(self.webs))
        self._law(len(answering) >= floor, f"at {now:.1f} only {sorted(answering)} answer, of {floor}")

    def _answering(self, now: float) -> set[str]:
        """Return the nodes that get requests and answer them now."""
        reader = self.fleet.hosts[BALANCER].reader
        cut, self.fleet.hosts[BALANCER].line.cut = self.fleet.hosts[BALANCER].line.cut, ""
        try:
            balancer = reader.container("shop.load-balancer-1.a") or reader.container("shop.load-balancer-1.b")
            if balancer is None:
                return set()
            pool = set(self.fleet.balancers.pool(reader, balancer.container_id).get("web", ()))
            states = self.fleet.balancers.observe(reader, balancer).servers
        finally:
            self.fleet.hosts[BALANCER].line.cut = cut
        found = set()
        for each in states:
            if each.backend == "web" and each.name in pool:
                address, port = each.address.rsplit(":", 1)
                if self.fleet.hosts.answers(address, int(port), None, now):
                    found.add(each.name.split(".")[0])
        return found

    def _law(self, kept: bool, words: str) -> None:  # noqa: FBT001 - a law is kept or not
        if not kept and words not in self.broken:
            self.broken.append(words)


def _dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same story for the same number


def _is_node(labels: Mapping[str, str]) -> bool:
    return labels.get(FLEET_LABEL) == "shop" and labels.get(KIND_LABEL) == "node"
