"""Hooks of a real rollout: what they are given, and that one which does not agree lets nothing move."""

from __future__ import annotations

import json

import pytest

from tests.lab_fleet import WEBS, Fleet

pytestmark = pytest.mark.lab


def test_hooks_see_a_rollout_go_by(hello: Fleet) -> None:
    """Each writes down what it is told; `pre-apply` says no to the next one, and no container is touched."""
    script = hello.folder / "note.sh"
    script.write_text('#!/bin/sh\necho "$PROVISIONER_HOOK noted"\ncat >>told.jsonl\ntest ! -e "no-$PROVISIONER_HOOK"\n')
    script.chmod(0o755)
    moments = ("pre-apply", "post-batch", "post-apply", "on-failure")
    hello.file.write_text(hello.file.read_text() + "\nhooks:\n" + "".join(f"  {each}: ./note.sh\n" for each in moments))
    hello.variables["NAME"] = "Ada"
    ran = hello.apply()
    assert ran.code == 0, ran.out + ran.err
    assert "pre-apply: pre-apply noted" in ran.err
    told = [json.loads(line) for line in (hello.folder / "told.jsonl").read_text().splitlines()]
    assert (told[0]["hook"], told[-1]["hook"]) == ("pre-apply", "post-apply")
    assert {host for each in told if each["hook"] == "post-batch" for host in each["hosts"]} == set(WEBS)
    assert (told[-1]["outcome"], told[-1]["release"]) == ("complete", ran.finished()["release"])

    (hello.folder / "no-pre-apply").touch()
    before = {host: hello.container(host) for host in WEBS}
    hello.variables["NAME"] = "Grace"
    refused = hello.apply()
    assert (refused.code, refused.finished()["outcome"]) == (1, "failed")
    assert "hook pre-apply: ./note.sh ended with exit status 1" in refused.finished()["message"]
    assert {host: hello.container(host) for host in WEBS} == before
    assert json.loads((hello.folder / "told.jsonl").read_text().splitlines()[-1])["hook"] == "on-failure"
