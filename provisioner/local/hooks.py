"""Runs the user's hooks on this machine: bounded in time and in output, with no secret they did not ask for."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from provisioner.model.hook import Hook, HookEnd, Moment
from provisioner.model.secret import Secret, as_variables
from provisioner.model.spec import FromVariable, SecretSource

Say = Callable[[str], None]
"""Takes a line that a hook wrote."""

SCHEMA = 1
KEPT_LINES = 20
SAID_BYTES = 256 * 1024
"""Output beyond is counted and not passed on: a hook that prints without end fills nobody's terminal."""

LONGEST_LINE = 4096
LONGEST_VARIABLE = 32768
_CHUNK = 65536
_TICK = 0.05
_GRACE = 2.0
_LEFT_OPEN = 0.5


class LocalHooks:
    """The hooks of a spec. `folder` is the spec's, `environment` this machine's, `sources` where its secrets are."""

    def __init__(
        self,
        hooks: Mapping[str, Hook],
        folder: Path,
        environment: Mapping[str, str],
        sources: Mapping[str, SecretSource],
    ) -> None:
        self._hooks = hooks
        self._folder = folder
        self._environment = environment
        self._sources = sources

    def run(self, moment: Moment, say: Say, secret: Callable[[str], Secret]) -> HookEnd | None:
        """Run the hook of a moment to its end or to its time limit; None where there is none. Raise SecretMissing."""
        hook = self._hooks.get(moment.hook)
        if hook is None:
            return None
        given = as_variables({name: secret(name) for name in hook.secrets})
        environment = {**self._own(), **variables(moment), **hook.environment, **given}
        began = time.monotonic()
        voice = _Voice(say)
        failure = self._failure(hook, environment, document(moment), voice)
        return HookEnd(hook.command, time.monotonic() - began, failure, tuple(voice.last))

    def _failure(self, hook: Hook, environment: Mapping[str, str], document: str, voice: _Voice) -> str:
        program = hook.command[0]
        try:
            process = subprocess.Popen(
                hook.command,
                cwd=self._folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return f"{program} cannot be run: {error.strerror or error}"
        with process:
            try:
                timely = _Conversation(process, document.encode(), voice).hold(hook.timeout)
            finally:
                _end(process)
            voice.finish()
        if not timely:
            return f"{program} took longer than {hook.timeout:g} s and was killed"
        return f"{program} {_ended(process.returncode)}" if process.returncode else ""

    def _own(self) -> dict[str, str]:
        """Return this machine's variables without those that secrets come from."""
        hidden = {source.name for source in self._sources.values() if isinstance(source, FromVariable)}
        return {name: value for name, value in self._environment.items() if name not in hidden}


def document(moment: Moment) -> str:
    """Return what a hook reads on its standard input: one JSON object."""
    return json.dumps({"schema": SCHEMA, **asdict(moment)}, ensure_ascii=False) + "\n"


def variables(moment: Moment) -> dict[str, str]:
    """Return the same as variables, `PROVISIONER_FLEET` and so on; lists have blanks between.

    What is too long for the environment of a process is left out: the document has it.
    """
    found = {name: value for name, value in asdict(moment).items() if value is not None}
    told = {name: " ".join(value) if isinstance(value, tuple) else str(value) for name, value in found.items()}
    return {f"PROVISIONER_{name.upper()}": value for name, value in told.items() if len(value) <= LONGEST_VARIABLE}


def _ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what still runs of a hook: first asked, then killed, all of its process group."""
    if process.poll() is not None:
        return
    for number, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            break
    # Whoever of the group outlived its leader does not outlive the limit.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@dataclass
class _Voice:
    """Turns bytes into lines, keeps the last ones, and stops passing them on when there are too many."""

    say: Say
    last: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    said: int = 0
    unsaid: int = 0
    rest: bytes = b""

    def hear(self, piece: bytes) -> None:
        """Take a piece of output."""
        *lines, self.rest = (self.rest + piece).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self.rest) > LONGEST_LINE:
            self._line(self.rest)
            self.rest = b""

    def finish(self) -> None:
        """Pass on what has no end of line, and say how much was not."""
        if self.rest:
            self._line(self.rest)
        self.rest = b""
        if self.unsaid:
            self.say(f"({self.unsaid} more lines)")

    def _line(self, line: bytes) -> None:
        text = line[:LONGEST_LINE].decode(errors="replace").rstrip("\r")
        self.last.append(text)
        self.said += len(line) + 1
        if self.said > SAID_BYTES:
            self.unsaid += 1
        else:
            self.say(text)


class _Conversation:
    """Feeds a process its input and listens to it at once, so that neither waits for the other without end."""

    def __init__(self, process: subprocess.Popen[bytes], document: bytes, voice: _Voice) -> None:
        self._process = process
        self._left = memoryview(document)
        self._voice = voice
        self._selector = selectors.DefaultSelector()

    def hold(self, timeout: float) -> bool:
        """Go on until the process ended; tell whether that was within `timeout` seconds."""
        until, ended = time.monotonic() + timeout, 0.0
        with self._selector:
            self._open()
            while True:
                now = time.monotonic()
                if self._process.poll() is not None:
                    ended = ended or now
                    # A child it left behind may hold its output open: that is no reason to wait.
                    if not self._selector.get_map() or now - ended > _LEFT_OPEN:
                        return True
                elif now > until:
                    return False
                self._turn()

    def _open(self) -> None:
        for stream, direction in (
            (self._process.stdin, selectors.EVENT_WRITE),
            (self._process.stdout, selectors.EVENT_READ),
        ):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self._selector.register(stream, direction)

    def _turn(self) -> None:
        if not self._selector.get_map():
            time.sleep(_TICK)
            return
        for key, _ in self._selector.select(_TICK):
            if key.events == selectors.EVENT_WRITE:
                self._write(key)
            else:
                self._read(key)

    def _write(self, key: selectors.SelectorKey) -> None:
        try:
            self._left = self._left[os.write(key.fd, self._left[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._left = self._left[:0]
        if not self._left:
            self._close(key)

    def _read(self, key: selectors.SelectorKey) -> None:
        with suppress(BlockingIOError):
            piece = os.read(key.fd, _CHUNK)
            if piece:
                self._voice.hear(piece)
            else:
                self._close(key)

    def _close(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fileobj)
        with suppress(BrokenPipeError):
            key.fileobj.close()  # type: ignore[union-attr]  # both are files of the process
