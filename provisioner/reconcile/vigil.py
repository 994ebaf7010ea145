"""The vigil over fresh slots: judged while the rollout goes on, out of rotation at once, explained afterwards.

One whose watch is over has proven itself. It stays under the vigil until the run ends, judged by its container and by
its checks, and counts like any other that fails; nobody takes it out of rotation, since nothing may serve beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import RLock
from types import UnionType
from typing import TYPE_CHECKING

from provisioner.errors import GivenUp, HostError, NodeUnhealthy, ProvisionerError, RolloutStalled
from provisioner.model.balancer import FULL_SHARE, ServerState
from provisioner.model.observed import ObservedContainer
from provisioner.model.plan import Action, LeaveRotation, Step, StopContainer, WatchSlot
from provisioner.planning.judging import end, objection, outage, sample
from provisioner.planning.rotation import file_weight
from provisioner.ports import Balancer

if TYPE_CHECKING:
    from provisioner.reconcile.run import Run

INTERVAL = 0.5
"""Seconds between two looks at everything that is under watch."""
BLIND_LOOKS = 4
"""Looks in a row that may fail before a host counts as lost."""
LOG_LINES = 12
Key = tuple[str, str]
"""A balancer's host (a worker's own) and a node."""


@dataclass
class Watched:
    """A fresh slot under the vigil at one balancer: what to judge, since when, and what was counted then.

    `proven` is one whose watch is over.
    """

    action: WatchSlot
    entered: float
    container: ObservedContainer | None
    before: tuple[ServerState, ...] = ()
    blind: dict[str, int] = field(default_factory=dict)
    proven: bool = False


@dataclass
class Vigil:
    """All fresh slots of one run, and how it gets on.

    `allowed` nodes may fail before the run is given up; `patience` is the seconds it may take from one node that
    succeeds, at `progressed`, to the next.
    """

    allowed: int = 0
    failures: dict[str, ProvisionerError] = field(default_factory=dict)
    taken_back: set[str] = field(default_factory=set)
    expected: dict[Key, WatchSlot] = field(default_factory=dict)
    open: dict[Key, Watched] = field(default_factory=dict)
    looked: float = 0.0
    turn: int = 0
    progressed: float = 0.0
    patience: float | None = None
    lock: RLock = field(default_factory=RLock)

    @property
    def tripped(self) -> bool:
        """Tell whether more nodes failed than may."""
        return len(self.failures) > self.allowed

    @property
    def fresh(self) -> frozenset[str]:
        """Return the servers under watch."""
        return frozenset(server for each in self.watched for server in each.action.servers)

    @property
    def watched(self) -> tuple[Watched, ...]:
        """Return the slots whose watch is not over."""
        return tuple(each for each in self.open.values() if not each.proven)

    @property
    def proven(self) -> frozenset[str]:
        """Return the nodes whose watch is over."""
        return frozenset(each.action.node for each in self.open.values() if each.proven)

    def hurry(self, run: Run) -> None:
        """Raise GivenUp where too many nodes failed, RolloutStalled where none succeeded for too long."""
        if self.tripped:
            raise GivenUp(f"given up, because of {', '.join(sorted(self.failures))}")
        if self.patience is not None and run.world.clock.monotonic() - self.progressed > self.patience:
            raise RolloutStalled(
                f"no node succeeded within {self.patience:g} s", hint="give it more time: rollout.progress_deadline"
            )

    def advance(self, run: Run) -> None:
        """Note that a node succeeded."""
        self.progressed = run.world.clock.monotonic()

    def expect(self, steps: Iterable[Step]) -> None:
        """Learn which slots will be watched, from the steps of a plan."""
        for step in steps:
            for action in step.actions:
                if isinstance(action, WatchSlot):
                    self.expected[action.host, action.node] = action

    def begin(self, run: Run, host: str, node: str, balancer: Balancer | None) -> None:
        """Begin to judge a slot that has just entered rotation; nothing where no step of the plan watches it."""
        action = self.expected.get((host, node))
        with self.lock:
            if action is None or (host, node) in self.open:
                return
            container = run.hands(action.node_host).reader.container(action.name)
            watched = Watched(action, run.world.clock.monotonic(), container)
            self.open[host, node] = watched
            if balancer is not None and action.servers:
                watched.before = balancer.report().servers

    def drop(self, nodes: Iterable[str]) -> None:
        """Judge nodes no more that were taken back."""
        with self.lock:
            self.taken_back.update(nodes)
            self.open = {key: each for key, each in self.open.items() if key[1] not in self.taken_back}

    def finish(self, action: WatchSlot) -> None:
        """Note that a slot has proven itself at one balancer, where this was the last step that watches it."""
        with self.lock:
            watched = self.open.get((action.host, action.node))
            if watched is not None and self.expected.get((action.host, action.node)) == action:
                watched.proven = True

    def next_proven(self) -> Iterable[Watched]:
        """Return one slot that has proven itself, each in its turn: a look does not get longer with every node."""
        proven = [each for each in self.open.values() if each.proven]
        self.turn += 1
        return (proven[self.turn % len(proven)],) if proven else ()


def look(run: Run) -> None:
    """Judge everything that is under the vigil, where that was not done just now."""
    now = run.world.clock.monotonic()
    with run.vigil.lock:
        if not run.vigil.open or now - run.vigil.looked < INTERVAL:
            return
        run.vigil.looked = now
        for host in sorted({host for host, _ in run.vigil.open}):
            _look_at(run, host)
        for each in run.vigil.next_proven():
            _look_inside(run, each)


def look_at_all(run: Run) -> None:
    """Judge every slot under the vigil by its container, the proven ones too, without waiting for their turns."""
    with run.vigil.lock:
        for each in run.vigil.open.values():
            _look_inside(run, each)


def _look_at(run: Run, host: str) -> None:
    mine = [each for (at, _), each in run.vigil.open.items() if at == host]
    judged = [each for each in mine if each.action.servers]
    try:
        if judged:
            with run.balancer(host) as balancer:
                judge(run, balancer, judged)
    except HostError as error:
        # What is proven waits for nobody's answer; the steps that need this balancer will miss it.
        _blind(run, [each for each in judged if not each.proven], error)
    for each in mine:
        if not each.proven:
            _look_inside(run, each)


def look_closely(run: Run, action: WatchSlot, balancer: Balancer | None) -> None:
    """Judge one slot now, over a conversation that is open already."""
    with run.vigil.lock:
        watched = run.vigil.open.get((action.host, action.node))
        if watched is None:
            return
        if balancer is not None:
            judge(run, balancer, (watched,))
        _look_inside(run, watched)


def judge(run: Run, balancer: Balancer, watched: Iterable[Watched]) -> None:
    """Judge slots by what their balancer counts; the ones that fail leave rotation there before anything else."""
    seen = balancer.report()
    servers, full = seen.servers, file_weight(seen.text or "")
    for each in watched:
        action, name = each.action, each.action.servers[0]
        before = sample(each.before, action.backend, name, run.vigil.fresh)
        now = sample(servers, action.backend, name, run.vigil.fresh)
        each.blind.pop(action.host, None)
        if before is None or now is None:
            each.before = servers
        elif each.proven:
            if reason := outage(before, now):
                _look_inside(run, each, reason)
        elif reason := objection(before, now):
            balancer.set_state(action.backend, action.servers, "maint")
            _fail(run, each, reason)
        else:
            _cap_again(balancer, action, servers, full * action.share // 100)


def _look_inside(run: Run, each: Watched, reason: str = "") -> None:
    """Judge a slot by its container; `reason` is what its balancer has against it, where its host can be asked."""
    if each.action.node in run.vigil.failures or each.container is None:
        return
    try:
        now = run.hands(each.action.node_host).reader.container(each.action.name)
    except HostError as error:
        _blind(run, [each], error)
        return
    each.blind.pop(each.action.node_host, None)
    if reason := end(each.container, now) or reason:
        _fail(run, each, reason)


def _blind(run: Run, watched: Iterable[Watched], error: HostError) -> None:
    """Count a look that showed nothing; a host that is not seen again is lost."""
    for each in watched:
        each.blind[error.host] = each.blind.get(error.host, 0) + 1
        if each.blind[error.host] >= BLIND_LOOKS:
            run.vigil.failures.setdefault(each.action.node, error)


def _fail(run: Run, each: Watched, reason: str) -> None:
    """Take a slot that is under watch out of rotation everywhere, and remember why it failed."""
    action = each.action
    if action.node in run.vigil.failures:
        return
    after = run.world.clock.monotonic() - each.entered
    run.vigil.failures[action.node] = NodeUnhealthy(action.node_host, "", node=action.node)
    for other in [other for other in run.vigil.watched if other.action.node == action.node]:
        evict(run, other.action)
    left = "its checks at the balancer decide whether it gets requests" if each.proven else "it left rotation at once"
    message = f"{action.node} failed {after:.1f} s after it entered rotation: {reason}"
    run.vigil.failures[action.node] = NodeUnhealthy(
        action.node_host, message, node=action.node, log=_log(run, action), hint=left
    )


def evict(run: Run, action: WatchSlot) -> bool:
    """Take a watched slot out of rotation at its balancer; tell whether the balancer could be asked."""
    if not action.servers:
        return True
    try:
        with run.balancer(action.host) as balancer:
            balancer.set_state(action.backend, action.servers, "maint")
    except HostError:
        return False
    return True


def evict_all(run: Run) -> None:
    """Take every slot under watch out of rotation: the release they are of has failed."""
    for each in run.vigil.watched:
        evict(run, each.action)


def _cap_again(balancer: Balancer, action: WatchSlot, servers: Iterable[ServerState], weight: int) -> None:
    """Cap a slot that a worker who came meanwhile gives its full share."""
    for each in servers:
        mine = each.backend == action.backend and each.name in action.servers and each.admin == "ready"
        if mine and action.share < FULL_SHARE and each.weight > weight:
            balancer.set_state(action.backend, (each.name,), "ready", action.share)


def _log(run: Run, action: WatchSlot) -> tuple[str, ...]:
    try:
        return run.hands(action.node_host).reader.logs(action.name, LOG_LINES)
    except HostError:
        return ()


def undoing(steps: Iterable[Step], node: str, done: Iterable[Step] = ()) -> tuple[Action, ...]:
    """Return what takes a node back, as the step that watches it says.

    Where what it served from before was retired by a step that is `done`, that step says it.
    """
    watches = (step for step in steps if _has(step, node, WatchSlot))
    retired = [step for step in done if step.undo and _has(step, node, LeaveRotation | StopContainer)]
    said = next(iter(retired[-1:]), None) or next(watches, None)
    return tuple(action for action in said.undo if of_node(action) == node) if said else ()


def _has(step: Step, node: str, kinds: type[Action] | UnionType) -> bool:
    return any(isinstance(each, kinds) and of_node(each) == node for each in step.actions)


def of_node(action: Action) -> str:
    """Return the node an action belongs to, empty where it belongs to none."""
    return str(getattr(action, "node", ""))
