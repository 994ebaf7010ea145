"""`repair` on a real fleet: what was changed by hand is put right, what is declared newly stays pending."""

from __future__ import annotations

import json

import pytest

from tests.lab_fleet import Fleet

pytestmark = pytest.mark.lab


def by_hand(fleet: Fleet, host: str, variable: str) -> None:
    """Run the web container of a host again with one variable more, under the labels it had."""
    seen = json.loads(fleet.lab.on(host, f"docker inspect {fleet.container(host)}"))[0]
    name = seen["Name"].removeprefix("/")
    labels = " ".join(f"--label {key}={value}" for key, value in seen["Config"]["Labels"].items())
    ports = " ".join(
        f"-p {at['HostIp']}:{at['HostPort']}:{inside}"
        for inside, bound in seen["HostConfig"]["PortBindings"].items()
        for at in bound
    )
    command = f"docker run -d --name {name} {labels} {ports} -e {variable} {seen['Image']}"
    fleet.lab.on(host, f"docker rm -f {name} && {command}")


def test_only_what_drifted_is_put_right(hello: Fleet) -> None:
    """A container with another environment, one that was removed; the third node keeps its container."""
    kept = hello.lab.on("web3", f"docker inspect -f {{{{.Id}}}} {hello.container('web3')}")
    by_hand(hello, "web1", "DEBUG=1")
    hello.lab.on("web2", f"docker rm -f {hello.container('web2')}")
    hello.rewrite("NAME: ", "VERSION: 2\n      NAME: ")
    found = {(row["host"], row["kind"], row["class"]) for row in hello.drift()}
    assert ("web1", "environment", "drift") in found
    assert ("web2", "container", "drift") in found
    repaired = hello.run("repair", "-y", "--json")
    assert (repaired.code, repaired.finished()["outcome"]) == (0, "complete"), repaired.err
    assert {row["class"] for row in hello.drift()} == {"pending"}
    assert hello.lab.on("web3", f"docker inspect -f {{{{.Id}}}} {hello.container('web3')}") == kept
    assert hello.lab.serving_hosts(3) == {"web1", "web2", "web3"}
    again = hello.run("repair", "-y", "--json")
    assert (again.code, again.finished()["outcome"]) == (0, "unchanged"), again.err
