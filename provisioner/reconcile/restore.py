"""A release as what is wanted again: whole, at once, with nothing tried out on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from provisioner.model.desired import Desired
from provisioner.model.inventory import Host
from provisioner.model.release import Release
from provisioner.model.spec import RolloutPolicy
from provisioner.planning.desire import RenderBalancer
from provisioner.reconcile.world import Intent
from provisioner.render.balancer import kept_renderer

STEADY = 0.5
"""Seconds that a container which served before has to stay healthy before it serves again."""


def restoring(
    release: Release, desired: Desired, hosts: Mapping[str, Host], policy: RolloutPolicy, render: RenderBalancer
) -> Intent:
    """Return the intent that brings a fleet to a release; `desired` is what it wants on the hosts there are now.

    `render` is for a release that keeps no template of its balancer's file.
    """
    content = release.content
    kept = {each.name: each.text for each in content.templates}
    return Intent(
        fleet=content.desired.fleet,
        hosts=hosts,
        desire=lambda _: desired,
        render=kept_renderer(kept) if kept else render,
        policy=at_once(policy),
        inputs={each.inputs.tag: each.inputs for each in content.builds},
        templates=content.templates,
        sites=content.sites,
        lock=content.lock,
        inventory=hosts,
        author=release.author,
        commit=release.commit,
    )


def at_once(policy: RolloutPolicy) -> RolloutPolicy:
    """Return the policy of a way back: all at once where no node has to stop first, nothing watched, one level deep."""
    return replace(
        policy,
        parallelism="100%" if policy.order == "start-first" else policy.parallelism,
        canary=0,
        canary_soak=0.0,
        monitor=0.0,
        min_healthy_time=min(policy.min_healthy_time, STEADY),
        max_failures=0,
        on_failure="abort",
        on_unreachable="pause",
    )
