"""What evaluation asks for: episodes by their keys, and the work items that they are packed into.

A request carries keys, not noise; a worker draws the perturbations itself. An
item holds rows of any requests, so that an engine's lanes are full; how they
are cut and packed has no influence on what any row returns.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import Batch, Domain, Environment, Rollouts, find_domain
from environments.equipped import equip
from evolution.noise import Key, directions, episode_seeds, fixed_episode_seeds

# For the executor: what many items have in common, and, by `amount` and `kind`, which ones cost alike.
SHARED = ("simulation", "environment", "theta")
THREADED = 4  # parts of an item, from which on threads are worth their start
PUSHES = ("fresh", "fixed")  # how episodes start, as configurations call it


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """How episodes are run, the same for a whole run."""

    domain: str
    seed: int  # of the run
    episode_limit: int | None = None
    engine: str | None = None
    push: str = "fresh"  # every episode starts with another, or all of an environment with one, "fixed"
    controller: Controller | None = None  # of the agents; the domain's own when None

    def make_domain(self) -> Domain:
        """Give the domain, with the run's kind of agent."""
        return equip(find_domain(self.domain), self.controller)

    def episode_seeds(self, environment: Environment, key: Key, start: int, stop: int) -> NDArray[np.uint64]:
        """Give the seeds of episodes number `start` to `stop` of a key in an environment: (stop - start,)."""
        if self.push == "fixed":
            return fixed_episode_seeds(environment.seed, stop - start)
        return episode_seeds(self.seed, key, start, stop)

    def play(self, batch: Batch) -> Rollouts:
        """Run a batch's episodes in this process."""
        return self.make_domain().run(batch, episode_limit=self.episode_limit, engine=self.engine)

    @property
    def how(self) -> Hashable:
        """What must be equal for episodes to be run in one batch: all but what names them."""
        return self.domain, self.episode_limit, self.engine, self.controller


def _amount(request: Request) -> int:
    return request.episodes


def _kind(request: Request) -> str:
    return request.environment.id


def _split(request: Request, episodes: int) -> Iterator[Request]:
    """Cut into requests of at most so many episodes, never within what belongs together."""
    size = max(episodes // request.together, 1) * request.together
    for start in range(0, request.episodes, size):
        yield request.part(start, min(start + size, request.episodes))


def _play(request: Request) -> Rollouts:
    return request.simulation.play(request.batch())


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ScoreRequest:
    """Episodes of one agent in one environment."""

    simulation: Simulation
    environment: Environment
    theta: NDArray[np.float32]  # (P,)
    key: Key  # names the episodes' seeds
    start: int
    stop: int  # episodes numbered start to stop

    together: ClassVar = 1
    shared: ClassVar = SHARED
    amount = property(_amount)
    kind = property(_kind)
    split = _split
    __call__ = _play

    @property
    def episodes(self) -> int:
        return self.stop - self.start

    def part(self, start: int, stop: int) -> ScoreRequest:
        """Ask for some of the rows, of 0 to `episodes`."""
        return replace(self, start=self.start + start, stop=self.start + stop)

    def batch(self) -> Batch:
        """Lay out the rows."""
        thetas = np.broadcast_to(self.theta, (self.episodes, self.theta.size))
        seeds = self.simulation.episode_seeds(self.environment, self.key, self.start, self.stop)
        return Batch.of(thetas, self.environment, seeds)

    def __str__(self) -> str:
        return _describe("scoring", self)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PerturbationRequest:
    """Episodes of an agent's antithetic perturbations in one environment, plus and minus in turn."""

    simulation: Simulation
    environment: Environment
    theta: NDArray[np.float32]  # (P,)
    sigma: float
    key: Key  # names the noise and the episodes' seeds
    start: int
    stop: int  # pairs numbered start to stop

    together: ClassVar = 2  # a pair
    shared: ClassVar = SHARED
    amount = property(_amount)
    kind = property(_kind)
    split = _split
    __call__ = _play

    @property
    def episodes(self) -> int:
        return 2 * (self.stop - self.start)

    def part(self, start: int, stop: int) -> PerturbationRequest:
        """Ask for some of the rows, of 0 to `episodes`; both are even."""
        return replace(self, start=self.start + start // 2, stop=self.start + stop // 2)

    def batch(self) -> Batch:
        """Lay out the rows."""
        # Both halves of a pair meet the same episode: their difference is theta's doing.
        seeds = np.repeat(self.simulation.episode_seeds(self.environment, self.key, self.start, self.stop), 2)
        return Batch.of(perturbed(self.theta, self.sigma, self.noise()), self.environment, seeds)

    def noise(self) -> NDArray[np.float32]:
        """Draw the directions again: (pairs, P)."""
        return directions(self.simulation.seed, self.key, self.start, self.stop, self.theta.size)

    def __str__(self) -> str:
        return _describe("perturbing", self)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SeededRequest:
    """Episodes of one agent in one environment by their seeds, so that each can be named and played again."""

    simulation: Simulation
    environment: Environment
    theta: NDArray[np.float32]  # (P,)
    seeds: NDArray[np.uint64]  # (n,)

    together: ClassVar = 1
    shared: ClassVar = SHARED
    amount = property(_amount)
    kind = property(_kind)
    split = _split
    __call__ = _play

    @property
    def episodes(self) -> int:
        return len(self.seeds)

    def part(self, start: int, stop: int) -> SeededRequest:
        """Ask for some of the rows, of 0 to `episodes`."""
        return replace(self, seeds=self.seeds[start:stop])

    def batch(self) -> Batch:
        """Lay out the rows."""
        return Batch.of(np.broadcast_to(self.theta, (self.episodes, self.theta.size)), self.environment, self.seeds)

    def __str__(self) -> str:
        return (
            f"episodes of seeds {self.seeds.tolist()} in environment {self.environment.id} {self.environment.to_json()}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class CandidatesRequest:
    """Episodes of several agents in one environment, the same ones for each, an agent's one after another."""

    simulation: Simulation
    environment: Environment
    thetas: NDArray[np.float32]  # (n, P)
    key: Key  # names the episodes' seeds
    each: int  # episodes of an agent
    start: int = 0
    stop: int | None = None  # rows numbered start to stop; all when None

    together: ClassVar = 1
    shared: ClassVar = ("simulation", "environment")
    amount = property(_amount)
    kind = property(_kind)
    split = _split
    __call__ = _play

    @property
    def episodes(self) -> int:
        return (len(self.thetas) * self.each if self.stop is None else self.stop) - self.start

    def part(self, start: int, stop: int) -> CandidatesRequest:
        """Ask for some of the rows, of 0 to `episodes`, without the agents that have none of them."""
        start, stop = self.start + start, self.start + stop
        first, last = start // self.each, -(-stop // self.each)
        gone = first * self.each
        return replace(self, thetas=self.thetas[first:last], start=start - gone, stop=stop - gone)

    def batch(self) -> Batch:
        """Lay out the rows."""
        agents, numbers = np.divmod(np.arange(self.start, self.start + self.episodes), self.each)
        seeds = self.simulation.episode_seeds(self.environment, self.key, 0, self.each)
        return Batch.of(self.thetas[agents], self.environment, seeds[numbers])

    def __str__(self) -> str:
        return (
            f"scoring {len(self.thetas)} candidates of key={self.key}, rows {self.start} to "
            f"{self.start + self.episodes}, of run seed {self.simulation.seed} "
            f"in environment {self.environment.id} {self.environment.to_json()}"
        )


Request: TypeAlias = ScoreRequest | PerturbationRequest | SeededRequest | CandidatesRequest


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A work item: the rows of some requests, run in one batch."""

    parts: tuple[Request, ...]  # that may be run in one batch, see `Simulation.how`; the executor reads them too

    @property
    def episodes(self) -> int:
        return sum(part.episodes for part in self.parts)

    @property
    def amounts(self) -> Mapping[Hashable, float]:
        """How much there is of each kind of work, for the executor."""
        found: Counter[Hashable] = Counter()
        for part in self.parts:
            found[part.kind] += part.amount
        return found

    @property
    def room(self) -> int:
        """How many episodes this process had best play at once, for the executor; 0 where lanes are enough."""
        simulation = self.parts[0].simulation
        return simulation.make_domain().capabilities(simulation.engine).room

    @staticmethod
    def together(items: Sequence[Item]) -> list[Rollouts]:
        """Run several items, in one batch those that may be: the rows of each."""
        found: dict[int, Rollouts] = {}
        groups: dict[Hashable, list[int]] = {}
        for number, item in enumerate(items):
            groups.setdefault(item.parts[0].simulation.how, []).append(number)
        for numbers in groups.values():
            rollouts = Item(tuple(part for number in numbers for part in items[number].parts))()
            start = 0
            for number in numbers:
                stop = start + items[number].episodes
                found[number] = rollouts.rows(slice(start, stop))
                start = stop
        return [found[number] for number in range(len(items))]

    def __call__(self) -> Rollouts:
        return self.parts[0].simulation.play(Batch.join(self._batches()))

    def _batches(self) -> list[Batch]:
        """Lay out the rows of each part; in threads where a device would wait for them: drawing noise needs no lock."""
        if len(self.parts) < THREADED or not self.room:
            return [part.batch() for part in self.parts]
        with ThreadPoolExecutor(min(len(self.parts), os.cpu_count() or 1)) as threads:
            return list(threads.map(lambda part: part.batch(), self.parts))

    def __str__(self) -> str:
        return "; ".join(str(part) for part in self.parts)


def perturbed(theta: NDArray[np.float32], sigma: float, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay out theta + sigma*noise and theta - sigma*noise in turn: (2n, P) from noise (n, P)."""
    offsets = np.float32(sigma) * noise
    both = np.stack([theta + offsets, theta - offsets], axis=1)
    return both.reshape(-1, theta.size)


def _describe(verb: str, request: ScoreRequest | PerturbationRequest) -> str:
    return (
        f"{verb} key={request.key} numbers {request.start} to {request.stop} of run seed {request.simulation.seed} "
        f"in environment {request.environment.id} {request.environment.to_json()}"
    )
