"""Locking: what is kept, what is resolved again, and why."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from provisioner.model.image import BuildInputs, ContextFile
from provisioner.model.lock import DebianPackage, Lock, LockedImage, LockedPackages, LockedSuite, LockedWheels, Wheel
from provisioner.model.spec import FleetSpec, FromImage, FromTemplate, Service, SuiteBase
from provisioner.planning.lock import AskedImage, AskedSuite, AskedWheels, asked_names, requirements_digest
from provisioner.ports import Progress
from provisioner.reconcile.lock import Wanted, relock

AMD = "linux/amd64"
FILE = ContextFile("requirements.txt", "/here", 0o644, 1, "1" * 64)
WEB = BuildInputs(
    "web", "t", "FROM x", SuiteBase("bookworm", ("python3",)), (FILE,), requirements=("requirements.txt",)
)
SPEC = FleetSpec(
    "shop",
    {
        "web": Service("web", "web", FromTemplate("python-web")),
        "site": Service("site", "web", FromImage("nginx:1.27")),
    },
)


@dataclass
class World:
    """A resolver whose archives, indexes and registries are numbers: whatever it resolves has today's."""

    today: int = 1
    python: str = "python3.11"
    asked: list[str] = field(default_factory=list)

    def platform(self) -> str:
        """Return this machine's."""
        return AMD

    def suite(self, suite: str, platform: str, progress: Progress) -> LockedSuite:
        """Return one package of today's version."""
        self.asked.append(suite)
        return LockedSuite(suite, platform, (self._package("apt"),))

    def packages(self, root: LockedSuite, packages: tuple[str, ...], progress: Progress) -> LockedPackages:
        """Return the interpreter of today's version."""
        self.asked.append("+".join(packages))
        return LockedPackages(root.suite, root.platform, packages, (self._package(self.python),))

    def image(self, reference: str, platform: str, progress: Progress, *, fresh: bool) -> LockedImage:
        """Return today's image."""
        self.asked.append(f"{reference}{' fresh' if fresh else ''}")
        return LockedImage(reference, platform, f"sha256:{self.today:064}")

    def wheels(self, inputs: BuildInputs, progress: Progress) -> LockedWheels:
        """Return today's wheel, if the build is pinned."""
        assert inputs.pins.suite is not None
        assert inputs.pins.packages is not None
        self.asked.append(inputs.service)
        wheel = Wheel("a", str(self.today), "a.whl", f"{self.today:064}")
        return LockedWheels(inputs.service, inputs.platform or "", requirements_digest(inputs), (wheel,))

    def _package(self, name: str) -> DebianPackage:
        return DebianPackage(name, str(self.today), "amd64", f"{self.today:064}")


def wanted(*inputs: BuildInputs) -> Wanted:
    """Return what the fleet asks of its lock."""
    return Wanted(asked_names(SPEC, inputs, AMD), inputs, frozenset(), AMD, "2.0")


def quiet(*_: object) -> None:
    """Hear nothing."""


def first() -> Lock:
    """Return the fleet's lock on the first day."""
    return relock(Lock(), wanted(WEB), World(), quiet)


def test_everything_is_resolved_once_and_then_kept() -> None:
    """The first lock asks for every name; the second asks for none and is the same, whatever version writes it."""
    world = World()
    lock = relock(Lock(), wanted(WEB), world, quiet)
    assert world.asked == ["bookworm", "python3", "nginx:1.27", "web"]
    assert (lock.tool, lock.platform) == ("2.0", AMD)
    tomorrow = World(today=2)
    assert relock(lock, replace(wanted(WEB), tool="3.0"), tomorrow, quiet) is lock
    assert tomorrow.asked == []


def test_what_nobody_asks_for_is_dropped() -> None:
    """A service that left takes its entries along."""
    lock = relock(first(), wanted(), World(today=2), quiet)
    assert (lock.suites, lock.packages, lock.wheels) == ((), (), ())
    assert lock.images == first().images


def test_one_name_is_upgraded_alone() -> None:
    """An image that is upgraded is asked of its registry first; everything else stays."""
    world = World(today=2)
    chosen = frozenset({AskedImage("nginx:1.27", AMD)})
    lock = relock(first(), replace(wanted(WEB), upgrade=chosen), world, quiet)
    assert world.asked == ["nginx:1.27 fresh"]
    assert replace(lock, images=first().images, tool=first().tool) == first()


def test_another_root_means_packages_chosen_for_it() -> None:
    """What stands on a root is chosen again with it, but wheels only for another interpreter."""
    chosen = frozenset({AskedSuite("bookworm", AMD)})
    world = World(today=2)
    lock = relock(first(), replace(wanted(WEB), upgrade=chosen), world, quiet)
    assert world.asked == ["bookworm", "python3"]
    assert lock.wheels == first().wheels
    world = World(today=2, python="python3.13")
    relock(first(), replace(wanted(WEB), upgrade=chosen), world, quiet)
    assert world.asked == ["bookworm", "python3", "web"]


def test_other_requirements_are_resolved_again() -> None:
    """A changed requirements file brings new wheels and nothing else."""
    world, changed = World(today=2), replace(WEB, context=(replace(FILE, digest="2" * 64),))
    relock(first(), wanted(changed), world, quiet)
    assert world.asked == ["web"]
    chosen = frozenset({AskedWheels("web", AMD, requirements_digest(WEB))})
    world = World(today=2)
    relock(first(), replace(wanted(WEB), upgrade=chosen), world, quiet)
    assert world.asked == ["web"]
