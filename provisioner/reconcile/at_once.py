"""Does one thing for many hosts, as many at once as a run may."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def at_once(ask: Callable[[Item], Answer], items: Iterable[Item], forks: int) -> tuple[Answer, ...]:
    """Return the answers in the order of the items; a thread is worth its while only beside another one."""
    wanted = tuple(items)
    threads = min(forks, len(wanted))
    if threads <= 1:
        return tuple(ask(each) for each in wanted)
    with ThreadPoolExecutor(threads) as pool:
        return tuple(pool.map(ask, wanted))
