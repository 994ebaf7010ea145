"""What the probe's answer says of a machine, on recorded parts of answers, and the probe as a shell reads it."""

from __future__ import annotations

import base64
import gzip
import subprocess

import pytest

from provisioner.hosts.facts import (
    accounts,
    containers,
    files,
    firewall,
    identity,
    packages,
    processes,
    replies,
    system,
    texts,
)
from provisioner.hosts.facts.reader import PROBE, read_facts
from provisioner.model.container import FLEET_LABEL, LEASE_LABEL, NODE_LABEL, ContainerOptions
from provisioner.model.facts import Fact
from provisioner.model.observed import EngineFacts, HostRoute, ObservedContainer, ObservedHost

DIGEST = "5f" * 32
PASSWD = "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"


def records(*values: str) -> str:
    """Return fields that each end in NUL."""
    return "".join(f"{value}\0" for value in values)


def test_the_probe_is_posix_shell() -> None:
    """A shell that knows nothing more reads it without complaint; what asks for contents too."""
    for script in (PROBE, texts.ASK):
        done = subprocess.run(["sh", "-n"], input=script.encode(), capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


def test_the_parts_of_the_probe_run() -> None:
    """What asks for everything but files and packages ends, and says something of each."""
    asked = (identity.ASK, system.ASK, accounts.ASK, processes.ASK, "section end\n", replies.TAIL)
    argv = ["sh", "-s", "--", "MARK"]
    done = subprocess.run(argv, input="".join((replies.HEAD, *asked)).encode(), capture_output=True, check=True)
    reply = replies.sections(replies.unpacked(done.stdout), "MARK")
    assert "end" in reply
    assert {fact.kind for fact in read_facts("here", reply).facts} >= {"system", "mount", "sysctl", "user", "process"}


def test_an_answer_comes_packed_or_not() -> None:
    """One that was cut is told as far as it came; what is no gzip after its head is nothing."""
    text = b"\nMARK one\n" + bytes(range(256)) * 400
    packed = gzip.compress(text)
    assert replies.unpacked(packed) == replies.unpacked(text) == text
    assert text.startswith(replies.unpacked(packed[:-30]))
    assert replies.unpacked(packed[:2] + b"nonsense") == b""


def test_no_name_of_a_file_passes_for_a_part_of_the_answer() -> None:
    """Only the word that was made up for this answer begins one."""
    answer = b"\nMARK one\nx\nELSE two\ny\n\nMARK end\n"
    assert replies.sections(answer, "MARK") == {"one": "x\nELSE two\ny\n", "end": ""}


def test_a_host_is_known_by_name_addresses_and_ids() -> None:
    """The longer words first, loopback's and `localhost` not among them."""
    told = "host name\tweb1.example.com\nboot id\t\nhardware address\t00:00:00:00:00:00\nmachine id\t3d12\nlogin\t0\n"
    trie = "  |-- 10.0.0.5\n     /32 host LOCAL\n  |-- 127.0.0.1\n     /32 host LOCAL\n"
    reply = {"identity": told, "addresses": f"{trie}\n--\n\n--\n"}
    assert [(word.text, word.stands_for) for word in identity.read_own(reply)] == [
        ("web1.example.com", "<host name>"),
        ("10.0.0.5", "<address>"),
        ("3d12", "<machine id>"),
        ("web1", "<host name>"),
    ]
    assert identity.is_root(reply)
    assert not identity.is_root({"identity": "login\t1000\n"})


@pytest.mark.parametrize(
    ("told", "zone"),
    [
        ("/usr/share/zoneinfo/Asia/Seoul\tAsia/Seoul", "Asia/Seoul"),
        ("/usr/share/zoneinfo/Asia/Seoul\t", "Asia/Seoul"),
        ("/usr/share/zoneinfo/Asia/Seoul\tEtc/UTC", "Asia/Seoul (/etc/timezone says Etc/UTC)"),
        ("\t", "UTC"),
    ],
)
def test_a_time_zone_is_where_the_link_leads(told: str, zone: str) -> None:
    """And where the other file says something else, that is told as well."""
    (fact,) = system.read_system({"system": f"time zone\t{told}\n"})
    assert fact == Fact("system", "time zone", zone)


def test_mounts_are_told_by_type_and_flags() -> None:
    """Device, sizes, pseudo file systems and what an engine mounts are no part of it; a remote source is."""
    lines = (
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro",
        "23 22 0:21 / /proc rw - proc proc rw",
        "24 22 0:40 / /tmp rw,nosuid - tmpfs tmpfs rw,size=51200k,inode64",
        "25 22 0:50 / /mnt/my\\040data rw - nfs4 nas:/data rw,vers=4.2",
        "26 22 0:51 / /var/lib/docker/overlay2/x/merged rw - xfs x rw",
    )
    found = {fact.key: fact.value for fact in system.read_mounts({"mounts": "\n".join(lines)})}
    assert found == {
        "/": "ext4 errors=remount-ro,relatime,rw",
        "/tmp": "tmpfs nosuid,rw",
        "/mnt/my data": "nfs4 nas:/data rw,vers=4.2",
    }


def test_sysctls_that_move_or_follow_from_memory_are_left_out() -> None:
    """What counts, what is random, and what the kernel works out of its memory; what root alone reads is a gap."""
    values = {
        "net/ipv4/tcp_fin_timeout": "60",
        "kernel/random/uuid": "x",
        "fs/file-nr": "1 2 3",
        "kernel/ns_last_pid": "77",
        "kernel/hostname": "web1",
        "vm/min_free_kbytes": "67584",
        "net/ipv4/ip_local_port_range": "32768\t60999",
    }
    reply = {
        "sysctl": "".join(f"/proc/sys/{name}\0{value}\n" for name, value in values.items()),
        "sysctl-unread": "/proc/sys/fs/protected_links\n/proc/sys/kernel/cad_pid\n",
    }
    facts, gaps = system.read_sysctls(reply)
    assert [(fact.key, fact.value) for fact in facts] == [
        ("net.ipv4.tcp_fin_timeout", "60"),
        ("net.ipv4.ip_local_port_range", "32768 60999"),
    ]
    assert [gap.key for gap in gaps] == ["fs.protected_links"]


def test_packages_are_told_by_version_and_unusual_state() -> None:
    """Held, half installed and removed ones are named as such; a foreign architecture is part of the name."""
    lines = (
        "native\tamd64",
        "nginx\tamd64\t1.22\tii ",
        "curl\tamd64\t7.88\thi ",
        "broken\tall\t1\tiHR",
        "gone\tall\t1\trc ",
        "libc6\ti386\t2.36\tii ",
        "never\tall\t\tun ",
    )
    found = {fact.key: fact.value for fact in packages.read_packages({"packages": "\n".join(lines)})}
    assert found == {
        "nginx": "1.22",
        "curl": "7.88, held",
        "broken": "1, half installed, to be installed again",
        "gone": "1, removed, its configuration left",
        "libc6:i386": "2.36",
    }
    assert [gap.kind for gap in packages.package_gaps({"packages": ""})] == ["package"]


def test_a_changed_conffile_is_told_with_its_package() -> None:
    """The package that brought it is named beside it."""
    reply = {
        "conffiles": f"nginx-common\n /etc/nginx/nginx.conf {'0' * 32}\n /etc/default/nginx {'1' * 32}\nzsh\n",
        "changed": "/etc/nginx/nginx.conf\n",
        "settings-listed": records("r f 644 root:root 5", "/etc/nginx/nginx.conf", ""),
        "settings-digests": records(f"{DIGEST}  /etc/nginx/nginx.conf"),
    }
    changed = packages.changed_conffiles(reply)
    assert changed == {"/etc/nginx/nginx.conf": "nginx-common"}
    (fact,) = files.read_tree(reply, "settings", changed).facts
    assert (fact.value, fact.digest) == ("file 644 root:root", DIGEST)
    assert fact.note == "changed from what nginx-common brought"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/etc/nginx/nginx.conf", "file"),
        ("/etc/shadow", "user"),
        ("/etc/sudoers.d/x", "sudo"),
        ("/etc/cron.daily/x", "cron"),
        ("/etc/crontab", "cron"),
        ("/etc/systemd/system/backup.timer", "cron"),
        ("/etc/systemd/system/x.service", "service"),
        ("/etc/systemd/resolved.conf", "dns"),
        ("/etc/default/nginx", "service"),
        ("/etc/security/limits.d/x", "limits"),
        ("/etc/hosts", "dns"),
        ("/etc/hosts.allow", "file"),
        ("/etc/apt/sources.list", "package"),
        ("/etc/fstab", "mount"),
        ("/etc/nftables.conf", "firewall"),
        ("/srv/shop/app.js", "application"),
        ("/usr/local/bin/x", "application"),
    ],
)
def test_a_file_is_of_the_kind_it_is_for(path: str, kind: str) -> None:
    """So that `--only` and the matrix speak of what people do, not of folders."""
    assert files.kind_of(path) == kind


def test_a_tree_tells_what_it_could_not_read_and_did_not_look_at() -> None:
    """Links and folders too; what is generated on each host is no part of it."""
    reply = {
        "applications-listed": records(
            *("r d 755 root:root 4096", "/srv/shop", ""),
            *("r l 777 root:root 9", "/srv/shop/now", "/srv/v2"),
            *("- f 600 app:app 9", "/srv/shop/key", ""),
            *("- d 700 app:app 9", "/srv/shop/private", ""),
            *("r f 644 app:app 99999999", "/srv/shop/film", ""),
            *("r f 644 root:root 9", "/etc/ld.so.cache", ""),
        )
    }
    tree = files.read_tree(reply, "applications", {})
    assert [(fact.key, fact.value, fact.digest) for fact in tree.facts] == [
        ("/srv/shop", "folder 755 root:root", ""),
        ("/srv/shop/now", "link to /srv/v2", ""),
        ("/srv/shop/key", "file 600 app:app 9 bytes", None),
        ("/srv/shop/private", "folder 700 app:app", ""),
        ("/srv/shop/film", "file 644 app:app 99999999 bytes", None),
    ]
    assert [gap.key for gap in tree.gaps] == ["/srv/shop/key", "/srv/shop/private/"]
    assert tree.left_out == ("1 large or oddly named files below /srv: only size, mode and owner",)


def test_users_are_told_with_the_state_of_their_password() -> None:
    """No hash is told, and who may not read them says so."""
    shadow = "root\tset 0123456789ab\t0 99999 7  \nwww-data\tlocked\t0 30 7  \n"
    reply = {"passwd": PASSWD, "group": "sudo:x:27:b,a\n", "shadow": shadow}
    assert [(fact.key, fact.value) for fact in accounts.read_users(reply)] == [
        ("root", "uid 0 gid 0 home /root shell /bin/bash password set 0123456789ab"),
        ("www-data", "uid 33 gid 33 home /var/www shell /usr/sbin/nologin password locked ageing 0 30 7"),
        ("group sudo", "gid 27 members a,b"),
    ]
    assert [gap.key for gap in accounts.account_gaps({"shadow": "unread\n"})] == ["passwords"]


def test_a_group_that_a_user_has_to_himself_is_told_with_him() -> None:
    """One that others are in, or that is called otherwise, is a thing of its own."""
    users = "ada:x:1001:1001::/home/ada:/bin/sh\nbob:x:1002:1002::/:/bin/sh\neve:x:1003:1003::/:/bin/sh\n"
    groups = "ada:x:1001:\nbob:x:1002:ada\nstaff:x:1003:\n"
    found = {fact.key: fact.value for fact in accounts.read_users({"passwd": users, "group": groups})}
    assert list(found) == ["ada", "bob", "eve", "group bob", "group staff"]
    assert found["ada"] == "uid 1001 gid 1001 (own) home /home/ada shell /bin/sh"


def test_keys_are_told_by_user_and_fingerprint() -> None:
    """With what they may do; comments are none, and a folder that may not be read is a gap."""
    blob = base64.b64encode(b"key").decode()
    line = f'root\tfrom="10.0.0.1",no-pty ssh-ed25519 {blob} ada@desk\n'
    reply = {"keys": f"root\t# ssh-ed25519 {blob} old\n{line}unread\tada\t/home/ada/.ssh/\n"}
    (fact,) = accounts.read_keys(reply)
    assert fact.key.startswith("root SHA256:")
    assert fact.value == 'ssh-ed25519 ada@desk from="10.0.0.1",no-pty'
    assert [gap.reason for gap in accounts.account_gaps(reply)] == ["/home/ada/.ssh/ may not be read"]


def running(
    *rows: tuple[int, int, int, str, str], sockets: str = "", owners: str = "", still: str = ""
) -> processes.Running:
    """Return what runs, from rows of number, parent, user, pid namespaces and words (with `|` between them)."""
    status = "".join(
        f"/proc/{number}/status\0{line}\n"
        for number, parent, user, spaces, _ in rows
        for line in (f"PPid:\t{parent}", f"Uid:\t{user}\t{user}\t{user}\t{user}", f"NSpid:\t{spaces}")
    )
    words = "".join(records(f"/proc/{row[0]}/cmdline", word) for row in rows for word in row[4].split("|"))
    reply = {"processes": status, "commands": words, "passwd": PASSWD, "self": "90\n", "sockets": sockets}
    return processes.Running({**reply, "owners": owners, "processes-again": still})


SERVICES = (
    (1, 0, 0, "1", "/sbin/init"),
    (20, 1, 0, "20", "nginx: master process nginx -g x;||"),
    (21, 20, 33, "21", "nginx: worker process|"),
    (22, 20, 33, "22", "nginx: worker process|"),
    (30, 1, 0, "30", "sshd: /usr/sbin/sshd -D [listener] 1 of 10-100 startups"),
    (31, 30, 0, "31", "sshd: root@notty"),
    (90, 31, 0, "90", "sh|-s|--"),
    (91, 90, 0, "91", "grep|x"),
    (40, 1, 0, "40", "/usr/sbin/cron|-f"),
    (41, 40, 0, "41", "/bin/backup"),
    (50, 1, 0, "50", "containerd-shim-runc-v2|-id|abc"),
    (51, 50, 0, "51 1", "redis-server *:6379"),
    (60, 1, 0, "60", "python3|app.py|--name|a b"),
)


def test_services_are_told_by_program_user_and_arguments() -> None:
    """Not how often, not sessions and the probe, not what the scheduler runs now, not what is in a container."""
    assert {fact.key: fact.value for fact in running(*SERVICES).processes()} == {
        "init": "root: /sbin/init",
        "nginx": "root: nginx: master process nginx -g x;\nwww-data: nginx: worker process",
        "sshd": "root: sshd: /usr/sbin/sshd -D [listener]",
        "cron": "root: /usr/sbin/cron -f",
        "python3": "root: python3 app.py --name 'a b'",
    }


def test_what_an_engine_starts_and_what_has_ended_is_no_service() -> None:
    """The engine and its containerd are; what packs an archive for a reader is not, nor what a second look misses."""
    rows = (
        (10, 1, 0, "10", "/usr/bin/dockerd"),
        (11, 10, 0, "11", "containerd|-c"),
        (12, 10, 0, "12", "docker-tar|/x"),
    )
    found = running(*rows, (13, 1, 0, "13", "passing"), still="/proc/10 /proc/11 /proc/12\n")
    assert {fact.key for fact in found.processes()} == {"dockerd", "containerd"}


def test_listening_sockets_are_told_with_their_program() -> None:
    """Both protocols and versions, own addresses as such; what an engine publishes is told with its containers."""
    row = " 0: {place} {peer} {state} 0:0 0:0 0 {user} 0 {inode} 1"
    peer, lines = "00000000:0000", [
        ("tcp", "00000000:0050", "0A", 0, 700),
        ("tcp", "0500000A:1F90", "0A", 33, 701),
        ("tcp", "00000000:18EB", "0A", 0, 702),
        ("tcp", "0B00007F:9999", "0A", 0, 703),
        ("tcp", "00000000:0051", "01", 0, 704),
        ("tcp6", "00000000000000000000000000000000:0050", "0A", 0, 700),
        ("tcp", "0100007F:B001", "0A", 33, 701),
        ("udp", "00000000:007B", "07", 0, 705),
        ("udp", "00000000:C001", "07", 0, 706),
    ]  # fmt: skip
    table = "".join(
        f"/proc/net/{protocol}\0{row.format(place=place, peer=peer, state=state, user=user, inode=inode)}\n"
        for protocol, place, state, user, inode in lines
    )
    holders = (("20/fd/6", 700), ("21/fd/6", 700), ("60/fd/3", 701), ("51/fd/4", 702))
    owners = "".join(f"/proc/{holder} socket:[{inode}]\n" for holder, inode in holders)
    runs = running(*SERVICES, sockets=table, owners=owners)
    assert {fact.key: fact.value for fact in runs.sockets(frozenset({"10.0.0.5"}), root=True)} == {
        "tcp 0.0.0.0:80": "nginx as root",
        "tcp6 [::]:80": "nginx as root",
        "tcp <address>:8080": "python3 as www-data",
        "tcp 127.0.0.1:<any port> python3": "python3 as www-data",
        "udp 0.0.0.0:123": "kernel as root",
    }
    gaps = processes.process_gaps({"processes": ""}, root=False)
    assert [(gap.kind, gap.key) for gap in gaps] == [("process", ""), ("socket", "programs")]


def test_firewall_rules_are_told_without_counters_and_what_an_engine_adds() -> None:
    """And rules that one tool shows are not told of the other again; a tool that refuses is a gap."""
    tables = "# now\n*filter\n:INPUT DROP [5:300]\n-A INPUT -p tcp --dport 22 -j ACCEPT\n-A FORWARD -j DOCKER\nCOMMIT\n"
    nft = (
        "# Warning: table ip filter is managed by iptables-nft, do not touch!\n"
        "table ip filter {\n\tchain INPUT {\n\t}\n}\n"
        "table inet own {\n\tchain input {\n\t\ttcp dport 80 counter packets 5 bytes 300 accept\n\t}\n}\n"
    )
    reply = {"firewall": records("iptables-save", tables, "ip6tables-save", "unread", "nft", nft)}
    found = {fact.key: fact.value for fact in firewall.read_firewall(reply)}
    assert found["iptables"].splitlines() == [
        "*filter",
        ":INPUT DROP",
        "-A INPUT -p tcp --dport 22 -j ACCEPT",
        "COMMIT",
    ]
    assert "managed" not in found["nft"]
    assert "ip filter" not in found["nft"]
    assert "packets" not in found["nft"]
    assert "tcp dport 80" in found["nft"]
    assert [gap.key for gap in firewall.firewall_gaps(reply)] == ["ip6tables"]


def test_texts_are_what_is_text_and_small() -> None:
    """A private key is an empty line, as is what may not be read; binary and large ones are left to their digests."""
    contents = (b"listen 80;\n", b"\xff\x00", b"x" * (texts.LARGEST + 1), b"")
    answer = b"".join(base64.b64encode(content) + b"\n" for content in contents)
    assert texts.read_texts(answer, ("/a", "/b", "/c", "/d")) == {"/a": "listen 80;\n"}


def test_of_a_node_of_ours_only_the_fingerprint_is_told() -> None:
    """Whichever slot and host it is on; a lease is nothing, and a foreign container is told whole."""

    def container(name: str, labels: dict[str, str], **more: str) -> ObservedContainer:
        options = ContainerOptions(command=("serve",), environment=more)
        return ObservedContainer(name, name, "sha256:1", options, "running", labels=labels, hostname=name)

    def observed(host: str, slot: str) -> ObservedHost:
        ours = container(f"shop.web-1.{slot}", {FLEET_LABEL: "shop", NODE_LABEL: f"{host}/web-1"})
        lease = container("lease", {LEASE_LABEL: "shop"})
        engine = EngineFacts("28.0", "1.48", "classic", "linux/amd64", "streamlocal")
        return ObservedHost(host, engine, HostRoute(host, "", 22, ""), containers=(ours, lease, container("redis", {}, MODE="a")))  # fmt: skip # noqa: E501

    first, second = (tuple(containers.container_facts(observed(*at))) for at in (("web1", "a"), ("web2", "b")))
    assert first == second
    told = {(fact.kind, fact.key): fact.value for fact in first}
    assert set(told) == {
        ("engine", "version"),
        ("engine", "image store"),
        ("container", "redis"),
        ("node", "shop web-1"),
    }
    assert told["node", "shop web-1"].startswith("sha256:")
    assert "MODE=a" in told["container", "redis"].splitlines()
