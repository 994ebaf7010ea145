"""Calls the user's hooks at their moments; one before anything moves has to agree, the others are only told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from provisioner.errors import HookFailed, ProvisionerError
from provisioner.model.event import Finished, HookRan, HookSaid, Outcome
from provisioner.model.hook import HookName, Moment
from provisioner.model.plan import Plan, Step
from provisioner.planning.batches import batches
from provisioner.reconcile.prepare import Prepared
from provisioner.reconcile.vault import Vault
from provisioner.reconcile.world import Intent, World


@dataclass(frozen=True, slots=True)
class Herald:
    """Calls the hooks of one run. `about` is what all of them are told, `plan` what the run is to do.

    `vault` has the secrets they ask for; the value of none is told to a hook in words, nor repeated from one.
    """

    world: World
    about: Moment
    plan: Plan
    vault: Vault

    def before_building(self) -> None:
        """Ask whether images may be made. Raise HookFailed, SecretMissing."""
        self._agreed("pre-build")

    def before_moving(self) -> None:
        """Ask whether hosts may be changed. Raise HookFailed, SecretMissing."""
        self._agreed("pre-apply")

    def after_step(self, step: Step) -> None:
        """Tell that a batch is through, where it ended with this step."""
        for last, nodes in batches(self.plan.steps):
            if last is step:
                self._told(replace(self._moment("post-batch"), hosts=_hosts(nodes), nodes=nodes))

    def ended(self, finished: Finished) -> None:
        """Tell how the run ended: that it is through, or that it failed; one that a person stopped is neither."""
        name = _after(finished.outcome)
        if name is not None:
            end = replace(self._moment(name), outcome=finished.outcome, exit_code=finished.exit_code)
            self._told(replace(end, message=self.vault.masked(finished.message)))

    def failed(self, error: ProvisionerError) -> None:
        """Tell that the run ended with an error."""
        end = replace(self._moment("on-failure"), outcome="failed", exit_code=error.exit_code)
        self._told(replace(end, message=self.vault.masked(error.message)))

    def _moment(self, name: HookName) -> Moment:
        nodes = tuple(dict.fromkeys(change.node for change in self.plan.changes if change.node))
        hosts = tuple(dict.fromkeys(change.host for change in self.plan.changes if change.host))
        return replace(self.about, hook=name, hosts=hosts, nodes=nodes)

    def _agreed(self, name: HookName) -> None:
        ran = self._run(self._moment(name))
        if ran is not None and ran.failure:
            hint = f"nothing was changed; see what {ran.command[0]} says, or take {name} out of hooks"
            output = tuple(self.vault.masked(line) for line in ran.output)
            raise HookFailed(name, ran.failure, output=output, hint=hint)

    def _told(self, moment: Moment) -> None:
        """Run a hook whose failure changes nothing: what it is told has happened."""
        try:
            self._run(moment)
        except ProvisionerError as error:
            self.world.sink.emit(HookRan(moment.hook, (), 0.0, error.message))

    def _run(self, moment: Moment) -> HookRan | None:
        if self.world.hooks is None:
            return None
        sink = self.world.sink
        end = self.world.hooks.run(moment, lambda line: sink.emit(HookSaid(moment.hook, line)), self.vault.value)
        if end is None:
            return None
        ran = HookRan(moment.hook, end.command, end.seconds, end.failure, end.output)
        sink.emit(ran)
        return ran


def herald(world: World, intent: Intent, prepared: Prepared) -> Herald:
    """Return what calls the hooks of a run that is to carry out a plan."""
    previous = prepared.last.name if prepared.last else ""
    about = Moment("pre-apply", intent.fleet, intent.verb, prepared.plan.release or "", previous)
    return Herald(world, about, prepared.plan, intent.vault)


def heralded(herald: Herald, work: Callable[[], Finished]) -> Finished:
    """Carry a run out, and tell how it ended."""
    try:
        finished = work()
    except ProvisionerError as error:
        herald.failed(error)
        raise
    herald.ended(finished)
    return finished


def _hosts(nodes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(node.partition("/")[0] for node in nodes))


def _after(outcome: Outcome) -> HookName | None:
    match outcome:
        case "complete":
            return "post-apply"
        case "rolled_back" | "paused" | "halted" | "failed":
            return "on-failure"
        case "unchanged" | "interrupted":
            return None
        case _:
            assert_never(outcome)
