"""Asks a host for its release, kernel, time zone, mounts and sysctls."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping

from provisioner.hosts.facts.replies import named_lines, tabbed
from provisioner.model.facts import Fact, Gap

ASK = """\
section system
printf 'release\\t%s\\n' "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release 2>/dev/null | tr -d '"')"
printf 'kernel\\t%s\\n' "$(uname -r) $(uname -v)"
printf 'architecture\\t%s\\n' "$(uname -m)"
printf 'processors\\t%s\\n' "$(grep -c ^processor /proc/cpuinfo)"
printf 'boot options\\t%s\\n' "$(cat /proc/cmdline)"
printf 'time zone\\t%s\\t%s\\n' \\
    "$(readlink /etc/localtime || sha256sum </etc/localtime 2>/dev/null)" "$(cat /etc/timezone 2>/dev/null)"
ulimit -a | sed 's/^/limit\\t/'
section mounts
cat /proc/self/mountinfo
section sysctl
find /proc/sys -xdev -type f -readable -perm /0444 \\
    ! -name stat_refresh ! -path '/proc/sys/kernel/random/*' \\
    ! -path '/proc/sys/net/*/veth*' ! -path '/proc/sys/net/*/br-*' \\
    -exec grep -aHsZ '' {} + 2>/dev/null
section sysctl-unread
find /proc/sys -xdev -type f ! -readable -perm /0444 2>/dev/null
"""

_REMEMBERED = 20_000
"""Answers of pure functions that are kept: hosts alike ask for the same ones."""
_ZONES = "/zoneinfo/"
_OF_MEMORY = re.compile(r"pending|process|locked|msgqueue")
"""Limits that follow from the memory of the machine where nobody set them."""

_PSEUDO = re.compile(
    r"autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fusectl|hugetlbfs|mqueue|nsfs|overlay|proc"
    r"|pstore|ramfs|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs"
)
_PASSING = re.compile(
    r"/(?:run/(?:user|docker|netns|containerd|credentials)|var/lib/(?:docker|containerd|kubelet)|snap)/"
)
_SIZES = re.compile(r"(?:size|nr_inodes|nr_blocks|uid|gid)=|inode64$|lowerdir|upperdir|workdir")
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "ceph", "glusterfs", "9p", "fuse.sshfs"})

_MOVING = re.compile(
    r"dev\.cdrom\.|fs\.(?:dentry-state|file-nr|inode-nr|inode-state|aio-nr|quota\.|binfmt_misc|mqueue\.queues)"
    r"|kernel\.(?:hostname|domainname|ns_last_pid|pty\.nr|random\.|sched_domain|keys\.|cad_pid|printk_|modprobe"
    r"|perf_event_max_sample_rate|perf_cpu_time|acpi_|boot_id|tainted|seccomp\.actions|osrelease|version|apparmor"
    r"|unprivileged_userns_apparmor|sg-big-buff|msg_next|sem_next|shm_next|softlockup|bootloader)"
    r"|net\.netfilter\.nf_conntrack_(?:count|buckets|max)|net\.nf_conntrack_max|net\.\S*\.stable_secret|net\.\S*\.gc_stale"
    r"|net\.ipv[46]\.(?:route|xfrm\w*)\.|net\.core\.netdev_rss_key|sunrpc\.|net\.rds\.|abi\."
)
"""What counts, what is drawn at random, and what stands elsewhere in an answer."""
_BY_MEMORY = re.compile(
    r"fs\.(?:file-max|epoll\.max_user_watches|inotify\.max_user_watches|fanotify\.max_user_marks)"
    r"|kernel\.(?:threads-max|shm\w+|msgmni)|user\.max_|vm\.(?:min_free_kbytes|lowmem_reserve_ratio|admin_reserve_kbytes"
    r"|user_reserve_kbytes)|net\.ipv4\.(?:tcp_mem|udp_mem|tcp_max_orphans|tcp_max_tw_buckets|tcp_max_syn_backlog)"
    r"|net\.ipv4\.(?:inet_peer_threshold|ipfrag_high|ipfrag_low|fib_\w+mem)|net\.sctp\.|net\.core\.(?:optmem|mem_pcpu)"
)
"""What the kernel works out of the memory it finds: machines of one kind differ in it by some pages."""


def read_system(reply: Mapping[str, str]) -> Iterator[Fact]:
    """Yield release, kernel, time zone and the limits of the login."""
    limits = list[str]()
    for what, *values in tabbed(reply.get("system", "")):
        if what == "limit":
            limits.append(re.sub(r"\s{2,}", " ", " ".join(values)).strip())
        elif what == "time zone":
            yield Fact("system", what, _zone(*values))
        else:
            yield Fact("system", what, values[0])
    if limits:
        told = sorted(line for line in limits if not _OF_MEMORY.search(line))
        yield Fact("limits", "login", "\n".join(told))


def _zone(link: str, name: str = "") -> str:
    zone = link.partition(_ZONES)[2] or link or "UTC"
    return zone if name in {"", zone} else f"{zone} (/etc/timezone says {name})"


def read_mounts(reply: Mapping[str, str]) -> Iterator[Fact]:
    """Yield what is mounted where, and how; what the kernel, engines and sessions mount by themselves is left out."""
    for line in reply.get("mounts", "").splitlines():
        before, _, after = line.partition(" - ")
        place, how = before.split(" ")[4:6], after.split(" ")
        if len(place) != 2 or len(how) < 3 or _PSEUDO.fullmatch(how[0]) or _PASSING.match(f"{place[0]}/"):  # noqa: PLR2004
            continue
        options = sorted(each for each in {*place[1].split(","), *how[2].split(",")} if not _SIZES.match(each))
        source = f" {how[1]}" if how[0] in _REMOTE else ""
        yield Fact("mount", place[0].encode().decode("unicode_escape"), f"{how[0]}{source} {','.join(options)}")


def read_sysctls(reply: Mapping[str, str]) -> tuple[tuple[Fact, ...], tuple[Gap, ...]]:
    """Return every setting of the kernel that neither moves by itself nor follows from the size of the machine."""
    found: dict[str, list[str]] = {}
    for path, value in named_lines(reply.get("sysctl", "")):
        found.setdefault(path, []).append(value)
    facts = tuple(_setting(path, "\n".join(lines)) for path, lines in found.items() if _stays(_name(path)))
    unread = (_name(path) for path in reply.get("sysctl-unread", "").splitlines())
    return facts, tuple(Gap("sysctl", name, "only root may read it") for name in unread if _stays(name))


@functools.lru_cache(_REMEMBERED)
def _setting(path: str, text: str) -> Fact:
    return Fact("sysctl", _name(path), "\n".join(" ".join(line.split()) for line in text.split("\n")))


@functools.lru_cache(_REMEMBERED)
def _name(path: str) -> str:
    return path.removeprefix("/proc/sys/").replace("/", ".")


@functools.lru_cache(_REMEMBERED)
def _stays(name: str) -> bool:
    return bool(name) and not (_MOVING.match(name) or _BY_MEMORY.match(name))
