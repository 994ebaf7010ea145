"""Hears what happens in place of a view, and passes it on without the values of secrets."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from typing import Any

from provisioner.model.event import Event, PlanMade, StepStarted
from provisioner.ports import EventSink
from provisioner.reconcile.vault import Vault

_PLANNED = frozenset({"action"})
"""Fields that come out of a plan: no value is in them, and they tell one action from another."""


@dataclass(frozen=True, slots=True)
class DiscreetSink:
    """Takes values out of all that a run says: a program may print its secrets, an engine quote a request."""

    sink: EventSink
    vault: Vault

    def emit(self, event: Event) -> None:
        """Pass an event on; called from several threads."""
        planned = isinstance(event, PlanMade | StepStarted)
        self.sink.emit(event if planned else self._without(event))

    def _without(self, value: Any) -> Any:
        match value:
            case Enum():
                return value
            case str():
                return self.vault.masked(value)
            case tuple():
                return tuple(self._without(item) for item in value)
            case _ if is_dataclass(value) and not isinstance(value, type):
                told = [each.name for each in fields(value) if each.name not in _PLANNED]
                return replace(value, **{name: self._without(getattr(value, name)) for name in told})
            case _:
                return value
