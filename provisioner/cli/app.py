"""The door: every verb by name, every error with its exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from provisioner import __version__
from provisioner.cli import apply, build, destroy, doctor, drift, lab, plan, render, schema, status, trust, validate
from provisioner.cli.options import Common, takes_common
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
def everything(context: typer.Context, common: Common, *, version: VersionOption = False) -> int:  # noqa: ARG001
    """Keep the options that stand before the verb."""
    context.obj = common
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
    try:
        return int(app(args=arguments, prog_name="provisioner", standalone_mode=False) or 0)
    except ProvisionerError as error:
        return _explain(error, arguments)
    except typer.TyperException as error:
        error.show()
        return USAGE if error.exit_code == 2 else error.exit_code  # noqa: PLR2004 - what typer means by usage
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("interrupted; the same command goes on from here", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _explain(error: ProvisionerError, arguments: list[str]) -> int:
    from provisioner.cli.screen import open_view  # noqa: PLC0415 - views are not needed for --help

    open_view(Common(json="--json" in arguments, no_color="--no-color" in arguments)).error(error)
    return error.exit_code
