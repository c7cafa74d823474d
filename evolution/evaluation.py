"""The one door for all evaluation: requests for episodes, cut into work items.

A request carries keys, not noise; a worker draws the perturbations itself.
How requests are cut has no influence on what they return.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from environments.domain import Domain, Environment, Outcome, Rollouts, find_domain
from evolution.es import es_gradient, perturbed
from evolution.noise import Key, directions, episode_seeds

logger = logging.getLogger(__name__)

MOST_EPISODES = 256  # in one item
# For `Workers`: what many items have in common, and, by `amount` and `kind`, which ones cost alike.
SHARED = ("simulation", "environment", "theta")
ITEMS_PER_WORKER = 12  # a phase is cut so fine where it can be, to even out the load


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """How episodes are run, the same for a whole run."""

    domain: str
    seed: int  # of the run
    episode_limit: int | None = None
    engine: str | None = None


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

    @property
    def episodes(self) -> int:
        return self.stop - self.start

    @property
    def amount(self) -> int:
        return self.episodes

    @property
    def kind(self) -> str:
        return self.environment.id

    def split(self, episodes: int) -> Iterator[ScoreRequest]:
        """Cut into requests of at most so many episodes."""
        for start in range(self.start, self.stop, episodes):
            yield replace(self, start=start, stop=min(start + episodes, self.stop))

    def __call__(self) -> Rollouts:
        thetas = np.broadcast_to(self.theta, (self.episodes, self.theta.size))
        seeds = episode_seeds(self.simulation.seed, self.key, self.start, self.stop)
        return _rollout(self.simulation, self.environment, thetas, seeds)

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

    shared: ClassVar = SHARED

    @property
    def episodes(self) -> int:
        return 2 * (self.stop - self.start)

    @property
    def amount(self) -> int:
        return self.episodes

    @property
    def kind(self) -> str:
        return self.environment.id

    def split(self, episodes: int) -> Iterator[PerturbationRequest]:
        """Cut into requests of at most so many episodes, never within a pair."""
        pairs = max(episodes // 2, 1)
        for start in range(self.start, self.stop, pairs):
            yield replace(self, start=start, stop=min(start + pairs, self.stop))

    def __call__(self) -> Rollouts:
        thetas = perturbed(self.theta, self.sigma, self.noise())
        # Both halves of a pair meet the same episode: their difference is theta's doing.
        seeds = np.repeat(episode_seeds(self.simulation.seed, self.key, self.start, self.stop), 2)
        return _rollout(self.simulation, self.environment, thetas, seeds)

    def noise(self) -> NDArray[np.float32]:
        """Draw the directions again: (pairs, P)."""
        return directions(self.simulation.seed, self.key, self.start, self.stop, self.theta.size)

    def __str__(self) -> str:
        return _describe("perturbing", self)


Request: TypeAlias = ScoreRequest | PerturbationRequest


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GradientRequest:
    """What an ES step's returns say of the way up; drawing its noise again is work like an episode's."""

    seed: int  # of the run
    key: Key  # of the step
    size: int  # P
    sigma: float
    returns: NDArray[np.float64]  # (pairs, 2)

    def __call__(self) -> NDArray[np.float64]:
        return es_gradient(directions(self.seed, self.key, 0, len(self.returns), self.size), self.returns, self.sigma)

    def __str__(self) -> str:
        return f"gradient key={self.key} of run seed {self.seed}"


def _describe(verb: str, request: Request) -> str:
    return (
        f"{verb} key={request.key} numbers {request.start} to {request.stop} of run seed {request.simulation.seed} "
        f"in environment {request.environment.id} {request.environment.to_json()}"
    )


def _rollout(
    simulation: Simulation, environment: Environment, thetas: NDArray[np.float32], seeds: NDArray[np.uint64]
) -> Rollouts:
    domain = find_domain(simulation.domain)
    return domain.rollout(thetas, environment, seeds, episode_limit=simulation.episode_limit, engine=simulation.engine)


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


def item_episodes(total: int, workers: int, fewest: int) -> int:
    """Choose how many of a phase's episodes make an item: at least so many, but first let no worker go without."""
    per_worker = -(-total // workers)
    return max(min(fewest, per_worker), min(total // (workers * ITEMS_PER_WORKER), MOST_EPISODES), 1)


PhaseListener = Callable[[str, int, int], None]
"""Called with a phase's purpose, its episodes done and its episodes in all."""


class Workers(Protocol):
    """What evaluation asks of an executor; `cluster.executor.Executor` is one."""

    @property
    def workers(self) -> int:
        """How many items run at the same time."""
        ...

    def run(
        self, items: Sequence[Request] | Sequence[GradientRequest], progress: Callable[[int], None] | None = None
    ) -> Sequence[object]:
        """Run every item; in the place of an item that failed stands what says why."""
        ...


class EvaluationError(RuntimeError):
    """Nothing could be simulated: no crash of one controller, but something wrong with all."""


class Evaluator:
    """Runs whole phases of requests through an executor and keeps count."""

    def __init__(self, simulation: Simulation, executor: Workers, listener: PhaseListener | None = None) -> None:
        self.simulation = simulation
        self.executor = executor
        self.listener = listener
        self.tally = Tally()
        self._last_failure = ""

    @property
    def domain(self) -> Domain:
        """The domain that everything is simulated in."""
        return find_domain(self.simulation.domain)

    def run(self, purpose: str, requests: Sequence[Request]) -> list[Rollouts]:
        """Run a phase and return one `Rollouts` for each request, in order."""
        total = sum(request.episodes for request in requests)
        lanes = self.domain.lanes[self.simulation.engine or self.domain.engines[0]]
        size = item_episodes(total, self.executor.workers, max(lanes, 2))
        parts: list[list[Request]] = [list(request.split(size)) for request in requests]
        items = [item for part in parts for item in part]

        def progress(done: int) -> None:
            if self.listener is not None:
                self.listener(purpose, total * done // len(items), total)

        results = iter(self._survive(items, self.executor.run(items, progress)))
        joined = [Rollouts.join([next(results) for _ in part]) for part in parts]
        for rollouts in joined:
            self.tally.add(purpose, rollouts)
        return joined

    def gradients(self, steps: Sequence[PerturbationRequest], tried: Sequence[Rollouts]) -> list[NDArray[np.float64]]:
        """Estimate the gradient of each ES step from what its perturbations returned: (P,) each."""
        items = [
            GradientRequest(
                seed=step.simulation.seed,
                key=step.key,
                size=step.theta.size,
                sigma=step.sigma,
                returns=rollouts.returns.reshape(-1, 2),
            )
            for step, rollouts in zip(steps, tried, strict=True)
        ]
        # Where a worker could not, we fail as it did, with the cause at hand.
        return [
            found if isinstance(found, np.ndarray) else item()
            for item, found in zip(items, self.executor.run(items), strict=True)
        ]

    def _survive(self, items: Sequence[Request], results: Sequence[object]) -> list[Rollouts]:
        """Find the episodes that no engine survives and let them count as diverged."""
        failed = [item for item, result in zip(items, results, strict=True) if not isinstance(result, Rollouts)]
        if not failed:
            return list(results)  # type: ignore[arg-type]
        singles = [single for item in failed for single in item.split(1)]
        retried = iter(zip(singles, self.executor.run(singles), strict=True))
        rescued = iter([Rollouts.join([self._or_diverged(*next(retried)) for _ in item.split(1)]) for item in failed])
        return [result if isinstance(result, Rollouts) else next(rescued) for result in results]

    def _or_diverged(self, single: Request, result: object) -> Rollouts:
        if isinstance(result, Rollouts):
            return result
        logger.error("counted as diverged: %s", result)
        n = single.episodes
        self.tally.crashed += n
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

    def perturbation_request(
        self, theta: NDArray[np.float64], sigma: float, environment: Environment, key: Key, pairs: int
    ) -> PerturbationRequest:
        """Ask for the episodes of an ES step."""
        return PerturbationRequest(
            simulation=self.simulation,
            environment=environment,
            theta=theta.astype(np.float32),
            sigma=sigma,
            key=key,
            start=0,
            stop=pairs,
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
