"""`poet studio`: runs in a browser while they go on."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

from poet.display.output import say


def studio(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 is any that is free.", show_default="8610"),
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Let the page put environments into the runs.")] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
) -> None:
    """Show runs in a browser while they go on; try their agents on ground that you draw.

    Only this machine can reach the page, by the address that is printed; each address opens one browser, once.
    Without --edit nothing is written. Ctrl-C ends it; the runs go on.
    """
    from poet import studio as studios  # noqa: PLC0415 - slow to load

    first = True

    def tell(address: studios.Address) -> None:
        nonlocal first
        typer.echo(address.url)
        if first:
            host, number = socket.gethostname(), address.port
            say(f"open this address; from another computer, first: ssh -N -L {number}:127.0.0.1:{number} {host}")
        else:
            say("the last address has been used; this one opens another browser")
        first = False

    studios.serve(runs, port=port, edit=edit, open_browser=open_browser, told=tell)
