"""Which optimisers there are: those that are installed under the entry-point group `poet.optimisers`.

An entry is a settings class: a frozen dataclass whose fields are the options, with bounds and defaults, and whose
method `make(controller)` gives the optimiser.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, ClassVar, Protocol

from environments.controller import Controller
from environments.settings import build_settings
from evolution.optimisers.optimiser import Optimiser

OPTIMISERS_GROUP = "poet.optimisers"


class OptimiserSettings(Protocol):
    """The options of an optimiser: a frozen dataclass.

    A class attribute `meanings`, where there is one, says of each option what it means; `poet settings` shows it.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def make(self, controller: Controller) -> Optimiser:
        """Make the optimiser that has these options, for agents of a controller: the run's layers and activations."""
        ...


def installed() -> list[str]:
    """List the optimisers' names."""
    return sorted({entry.name for entry in entry_points(group=OPTIMISERS_GROUP)})


@cache
def find_settings(name: str) -> type[OptimiserSettings]:
    """Load the settings class of the optimiser that is registered as `name`.

    Raises:
        ValueError: nothing is registered under that name, or a library that it needs is not installed.
    """
    found = {entry.name: entry for entry in entry_points(group=OPTIMISERS_GROUP)}
    if name not in found:
        raise ValueError(f"optimiser.name is {name!r}; installed optimisers are {', '.join(installed()) or 'none'}")
    try:
        settings: type[OptimiserSettings] = found[name].load()
    except ModuleNotFoundError as error:
        raise ValueError(f"optimiser {name!r} cannot be loaded: {error}") from error
    return settings


def build_options(name: str, options: Mapping[str, Any], path: str = "optimiser.options.") -> OptimiserSettings:
    """Check a table of an optimiser's options.

    Raises:
        ValueError: there is no such optimiser, or an option is unknown, of the wrong type or out of range.
    """
    settings: OptimiserSettings = build_settings(find_settings(name), options, path)
    return settings
