"""What of a host's engine should be equal on its peers: its version, its store, and how it is set up."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.model.facts import Fact
from provisioner.model.observed import EngineFacts


def engine_facts(engine: EngineFacts) -> Iterator[Fact]:
    """Yield what an engine says of itself; its configuration file is a fact of its host."""
    yield Fact("engine", "version", engine.version)
    yield Fact("engine", "image store", engine.store)
    for name, value in engine.settings:
        yield Fact("engine", name, value)
