"""Parts that are found by name: ours and those of other packages, all by entry points.

A package that is installed names its parts in groups of entry points, as our own `pyproject.toml` does: `poet.domains`,
`poet.optimisers`, `poet.novelty`, `poet.learners`, `poet.families` and `poet.teachers`. Nothing is loaded before it is
asked for by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

__all__ = ["DOMAIN", "FAMILY", "KINDS", "LEARNER", "NOVELTY", "OPTIMISER", "TEACHER", "Kind", "find", "installed"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of part: its group of entry points, and what messages call one and several of it."""

    group: str
    one: str
    several: str


DOMAIN = Kind("poet.domains", "domain", "domains")
OPTIMISER = Kind("poet.optimisers", "optimiser", "optimisers")
NOVELTY = Kind("poet.novelty", "novelty", "measures of novelty")
LEARNER = Kind("poet.learners", "learner", "learners")
FAMILY = Kind("poet.families", "family", "families")
TEACHER = Kind("poet.teachers", "teacher", "teachers")
KINDS = (DOMAIN, OPTIMISER, NOVELTY, LEARNER, FAMILY, TEACHER)


class NotInstalledError(ValueError):
    """What a name stands for is not here, or cannot be loaded: who only reads may do without it."""


def installed(kind: Kind) -> list[str]:
    """List the names of what is installed of a kind; none of it is loaded."""
    return sorted({entry.name for entry in entry_points(group=kind.group)})


@cache
def find(kind: Kind, name: str) -> Any:
    """Load what is installed of a kind under a name.

    Raises:
        NotInstalledError: nothing is, two packages claim the name, or it cannot be loaded; the message lists what is
            installed, or says which package is at fault and why.
    """
    entries = {(entry.value, _package(entry)): entry for entry in entry_points(group=kind.group) if entry.name == name}
    if not entries:
        listed = ", ".join(installed(kind)) or "none"
        raise NotInstalledError(f"{kind.one} is {name!r}; installed {kind.several} are {listed}")
    if len(entries) > 1:
        packages = " and ".join(sorted(package for _, package in entries))
        raise NotInstalledError(f"{kind.one} {name!r} is claimed by two packages, {packages}; uninstall one of them")
    (entry,) = entries.values()
    try:
        return entry.load()
    except Exception as error:
        reason = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise NotInstalledError(f"{kind.one} {name!r} of {_package(entry)} cannot be loaded: {reason}") from error


def _package(entry: EntryPoint) -> str:
    return "an unknown package" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
