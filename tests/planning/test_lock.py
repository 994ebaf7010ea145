"""Which names move, what a lock says of them, and what it lacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import NotLocked
from provisioner.model.image import BuildInputs, ContextFile
from provisioner.model.lock import (
    DebianPackage,
    Lock,
    LockedImage,
    LockedPackages,
    LockedSuite,
    LockedWheels,
    Pins,
    Wheel,
)
from provisioner.model.spec import FleetSpec, FromImage, FromTemplate, ImageBase, Service, SuiteBase
from provisioner.planning.lock import (
    AskedImage,
    AskedPackages,
    AskedSuite,
    AskedWheels,
    LockDifference,
    aliases,
    asked_names,
    changes,
    check,
    pins_for,
    refuse_unlocked,
    requirements_digest,
    same_interpreter,
)

AMD = "linux/amd64"
PYTHON = SuiteBase("bookworm", ("python3-venv", "python3"))
REQUIREMENTS = ContextFile("requirements.txt", "/here", 0o644, 1, "1" * 64)
APP = ContextFile("app.py", "/here", 0o644, 1, "2" * 64)
WEB = BuildInputs("web", "t", "FROM x", PYTHON, (APP, REQUIREMENTS), requirements=("requirements.txt",))
SPEC = FleetSpec(
    "shop",
    {
        "web": Service("web", "web", FromTemplate("python-web", base="python")),
        "site": Service("site", "web", FromImage("nginx:1.27")),
    },
    bases={"python": PYTHON, "root": SuiteBase("bookworm")},
)
DIGEST = requirements_digest(WEB)
ROOT = LockedSuite("bookworm", AMD, (DebianPackage("apt", "1", "amd64", "3" * 64),))
LAYER = LockedPackages(
    "bookworm", AMD, ("python3", "python3-venv"), (DebianPackage("python3.11", "3.11.2", "amd64", "4" * 64),)
)
NGINX = LockedImage("nginx:1.27", AMD, "sha256:" + "5" * 64)
FLASK = LockedWheels("web", AMD, DIGEST, (Wheel("flask", "3.0", "flask-3.0-py3-none-any.whl", "6" * 64),))
LOCK = Lock("0.1.0", AMD, (ROOT,), (LAYER,), (NGINX,), (FLASK,))
ASKED = asked_names(SPEC, (WEB,), AMD)


def test_every_name_that_moves_is_asked_once_roots_first() -> None:
    """Suites, packages on them, images as they stand, and wheels; each on the platform it is for."""
    twice = (WEB, replace(WEB, service="load-balancer", requirements=(), base=SuiteBase("bookworm")))
    assert asked_names(SPEC, twice, AMD) == (
        AskedSuite("bookworm", AMD),
        AskedPackages("bookworm", AMD, ("python3", "python3-venv")),
        AskedImage("nginx:1.27", AMD),
        AskedWheels("web", AMD, DIGEST),
    )


def test_a_platform_of_its_own_is_another_name() -> None:
    """The same suite for another platform is locked apart."""
    other = asked_names(SPEC, (replace(WEB, platform="linux/arm64"),), AMD)
    assert AskedSuite("bookworm", "linux/arm64") in other
    assert AskedSuite("bookworm", AMD) not in other


def test_a_whole_lock_differs_in_nothing() -> None:
    """What is asked and what is locked are the same names."""
    assert check(LOCK, ASKED) == ()


def test_what_is_missing_or_held_for_nobody_is_named() -> None:
    """Each name that a lock lacks, and each that nobody asks for, is a difference of its own."""
    held = replace(LOCK, suites=(), images=(NGINX, replace(NGINX, reference="redis:7")))
    assert check(held, ASKED) == (
        LockDifference("unasked", "images", "redis:7", AMD),
        LockDifference("missing", "suites", "bookworm", AMD),
    )


def test_other_requirements_are_a_change() -> None:
    """Another requirements file, or another base, makes the locked wheels no answer any more."""
    for inputs in (
        replace(WEB, context=(APP, replace(REQUIREMENTS, digest="7" * 64))),
        replace(WEB, base=SuiteBase("bookworm", ("python3", "python3-venv", "libpq5"))),
    ):
        found = check(LOCK, asked_names(SPEC, (inputs,), AMD))
        assert LockDifference("changed", "wheels", "web", AMD) in found
    other_app = replace(WEB, context=(replace(APP, digest="8" * 64), REQUIREMENTS))
    assert check(LOCK, asked_names(SPEC, (other_app,), AMD)) == ()


def test_a_build_stands_on_what_is_locked_for_it() -> None:
    """Each build gets its own part of the lock; a service without a platform gets the lock's."""
    assert pins_for(LOCK, WEB) == Pins(ROOT, LAYER, None, FLASK)
    assert pins_for(LOCK, replace(WEB, platform="linux/arm64")) == Pins()
    assert pins_for(LOCK, replace(WEB, base=ImageBase("nginx:1.27"), requirements=())) == Pins(image=NGINX)
    assert pins_for(Lock(), WEB) == Pins()


def test_locked_refuses_what_is_not_locked_and_nothing_else() -> None:
    """A lock that holds too much is no reason to refuse."""
    refuse_unlocked(replace(LOCK, images=(NGINX, replace(NGINX, reference="redis:7"))), ASKED)
    with pytest.raises(NotLocked, match=r"bookworm \(suites\)") as refused:
        refuse_unlocked(replace(LOCK, suites=()), ASKED)
    assert "provisioner lock" in refused.value.hint


def test_a_name_has_the_names_a_person_would_use() -> None:
    """A suite's name means its packages too, a base's name what it is, a service's what it needs."""
    suite, packages, image, wheels = ASKED
    assert aliases(SPEC, (WEB,), suite) == {"bookworm", "root"}
    assert aliases(SPEC, (WEB,), packages) == {"bookworm", "bookworm with python3 python3-venv", "python"}
    assert aliases(SPEC, (WEB,), image) == {"nginx:1.27", "site"}
    assert aliases(SPEC, (WEB,), wheels) == {"web"}
    balancer = BuildInputs("load-balancer", "t", "FROM x", PYTHON)
    assert "load-balancer" in aliases(SPEC, (balancer,), packages)


def test_a_change_is_told_version_by_version() -> None:
    """What was added, dropped or has another version is said by name."""
    after = replace(
        LOCK,
        suites=(replace(ROOT, packages=(DebianPackage("apt", "2", "amd64", "9" * 64),)),),
        images=(),
        wheels=(replace(FLASK, requirements="0" * 64, wheels=()),),
    )
    found = changes(LOCK, after)
    assert [(each.kind, each.section, each.details) for each in found] == [
        ("changed", "suites", ("apt 1 -> 2",)),
        ("removed", "images", ()),
        ("changed", "wheels", ("flask 3.0 -> gone",)),
    ]
    assert changes(LOCK, LOCK) == ()


def test_wheels_fit_as_long_as_the_interpreter_is_the_same() -> None:
    """A newer package is no other Python; another minor version is."""
    newer = replace(LAYER, packages=(DebianPackage("python3.11", "3.11.9", "amd64", "9" * 64),))
    other = replace(LAYER, packages=(DebianPackage("python3.13", "3.13.1", "amd64", "9" * 64),))
    assert same_interpreter(Pins(ROOT, LAYER), Pins(ROOT, newer))
    assert not same_interpreter(Pins(ROOT, LAYER), Pins(ROOT, other))
    assert not same_interpreter(Pins(image=NGINX), Pins(image=replace(NGINX, image_id="sha256:" + "0" * 64)))
