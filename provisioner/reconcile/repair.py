"""What sets a repair apart from a rollout: nothing is tried out or gone back to, and it does not go on for ever."""

from __future__ import annotations

from dataclasses import replace

from provisioner.model.spec import RolloutPolicy

ATTEMPTS = 3
"""How often one run puts the same things right: whoever changes them again meanwhile is another tool, or a person."""


def repairing(policy: RolloutPolicy) -> RolloutPolicy:
    """Return the policy of a repair: the gates, batches and watches of a rollout, without a canary.

    There is no release before the one that is wanted: a node that fails its gate is left as it was found.
    """
    return replace(policy, canary=0, canary_soak=0.0, on_failure="abort")
