"""The studio: runs in a browser while they go on, their agents on ground that you draw, and a hand in what is tried.

A local web server that reads archives and writes nothing, unless it is told that it may put environments in.
"""

from __future__ import annotations

import logging
import socket
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from poet import archive as archives
from poet.errors import InputError

HOST, PORT = "127.0.0.1", 8610
MISSING = "the studio needs Starlette and uvicorn, which are not installed: pip install 'poet-trailblazer[studio]'"
FAREWELL = 1  # s that open connections get at the end


@dataclass(frozen=True, slots=True)
class Address:
    """Where the studio can be opened, once."""

    url: str
    port: int


def serve(
    folders: Sequence[Path | str],
    *,
    port: int | None = None,
    edit: bool = False,
    open_browser: bool = False,
    told: Callable[[Address], object] = lambda address: None,
) -> None:
    """Serve runs to browsers on this machine until Ctrl-C.

    Args:
        folders: of the runs, which may be going on.
        port: on 127.0.0.1; if None 8610, or another where that is taken. 0 is any that is free.
        edit: whether environments may be put into the runs.
        open_browser: open one.
        told: an address that opens one browser, once; another whenever one has been used.

    Raises:
        InputError: Starlette or uvicorn is not installed, a folder holds no run, or the port is taken.
    """
    try:
        import uvicorn  # noqa: PLC0415 - an extra

        from poet.studio.app import Studio  # noqa: PLC0415
        from poet.studio.guard import Doorkeeper, Guard  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("starlette", "uvicorn"):
            raise InputError(MISSING) from error
        raise
    paths = [Path(folder) for folder in folders]
    if not paths:
        raise InputError("name at least one run to show")
    for path in paths:
        with archives.reading(path):
            pass
    with _listening(port) as listener:
        number = listener.getsockname()[1]

        def another() -> Address:
            return Address(f"http://{HOST}:{number}/open/{doorkeeper.token()}", number)

        doorkeeper = Doorkeeper(lambda: told(another()))
        app = Guard(Studio(paths, edit=edit).make_app(), doorkeeper, f"poet-studio-{number}")
        settings = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=FAREWELL,
        )
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # Ctrl-C cuts streams off: no error
        address = another()
        told(address)
        if open_browser:
            webbrowser.open(address.url)
        uvicorn.Server(settings).run([listener])


def _listening(port: int | None) -> socket.socket:
    """Open a socket on this machine's own address."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for wanted in (PORT, 0) if port is None else (port,):
        try:
            listener.bind((HOST, wanted))
        except OSError as error:
            if port is not None:
                listener.close()
                raise InputError(f"port {port} of {HOST} cannot be used: {error.strerror}; name another") from error
        else:
            break
    listener.listen()  # so that who is quicker than the server waits
    return listener
