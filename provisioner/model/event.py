"""What happened, as data; the closed list of event names that others rely on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from provisioner.model.diagnosis import Diagnosis
from provisioner.model.drift import Drift
from provisioner.model.plan import Action, Plan, Step

Outcome = Literal["complete", "unchanged", "rolled_back", "paused", "halted", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class PlanMade:
    """The plan that is about to be carried out."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins; numbers count from 1."""

    number: int
    total: int
    step: Step


@dataclass(frozen=True, slots=True)
class ActionProgress:
    """How far an action is: what it does or waits for now; bytes where it moves some (0 where it does not)."""

    action: Action
    text: str
    done_bytes: int = 0
    total_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ActionSucceeded:
    """An action is done; `seconds` it took; `detail` says what a reader cannot know from the plan."""

    action: Action
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ActionFailed:
    """An action failed; `log` holds the last lines of the container or build that explain it.

    `diagnosis` says why, where it was a container that failed.
    """

    action: Action
    error: str
    hint: str = ""
    log: tuple[str, ...] = ()
    diagnosis: Diagnosis | None = None


@dataclass(frozen=True, slots=True)
class HostUnreachableSeen:
    """A host could not be reached or observed."""

    host: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class SpaceFreed:
    """What a host gained when images of ours were removed: how many went, the bytes that are free again."""

    host: str
    images: int
    freed: int


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A rollout failed, and every host was observed on the release before it."""

    release: str
    failed: str
    reason: str


@dataclass(frozen=True, slots=True)
class LeaseWatched:
    """A lease lies on a host that nobody handed back; whether its owner is alive is seen within `seconds`."""

    host: str
    owner: str
    run: str
    seconds: float


@dataclass(frozen=True, slots=True)
class LeaseTaken:
    """This run holds the lease on every host it has to; `over` says which runs it took it over from, expired."""

    hosts: tuple[str, ...]
    run: str
    epoch: int
    over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HookSaid:
    """A line that a hook wrote."""

    hook: str
    line: str


@dataclass(frozen=True, slots=True)
class HookRan:
    """A hook ended: its command, the seconds it took, why it failed where it did, its last lines."""

    hook: str
    command: tuple[str, ...]
    seconds: float
    failure: str = ""
    output: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftAppeared:
    """A difference that the look before did not see; `at` is the time of day of this one."""

    at: str
    row: Drift


@dataclass(frozen=True, slots=True)
class DriftGone:
    """A difference that the look before saw, and this one does not."""

    at: str
    row: Drift


@dataclass(frozen=True, slots=True)
class LookFailed:
    """A look at the fleet that did not work; the next one is tried all the same."""

    at: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a run: its outcome, the release the fleet is on, the exit code, and what is left to say.

    `differences` are those that were seen in the end although every step was done.
    """

    outcome: Outcome
    release: str | None
    exit_code: int
    actions: int = 0
    seconds: float = 0.0
    message: str = ""
    differences: int = 0


Event = (
    PlanMade
    | StepStarted
    | ActionProgress
    | ActionSucceeded
    | ActionFailed
    | HostUnreachableSeen
    | SpaceFreed
    | RolledBack
    | HookSaid
    | HookRan
    | DriftAppeared
    | DriftGone
    | LookFailed
    | Finished
    | LeaseWatched
    | LeaseTaken
)
