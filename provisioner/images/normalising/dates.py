"""Files that hold the day of their build in their bytes: those bytes set back to the epoch."""

from __future__ import annotations

import posixpath
import re
import struct
from collections.abc import Mapping
from dataclasses import replace

from provisioner.images.bases.debian_root import EPOCH
from provisioner.images.normalising.difference import is_same
from provisioner.images.normalising.tree import Content, Entry

BYTECODE = "times of sources in bytecode"
ACCOUNTS = "days of passwords"

_BYTECODE = re.compile(
    r"(?P<folder>(?:.*/)?)(?:__pycache__/(?P<cached>[^/]+?)\.[^/]+|(?P<beside>[^/]+))\.pyc", re.DOTALL
)
_HEADER = struct.Struct("<2s2sII")
_MAGIC_END = b"\r\n"
_TIMESTAMP_FLAGS = 0
_UNSIGNED = 0xFFFFFFFF
_SHADOW = "etc/shadow"
_SHADOW_DAY = re.compile(rb"^([^:\n]*:[^:\n]*:)(\d+)(?=:)", re.MULTILINE)
_EPOCH_DAY = EPOCH // 86400
_LONGEST_SHADOW = 1 << 20


def set_back(path: str, base: Mapping[str, Entry], final: Mapping[str, Entry]) -> tuple[Entry, str]:
    """Return the entry at a path of `final` with every day in its bytes set back, and the rule, empty where none was.

    A bytecode file's header must name the time its source will have: the epoch, or that of the base's own source.
    """
    entry = final[path]
    if entry.content is None:
        return entry, ""
    rule, head = "", b""
    if path == _SHADOW:
        rule, head = ACCOUNTS, _accounts(entry.content)
    elif found := _BYTECODE.fullmatch(path):
        rule, head = BYTECODE, _bytecode(entry.content, _source_time(_source(found), base, final))
    if not head:
        return entry, ""
    return replace(entry, content=replace(entry.content, head=head)), rule


def _bytecode(content: Content, source_time: int) -> bytes:
    """Return a bytecode file's header for another source time, nothing where it names none or this (PEP 552)."""
    start = content.start(_HEADER.size)
    if len(start) < _HEADER.size:
        return b""
    magic, end, flags, written = _HEADER.unpack(start)
    if end != _MAGIC_END or flags != _TIMESTAMP_FLAGS or written == source_time:
        return b""
    return _HEADER.pack(magic, end, flags, source_time)


def _source(found: re.Match[str]) -> str:
    return posixpath.join(found["folder"], f"{found['cached'] or found['beside']}.py")


def _source_time(source: str, base: Mapping[str, Entry], final: Mapping[str, Entry]) -> int:
    entry, kept = final.get(source), base.get(source)
    if entry is not None and kept is not None and is_same(kept, entry):
        return kept.mtime & _UNSIGNED
    return EPOCH


def _accounts(content: Content) -> bytes:
    """Return /etc/shadow with no password changed after the epoch, nothing where none was."""
    if content.size > _LONGEST_SHADOW:
        return b""
    text = content.start(content.size)
    since = _SHADOW_DAY.sub(_earlier_day, text)
    return since if since != text and len(since) == len(text) else b""


def _earlier_day(found: re.Match[bytes]) -> bytes:
    day = min(int(found[2]), _EPOCH_DAY)
    return found[1] + str(day).encode()
