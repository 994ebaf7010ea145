"""The door: every verb by name, every error with its exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from provisioner import __version__
from provisioner.cli import apply, build, destroy, doctor, drift, lab, plan, render, schema, status, trust, validate
from provisioner.cli.options import Common, Door, door, takes_common
from provisioner.errors import ProvisionerError

USAGE, INTERRUPTED, BROKEN_PIPE = 64, 130, 141

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
    (build.build, ("build",)),
    (plan.plan, ("plan",)),
    (apply.apply, ("apply", "up", "deploy")),
    (status.status, ("status",)),
    (drift.drift, ("drift",)),
    (doctor.doctor, ("doctor",)),
    (trust.trust, ("trust",)),
    (destroy.destroy, ("destroy",)),
)

for verb, names in PANELS:
    for position, name in enumerate(names):
        app.command(name, hidden=position > 0)(verb)
app.add_typer(lab.app, name="lab")


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; an error of ours is shown, never a traceback."""
    kept = Door()
    try:
        return int(app(args=arguments, prog_name="provisioner", standalone_mode=False, obj=kept) or 0)
    except ProvisionerError as error:
        return _explain(error, kept, arguments)
    except typer.TyperException as error:
        typer.echo(f"error: {error.message}", err=True)
        return USAGE if error.exit_code == 2 else error.exit_code  # noqa: PLR2004 - what typer means by usage
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("interrupted; the same command goes on from here", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    finally:
        if kept.view is not None:
            kept.view.close()


def _explain(error: ProvisionerError, kept: Door, arguments: list[str]) -> int:
    from provisioner.cli.screen import choose  # views are not needed for --help

    view = kept.view or choose(Common(json="--json" in arguments, no_color="--no-color" in arguments))
    view.close()
    view.error(error)
    return error.exit_code
