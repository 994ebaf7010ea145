"""The strict client as a process: `python -m tests.load --port 8080`; what it counted is printed when it ends.

It ends when its standard input is closed, on SIGTERM, or when its time or its count is up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from dataclasses import fields

from tests.load.callers import Callers, Load
from tests.load.rotation import watch
from tests.load.tally import Tally

CALLING = "calling"
"""The line printed when the first requests are about to be sent."""


def main() -> None:
    """Read the command line, say that it begins, call, and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    for each in fields(Load):
        required = each.name == "port"
        kind = int if required else type(each.default)
        option = "--" + each.name.replace("_", "-")
        parser.add_argument(option, type=kind, required=required, default=None if required else each.default)
    parser.add_argument("--rotation", help="command, as a JSON list, that prints pages of the balancer's statistics")
    given = vars(parser.parse_args())
    rotation = json.loads(given.pop("rotation") or "[]")
    sys.stdout.write(f"{CALLING}\n")
    sys.stdout.flush()
    sys.stdout.write(json.dumps(asyncio.run(run(Load(**given), rotation, until_told=True)).report()) + "\n")


async def run(load: Load, rotation: list[str], *, until_told: bool = False) -> Tally:
    """Call with all kinds of callers and watch the rotation beside; return what was counted."""
    tally = Tally()
    callers = Callers(load, tally)
    loop = asyncio.get_running_loop()
    watching = asyncio.create_task(watch(rotation, tally)) if rotation else None
    if until_told:
        loop.add_signal_handler(signal.SIGTERM, callers.stop)
        loop.add_signal_handler(signal.SIGINT, callers.stop)
        loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 1) else callers.stop())
    await callers.call()
    if until_told:
        loop.remove_reader(sys.stdin.fileno())
    if watching is not None:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return tally


if __name__ == "__main__":
    main()
