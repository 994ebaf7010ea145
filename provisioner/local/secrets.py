"""Where secrets come from on this machine: a variable, a file, a command."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

from provisioner.errors import SecretMissing
from provisioner.model.secret import Secret
from provisioner.model.spec import FromCommand, FromFile, FromVariable, SecretSource

_PATIENCE = 60


def resolve(name: str, source: SecretSource, environment: Mapping[str, str], folder: Path) -> Secret:
    """Return the value of a secret, without one newline at its end; commands run in `folder`. Raise SecretMissing.

    What a command writes to its standard error is the user's to see, and is never kept.
    """
    match source:
        case FromVariable(name=variable):
            value = environment.get(variable)
            if value is None:
                raise SecretMissing(name, f"the variable {variable} is not set", hint=f"set {variable}")
        case FromFile(path=path):
            value = _file(name, path)
        case FromCommand(argv=argv):
            value = _command(name, argv, environment, folder)
        case _:
            assert_never(source)
    if not value:
        raise SecretMissing(name, "its value is empty", hint="an empty secret is none: leave it out of the spec")
    return Secret(value)


def _file(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        reason = f"{path} cannot be read: {error.strerror}"
        raise SecretMissing(name, reason, hint="a path is relative to the spec") from error
    except ValueError:
        raise SecretMissing(name, f"{path} is not UTF-8 text", hint="encode it, as base64 for example") from None


def _command(name: str, argv: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> str:
    program = argv[0] if argv else "nothing"
    try:
        done = subprocess.run(
            argv, env={**environment}, cwd=folder, stdout=subprocess.PIPE, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise SecretMissing(name, f"{program} took longer than {_PATIENCE} s", hint="does it wait for input?") from None
    except (OSError, LookupError) as error:
        reason = getattr(error, "strerror", None) or "there is no command"
        raise SecretMissing(name, f"{program} cannot be run: {reason}", hint="is it installed?") from None
    if done.returncode:
        raise SecretMissing(
            name, f"{program} ended with exit status {done.returncode}", hint="run it by hand to see why"
        )
    try:
        return done.stdout.decode().removesuffix("\n")
    except ValueError:
        raise SecretMissing(name, f"what {program} prints is not UTF-8 text", hint="encode it") from None
