"""What is understood of what a build says."""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.images.engine import follow
from provisioner.images.facts import image_facts
from provisioner.images.raw_build import BuildLog, ends_on_base, origin_of, with_base
from provisioner.model.container import EngineHealthTest


def test_a_failed_instruction_is_known_with_its_output() -> None:
    """The instruction that failed, its own last lines without colours, and the engine's reason are kept."""
    said: list[str] = []
    log = BuildLog(lambda text, _done, _total: said.append(text))
    answers: list[dict[str, Any]] = [
        {"stream": "Step 1/2 : FROM scratch"},
        {"stream": "\n"},
        {"stream": " ---> 2e9a925402ac\n"},
        {"stream": "Step 2/2 : RUN pip install x"},
        {"stream": "\n ---> Running in 0123\n"},
        {"stream": "Collecting x\n\x1b[91mERROR: no x"},
        {"stream": "\n\x1b[0m"},
        {"stream": "half a line"},
        {"errorDetail": {"code": 1, "message": "returned a non-zero code: 1"}, "error": "returned a non-zero code: 1"},
        {"stream": "never heard"},
    ]
    assert follow(iter(answers), log.hear) == "returned a non-zero code: 1"
    assert log.instruction == "RUN pip install x"
    assert log.output == ("Collecting x", "ERROR: no x", "half a line")
    assert said == ["Step 1/2 : FROM scratch", "Step 2/2 : RUN pip install x"]


def test_a_finished_build_leaves_nothing_to_show() -> None:
    """What an engine says about its own work is no output of an instruction."""
    log = BuildLog(lambda *_: None)
    answers: list[dict[str, Any]] = [
        {"status": "Pulling from library/x"},
        {"aux": {"ID": "sha256:1"}},
        {"stream": "Successfully built 1\n"},
    ]
    assert follow(iter(answers), log.hear) == ""
    assert log.output == ()


def test_every_from_of_the_placeholder_gets_the_base() -> None:
    """Only instructions that name the placeholder change, in whatever spelling; text elsewhere stays."""
    dockerfile = (
        "FROM provisioner.invalid/base AS one\nfrom --platform=linux/amd64 provisioner.invalid/base\n"
        "FROM provisioner.invalid/baseless\nRUN echo FROM provisioner.invalid/base\nCOPY --from=one /a /a\n"
    )
    assert with_base(dockerfile, "b:1").splitlines() == [
        "FROM b:1 AS one",
        "LABEL provisioner.kind=build",
        "from --platform=linux/amd64 b:1",
        "LABEL provisioner.kind=build",
        "FROM provisioner.invalid/baseless",
        "RUN echo FROM provisioner.invalid/base",
        "COPY --from=one /a /a",
    ]


def test_an_inspection_becomes_facts() -> None:
    """Everything an image sets is read, times in seconds; an id of ours goes before the engine's."""
    facts = image_facts(
        {
            "Id": "sha256:manifest",
            "RepoTags": ["web:1"],
            "Os": "linux",
            "Architecture": "arm64",
            "Variant": "v8",
            "Size": 7,
            "RootFS": {"Layers": ["sha256:a"]},
            "Config": {
                "Cmd": ["run"],
                "Entrypoint": None,
                "Env": ["A=1", "B=x=y", "A=2"],
                "User": "web",
                "Labels": {"l": "1"},
                "StopSignal": "SIGQUIT",
                "Volumes": {"/b": {}, "/a": {}},
                "Healthcheck": {"Test": ["CMD", "true"], "Interval": 2_500_000_000, "Retries": 3},
            },
        },
        image_id="sha256:config",
    )
    assert (facts.image_id, facts.platform, facts.size) == ("sha256:config", "linux/arm64/v8", 7)
    assert facts.layers == ("sha256:a",)
    assert facts.defaults.environment == {"A": "2", "B": "x=y"}
    assert facts.defaults.volumes == ("/a", "/b")
    assert facts.defaults.health == EngineHealthTest(("CMD", "true"), interval=2.5, retries=3)
    assert image_facts({"Id": "sha256:1"}).image_id == "sha256:1"


@pytest.mark.parametrize(
    ("dockerfile", "stands"),
    [
        ("FROM provisioner.invalid/base\nRUN true\n", True),
        ("FROM provisioner.invalid/base AS tools\nFROM scratch\nCOPY --from=tools /a /a\n", False),
        ("FROM --platform=linux/amd64 provisioner.invalid/base as One\nFROM x:1 AS two\nFROM one\n", True),
        ("FROM provisioner.invalid/base AS one\nFROM debian:12\n", False),
    ],
)
def test_only_the_last_stage_says_what_an_image_stands_on(dockerfile: str, *, stands: bool) -> None:
    """A base that only an earlier stage stands on is no part of the image."""
    assert ends_on_base(dockerfile) is stands


@pytest.mark.parametrize(
    ("dockerfile", "origin"),
    [
        ("FROM python:3.12-slim\nRUN x\n", "python:3.12-slim"),
        ("FROM --platform=linux/amd64 a AS one\nFROM b\nFROM one AS two\nfrom TWO\n", "a"),
        ("FROM a AS build\nFROM scratch\nCOPY --from=build /x /x\n", ""),
        ("ARG base=a\nFROM $base\n", ""),
        ("RUN x\n", ""),
    ],
)
def test_the_image_a_dockerfile_ends_on_is_found(dockerfile: str, origin: str) -> None:
    """It is that of the last stage, through others; none where that is empty or named by an argument."""
    assert origin_of(dockerfile) == origin
