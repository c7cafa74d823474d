"""The one door for all evaluation: requests for episodes, cut into work items.

A request carries keys, not noise; a worker draws the perturbations itself.
How requests are cut has no influence on what they return, nor has when.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import Domain, Environment, Outcome, Rollouts, find_domain
from environments.equipped import equip
from evolution.chains import Failed, Flow, Workers
from evolution.noise import Key, directions, episode_seeds, fixed_episode_seeds

logger = logging.getLogger(__name__)

MOST_EPISODES = 256  # in one item
# For the executor: what many items have in common, and, by `amount` and `kind`, which ones cost alike.
SHARED = ("simulation", "environment", "theta")
SOON = 0  # the urgency of what is little work, and awaited; that of a step's episodes is above
ITEMS_PER_WORKER = 24  # a phase is cut so fine where it can be, to even out the load
ROUND = 1.25  # of an item's time: until its gradient is in too, and the next item has arrived
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


def _amount(request: Request) -> int:
    return request.episodes


def _kind(request: Request) -> str:
    return request.environment.id


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ScoreRequest:
    """Episodes of one agent in one environment."""

    simulation: Simulation
    environment: Environment
    theta: NDArray[np.float32]  # (P,)
    key: Key  # names the episodes' seeds
    start: int
    stop: int  # episodes numbered start to stop

    shared: ClassVar = SHARED
    amount = property(_amount)
    kind = property(_kind)

    @property
    def episodes(self) -> int:
        return self.stop - self.start

    def split(self, episodes: int) -> Iterator[ScoreRequest]:
        """Cut into requests of at most so many episodes."""
        for start in range(self.start, self.stop, episodes):
            yield replace(self, start=start, stop=min(start + episodes, self.stop))

    def __call__(self) -> Rollouts:
        thetas = np.broadcast_to(self.theta, (self.episodes, self.theta.size))
        seeds = self.simulation.episode_seeds(self.environment, self.key, self.start, self.stop)
        return _rollout(self.simulation, self.environment, thetas, seeds)

    def __str__(self) -> str:
        return _describe("scoring", self)


def perturbed(theta: NDArray[np.float32], sigma: float, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay out theta + sigma*noise and theta - sigma*noise in turn: (2n, P) from noise (n, P)."""
    offsets = np.float32(sigma) * noise
    both = np.stack([theta + offsets, theta - offsets], axis=1)
    return both.reshape(-1, theta.size)


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

    shared: ClassVar = SHARED
    amount = property(_amount)
    kind = property(_kind)

    @property
    def episodes(self) -> int:
        return 2 * (self.stop - self.start)

    def split(self, episodes: int) -> Iterator[PerturbationRequest]:
        """Cut into requests of at most so many episodes, never within a pair."""
        pairs = max(episodes // 2, 1)
        for start in range(self.start, self.stop, pairs):
            yield replace(self, start=start, stop=min(start + pairs, self.stop))

    def __call__(self) -> Rollouts:
        thetas = perturbed(self.theta, self.sigma, self.noise())
        # Both halves of a pair meet the same episode: their difference is theta's doing.
        seeds = np.repeat(self.simulation.episode_seeds(self.environment, self.key, self.start, self.stop), 2)
        return _rollout(self.simulation, self.environment, thetas, seeds)

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

    shared: ClassVar = SHARED
    amount = property(_amount)
    kind = property(_kind)

    @property
    def episodes(self) -> int:
        return len(self.seeds)

    def split(self, episodes: int) -> Iterator[SeededRequest]:
        """Cut into requests of at most so many episodes."""
        for start in range(0, self.episodes, episodes):
            yield replace(self, seeds=self.seeds[start : start + episodes])

    def __call__(self) -> Rollouts:
        thetas = np.broadcast_to(self.theta, (self.episodes, self.theta.size))
        return _rollout(self.simulation, self.environment, thetas, self.seeds)

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

    shared: ClassVar = ("simulation", "environment")
    amount = property(_amount)
    kind = property(_kind)

    @property
    def episodes(self) -> int:
        return len(self.thetas) * self.each

    def split(self, episodes: int) -> Iterator[Request]:
        """Cut into requests of at most so many episodes, or into the one episode of an agent."""
        if len(self.thetas) == 1 and episodes < self.each:
            one = {"simulation": self.simulation, "environment": self.environment, "theta": self.thetas[0]}
            yield from ScoreRequest(**one, key=self.key, start=0, stop=self.each).split(episodes)
            return
        agents = max(episodes // self.each, 1)
        for start in range(0, len(self.thetas), agents):
            part = replace(self, thetas=self.thetas[start : start + agents])
            yield from part.split(episodes) if part.episodes > episodes else (part,)

    def __call__(self) -> Rollouts:
        seeds = self.simulation.episode_seeds(self.environment, self.key, 0, self.each)
        thetas = np.repeat(self.thetas, self.each, axis=0)
        return _rollout(self.simulation, self.environment, thetas, np.tile(seeds, len(self.thetas)))

    def __str__(self) -> str:
        return (
            f"scoring {len(self.thetas)} candidates of key={self.key} of run seed {self.simulation.seed} "
            f"in environment {self.environment.id} {self.environment.to_json()}"
        )


Request: TypeAlias = ScoreRequest | PerturbationRequest | SeededRequest | CandidatesRequest


def _describe(verb: str, request: ScoreRequest | PerturbationRequest) -> str:
    return (
        f"{verb} key={request.key} numbers {request.start} to {request.stop} of run seed {request.simulation.seed} "
        f"in environment {request.environment.id} {request.environment.to_json()}"
    )


def _rollout(
    simulation: Simulation, environment: Environment, thetas: NDArray[np.float32], seeds: NDArray[np.uint64]
) -> Rollouts:
    rollout = simulation.make_domain().rollout
    return rollout(thetas, environment, seeds, episode_limit=simulation.episode_limit, engine=simulation.engine)


def _computed(item: Any, result: Any) -> Any:
    """Give an item's result; where a worker could not, we fail as it did, with the cause at hand."""
    if not isinstance(result, Failed):
        return result
    if hasattr(item, "episodes"):  # a simulator that ended its worker would end us
        raise EvaluationError(str(result))
    return item()


@dataclass
class Tally:
    """What evaluations cost, by purpose."""

    episodes: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    diverged: int = 0
    crashed: int = 0  # of the diverged: episodes that no engine survived

    def add(self, purpose: str, rollouts: Rollouts) -> None:
        """Count some episodes."""
        self.episodes[purpose] += len(rollouts.returns)
        self.steps[purpose] += int(rollouts.lengths.sum())
        self.diverged += rollouts.count(Outcome.DIVERGED)

    def absorb(self, other: Tally) -> None:
        """Count what another counted."""
        self.episodes += other.episodes
        self.steps += other.steps
        self.diverged += other.diverged
        self.crashed += other.crashed


def item_episodes(total: int, workers: int, lanes: int) -> int:
    """Choose how many episodes make an item; no result depends on it.

    Where there are many, whole lanes. Where there is hardly an item for every worker, as many as give
    the shortest round: smaller items leave lanes empty and take almost as long, larger ones leave workers idle.

    Args:
        total: episodes that could run at the same time.
        workers: where they could.
        lanes: episodes that the engine runs side by side.
    """
    many = total // (workers * ITEMS_PER_WORKER)
    if many >= lanes:
        return max(lanes, min(many, MOST_EPISODES) // lanes * lanes)

    def round_time(size: int) -> float:
        one = lanes - 1 + size
        return max(-(-total // size) * one / workers, ROUND * one)

    return min((max(lanes // part, 1) for part in (1, 2, 4)), key=round_time)


PhaseListener = Callable[[str, int, int], None]
"""Called with a phase's purpose, its episodes done and its episodes in all."""


class EvaluationError(RuntimeError):
    """Nothing could be simulated: no crash of one controller, but something wrong with all."""


class Evaluator:
    """Runs requests through an executor and keeps count."""

    def __init__(self, simulation: Simulation, executor: Workers, listener: PhaseListener | None = None) -> None:
        self.simulation = simulation
        self.executor = executor
        self.tally = Tally()
        self._listener = listener
        self._flow = Flow(executor)
        self._at_once = 1  # chains
        self._last_failure = ""

    @property
    def domain(self) -> Domain:
        """The domain that everything is simulated in."""
        return self.simulation.make_domain()

    @contextmanager
    def side_by_side(self, purpose: str, chains: int, episodes: int) -> Iterator[Flow]:
        """Run chains of evaluations at once, so many of them with so many episodes in all; give up what is not done.

        The chains get their results from `rollouts` and `compute`.
        """
        before = self._flow, self._at_once
        done = 0

        def note(item: object) -> None:
            nonlocal done
            if self._listener is not None:
                done += getattr(item, "episodes", 0)
                self._listener(purpose, min(done, episodes), episodes)

        self._flow, self._at_once = Flow(self.executor, note), chains
        try:
            yield self._flow
        finally:
            self._flow.close()
            self._flow, self._at_once = before

    def run(self, purpose: str, requests: Sequence[Request]) -> list[Rollouts]:
        """Run requests that depend on nothing, and return one `Rollouts` for each, in order."""
        with self.side_by_side(purpose, len(requests), sum(request.episodes for request in requests)) as flow:
            chains = [flow.start(self.rollouts(purpose, request)) for request in requests]
            return [flow.wait(chain) for chain in chains]

    async def rollouts(
        self, purpose: str, request: Request, urgency: int = SOON, tally: Tally | None = None
    ) -> Rollouts:
        """Run a request's episodes and count them; part of a chain.

        Args:
            purpose: that they are counted under.
            request: for the episodes.
            urgency: the lowest runs first.
            tally: to count them in, rather than in that of the evaluator.
        """
        tally = self.tally if tally is None else tally
        lanes = self.domain.lanes[self.simulation.engine or self.domain.engines[0]]
        size = item_episodes(self._at_once * request.episodes, self.executor.workers, max(lanes, 2))
        items: list[Request] = list(request.split(size))
        results = await self._flow.submit(items, urgency)
        found = Rollouts.join(
            [
                self._whole(item, result) if isinstance(result, Rollouts) else await self._rescue(item, tally)
                for item, result in zip(items, results, strict=True)
            ]
        )
        tally.add(purpose, found)
        return found

    async def compute(
        self, purpose: str, items: Sequence[Any], urgency: int = SOON, tally: Tally | None = None
    ) -> list[Any]:
        """Run other work items and give what they return; part of a chain.

        Args:
            purpose: that the episodes in their results are counted under, where a result has `rollouts`.
            items: `item()` gives a result; one without `episodes` is little work, runs soon, and here if need be.
            urgency: of those with `episodes`; the lowest runs first.
            tally: to count in, rather than in that of the evaluator.

        Raises:
            EvaluationError: an item that runs episodes failed.
        """
        small = not any(hasattr(item, "episodes") for item in items)
        results = await self._flow.submit(items, SOON if small else urgency)
        found = [_computed(item, result) for item, result in zip(items, results, strict=True)]
        for result in found:
            if isinstance(rollouts := getattr(result, "rollouts", None), Rollouts):
                (self.tally if tally is None else tally).add(purpose, rollouts)
        return found

    def _whole(self, request: Request, found: Rollouts) -> Rollouts:
        """Refuse what a domain returned if it lacks episodes or has more."""
        try:
            found.check(request.episodes, self.simulation.domain)
        except ValueError as error:
            raise EvaluationError(str(error)) from error
        return found

    async def _rescue(self, failed: Request, tally: Tally) -> Rollouts:
        """Find the episodes that no engine survives and let them count as diverged."""
        singles: list[Request] = list(failed.split(1))
        results = await self._flow.submit(singles, SOON)
        tried = zip(singles, results, strict=True)
        return Rollouts.join([self._or_diverged(single, result, tally) for single, result in tried])

    def _or_diverged(self, single: Request, result: object, tally: Tally) -> Rollouts:
        if isinstance(result, Rollouts):
            return self._whole(single, result)
        logger.error("counted as diverged: %s", result)
        n = single.episodes
        tally.crashed += n
        self._last_failure = str(result)
        return Rollouts(
            np.full(n, self.domain.fall_return),
            np.zeros(n, dtype=np.int32),
            np.full(n, Outcome.DIVERGED, dtype=np.int8),
        )

    def score_request(self, theta: NDArray[np.float64], environment: Environment, key: Key, episodes: int) -> Request:
        """Ask for an agent's episodes in an environment."""
        return ScoreRequest(
            simulation=self.simulation,
            environment=environment,
            theta=theta.astype(np.float32),
            key=key,
            start=0,
            stop=episodes,
        )

    def take_tally(self) -> Tally:
        """Hand over the count and start a new one.

        Raises:
            EvaluationError: every single episode since the last count has failed.
        """
        tally, self.tally = self.tally, Tally()
        if tally.crashed and tally.crashed == tally.episodes.total():
            raise EvaluationError(f"no episode could be simulated; the last failure was: {self._last_failure}")
        return tally
