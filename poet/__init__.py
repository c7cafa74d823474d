"""POET: the algorithm, its archive, and what people touch.

`from poet import Run` is where to start; `import poet` alone loads nothing, so that it is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from environments.domain import Environment
    from poet.config import Config
    from poet.errors import ArchiveError, InputError
    from poet.niches import Agent, Descent, KeptAgent, Niche
    from poet.run import Progress, Run

__all__ = [
    "Agent",
    "ArchiveError",
    "Config",
    "Descent",
    "Environment",
    "InputError",
    "KeptAgent",
    "Niche",
    "Progress",
    "Run",
]

_HOMES = {
    "Agent": "poet.niches",
    "ArchiveError": "poet.errors",
    "Config": "poet.config",
    "Descent": "poet.niches",
    "Environment": "environments.domain",
    "InputError": "poet.errors",
    "KeptAgent": "poet.niches",
    "Niche": "poet.niches",
    "Progress": "poet.run",
    "Run": "poet.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'poet' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
