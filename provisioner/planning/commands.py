"""The release commands of services: each once, in the new image, before the first node changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from provisioner.model.desired import DesiredNode
from provisioner.model.plan import RunReleaseCommand, Step
from provisioner.planning.effective import enforceable
from provisioner.planning.moves import Move
from provisioner.planning.pairing import NodeView
from provisioner.planning.scene import Scene


def command_steps(scene: Scene, views: tuple[NodeView, ...], moves: tuple[Move, ...]) -> Iterator[Step]:
    """Yield the commands of services that get something new.

    Where a node runs it already, the command was run by the run that was cut short before this one.
    """
    for service, argv in sorted(scene.commands.items()):
        starting = [each for each in moves if each.view.desired.node.service == service and each.begins == "create"]
        there = any(view.desired.node.service == service and view.current and view.current.matches for view in views)
        if argv and starting and not there and _is_new(scene, starting[0].view.desired):
            action = _action(scene, starting[0].view.desired, argv)
            yield Step(f"{service}: run the release command", (action,))


def _is_new(scene: Scene, wanted: DesiredNode) -> bool:
    before = scene.applied.nodes if scene.applied else ()
    return all(
        (each.image, each.options) != (wanted.image, wanted.options)
        for each in before
        if each.node.service == wanted.node.service
    )


def _action(scene: Scene, wanted: DesiredNode, argv: tuple[str, ...]) -> RunReleaseCommand:
    host = scene.observed.host(wanted.node.host)
    options = enforceable(wanted.options, host.engine.unenforceable if host else ())
    return RunReleaseCommand(
        host=wanted.node.host,
        service=wanted.node.service,
        name=f"{scene.desired.fleet}.{wanted.node.service}.release-command",
        image=wanted.image,
        options=replace(options, entrypoint=argv[:1], command=argv[1:], restart="no", health=None),
        deadline=scene.policy.progress_deadline,
        secrets=wanted.secrets,
    )
