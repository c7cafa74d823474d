"""Estimate how a policy's return changes with its parameters, and follow it.

Antithetic evolution strategies after Salimans et al. 2017, section 2
(arXiv:1703.03864), with centered ranks, weight decay and Adam (Kingma and Ba
2015, algorithm 1), and the constants of POET (arXiv:1901.01753, supplement).
The mathematics is pure array functions, to which callers bring noise and
returns; `ES` is the optimiser that takes its steps with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import Environment, Rollouts
from environments.settings import Bounds, check_bounds
from evolution.noise import Key, directions
from evolution.optimisers.optimiser import FULL, KEEP, Ask, Figures, State, Vector
from evolution.requests import PerturbationRequest

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # of Adam


@dataclass(frozen=True, slots=True, kw_only=True)
class ESSettings:
    """How every agent learns; the defaults are POET's."""

    pairs: Annotated[int, Bounds(1, 10**6)] = 256  # antithetic, two episodes each
    sigma: Annotated[float, Bounds(1e-6, 100)] = 0.1  # of the perturbation
    sigma_decay: Annotated[float, Bounds(0, 1)] = 0.999  # a step
    sigma_floor: Annotated[float, Bounds(1e-6, 100)] = 0.01
    step_size: Annotated[float, Bounds(0, 100)] = 0.01  # of Adam
    step_size_decay: Annotated[float, Bounds(0, 1)] = 0.9999  # a step
    step_size_floor: Annotated[float, Bounds(0, 100)] = 0.001
    weight_decay: Annotated[float, Bounds(0, 10)] = 0.01  # L2 coefficient

    def __post_init__(self) -> None:
        check_bounds(self)
        for name in ("sigma", "step_size"):
            floor, start = getattr(self, f"{name}_floor"), getattr(self, name)
            if floor > start:
                raise ValueError(f"{name}_floor is {floor}; it must be at most {name}, {start}")

    def make(self, controller: Controller) -> ES:
        """Make the optimiser that has these settings."""
        return ES(self)


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """An agent and the state of its optimiser."""

    theta: Vector  # (P,)
    first_moment: Vector  # (P,)
    second_moment: Vector  # (P,)
    updates: int  # since the last reset
    step_size: float
    sigma: float

    @staticmethod
    def fresh(theta: Vector, settings: ESSettings) -> Learner:
        """Start learning from theta: what happens at creation and on every accepted transfer."""
        zeros = np.zeros_like(theta)
        return Learner(theta, zeros, zeros, 0, settings.step_size, settings.sigma)

    @staticmethod
    def of(state: State) -> Learner:
        """Read what a state keeps under the fields' names.

        Raises:
            ValueError: it is none that a learner can have.
        """
        parts = state.parts
        if not parts["updates"] >= 0:
            raise ValueError(f"updates is {parts['updates']}; it must be at least 0")
        return Learner(
            theta=state.theta,
            first_moment=parts["first_moment"],
            second_moment=parts["second_moment"],
            updates=int(parts["updates"]),
            step_size=float(parts["step_size"]),
            sigma=float(parts["sigma"]),
        )

    def state(self) -> State:
        """Give the state to keep."""
        names = ("first_moment", "second_moment", "updates", "step_size", "sigma")
        return State(self.theta, {name: np.asarray(getattr(self, name), dtype=np.float64) for name in names})

    def moved(self, theta: Vector, restart: str | float, settings: ESSettings) -> Learner:
        """Give what an agent of this learner goes on with in another niche, from theta.

        Args:
            theta: (P,) the agent, which a step there may have tuned.
            restart: "full" starts afresh, as published; "keep" goes on with everything as it was; a number starts
                moments afresh and step size and sigma at that fraction of the settings', not below their floors.
            settings: of all learners.
        """
        if restart == KEEP:
            return replace(self, theta=theta)
        fresh = Learner.fresh(theta, settings)
        if restart == FULL:
            return fresh
        fraction = float(restart)
        return replace(
            fresh,
            step_size=max(fraction * settings.step_size, settings.step_size_floor),
            sigma=max(fraction * settings.sigma, settings.sigma_floor),
        )


def centered_ranks(returns: Vector) -> Vector:
    """Replace returns, of any shape, by their ranks scaled to [-0.5, 0.5]; equal returns share theirs.

    Raises:
        ValueError: a return is NaN.
    """
    if np.isnan(returns).any():
        raise ValueError("returns hold NaN; a diverged episode must be given a score before ranking")
    _, inverse, counts = np.unique(returns, return_inverse=True, return_counts=True)
    last = np.cumsum(counts) - 1
    ranks = last - (counts - 1) / 2
    scale = max(returns.size - 1, 1)
    return np.asarray(ranks[inverse].reshape(returns.shape) / scale - 0.5)


def es_gradient(noise: NDArray[np.float32], returns: Vector, sigma: float) -> Vector:
    """Estimate the ascent direction of the expected return.

    Args:
        noise: (n, P) standard normal directions.
        returns: (n, 2) episode returns at theta + sigma*noise and theta - sigma*noise.
        sigma: size of the perturbation, > 0.

    Returns:
        (P,) gradient of the rank-shaped return.

    Raises:
        ValueError: `returns` does not hold one pair per direction.
    """
    if returns.shape != (len(noise), 2):
        raise ValueError(f"returns has shape {returns.shape}; {len(noise)} directions need ({len(noise)}, 2)")
    ranks = centered_ranks(returns)
    weights = ranks[:, 0] - ranks[:, 1]  # antithetic pairs cancel even terms
    total = np.zeros(noise.shape[1])
    # Not a matrix product: its order of sums, and so its last bits, vary with the machine.
    for weight, direction in zip(weights, noise, strict=True):
        total += weight * direction.astype(np.float64)
    return total / (len(noise) * sigma)


def _adam(learner: Learner, theta: Vector, gradient: Vector, settings: ESSettings) -> tuple[Vector, Vector, Vector]:
    """Move theta uphill by one Adam step from the learner's moments: (theta, first, second moment)."""
    ascent = gradient - settings.weight_decay * theta
    updates = learner.updates + 1
    first = BETA1 * learner.first_moment + (1 - BETA1) * ascent
    second = BETA2 * learner.second_moment + (1 - BETA2) * ascent * ascent
    scale = learner.step_size * math.sqrt(1 - BETA2**updates) / (1 - BETA1**updates)
    return theta + scale * first / (np.sqrt(second) + EPSILON), first, second


def es_update(learner: Learner, gradient: Vector, settings: ESSettings) -> Learner:
    """Take one step and let step size and sigma decay to their floors."""
    theta, first, second = _adam(learner, learner.theta, gradient, settings)
    return replace(
        learner,
        theta=theta,
        first_moment=first,
        second_moment=second,
        updates=learner.updates + 1,
        step_size=max(learner.step_size * settings.step_size_decay, settings.step_size_floor),
        sigma=max(learner.sigma * settings.sigma_decay, settings.sigma_floor),
    )


def es_proposal(learner: Learner, theta: Vector, gradient: Vector, settings: ESSettings) -> Vector:
    """Fine-tune a visiting theta by one step of the learner it visits, which stays as it is."""
    if learner.updates == 0:
        # A new learner's first Adam step is the same size in every coordinate, mostly noise:
        # the published code takes a plain gradient step there.
        return theta + learner.step_size * (gradient - settings.weight_decay * theta)
    return _adam(learner, theta, gradient, settings)[0]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GradientRequest:
    """What a step's returns say of the way up; drawing its noise again is work like an episode's."""

    seed: int  # of the run
    key: Key  # of the step
    size: int  # P
    sigma: float
    returns: Vector  # (pairs, 2)

    def __call__(self) -> Vector:
        return es_gradient(directions(self.seed, self.key, 0, len(self.returns), self.size), self.returns, self.sigma)

    def __str__(self) -> str:
        return f"gradient key={self.key} of run seed {self.seed}"


@dataclass(frozen=True, slots=True)
class ES:
    """The papers' optimiser: a step is one gradient of antithetic perturbations and one update by Adam."""

    settings: ESSettings
    name: ClassVar[str] = "es"

    @property
    def episodes(self) -> int:
        """Give the episodes of a step: two a pair."""
        return 2 * self.settings.pairs

    def fresh(self, theta: Vector, rng: np.random.Generator) -> State:
        """Begin to learn from theta; nothing in that is random."""
        return Learner.fresh(theta, self.settings).state()

    async def step(self, state: State, environment: Environment, ask: Ask) -> tuple[State, Figures]:
        """Take one step in the environment."""
        before = Learner.of(state)
        tried, gradient = await self._gradient(before.theta, before.sigma, environment, ask)
        after = es_update(before, gradient, self.settings)
        figures = {
            "es_mean": float(tried.returns.mean()),  # over the perturbed returns
            "es_deviation": float(tried.returns.std()),
            "es_best": float(tried.returns.max()),
            "gradient_norm": _norm(gradient),
            "theta_norm": _norm(after.theta),
            "sigma": after.sigma,
            "step_size": after.step_size,
        }
        return after.state(), figures

    async def propose(self, theta: Vector, state: State, environment: Environment, ask: Ask) -> Vector:
        """Fine-tune a visitor by one step of the learner that it visits."""
        learner = Learner.of(state)
        _, gradient = await self._gradient(theta, learner.sigma, environment, ask)
        return es_proposal(learner, theta, gradient, self.settings)

    def moved(self, state: State, theta: Vector, restart: str | float, rng: np.random.Generator) -> State:
        """Give what an agent goes on with elsewhere; see `Learner.moved`."""
        return Learner.of(state).moved(theta, restart, self.settings).state()

    async def _gradient(
        self, theta: Vector, sigma: float, environment: Environment, ask: Ask
    ) -> tuple[Rollouts, Vector]:
        """Try perturbations of theta, and give what they did and the way up, (P,)."""
        tried = await ask.rollouts(
            PerturbationRequest(
                simulation=ask.simulation,
                environment=environment,
                theta=theta.astype(np.float32),
                sigma=sigma,
                key=ask.key,
                start=0,
                stop=self.settings.pairs,
            )
        )
        returns = tried.returns.reshape(-1, 2)
        item = GradientRequest(seed=ask.simulation.seed, key=ask.key, size=theta.size, sigma=sigma, returns=returns)
        return tried, await ask.compute(item)


def _norm(vector: Vector) -> float:
    """Measure a vector, to the same last bit on every machine."""
    return math.sqrt(math.fsum(vector * vector))
