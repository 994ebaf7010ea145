"""How many nodes the balancer has in rotation, read again and again from its statistics page."""

from __future__ import annotations

import asyncio
import csv
import re
from collections import defaultdict
from collections.abc import Sequence

from tests.load.tally import Tally

END = "@@"
"""The line after each page."""

_PAGES = r"""
page() {
    exec 3<>/dev/tcp/$1/8404 || return 1
    printf 'GET /stats;csv HTTP/1.0\r\n\r\n' >&3
    cat <&3
    exec 3>&-
}
addresses=$(eval "$FIND")
while read -t "$INTERVAL" -r _ || [ $? -gt 128 ]; do
    shown=
    for address in $addresses; do page "$address" 2>/dev/null && shown=1 && break; done
    [ -n "$shown" ] || addresses=$(eval "$FIND")
    echo @@
done
"""
"""For bash on the balancer's host: pages until its standard input ends, each followed by the line that ends it.

FIND prints the addresses at which the page may be; it is asked again where none of them answers any more.
"""


def pages_of(container: str, find: str, interval: float = 0.4) -> list[str]:
    """Return the command that prints the pages of the balancer on a host of a lab, which is a container here."""
    settings = [f"INTERVAL={interval}", f"FIND={find}"]
    return ["docker", "exec", "-i", container, "env", *settings, "bash", "-c", _PAGES]


_CHECKS = "check."
_SLOT = re.compile(r"\.[ab]$")


def in_rotation(page: str) -> dict[str, int]:
    """Return by backend how many nodes get requests: a node has several servers, and one that is up is enough."""
    lines = page[page.find("# pxname") + 2 :].splitlines() if "# pxname" in page else []
    nodes: defaultdict[str, set[str]] = defaultdict(set)
    for row in csv.DictReader(line for line in lines if line.strip()):
        if row.get("svname") in {None, "FRONTEND", "BACKEND"} or row["pxname"].startswith(_CHECKS):
            continue
        up = row["status"].startswith(("UP", "no check")) and row["weight"] not in {"", "0"}
        nodes[row["pxname"]] |= {_SLOT.sub("", row["svname"])} if up else set()
    return {backend: len(names) for backend, names in nodes.items()}


async def watch(argv: Sequence[str], tally: Tally) -> None:
    """Count the nodes of every page that a command prints, until cancelled or the command ends."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, limit=1 << 20)
    assert process.stdout is not None
    page: list[str] = []
    try:
        async for line in process.stdout:
            text = line.decode(errors="replace").rstrip("\r\n")
            if text != END:
                page.append(text)
                continue
            _note("\n".join(page), tally)
            page.clear()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _note(page: str, tally: Tally) -> None:
    found, at = in_rotation(page), tally.clock()
    tally.unasked += not found
    for backend, nodes in found.items():
        tally.capacity[backend].note(at, nodes)
