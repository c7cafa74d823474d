"""Evaluation suites: environments with fixed seeds and the rules that go with them; a domain has its own, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from environments.domain import Environment, find_domain
from environments.plugins import DOMAIN, installed


@dataclass(frozen=True, slots=True)
class Level:
    """One course of a suite and the terrain that its result counts for."""

    terrain: str
    environment: Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Levels, and how agents are measured on them, whatever they were bred or trained with."""

    levels: tuple[Level, ...]
    episode_limit: int  # control steps
    solved_above: float  # return; the end of the course need not be reached


Suites = Mapping[str, Callable[[], Suite]]


@runtime_checkable
class Examined(Protocol):
    """A domain with suites of its own."""

    @property
    def suites(self) -> Suites:
        """The makers of its suites, by name."""
        ...


def suites_of(domain: str) -> Suites:
    """Give the makers of a domain's suites, by name; none where it has none.

    Raises:
        ValueError: the domain is not installed, or cannot be loaded.
    """
    found = find_domain(domain)
    return found.suites if isinstance(found, Examined) else {}


def homes_of(suite: str) -> Iterable[str]:
    """Name the installed domains that have a suite of this name; one that cannot be loaded is passed over."""
    for name in installed(DOMAIN):
        try:
            if suite in suites_of(name):
                yield name
        except ValueError:
            continue
