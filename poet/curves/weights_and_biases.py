"""Curves on Weights & Biases, for who has its client installed and asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from poet.archive.progress import points
from poet.config import Config
from poet.errors import InputError


def check_installed() -> None:
    """Raise InputError unless its client is installed."""
    if find_spec("wandb") is None:
        raise InputError("--wandb needs the client of Weights & Biases, which is not installed: pip install wandb")


class OnWandb:
    """One run there, named after the folder and resumed with it; WANDB_MODE=offline writes to the folder alone.

    Raises:
        InputError: its client is not installed, or did not take the run.
    """

    def __init__(
        self, project: str, folder: Path, config: Config, connection: Connection, done: int, whose: str
    ) -> None:
        check_installed()
        import wandb  # noqa: PLC0415 - optional, and slow to load

        begun = any((folder / "wandb").glob(f"*run-*-{whose}"))
        try:
            self._run: Any = wandb.init(
                project=project,
                name=folder.resolve().name,
                id=whose,
                resume="allow",
                dir=folder,
                config=config.to_table(),
                settings=wandb.Settings(console="off", silent=True),
            )
        except wandb.errors.Error as error:
            raise InputError(f"--wandb {project}: {error}") from error
        # Offline nobody knows what was sent before: a run that has begun there goes on from here.
        first = self._run.step or (done if begun else 0)
        for step, values in points(connection, min(first, done), done):
            self.add(values, step)

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to every curve."""
        self._run.log(dict(values), step=step)

    def flush(self) -> None:
        """Its own process sends what was added."""

    def close(self) -> None:
        """Wait until all is sent, or on disk."""
        self._run.finish()
