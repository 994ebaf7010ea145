"""Docker Swarm on the hosts of a lab: the same application as a global service, and the same HAProxy in front of it."""

from __future__ import annotations

import re
import subprocess
import sys
import time

from provisioner.lab.layout import TLS_OFFSET
from tests.load.rotation import pages_of
from tests.rolling_fleet import WEB_HOSTS, Rolled, RollingFleet, RollingLab, watched

_HEALTHY = (
    'exec bash -c \'exec 3<>/dev/tcp/127.0.0.1/8000 && printf "GET /healthz HTTP/1.0\\r\\n\\r\\n" >&3'
    " && read -r line <&3 && case $line in *200*) exit 0;; *) exit 1;; esac'"
)
_RESOLVERS = """
resolvers swarm
  nameserver engine 127.0.0.11:53
  timeout resolve 500ms
  timeout retry 500ms
  hold valid 500ms
"""
_BALANCER, _NETWORK, _SERVICE, _PORT = "swarm-balancer", "swarm-web", "web", 443
_SETTLING = 60.0


class Swarm:
    """A swarm of the lab's hosts, from joined to left; the balancer answers where the lab's port for 443 lies."""

    def __init__(self, lab: RollingLab, fleet: RollingFleet) -> None:
        self._lab = lab
        self._app = self._tagged(WEB_HOSTS, "web", fleet.container("web1"))
        balancer = fleet.container("lb1", "load-balancer")
        self._balancer = self._tagged(("lb1",), "balancer", balancer)
        file = lab.on("lb1", f"docker exec {balancer} cat /etc/haproxy/haproxy.cfg")
        self._file = in_front_of_tasks(file)
        self.port = lab.port + TLS_OFFSET

    def join(self) -> None:
        """Make a swarm of all hosts: the balancer's is the manager, the web hosts are the workers."""
        address = self._lab.on("lb1", "hostname -i").split()[0]
        self._lab.on("lb1", f"docker swarm init --advertise-addr {address}")
        token = self._lab.on("lb1", "docker swarm join-token -q worker")
        for host in WEB_HOSTS:
            self._lab.on(host, f"docker swarm join --token {token} {address}:2377")
        self._lab.on("lb1", f"docker network create -d overlay --attachable {_NETWORK}")

    def deploy(self, mode: str, monitor: str) -> None:
        """Run the application on every web host, and the balancer in front of it."""
        options = (
            f"--name {_SERVICE} --mode global --constraint node.role==worker --network {_NETWORK} --endpoint-mode dnsrr"
            " --hostname '{{.Node.Hostname}}' --no-resolve-image --read-only --limit-memory 96M --limit-pids 50"
            f" --env RELEASE=s0 --env MODE={mode} --env LEDGER=/ledger/posts"
            " --mount type=bind,src=/srv/ledger,dst=/ledger --stop-grace-period 13s"
            f' --health-cmd "$HEALTHY" --health-interval 1s --health-timeout 5s --health-retries 2'
            " --update-parallelism 1 --update-order start-first --update-delay 0s --update-failure-action rollback"
            f" --update-monitor {monitor} --rollback-parallelism 0 --rollback-order start-first --rollback-monitor 1s"
        )
        self._lab.on("lb1", f"HEALTHY={_quoted(_HEALTHY)}; docker service create -q {options} {self._app}")
        folder = "/srv/swarm-balancer"
        self._lab.on("lb1", f"mkdir -p {folder} && cat > {folder}/haproxy.cfg <<'END'\n{self._file}\nEND")
        ports = f"-p {_PORT}:80 -p 127.0.0.1:8404:8404"
        mounted = f"-v {folder}:/etc/haproxy:ro"
        self._lab.on("lb1", f"docker run -d --name {_BALANCER} --network {_NETWORK} {ports} {mounted} {self._balancer}")
        self._await_settled()

    def rolled(self, release: str, mode: str) -> Rolled:
        """Update the service under load; the seconds are those of the command that waits until it has converged."""
        rotation = pages_of(f"{self._lab.name}-lb1", "echo 127.0.0.1")
        with watched(self._lab, self.port, rotation) as seen:
            update = f"docker service update -q --env-add RELEASE={release} --env-add MODE={mode} {_SERVICE}"
            begun = time.monotonic()
            told = self._lab.on("lb1", f"timeout 240 {update}; echo exit $?", check=False)
            seen.ended(time.monotonic() - begun, int(told.rpartition(" ")[2]), told)
            self._await_settled()
            seen.left(time.monotonic() - begun)
        rolled = seen.rolled()
        if rolled.failed:
            sys.stderr.write(self._lab.on("lb1", f"docker service ps --no-trunc {_SERVICE}") + "\n")
        return rolled

    def leave(self) -> None:
        """Leave no container, network or membership on any host."""
        for command in (f"docker rm -f {_BALANCER}", f"docker service rm {_SERVICE}", "rm -rf /srv/swarm-balancer"):
            self._lab.on("lb1", command, check=False)
        for host in (*WEB_HOSTS, "lb1"):
            self._lab.on(host, "docker swarm leave --force", check=False)

    def _await_settled(self) -> None:
        """Wait until every web host has one task's container, and the balancer gives requests to all of them."""
        until = time.monotonic() + _SETTLING
        while time.monotonic() < until:
            running = [self._lab.on(host, f"docker ps -q --filter name={_SERVICE}.").split() for host in WEB_HOSTS]
            if all(len(each) == 1 for each in running) and self._serving() == len(WEB_HOSTS):
                return
            time.sleep(0.5)
        raise AssertionError(f"the swarm did not settle: {self._lab.on('lb1', f'docker service ps {_SERVICE}')}")

    def _serving(self) -> int:
        page = "exec 3<>/dev/tcp/127.0.0.1/8404 && printf 'GET /stats;csv HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3"
        told = self._lab.on("lb1", f"bash -c {_quoted(page)}", check=False)
        return len(re.findall(r"^web,web\d+,.*?,UP", told, re.MULTILINE))

    def _tagged(self, hosts: tuple[str, ...], name: str, container: str) -> str:
        """Keep an image of the fleet on hosts under a name of its own; return its id."""
        image = self._lab.on(hosts[0], f"docker inspect -f '{{{{.Image}}}}' {container}")
        for host in hosts:
            self._lab.on(host, f"docker tag {image} bench-rollout/{name}:1")
        return image


def in_front_of_tasks(file: str) -> str:
    """Return our balancer's file with the tasks that the swarm's names service tells as its servers."""
    servers = re.compile(r"(?:^  server \S+ .*\n?)+", re.MULTILINE)
    template = f"  server-template web 10 tasks.{_SERVICE}:8000 check resolvers swarm init-addr none\n"
    changed, places = servers.subn(template, file)
    assert places == 1, file
    return changed + _RESOLVERS


def _quoted(text: str) -> str:
    quoted = text.replace("'", "'\\''")
    return f"'{quoted}'"


def left_behind(lab: RollingLab) -> list[str]:
    """Return the hosts of a lab that are still in a swarm."""
    argv = ["docker", "exec"]
    asked = ["docker", "info", "-f", "{{.Swarm.LocalNodeState}}"]
    states = {
        host: subprocess.run([*argv, f"{lab.name}-{host}", *asked], capture_output=True, text=True, check=False).stdout
        for host in (*WEB_HOSTS, "lb1")
    }
    return [host for host, state in states.items() if state.strip() not in {"inactive", ""}]
