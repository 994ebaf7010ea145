"""`provisioner lab`: a rehearsal fleet on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.cli.options import Common, takes_common
from provisioner.cli.screen import open_view, settings

if TYPE_CHECKING:
    from provisioner.lab.layout import Lab
    from provisioner.views.view import View

app = typer.Typer(no_args_is_help=True, help="A rehearsal fleet on this machine: real sshd, real engines.")

Name = Annotated[str, typer.Option("--name", help="The lab's name.")]
Groups = Annotated[
    list[str] | None, typer.Option("--group", help="Hosts of a group. [default: lb=1 web=3]", metavar="NAME=COUNT")
]
Port = Annotated[
    int,
    typer.Option("--port", help="The port on loopback where its balancer answers.", min=1, max=65535, metavar="PORT"),
]
Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        help="The version of the hosts' Docker Engine; none: nginx instead. [default: 20.10]",
        metavar="20.10|26|28|none",
    ),
]
Store = Annotated[
    str,
    typer.Option(
        "--image-store", help="Where those engines keep images. [default: classic]", metavar="classic|containerd"
    ),
]
HostEngines = Annotated[
    list[str] | None,
    typer.Option("--host-engine", help="Another engine for one host.", metavar="HOST=VERSION[/STORE]"),
]
Keep = Annotated[bool, typer.Option("--keep-images", help="Keep host images and bases for the next lab.")]


def show(view: View, lab: Lab) -> None:
    """Show the hosts of a lab."""
    rows = tuple(
        (host.name, host.state, f"{host.address}:{host.ssh_port}", host.private_address, host.engine, host.store)
        for host in lab.hosts
    )
    view.table("hosts", ("host", "state", "ssh", "private address", "engine", "image store"), rows)


@app.command("up")
@takes_common
def up(
    context: typer.Context,
    common: Common,
    *,
    name: Name = "lab",
    group: Groups = None,
    port: Port = 8080,
    engine: Engine = "",
    image_store: Store = "",
    host_engine: HostEngines = None,
) -> int:
    """Make the fleet, or bring it back; write inventories/NAME.yaml."""
    from provisioner.wiring import lab as wiring

    view = open_view(context, common)
    engines = wiring.AskedEngines(engine, image_store, tuple(host_engine or ()))
    options = wiring.lab_options(name, tuple(group or ()), port, engines)
    lab = wiring.lab_up(settings(common), options, view.message)
    show(view, lab)
    return 0


@app.command("status")
@takes_common
def status(context: typer.Context, common: Common, *, name: Name = "lab") -> int:
    """Show the hosts of a lab."""
    from provisioner.wiring import lab as wiring

    show(open_view(context, common), wiring.lab_status(settings(common), name))
    return 0


@app.command("down")
@takes_common
def down(context: typer.Context, common: Common, *, name: Name = "lab", keep_images: Keep = False) -> int:
    """Remove exactly what the lab made."""
    from provisioner.wiring import lab as wiring

    view = open_view(context, common)
    gone = wiring.lab_down(settings(common), name, view.message, keep_images=keep_images)
    view.message(f"removed {', '.join(gone) if gone else 'nothing: there was no such lab'}")
    return 0
