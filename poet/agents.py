"""Agents that come in files: what the commands that take one have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from environments.agent_files import SUFFIXES, Agent, load_agent
from environments.controller import ACTIVATIONS, NO_ACTIVATION
from environments.domain import find_domain
from poet.errors import InputError

Activations = Annotated[
    str | None,
    typer.Option(
        metavar="HIDDEN,LAST",
        help="Activations of the file's agent, such as relu,none, where the file does not say: "
        f"{', '.join(ACTIVATIONS)}; the last may be {NO_ACTIVATION}.",
        show_default="the file's, or tanh,tanh",
    ),
]


def is_agent_file(path: Path) -> bool:
    """Say whether a path names an agent's file rather than a run's folder."""
    return path.suffix in SUFFIXES and not path.is_dir()


def read_agent_file(path: Path, domain: str, activations: tuple[str, str] | None = None) -> Agent:
    """Read an agent that can live in a domain.

    Raises:
        InputError: it cannot be read, or takes other observations or gives other actions.
    """
    own = find_domain(domain).controller.sizes
    try:
        return load_agent(path, own[0], own[-1], activations)
    except ValueError as error:
        raise InputError(str(error)) from error


def parse_activations(text: str | None) -> tuple[str, str] | None:
    """Read ``HIDDEN,LAST``.

    Raises:
        InputError: it is not two names of activations.
    """
    if text is None:
        return None
    hidden, comma, last = text.partition(",")
    if not comma or hidden not in ACTIVATIONS or last not in (*ACTIVATIONS, NO_ACTIVATION):
        raise InputError(
            f"--activations is {text!r}; it must be two of {', '.join(ACTIVATIONS)}, such as relu,tanh; "
            f"the second may be {NO_ACTIVATION}"
        )
    return hidden, last
