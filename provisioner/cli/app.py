"""The door: every verb by name, every error with its exit code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from provisioner import __version__
from provisioner.cli import (
    apply,
    build,
    compare,
    destroy,
    doctor,
    drain,
    drift,
    history,
    lab,
    lease,
    lock,
    plan,
    prune,
    rebuild,
    render,
    repair,
    rollback,
    schema,
    status,
    trust,
    undrain,
    validate,
)
from provisioner.cli.options import Common, Door, door, takes_common
from provisioner.errors import Interrupted, ProvisionerError, StorageFailed

USAGE, BROKEN_PIPE = 64, 141

app = typer.Typer(
    name="provisioner",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Declare a fleet in YAML, roll it out over SSH, prove that every node matches.",
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        typer.echo(f"provisioner {__version__}")
        raise typer.Exit


VersionOption = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version.")]


@app.callback()
@takes_common
def everything(context: typer.Context, common: Common, *, version: VersionOption = False) -> int:
    """Keep the options that stand before the verb."""
    door(context).common = common
    return 0


PANELS = (
    (validate.validate, ("validate",)),
    (render.render, ("render",)),
    (schema.schema, ("schema",)),
    (lock.lock, ("lock",)),
    (build.build, ("build",)),
    (rebuild.rebuild, ("rebuild",)),
    (plan.plan, ("plan",)),
    (apply.apply, ("apply", "up", "deploy")),
    (rollback.rollback, ("rollback",)),
    (status.status, ("status",)),
    (drift.drift, ("drift",)),
    (repair.repair, ("repair",)),
    (compare.compare, ("compare",)),
    (history.history, ("history",)),
    (drain.drain, ("drain",)),
    (undrain.undrain, ("undrain",)),
    (prune.prune, ("prune",)),
    (doctor.doctor, ("doctor",)),
    (trust.trust, ("trust",)),
    (destroy.destroy, ("destroy",)),
)

for verb, names in PANELS:
    for position, name in enumerate(names):
        app.command(name, hidden=position > 0)(verb)
app.add_typer(lease.app, name="lease")
app.add_typer(lab.app, name="lab")


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the program
    code = run(sys.argv[1:])
    sys.exit(code if _flushed() else code or BROKEN_PIPE)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; an error of ours is shown, never a traceback."""
    kept = Door()
    try:
        return _run(arguments, kept)
    except BrokenPipeError:
        return BROKEN_PIPE
    finally:
        if kept.view is not None:
            kept.view.close()


def _run(arguments: list[str], kept: Door) -> int:
    try:
        return int(app(args=arguments, prog_name="provisioner", standalone_mode=False, obj=kept) or 0)
    except ProvisionerError as error:
        return _explain(error, kept, arguments)
    except typer.TyperException as error:
        return _misused(error)
    except (KeyboardInterrupt, typer.Abort):
        return _explain(Interrupted(), kept, arguments)
    except SystemExit as left:  # what typer makes of a broken pipe
        return BROKEN_PIPE if isinstance(left.__context__, BrokenPipeError) else int(left.code or 0)
    except OSError as error:
        return _explain(_of_this_machine(error), kept, arguments)


def _flushed() -> bool:
    """Send what is still held back; tell whether anybody listens. Else Python would fail once more at its exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _misused(error: typer.TyperException) -> int:
    text = error.format_message()
    no_verb = text.startswith("Usage:")
    typer.echo(text if no_verb else f"error: {text}", err=True)
    return USAGE if error.exit_code == 2 else error.exit_code  # noqa: PLR2004 - what typer means by usage


def _of_this_machine(error: OSError) -> StorageFailed:
    where = error.filename or "this machine"
    return StorageFailed(f"{where}: {error.strerror or error}", hint="see that there is room and that you may use it")


def _explain(error: ProvisionerError, kept: Door, arguments: list[str]) -> int:
    from provisioner.cli.screen import choose  # views are not needed for --help

    view = kept.view or choose(Common(json="--json" in arguments, no_color="--no-color" in arguments))
    view.close()
    view.error(error)
    return error.exit_code
