"""What people change by hand on nodes, injected together: each is named with its field, and one apply puts it right."""

from __future__ import annotations

import pytest

from tests.lab_fleet import WEBS, Fleet

pytestmark = pytest.mark.lab

SERVED = ("Says hello", "Says hallo")
LISTEN = (
    "perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Proto => q({protocol}), LocalPort => {port}{more}); "
    "sleep 900' >/dev/null 2>&1 & echo $!"
)

RUN_BY_HAND = (
    "docker run -d --name {name} --hostname web2 {labels} -p {port}:80 -e NAME=world --user 10001:10001 --read-only "
    "--cap-drop ALL --security-opt no-new-privileges --security-opt seccomp=unconfined --memory 128m "
    "--memory-swap 256m --memory-reservation 64m --pids-limit 100 --init --restart unless-stopped --stop-timeout 5 "
    "--tmpfs /tmp:mode=1777,nodev,noexec,nosuid,size=64m --log-opt max-size=10m --log-opt max-file=3 "
    "--device /dev/null:/dev/zip --sysctl net.ipv4.ip_default_ttl=63 --ulimit nofile=512:1024 --ipc host "
    "--add-host db:203.0.113.9 --dns 203.0.113.53 --dns-opt timeout:3 --dns-search example.net --group-add 44 "
    "--cpu-shares 512 --cpuset-cpus 0 --blkio-weight 0 --oom-score-adj 100 --shm-size 32m --workdir /tmp -t -i "
    "--domainname example.net {image} python3 /app/app.py"
)
RUN_ROWS = {
    ("security", "seccomp"),
    ("limits", "memory_swap"),
    ("limits", "memory_reservation"),
    ("limits", "ulimit nofile"),
    ("limits", "cpu_shares"),
    ("limits", "cpuset_cpus"),
    ("limits", "oom_score_adj"),
    ("limits", "shm_size"),
    ("hardening", "devices"),
    ("hardening", "sysctls"),
    ("hardening", "ipc"),
    ("hardening", "group_add"),
    ("networks", "extra_hosts"),
    ("networks", "dns"),
    ("networks", "dns_options"),
    ("networks", "dns_search"),
    ("settings", "tty"),
    ("settings", "stdin_open"),
    ("hostname", "domain"),
    ("working_dir", ""),
    ("command", ""),
    ("ports", ""),
}


def test_what_people_do_to_nodes_is_named_and_put_right_at_once(hello: Fleet) -> None:
    """Inside a container and from its host, to settings, files, processes, networks, images, balancer and sockets."""
    lab = hello.lab
    strangers = _change_web1(hello)
    _change_web2(hello)
    _change_web3(hello)
    _change_balancer(hello)
    rows = hello.drift()
    named = {(row["host"], row["kind"], row["key"], row["class"]) for row in rows}
    wanted = {
        ("web1", "files", "/app/app.py", "drift"),
        ("web1", "files", "/etc/cron.d/extra", "drift"),
        ("web1", "files", "/etc/hosts", "drift"),
        ("web1", "files", "/etc/resolv.conf", "drift"),
        ("web1", "networks", "byhand", "drift"),
        ("web1", "process", "sleep", "drift"),
        ("web1", "limits", "cpu_shares", "drift"),
        ("web1", "restart", "", "drift"),
        ("web1", "socket", "tcp *:9911", "unmanaged"),
        ("web1", "socket", "udp *:9912", "unmanaged"),
        ("web3", "state", "", "drift"),
        ("lb1", "config", "file", "drift"),
        *(("web2", kind, key, "drift") for kind, key in RUN_ROWS),
    }
    assert wanted <= named, wanted - named
    assert any(row["host"] == "web3" and row["kind"] == "image" and row["class"] == "drift" for row in rows)
    weights = {key for host, kind, key, _ in named if (host, kind) == ("lb1", "rotation")}
    assert weights & {"web/web1.1.a weight", "web/web1.1.b weight"}
    status = hello.run("status", "--json")
    assert status.json()["uniform"] is False
    hello.applied("--allow-interruption")
    left = {(row["host"], row["kind"], row["key"]) for row in hello.drift()}
    assert left == {("web1", "socket", "tcp *:9911"), ("web1", "socket", "udp *:9912")}
    assert hello.status()["uniform"] is True
    for number in strangers:
        lab.on("web1", f"kill {int(number)}")
    lab.on("web1", "docker network rm byhand")
    assert hello.drift() == []
    assert lab.serving_hosts(3) == set(WEBS)


def _change_web1(hello: Fleet) -> list[str]:
    """Change files through the overlay, the engine's own files, a network, a process; listen on the host."""
    on, web = hello.lab.on, hello.container("web1")
    upper = on("web1", f"docker inspect -f '{{{{.GraphDriver.Data.UpperDir}}}}' {web}")
    merged = on("web1", f"docker inspect -f '{{{{.GraphDriver.Data.MergedDir}}}}' {web}")
    folder = on("web1", f"dirname $(docker inspect -f '{{{{.HostsPath}}}}' {web})")
    assert all(each.startswith("/var/lib/docker/") for each in (upper, merged, folder))
    before, after = SERVED
    # Size and time are kept where that is possible at all; the engine tells of whatever lies in the upper folder.
    on("web1", f"touch -r {merged}/app/app.py /tmp/then && sed -i 's/{before}/{after}/' {merged}/app/app.py")
    on("web1", f"touch -r /tmp/then {merged}/app/app.py")
    on("web1", f"mkdir -p {upper}/etc/cron.d && echo '* * * * * root true' >{upper}/etc/cron.d/extra")
    on("web1", f"docker network create byhand && docker network connect byhand {web}")
    on("web1", f"echo '203.0.113.9 db' >>{folder}/hosts && echo 'nameserver 203.0.113.53' >>{folder}/resolv.conf")
    on("web1", f"docker update --cpu-shares 512 --restart no {web}")
    on("web1", f"docker exec -d {web} sleep 987")
    tcp = on("web1", LISTEN.format(protocol="tcp", port=9911, more=", Listen => 5, ReuseAddr => 1"))
    udp = on("web1", LISTEN.format(protocol="udp", port=9912, more=""))
    return [tcp, udp]


def _change_web2(hello: Fleet) -> None:
    """Run a container of the same name and labels that differs in whatever the command line offers."""
    on, web = hello.lab.on, hello.container("web2")
    image = on("web2", f"docker inspect -f '{{{{.Image}}}}' {web}")
    name = on("web2", f"docker inspect -f '{{{{.Name}}}}' {web}").lstrip("/")
    told = on(
        "web2", f"docker inspect -f '{{{{range $k, $v := .Config.Labels}}}}{{{{$k}}}}={{{{$v}}}} {{{{end}}}}' {web}"
    )
    labels = " ".join(f"--label {label}" for label in told.split() if label.startswith("provisioner."))
    port = on("web2", f"docker port {web} 80/tcp | head -n 1").rpartition(":")[2]
    on("web2", f"docker rm -f {web}")
    on("web2", RUN_BY_HAND.format(name=name, labels=labels, port=port, image=image))


def _change_web3(hello: Fleet) -> None:
    """Pause the container, and let the tag of its image name another one."""
    on, web = hello.lab.on, hello.container("web3")
    tag = on("web3", "docker images --format '{{.Repository}}:{{.Tag}}' provisioner/hello/web | head -n 1")
    other = on("web3", "docker images -q provisioner/hello/release | head -n 1")
    on("web3", f"docker pause {web} && docker tag {other} {tag}")


def _change_balancer(hello: Fleet) -> None:
    """Change a server's weight as it runs, and the file without a reload."""
    on, name = hello.lab.on, "hello.load-balancer-1.a"
    say = "echo 'set server web/web1.1.a weight 50%; set server web/web1.1.b weight 50%'"
    on("lb1", f"{say} | docker exec -i {name} socat - UNIX-CONNECT:/run/haproxy/admin.sock")
    folder = on("lb1", "docker volume inspect -f '{{.Mountpoint}}' hello_load-balancer-etc")
    on("lb1", f"echo '# by hand' >>{folder}/haproxy.cfg")
