"""Hooks as they run on this machine: what they get, what of them is heard, and that none of them goes on for ever."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.local.hooks import SAID_BYTES, LocalHooks, document, variables
from provisioner.model.hook import Hook, HookEnd, Moment
from provisioner.model.secret import Secret
from provisioner.model.spec import FromFile, FromVariable, SecretSource

CALL = Moment("pre-apply", "shop", "apply", "r8-b", "r7-a", ("web1", "web2"), ("web1/web-1", "web2/web-1"))
ENVIRONMENT = {"PATH": os.environ["PATH"], "API_SOURCE": "hunter2", "HOME": "/home/me"}
SOURCES: dict[str, SecretSource] = {"API_KEY": FromVariable("API_SOURCE"), "TLS_KEY": FromFile("/nowhere")}


class Stage:
    """A folder with one hook, and what was heard of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.heard: list[str] = []

    def script(self, text: str, name: str = "hook.sh", mode: int = 0o755) -> str:
        """Write an executable and return its path as a spec would name it."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return f"./{name}"

    def run(self, hook: Hook, moment: Moment = CALL) -> HookEnd:
        """Run a hook, which there has to be."""
        hooks = LocalHooks({"pre-apply": hook}, self.folder, ENVIRONMENT, SOURCES)
        ended = hooks.run(moment, self.heard.append, lambda name: Secret(f"value of {name}"))
        assert ended is not None
        return ended

    def sh(self, text: str, timeout: float = 10.0) -> HookEnd:
        """Run a script."""
        return self.run(Hook((self.script(text),), timeout))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Return an empty folder for a hook."""
    return Stage(tmp_path)


def test_a_hook_gets_our_variables_its_own_and_the_event(stage: Stage) -> None:
    """It runs in the spec's folder; JSON on its standard input is the event."""
    script = stage.script('pwd; echo "$PROVISIONER_FLEET $CHANNEL $HOME"; cat')
    ended = stage.run(Hook((script,), environment={"CHANNEL": "#ops"}))
    assert ended.failure == ""
    assert stage.heard == [str(stage.folder), "shop #ops /home/me", document(CALL).strip()]


def test_a_moment_is_told_twice() -> None:
    """As JSON and as variables; what is not known yet is no variable, and null."""
    told = json.loads(document(CALL))
    assert (told["schema"], told["hook"], told["nodes"], told["exit_code"]) == (1, "pre-apply", list(CALL.nodes), None)
    named = variables(replace(CALL, hook="on-failure", outcome="halted", exit_code=6))
    assert named["PROVISIONER_HOSTS"] == "web1 web2"
    assert (named["PROVISIONER_OUTCOME"], named["PROVISIONER_EXIT_CODE"]) == ("halted", "6")
    assert "PROVISIONER_EXIT_CODE" not in variables(CALL)
    assert "PROVISIONER_MESSAGE" not in variables(replace(CALL, message="x" * 40_000))


def test_secrets_are_kept_from_hooks_that_do_not_ask(stage: Stage) -> None:
    """A variable that a secret comes from is not handed on; one that is asked for by name comes under its name."""
    script = stage.script("env")
    stage.run(Hook((script,)))
    assert "hunter2" not in "\n".join(stage.heard)
    assert "API_KEY" not in "\n".join(stage.heard)
    stage.run(Hook((script,), secrets=("API_KEY",)))
    assert "API_KEY=value of API_KEY" in stage.heard
    assert not [line for line in stage.heard if line.startswith(("API_SOURCE", "TLS_KEY"))]


def test_a_failing_hook_is_told_with_its_last_lines(stage: Stage) -> None:
    """Both streams are heard, in their order."""
    ended = stage.sh("echo one; echo two >&2; exit 3")
    assert ended.failure == "./hook.sh ended with exit status 3"
    assert ended.output == ("one", "two")


@pytest.mark.slow
def test_a_hook_that_hangs_is_killed_with_its_children(stage: Stage) -> None:
    """At the time limit the whole process group ends, also who ignores being asked."""
    began = time.monotonic()
    ended = stage.sh("trap '' TERM; sleep 300 & echo $!; wait; sleep 300", timeout=0.5)
    assert "took longer than 0.5 s" in ended.failure
    assert time.monotonic() - began < 10
    child = int(stage.heard[0])
    for _ in range(50):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            return
        time.sleep(0.1)
    pytest.fail("a child of the hook goes on")


def test_a_hook_that_prints_megabytes_is_cut_short(stage: Stage) -> None:
    """It is read to its end; what is passed on has a bound, what is kept are its last lines."""
    ended = stage.sh(
        "i=0; while [ $i -lt 40 ]; do head -c 100000 /dev/zero | tr '\\0' 'x'; echo; i=$((i+1)); done; echo end"
    )
    assert ended.failure == ""
    assert sum(len(line) for line in stage.heard) <= SAID_BYTES + 100
    assert stage.heard[-1].endswith("more lines)")
    assert ended.output[-1] == "end"


def test_a_hook_that_reads_no_input_is_not_waited_for(stage: Stage) -> None:
    """A document larger than a pipe holds is thrown away where nobody reads it."""
    large = replace(CALL, message="x" * 1_000_000)
    assert stage.run(Hook((stage.script("exit 0"),)), large).failure == ""
    assert stage.run(Hook((stage.script("exec 0<&-; sleep 0.2"),)), large).failure == ""
    assert stage.run(Hook((stage.script("sleep 0.2; wc -c"),)), large).output == (str(len(document(large))),)


def test_a_child_left_behind_is_not_waited_for(stage: Stage) -> None:
    """Something that goes on in the background with the hook's output open does not hold us up."""
    began = time.monotonic()
    assert stage.sh("sleep 5 & echo done").output == ("done",)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("./none.sh", "No such file"),
        ("./plain.sh", "Permission denied"),
        ("./bad.sh", "Exec format"),
        ("none", "No such file"),
    ],
)
def test_a_hook_that_cannot_be_run_says_why(stage: Stage, name: str, words: str) -> None:
    """Missing, not executable, without a first line."""
    stage.script("exit 0", "plain.sh", mode=0o644)
    (stage.folder / "bad.sh").write_text("exit 0\n")
    (stage.folder / "bad.sh").chmod(0o755)
    ended = stage.run(Hook((name,)))
    assert ended.failure.startswith(f"{name} cannot be run: {words}")


def test_nothing_runs_where_there_is_no_hook(tmp_path: Path) -> None:
    """Only what the spec names is run."""
    hooks = LocalHooks({}, tmp_path, ENVIRONMENT, SOURCES)
    assert hooks.run(CALL, lambda _: None, Secret) is None
