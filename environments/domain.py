"""The contract that every body meets, and the way to find one by its name.

A domain is one folder: a body, its terrains and the engines that simulate
them. Evolution sees only what stands here. Third parties register a domain
through the entry-point group ``poet.domains``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Protocol

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments import plugins
from environments.batch import Batch, Capabilities, by_environment
from environments.controller import Controller
from environments.environment import LARGEST_SEED, Environment, Genome, id_of
from environments.rollouts import NO_OUTCOME, Outcome, Rollouts, Trajectories
from environments.stepped import play_one_by_one

__all__ = [
    "LARGEST_SEED",
    "NO_OUTCOME",
    "Batch",
    "Capabilities",
    "Domain",
    "Encoding",
    "Environment",
    "Genome",
    "Outcome",
    "Rollouts",
    "Trajectories",
    "engine_unusable",
    "find_domain",
    "id_of",
]


class Encoding(Protocol):
    """Genomes of terrain and how they vary. Random draws come from the caller's generator."""

    @property
    def name(self) -> str:
        """What configurations call it."""
        ...

    def initial(self) -> Genome:
        """Give the genome that a run starts from."""
        ...

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        """Give a child of `genome`, within bounds."""
        ...

    def check(self, genome: Genome) -> None:
        """Raise ValueError, naming the gene, its value and its range, unless the genome is valid."""
        ...

    def vector(self, genome: Genome) -> NDArray[np.float64]:
        """Place the genome in the space where novelty is measured."""
        ...

    def describe(self, genome: Genome) -> str:
        """Write the genome in a few words for a table."""
        ...


class Domain(Protocol):
    """A body, its terrains and its engines."""

    name: str
    controller: Controller
    episode_limit: int  # control steps
    fall_return: float  # the reward of falling; also what a diverged episode scores
    solved_return: float  # with the course's end reached, solved from here on

    @property
    def engines(self) -> tuple[str, ...]:
        """Name those that can be used here, the default first."""
        ...

    def capabilities(self, engine: str | None = None) -> Capabilities:
        """Say what an engine is good at; the default one when None."""
        ...

    def encoding(self, name: str, options: Mapping[str, Any]) -> Encoding:
        """Make the encoding called `name`; ValueError names what is valid."""
        ...

    def make_env(
        self, environment: Environment, *, render_mode: str | None = None, episode_limit: int | None = None
    ) -> gymnasium.Env:
        """Make the reference environment for one task; `episode_limit` of None means the domain's."""
        ...

    def run(
        self, batch: Batch, *, episode_limit: int | None = None, engine: str | None = None, trajectory: bool = False
    ) -> Rollouts:
        """Run one episode for each row of a batch, whose environments may differ.

        A row of the result depends on that row of the batch alone, never on what it was batched with or ran before.

        Args:
            batch: the episodes.
            episode_limit: control steps; the domain's when None.
            engine: one of `engines`; the first when None.
            trajectory: give every step of every episode too.

        Raises:
            ValueError: the agents are of another controller, or there is no such engine.
        """
        ...


class OneEnvironmentACall(Protocol):
    """What a third party may offer in the place of `Domain.run` and `Domain.capabilities`; the rest is a domain's."""

    engines: tuple[str, ...]
    lanes: Mapping[str, int]  # by engine, how many episodes it runs for about the price of one

    def rollout(
        self,
        thetas: NDArray[np.float32],
        environment: Environment,
        seeds: NDArray[np.uint64],
        *,
        episode_limit: int | None = None,
        engine: str | None = None,
    ) -> Rollouts:
        """Run one episode for each row of `thetas` (n, P) and `seeds` (n,); a row's result depends on it alone."""
        ...


OPTIONAL = (
    "record",
    "sketch",
    "difficulty",
    "level_vectors",
    "suites",
    "make_worlds",
    "engine_problem",
    "stream",
    "shapes",
    "hidden",
)
"""What a domain may have besides.

Set on whoever stands for a domain, not looked up when asked for: protocols that are checked at run time see that.
"""


class Grouped:
    """A domain of which `OneEnvironmentACall` alone is written, as a `Domain`: one environment after another."""

    def __init__(self, domain: Any) -> None:
        self._domain = domain
        for name in OPTIONAL:
            if hasattr(domain, name):
                setattr(self, name, getattr(domain, name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying and pickling ask before there is a domain
            raise AttributeError(name)
        return getattr(self._domain, name)

    def capabilities(self, engine: str | None = None) -> Capabilities:
        """Say what an engine is good at; see `Domain.capabilities`."""
        return Capabilities(lanes=self._domain.lanes[engine or self._domain.engines[0]])

    def run(
        self, batch: Batch, *, episode_limit: int | None = None, engine: str | None = None, trajectory: bool = False
    ) -> Rollouts:
        """Run one episode for each row of a batch; every step is kept of the reference environment's episodes."""
        if trajectory:
            batch.check(self._domain.controller)
            make = partial(self._domain.make_env, episode_limit=episode_limit)
            return play_one_by_one(make, self._domain.controller, batch, trajectory=True)
        rollout = self._domain.rollout

        def alone(part: Batch) -> Rollouts:
            found: Rollouts = rollout(
                part.thetas, part.environments[0], part.seeds, episode_limit=episode_limit, engine=engine
            )
            if len(batch.environments) > 1:  # else whoever asked sees for himself, of whole rows
                found.check(len(part), self._domain.name)
            return found

        return by_environment(batch, alone)


def engine_unusable(domain: Domain, name: str, *others: str) -> str | None:
    """Say what is wrong with the name of an engine, as the end of a sentence; None when it can be used.

    Args:
        domain: whose engine is meant.
        name: that was asked for.
        others: names that are valid besides.
    """
    names = (*others, *domain.engines)
    if name in names:
        return None
    ask: Callable[[str], str | None] | None = getattr(domain, "engine_problem", None)
    problem = ask(name) if ask else None
    return f"is {name!r}, but {problem}" if problem else f"is {name!r}; it must be one of {', '.join(names)}"


@cache
def find_domain(name: str) -> Domain:
    """Load the domain registered as `name`.

    Raises:
        NotInstalledError: nothing is registered under that name, or it cannot be loaded, as where a library that it
            needs is not installed.
    """
    found = plugins.find(plugins.DOMAIN, name)
    domain: Domain = found if hasattr(found, "run") else Grouped(found)
    return domain
