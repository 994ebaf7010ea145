"""The lock file: one text for one lock, and a place for whatever is wrong in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import InvalidInput
from provisioner.model.lock import DebianPackage, Lock, LockedImage, LockedPackages, LockedSuite, LockedWheels, Wheel
from provisioner.spec.lock import lock_text, read_lock
from provisioner.spec.source import SourceText

DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
PLATFORMS = st.sampled_from(["linux/amd64", "linux/arm64/v8"])
SUITES = st.sampled_from(["bookworm", "trixie", "sid"])
NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,8}", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9](:[0-9])?[A-Za-z0-9.+~-]{0,8}", fullmatch=True)
PACKAGES = st.lists(st.builds(DebianPackage, NAMES, VERSIONS, st.sampled_from(["all", "amd64"]), DIGESTS), max_size=4)
WHEELS = st.lists(
    st.builds(
        Wheel,
        st.sampled_from(["Flask", "zope.x", "a_b"]),
        st.sampled_from(["1.0", "2!1.0+local", "1.0rc1"]),
        st.sampled_from(["a-1-py3-none-any.whl", "b-1+x-cp311-cp311-manylinux_2_28_x86_64.whl"]),
        DIGESTS,
    ),
    max_size=3,
)
IMAGES = st.sampled_from(["nginx:1.27", "registry.example:5000/team/app", "123"])


def _in_order(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(values))


MANIFESTS = DIGESTS.map(lambda digest: (f"nginx@sha256:{digest}",))
LOCKED_WHEELS = st.builds(LockedWheels, st.sampled_from(["web", "9", "on"]), PLATFORMS, DIGESTS, WHEELS.map(_in_order))
LOCKS = st.builds(
    Lock,
    tool=st.sampled_from(["0.1.0", "1.0"]),
    platform=PLATFORMS,
    suites=st.lists(
        st.builds(LockedSuite, SUITES, PLATFORMS, PACKAGES.map(_in_order)),
        max_size=2,
        unique_by=lambda each: (each.suite, each.platform),
    ).map(lambda each: tuple(sorted(each, key=lambda one: (one.suite, one.platform)))),
    packages=st.lists(
        st.builds(
            LockedPackages, SUITES, PLATFORMS, st.sets(NAMES).map(lambda x: tuple(sorted(x))), PACKAGES.map(_in_order)
        ),
        max_size=1,
    ).map(tuple),
    images=st.lists(
        st.builds(
            LockedImage,
            IMAGES,
            PLATFORMS,
            DIGESTS.map("sha256:{}".format),
            DIGESTS.map(lambda x: (f"nginx@sha256:{x}",)),
        ),
        max_size=1,
    ).map(tuple),
    wheels=st.lists(
        st.builds(LockedWheels, st.sampled_from(["web", "9", "on"]), PLATFORMS, DIGESTS, WHEELS.map(_in_order)),
        max_size=1,
    ).map(tuple),
)


def read(text: str) -> Lock:
    """Read a lock file's text."""
    return read_lock(SourceText("fleet.lock", text))


@given(LOCKS)
def test_what_is_written_is_read(lock: Lock) -> None:
    """A lock survives its text."""
    assert read(lock_text(lock)) == lock


@given(LOCKS)
def test_the_same_lock_has_the_same_text(lock: Lock) -> None:
    """The order in which things were found does not show, and the text of what was read is that text."""
    turned = Lock(lock.tool, lock.platform, lock.suites[::-1], lock.packages, lock.images, lock.wheels)
    assert lock_text(turned) == lock_text(lock)
    assert lock_text(read(lock_text(lock))) == lock_text(lock)


GOOD = """\
schema: 1
tool: "0.1.0"
platform: linux/amd64
suites:
  - suite: bookworm
    platform: linux/amd64
    packages:
      - adduser 3.134 all {digest}
"""


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("3.134 all", "all", (8, 9), "name, version, architecture and sha256"),
        ("{digest}", "0" * 63, (8, 9), "name, version, architecture and sha256"),
        ("adduser", "../etc", (8, 9), "name, version, architecture and sha256"),
        ("suite: bookworm", "suite: '-x'", (5, 12), "a Debian suite"),
        ("linux/amd64\nsuites", "amd64\nsuites", (3, 11), "a platform"),
        ("schema: 1", "schema: 2", (1, 9), "schema 1"),
        ("suites:", "suits:", (4, 1), "unknown key 'suits'"),
        ('tool: "0.1.0"\n', "", (1, 1), "'tool' is missing"),
        ("    packages:\n      - adduser 3.134 all {digest}\n", "    packages: 1\n", (7, 15), "expected a list"),
    ],
)
def test_what_is_wrong_has_its_place(old: str, new: str, place: tuple[int, int], said: str) -> None:
    """Whoever edits or merges a lock file badly is told line and column."""
    assert old in GOOD
    with pytest.raises(InvalidInput) as refused:
        read(GOOD.replace(old, new).replace("{digest}", "0" * 64))
    (fault,) = refused.value.diagnostics
    assert (fault.line, fault.column) == place
    assert said in fault.message


def test_every_fault_is_told_at_once() -> None:
    """All that is wrong in the file comes in one answer."""
    with pytest.raises(InvalidInput) as refused:
        read("schema: 3\nsuites: [x]\nplatform: ''\n")
    assert len(refused.value.diagnostics) == 4


def test_what_is_locked_twice_is_refused() -> None:
    """A bad merge that kept both sides is an error, not a choice."""
    entry = GOOD[GOOD.index("  - suite") :]
    with pytest.raises(InvalidInput, match="locked twice"):
        read((GOOD + entry).replace("{digest}", "0" * 64))
