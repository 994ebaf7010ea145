"""What people call releases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import UsageError
from provisioner.model.container import RELEASE_LABEL
from provisioner.model.observed import Observed, ObservedRelease, ReleaseOutcome
from provisioner.planning.naming import named, next_number, recorded, stable, to_go_back_to
from provisioner.planning.pruning import kept_releases
from tests import fleets

FIRST = ObservedRelease("sha256:1", "a", 1, "9f3c1e0a7b21" + "0" * 52)
SECOND = ObservedRelease("sha256:2", "b", 2, "9f3d000000aa" + "0" * 52)
TWELFTH = ObservedRelease("sha256:3", "c", 12, "1212000000aa" + "0" * 52)
KNOWN = (TWELFTH, SECOND, FIRST)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("r1", FIRST),
        ("1", FIRST),
        ("r12", TWELFTH),
        ("r1-9f3c1e0a7b21", FIRST),
        ("r1-9f3c", FIRST),
        ("r1-9f3c…", FIRST),
        ("9f3c", FIRST),
        ("sha256:9f3d", SECOND),
        ("1212", TWELFTH),
        ("9f3c1e0a7b21" + "0" * 52, FIRST),
    ],
)
def test_a_release_is_known_by_number_name_and_digest(text: str, meant: ObservedRelease) -> None:
    """Every way of writing it that people use finds the release."""
    assert named(text, KNOWN) == meant


@pytest.mark.parametrize("text", ["r3", "r1-1212", "9f3", "beef", "r12x", ""])
def test_an_unknown_release_is_wrong_usage_that_names_those_there_are(text: str) -> None:
    """What means no release is exit 64, with every candidate."""
    with pytest.raises(UsageError) as caught:
        named(text, KNOWN)
    assert all(each.name in caught.value.hint for each in KNOWN)


def test_an_ambiguous_release_names_those_it_could_be() -> None:
    """A beginning of two digests is exit 64 naming these two and no other."""
    twin = ObservedRelease("sha256:4", "d", 4, "9f3c" + "f" * 60)
    with pytest.raises(UsageError) as caught:
        named("9f3c", (*KNOWN, twin))
    assert FIRST.name in caught.value.hint
    assert twin.name in caught.value.hint
    assert SECOND.name not in caught.value.hint


def test_numbers_go_on_from_the_highest_that_any_host_holds() -> None:
    """The next number is one more than the highest of all hosts."""
    seen = fleets.edit(fleets.at_rest(fleets.desired()), "web2", releases=(FIRST, TWELFTH))
    assert next_number(seen, "ab" * 32) == 13
    assert [each.number for each in recorded(seen)] == [12, 1]


def test_where_every_release_was_lost_numbers_go_on_from_what_runs() -> None:
    """Labels of containers keep the count: the release that still runs has its number again, another has the next."""
    seen = _labelled("r7-" + "ab" * 6)
    assert next_number(seen, "ab" * 32) == 7
    assert next_number(seen, "cd" * 32) == 8


def _labelled(name: str) -> Observed:
    seen = fleets.at_rest(fleets.desired())
    return fleets.edit_container(seen, "web1", labels={RELEASE_LABEL: name})


def told(*outcomes: ReleaseOutcome) -> Observed:
    """Return a host that holds releases from 1 on, with how each ended."""
    held = tuple(
        ObservedRelease("", "", number, f"{number:064x}", outcome=outcome) for number, outcome in enumerate(outcomes, 1)
    )
    host = fleets.at_rest(fleets.desired()).hosts[0]
    return Observed((replace(host, containers=(), releases=held),))


def test_a_release_that_failed_is_neither_current_nor_what_to_go_back_to() -> None:
    """The stable ones count, whatever lies between them."""
    seen = told("complete", "rolled_back", "complete", "halted")
    assert [each.number for each in stable(seen)] == [3, 1]
    assert to_go_back_to("", seen).number == 1
    with pytest.raises(UsageError, match="r4-"):
        to_go_back_to("4", seen)


def test_failed_releases_never_push_out_the_stable_two() -> None:
    """They count like others towards what is kept; the current one and the one to go back to stay in any case."""
    seen = told("complete", "complete", "complete", "rolled_back", "rolled_back", "halted")
    assert [each.number for each in kept_releases(seen, 2)] == [6, 5, 3, 2]
    assert [each.number for each in kept_releases(seen, 5)] == [6, 5, 4, 3, 2]


def test_one_digest_under_several_numbers_means_the_newest_that_went_well() -> None:
    """A rollback gives an old digest a new number."""
    twice = (ObservedRelease("", "", 1, "ab" * 32), ObservedRelease("", "", 3, "ab" * 32))
    failed = ObservedRelease("", "", 4, "ab" * 32, outcome="rolled_back")
    assert named("abab", (*twice, failed)).number == 3
