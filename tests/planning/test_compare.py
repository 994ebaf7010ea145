"""What differs between two releases."""

from __future__ import annotations

from dataclasses import replace

from provisioner.model.image import BuildInputs, ContextFile, RenderedFile
from provisioner.model.lock import DebianPackage, Lock, LockedSuite, Pins
from provisioner.model.release import BuiltImage, ReleaseContent
from provisioner.model.spec import SuiteBase
from provisioner.planning.compare import compare, summary
from tests import fleets

INPUTS = BuildInputs(
    service="web",
    tag="provisioner/shop/web:1",
    dockerfile="FROM scratch\nCOPY app /app\n",
    base=SuiteBase("bookworm"),
    context=(ContextFile("app/a.py", "", 0o644, 1, "aa"), ContextFile("app/b.py", "", 0o644, 1, "bb")),
    files=(RenderedFile("/etc/app.toml", "level = 'info'\n"),),
    pins=Pins(LockedSuite("bookworm", "linux/amd64", (DebianPackage("bash", "5.2-1", "amd64", "ab"),))),
)


def content(inputs: BuildInputs = INPUTS, **environment: str) -> ReleaseContent:
    """Return a release of the standard fleet."""
    wanted = fleets.desired(fleets.spec(fleets.web_service(environment=environment)))
    return ReleaseContent(wanted, builds=(BuiltImage(fleets.WEB_IMAGE, inputs),))


def test_a_release_does_not_differ_from_itself() -> None:
    """Equal contents have no difference."""
    assert compare(content(A="1"), content(A="1")) == ()


def test_a_changed_environment_is_one_difference_of_its_service() -> None:
    """What is equal on all peers is told once, with both values, by the words drift has for it."""
    (change,) = compare(content(A="1"), content(A="2"))
    assert (change.subject, change.kind, change.key, change.before, change.after) == (
        "web",
        "environment",
        "A",
        "1",
        "2",
    )
    assert summary((change,)) == "web: environment"


def test_another_image_names_both_ids() -> None:
    """The image ids of both releases are told."""
    new = replace(
        content(A="1"),
        desired=fleets.desired(
            fleets.spec(fleets.web_service(environment={"A": "1"})),
            {**fleets.IDS, fleets.TAGS["web"]: fleets.NEW_IMAGE},
        ),
    )
    (change,) = compare(content(A="1"), new)
    assert (change.kind, change.before, change.after) == ("image", fleets.WEB_IMAGE, fleets.NEW_IMAGE)


def test_a_changed_file_is_told_as_a_unified_diff() -> None:
    """Rendered files and the Dockerfile show their lines, files of the context their digests, packages versions."""
    pins = Pins(LockedSuite("bookworm", "linux/amd64", (DebianPackage("bash", "5.2-2", "amd64", "ac"),)))
    new = replace(
        INPUTS,
        dockerfile="FROM scratch\nCOPY app /srv\n",
        context=(replace(INPUTS.context[0], digest="ac"), INPUTS.context[1]),
        files=(RenderedFile("/etc/app.toml", "level = 'debug'\n"),),
        pins=pins,
    )
    found = {(each.kind, each.key): each for each in compare(content(), content(new))}
    assert set(found) == {
        ("build", "Dockerfile"), ("files", "/etc/app.toml"), ("context", "app/a.py"), ("pinned", "bash"),
    }  # fmt: skip
    assert "-level = 'info'\n+level = 'debug'" in found["files", "/etc/app.toml"].text
    assert "-COPY app /app\n+COPY app /srv" in found["build", "Dockerfile"].text
    assert found["pinned", "bash"].before.startswith("5.2-1")


def test_a_host_that_joined_is_a_placement_and_a_change_of_the_balancers_file() -> None:
    """Another node is told with its addresses, and the balancer's file with its lines."""
    old = ReleaseContent(fleets.desired(webs=("web1", "web2")))
    found = compare(old, ReleaseContent(fleets.desired()))
    assert [(each.subject, each.kind, each.before) for each in found if each.kind == "placement"] == [
        ("web3/web-1", "placement", "absent")
    ]
    assert [each.subject for each in found if each.kind == "config" and each.text] == ["load-balancer"]
    assert summary(found) == "load-balancer: config; placement of 1"


def test_another_lock_is_told_by_package() -> None:
    """What a moving name stands for now stands beside what it stood for."""
    package = DebianPackage("bash", "5.2-1", "amd64", "ab")
    locks = [
        Lock(suites=(LockedSuite("bookworm", "linux/amd64", (replace(package, version=version),)),))
        for version in ("5.2-1", "5.2-2")
    ]
    (change,) = compare(replace(content(), lock=locks[0]), replace(content(), lock=locks[1]))
    assert (change.kind, change.key, change.after) == ("lock", "bookworm linux/amd64 bash", "5.2-2")


def test_the_first_release_differs_from_nothing_by_all_it_holds() -> None:
    """Where there was none before, services and nodes are what changed."""
    kinds = {change.kind for change in compare(None, content())}
    assert kinds == {"service", "placement"}
