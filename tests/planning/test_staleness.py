"""A plan that was kept against the plan of now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import UsageError
from provisioner.model.observed import Observed
from provisioner.model.plan import SavedPlan
from provisioner.planning.rollout import plan
from provisioner.planning.staleness import first_difference, saved_plan
from provisioner.spec.plan_file import decode_plan, encode_plan
from tests import fleets

RELEASE = fleets.release(fleets.desired())
SEEN = fleets.at_rest(fleets.desired(), RELEASE)


def kept(level: str = "debug", seen: Observed = SEEN) -> SavedPlan:
    """Return the plan for another environment."""
    wanted = fleets.desired(fleets.spec(fleets.web_service(environment={"LOG_LEVEL": level})))
    return saved_plan(plan(fleets.scene(wanted, seen, RELEASE), "r2-0"), seen)


def test_a_plan_comes_back_from_its_file_as_it_was() -> None:
    """Every action with every field."""
    assert decode_plan(encode_plan(kept()), "plan.json") == kept()


def test_the_same_plan_differs_in_nothing() -> None:
    """Also where hosts were seen in another order."""
    assert first_difference(kept(), kept(seen=Observed(tuple(reversed(SEEN.hosts))))) == ""


def test_a_host_that_moved_on_is_named() -> None:
    """A container that was replaced meanwhile, with host and name; no value is told."""
    moved = fleets.edit_container(SEEN, "web2", container_id="another")
    assert first_difference(kept(), kept(seen=moved)) == "web2: container shop.web-1.a changed"


def test_a_spec_that_moved_on_is_named_by_step_and_field() -> None:
    """Another environment is told without the environment."""
    told = first_difference(kept(), kept("trace"))
    assert ("options" in told, "trace" in told) == (True, False)


def test_another_release_is_named() -> None:
    """An image that was built meanwhile gives another release."""
    now = kept()
    assert "r9-1" in first_difference(kept(), replace(now, plan=replace(now.plan, release="r9-1")))


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema":1,"plan":{"plan":3}}', b"\xff"])
def test_what_is_no_plan_is_wrong_usage(content: bytes) -> None:
    """The file is named."""
    with pytest.raises(UsageError, match=r"plan\.json"):
        decode_plan(content, "plan.json")
