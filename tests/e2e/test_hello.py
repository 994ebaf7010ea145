"""The first example on a real lab: from nothing to a served page, and everything that may happen to it."""

from __future__ import annotations

import pytest

from tests.lab_fleet import WEBS, Fleet
from tests.strict_client import StrictClient

pytestmark = pytest.mark.lab


def test_every_web_host_serves_through_the_balancer(hello: Fleet) -> None:
    """After one command the page comes from each of the three hosts, and all nodes are the same."""
    assert hello.lab.serving_hosts(3) == set(WEBS)
    status = hello.status()
    assert status["uniform"] is True
    assert len({node["fingerprint"] for node in status["nodes"] if node["service"] == "web"}) == 1
    assert {node["balancer"] for node in status["nodes"]} == {"ready"}
    assert hello.drift() == []


def test_the_second_apply_writes_nothing_on_any_host(hello: Fleet) -> None:
    """Run again it says so, and no engine noted an event."""
    hosts = ("lb1", *WEBS)
    since = {host: hello.lab.clock(host) for host in hosts}
    finished = hello.applied()
    assert (finished["outcome"], finished["actions"]) == ("unchanged", 0)
    noted = {host: hello.lab.events(host, since[host], hello.lab.clock(host)) for host in hosts}
    assert {host: events for host, events in noted.items() if events} == {}


def test_a_changed_spec_loses_no_request_and_replaces_only_what_changed(hello: Fleet) -> None:
    """Under a client that never retries the web containers are replaced, the balancer's stays, nothing fails."""
    balancer = hello.container("lb1", "load-balancer")
    before = {host: hello.container(host) for host in WEBS}
    hello.variables["NAME"] = "Ada"
    with StrictClient(hello.lab.port) as client:
        assert hello.applied()["outcome"] == "complete"
    assert client.failures == []
    assert client.answered > 500
    assert "Hello Ada!" in hello.lab.get()
    assert hello.container("lb1", "load-balancer") == balancer
    assert all(hello.container(host) != before[host] for host in WEBS)


def test_changed_code_is_built_once_and_rolled_out_without_a_lost_request(hello: Fleet) -> None:
    """A change in the build context becomes one image, the same on every host, while nobody notices."""
    hello.rewrite("You are served by", "Now you are served by", "app/app.py")
    with StrictClient(hello.lab.port) as client:
        assert hello.applied()["outcome"] == "complete"
    assert client.failures == []
    assert "Now you are served by" in hello.lab.get()
    assert len({node["image_id"] for node in hello.status()["nodes"]}) == 1


def test_a_changed_port_and_check_lose_no_request(hello: Fleet) -> None:
    """Other host ports and another health path go through a transitional file while nobody notices."""
    hello.rewrite("port: 80  ", "port: 80\n    host_port: 12080  ")
    hello.rewrite("path: /healthz, interval: 1s", "path: /, interval: 500ms")
    with StrictClient(hello.lab.port) as client:
        assert hello.applied()["outcome"] == "complete"
    assert client.failures == []
    assert hello.drift() == []


def test_a_check_that_no_node_passes_is_refused_while_everything_serves(hello: Fleet) -> None:
    """A mistyped health path ends in exit 3 and not one lost request."""
    hello.rewrite("path: /healthz", "path: /healthy")
    hello.rewrite("healthy_deadline: 60s", "healthy_deadline: 4s")
    with StrictClient(hello.lab.port) as client:
        ran = hello.apply()
    assert (ran.code, ran.finished()["outcome"]) == (3, "rolled_back")
    assert client.failures == []


def test_a_worker_of_the_balancer_comes_back_with_every_node(hello: Fleet) -> None:
    """After a rollout the balancer's container is restarted with no controller: every node serves."""
    hello.variables["NAME"] = "Ada"
    hello.applied()
    hello.lab.on("lb1", "docker restart -t 2 hello.load-balancer-1.a")
    assert hello.lab.serving_hosts(3) == set(WEBS)
    assert hello.status()["uniform"] is True


def test_a_balancers_host_comes_back_with_every_node(hello: Fleet) -> None:
    """Its host is restarted with no controller: balancer and nodes serve again by themselves."""
    hello.lab.restart_host("lb1")
    assert hello.lab.serving_hosts(3) == set(WEBS)
    assert hello.drift() == []


def test_a_web_host_comes_back_by_itself(hello: Fleet) -> None:
    """A web host is restarted with no controller: its node serves again, and nothing is left to do."""
    hello.lab.restart_host("web2")
    assert hello.lab.serving_hosts(3) == set(WEBS)
    assert hello.applied()["outcome"] == "unchanged"


def test_a_host_is_added_and_taken_away_again(hello: Fleet) -> None:
    """A fourth host joins without a lost request; when it is not wanted any more nothing of the fleet stays there."""
    hello.rewrite("hosts: web:!web4 ", "hosts: web ")
    with StrictClient(hello.lab.port) as client:
        hello.applied()
        assert hello.lab.serving_hosts(4) == {*WEBS, "web4"}
        hello.rewrite("hosts: web ", "hosts: web:!web4 ")
        hello.applied()
    assert client.failures == []
    assert hello.lab.on("web4", "docker ps -aq --filter label=provisioner.fleet=hello") == ""
    assert hello.lab.on("web4", "docker images -q 'provisioner/hello/*'") == ""
    assert hello.lab.serving_hosts(3) == set(WEBS)


def test_a_host_that_left_and_cannot_be_reached_is_named_until_it_is_clean(hello: Fleet) -> None:
    """Gone from the inventory and switched off it gets no requests, is named, exit 4; back again it is cleaned."""
    hello.rewrite("hosts: web:!web4 ", "hosts: web ")
    hello.applied()
    hello.strike_from_inventory("web4")
    hello.lab.stop_host("web4")
    try:
        ran = hello.apply()
        assert ran.code == 4
        assert "web4" in ran.finished()["message"]
        assert hello.lab.serving_hosts(3) == set(WEBS)
    finally:
        hello.lab.start_host("web4")
    assert hello.applied()["exit"] == 0
    assert hello.lab.on("web4", "docker ps -aq --filter label=provisioner.fleet=hello") == ""


BY_HAND = {
    "stopped": ("web1", "docker stop -t 1 {web}", ("state", "")),
    "removed": ("web1", "docker rm -f {web}", ("container", "")),
    "paused": ("web2", "docker pause {web}", ("state", "")),
    "memory": ("web2", "docker update --memory 200m --memory-swap 200m {web}", ("limits", "memory")),
    "restart": ("web3", "docker update --restart no {web}", ("restart", "")),
    "balancer file": ("lb1", "docker exec -u 0 {lb} true; {edit}", ("config", "file")),
    "balancer stopped": ("lb1", "docker stop -t 1 {lb}", ("state", "")),
    "balancer removed": ("lb1", "docker rm -f {lb}", ("container", "")),
}
EDIT = (
    "f=$(docker volume inspect -f '{{.Mountpoint}}' hello_load-balancer-etc)/haproxy.cfg; "
    "sed -i 's/maxconn/#&/; s/timeout connect 2s/timeout connect 3s/' $f"
)


@pytest.mark.parametrize("case", BY_HAND, ids=str)
def test_what_somebody_changed_by_hand_is_named_and_put_right(hello: Fleet, case: str) -> None:
    """Each change is named with its field, class drift, and one apply puts it right."""
    host, command, (kind, key) = BY_HAND[case]
    web, balancer = hello.container("web1") if host != "lb1" else "", "hello.load-balancer-1.a"
    web = hello.container(host) if host != "lb1" else web
    hello.lab.on(host, command.format(web=web, lb=balancer, edit=EDIT))
    rows = hello.drift()
    assert (host, kind, key, "drift") in {(row["host"], row["kind"], row["key"], row["class"]) for row in rows}
    assert hello.applied()["outcome"] == "complete"
    assert hello.drift() == []
    assert hello.lab.serving_hosts(3) == set(WEBS)


def test_a_node_recreated_by_hand_with_other_options_is_named_and_put_right(hello: Fleet) -> None:
    """Somebody runs a container of the same name with another environment, command and mount: all are named."""
    web = hello.container("web3")
    image = hello.lab.on("web3", f"docker inspect -f '{{{{.Image}}}}' {web}")
    name = hello.lab.on("web3", f"docker inspect -f '{{{{.Name}}}}' {web}").lstrip("/")
    port = hello.lab.on("web3", f"docker port {web} 80/tcp | head -n 1")
    labels = "--label provisioner.fleet=hello --label provisioner.service=web --label provisioner.node=web3/web-1"
    hello.lab.on("web3", f"docker rm -f {web}")
    hello.lab.on(
        "web3",
        f"docker run -d --name {name} {labels} -e NAME=Mallory -v /srv:/srv -p {port}:80 {image} python3 -u app.py",
    )
    named = {(row["kind"], row["key"]) for row in hello.drift()}
    assert {("environment", "NAME"), ("mounts", "/srv"), ("command", ""), ("hardening", "cap_drop")} <= named
    with StrictClient(hello.lab.port) as client:
        assert hello.applied()["outcome"] == "complete"
    assert client.failures == []
    assert hello.drift() == []


def test_a_container_of_somebody_else_is_unmanaged_and_left_alone(hello: Fleet) -> None:
    """It is reported with exit 2, apply changes nothing about it, and the fleet stays uniform."""
    hello.lab.on("web1", f"docker run -d --name stranger --entrypoint sleep {_image(hello)} 600")
    try:
        ran = hello.run("drift", "--json")
        assert ran.code == 2
        assert [(row["key"], row["class"]) for row in ran.json()["drift"]] == [("stranger", "unmanaged")]
        assert hello.applied()["outcome"] == "unchanged"
        assert hello.lab.on("web1", "docker ps -q --filter name=stranger") != ""
    finally:
        hello.lab.on("web1", "docker rm -f stranger")


def _image(hello: Fleet) -> str:
    return hello.lab.on("web1", f"docker inspect -f '{{{{.Image}}}}' {hello.container('web1')}")


def test_a_server_in_maintenance_is_named_and_put_back(hello: Fleet) -> None:
    """A server that somebody took out through the balancer's socket is drift, and comes back."""
    say = "echo 'set server web/web2.1.a state maint; set server web/web2.1.b state maint'"
    socket = "socat - UNIX-CONNECT:/run/haproxy/admin.sock"
    hello.lab.on("lb1", f"{say} | docker exec -i hello.load-balancer-1.a {socket}")
    assert {("rotation", "maint")} <= {(row["kind"], row["observed"]) for row in hello.drift()}
    assert hello.applied()["outcome"] == "complete"
    assert hello.lab.serving_hosts(3) == set(WEBS)
    assert hello.drift() == []


def test_hosts_of_a_fleet_compare_by_the_fingerprints_of_their_nodes(hello: Fleet) -> None:
    """Names, addresses, slots and leases are no difference; a node changed by hand makes its host the outlier."""
    asked = (
        "compare",
        "-i",
        f"inventories/{hello.lab.name}.yaml",
        "--json",
        "--only",
        "node",
        "--only",
        "container",
        *WEBS,
    )
    alike = hello.lab.run(*asked)
    assert (alike.json()["differences"], alike.json()["unknown"], alike.code) == ([], [], 0)
    hello.lab.on("web2", f"docker update --memory 64m --memory-swap 64m {hello.container('web2')}")
    ran = hello.lab.run(*asked)
    assert ran.code == 2
    assert [(row["kind"], row["key"], row["outliers"]) for row in ran.json()["differences"]] == [
        ("node", "hello web-1", ["web2"])
    ]
