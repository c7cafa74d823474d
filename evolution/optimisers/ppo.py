"""Reinforcement learning in POET's inner loop: a step is an iteration of PPO in the pair's environment.

An iteration is one work item, from the first episode to the last minibatch: what it returns depends on the agent's
state, the environment and the step's key alone. Pairs learn side by side. The agent that POET knows is the mean of the
policy, theta; critic, deviation of actions, Adam's moments and the whitening of observations are parts of the state.
Worlds begin afresh in every iteration, and nothing of them is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import Environment, Rollouts
from environments.settings import Bounds, check_bounds
from evolution.noise import Key
from evolution.optimisers.optimiser import KEEP, Ask, Figures, State, Vector
from evolution.optimisers.ppo_experience import gather, worlds_of
from evolution.optimisers.ppo_learning import Learner, Learning, Shapes, actor, improve
from evolution.requests import Simulation

MOST_LAYERS, LARGEST_LAYER = 8, 4096  # of the critic


@dataclass(frozen=True, slots=True, kw_only=True)
class PPOSettings:
    """Options of the optimiser "ppo"."""

    worlds: Annotated[int, Bounds(1, 4096)] = 16
    steps: Annotated[int, Bounds(1, 10**6)] = 2000
    discount: Annotated[float, Bounds(0, 1)] = 0.99
    trace: Annotated[float, Bounds(0, 1)] = 0.95
    clip: Annotated[float, Bounds(1e-3, 10)] = 0.2
    entropy: Annotated[float, Bounds(0, 100)] = 0.0
    epochs: Annotated[int, Bounds(1, 1000)] = 6
    minibatches: Annotated[int, Bounds(1, 10**4)] = 32
    step_size: Annotated[float, Bounds(0, 1)] = 1e-3
    largest_norm: Annotated[float, Bounds(1e-6, 1e6)] = 0.5
    deviation: Annotated[float, Bounds(1e-3, 100)] = 0.6
    least_deviation: Annotated[float, Bounds(1e-3, 100)] = 0.05
    reward_scale: Annotated[float, Bounds(1e-6, 1e6)] = 0.05
    least_reward: Annotated[float, Bounds(-1e9, 1e9)] = -10.0
    whiten: bool = True
    critic: tuple[int, ...] = (64, 64)
    meanings: ClassVar[Mapping[str, str]] = {
        "worlds": "Worlds that play side by side in a step, all of the pair's environment.",
        "steps": "Control steps of each world in a step; episodes follow one another. At least the episode limit, or "
        "an agent never learns how its course ends.",
        "discount": "Of rewards a control step later.",
        "trace": "Lambda of generalised advantage estimation.",
        "clip": "How far the ratio of probabilities may leave 1 and still be followed.",
        "entropy": "Weight of the entropy of actions in what is climbed.",
        "epochs": "Times that a step learns from the same experience.",
        "minibatches": "Parts that an epoch cuts the experience into, a gradient each.",
        "step_size": "Of Adam.",
        "largest_norm": "To which the gradients of policy and critic are scaled down, each by itself.",
        "deviation": "Standard deviation of actions when an agent begins to learn.",
        "least_deviation": "Below which learning does not take it.",
        "reward_scale": "By which rewards are multiplied before the critic learns them.",
        "least_reward": "In training no reward is lower; scores know nothing of it. With the walker's -100 for a fall "
        "agents learn to stand still.",
        "whiten": "Learn in observations less their mean and over their deviation, folded into theta's first layer.",
        "critic": "Sizes of the critic's hidden layers, tanh each.",
    }

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.least_deviation > self.deviation:
            raise ValueError(
                f"least_deviation is {self.least_deviation}; it must be at most deviation, {self.deviation}"
            )
        if len(self.critic) > MOST_LAYERS or any(
            isinstance(size, bool) or not 1 <= size <= LARGEST_LAYER for size in self.critic
        ):
            raise ValueError(
                f"critic is {list(self.critic)}; it must be a list of at most {MOST_LAYERS} sizes, "
                f"each in [1, {LARGEST_LAYER}]"
            )

    @property
    def learning(self) -> Learning:
        """Give those that say how an iteration learns from its experience."""
        return Learning(**{each.name: getattr(self, each.name) for each in fields(Learning)})

    def make(self, controller: Controller) -> PPO:
        """Make the optimiser that has these options, for agents of a controller."""
        return PPO(self, Shapes(controller, Controller((controller.sizes[0], *self.critic, 1), "tanh", "none")))


@dataclass(frozen=True, slots=True)
class PPO:
    """A step is one iteration; meets `evolution.optimisers.optimiser.Optimiser`."""

    settings: PPOSettings
    shapes: Shapes
    name: ClassVar[str] = "ppo"

    @property
    def episodes(self) -> int:
        """Give the episodes that a step begins at least: one a world."""
        return self.settings.worlds

    def fresh(self, theta: Vector, rng: np.random.Generator) -> State:
        """Begin to learn from theta, with a random critic."""
        inputs, actions = self.shapes.controller.sizes[0], self.shapes.controller.sizes[-1]
        learner = Learner(
            theta=theta,
            critic=_initial_critic(self.shapes.critic, rng),
            log_deviation=np.full(actions, math.log(self.settings.deviation)),
            first_moment=np.zeros(self.shapes.size),
            second_moment=np.zeros(self.shapes.size),
            updates=0,
            seen_mean=np.zeros(inputs),
            seen_variance=np.ones(inputs),
            seen_count=0,
        )
        return state_of(learner)

    async def step(self, state: State, environment: Environment, ask: Ask) -> tuple[State, Figures]:
        """Learn for one iteration in the environment."""
        done = await ask.compute(self._iteration(learner_of(state), environment, ask))
        return state_of(done.learner), done.figures

    async def propose(self, theta: Vector, state: State, environment: Environment, ask: Ask) -> Vector:
        """Fine-tune a visitor by one iteration with the critic, deviation and moments of the learner that it visits."""
        visitor = replace(learner_of(state), theta=theta)
        found: Vector = (await ask.compute(self._iteration(visitor, environment, ask))).learner.theta
        return found

    def moved(self, state: State, theta: Vector, restart: str | float, rng: np.random.Generator) -> State:
        """Give what an agent goes on with elsewhere; see `Optimiser.moved`.

        The critic and the whitening go along in any case, for what they know holds nearby too. With "full" Adam's
        moments and the deviation of actions begin anew, with a number the deviation at that fraction of the option.
        """
        learner = replace(learner_of(state), theta=theta)
        if restart == KEEP:
            return state_of(learner)
        share = float(restart) if isinstance(restart, int | float) else 1.0
        deviation = max(share * self.settings.deviation, self.settings.least_deviation)
        fresh = replace(
            learner,
            log_deviation=np.full_like(learner.log_deviation, math.log(deviation)),
            first_moment=np.zeros_like(learner.first_moment),
            second_moment=np.zeros_like(learner.second_moment),
            updates=0,
        )
        return state_of(fresh)

    def _iteration(self, learner: Learner, environment: Environment, ask: Ask) -> Iteration:
        return Iteration(
            simulation=ask.simulation,
            environment=environment,
            key=ask.key,
            seed=int(ask.rng().integers(2**63)),
            learner=learner,
            shapes=self.shapes,
            settings=self.settings,
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Iteration:
    """The work item: an agent's worlds play, and it learns."""

    simulation: Simulation
    environment: Environment
    key: Key  # of the step, names the episodes' seeds
    seed: int  # of actions and minibatches
    learner: Learner
    shapes: Shapes
    settings: PPOSettings

    shared: ClassVar = ("simulation", "environment")

    @property
    def episodes(self) -> int:
        """How many episodes it begins at least."""
        return self.settings.worlds

    @property
    def kind(self) -> tuple[str, str]:
        """Which others cost alike."""
        return type(self).__name__, self.environment.id

    def __call__(self) -> Iterated:
        acting, choosing = (np.random.default_rng([self.seed, number]) for number in range(2))
        domain, simulation = self.simulation.make_domain(), self.simulation
        limit, engine = simulation.episode_limit, simulation.engine
        with (
            worlds_of(domain, self.environment, self.settings.worlds, episode_limit=limit, engine=engine) as worlds,
            actor(self.shapes.controller, self.learner.theta) as mean,
        ):
            experience = gather(
                worlds,
                mean,
                np.exp(self.learner.log_deviation).astype(np.float32),
                steps=self.settings.steps,
                seeds=self._seeds,
                noise=acting,
            )
        learner, figures = improve(self.learner, experience, self.shapes, self.settings.learning, choosing)
        return Iterated(learner, {**_told(experience.rollouts), **figures}, experience.rollouts)

    def _seeds(self, start: int, stop: int) -> NDArray[np.uint64]:
        return self.simulation.episode_seeds(self.environment, self.key, start, stop)

    def __str__(self) -> str:
        return (
            f"iteration of ppo, key={self.key} of run seed {self.simulation.seed} "
            f"in environment {self.environment.id} {self.environment.to_json()}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Iterated:
    """What an iteration made of an agent."""

    learner: Learner
    figures: Figures
    rollouts: Rollouts  # every episode begun


def state_of(learner: Learner) -> State:
    """Write a learner as arrays with names."""
    parts = {each.name: np.asarray(getattr(learner, each.name), dtype=np.float64) for each in fields(Learner)}
    theta = parts.pop("theta")
    return State(theta, parts)


def learner_of(state: State) -> Learner:
    """Read what `state_of` wrote."""
    parts: dict[str, Any] = {**state.parts, "theta": state.theta}
    parts |= {name: int(parts[name]) for name in ("updates", "seen_count")}
    return Learner(**parts)


def _told(rollouts: Rollouts) -> dict[str, float]:
    """Give the figures of the episodes: return and length of those that ended, or of what there is of the others."""
    ended = rollouts.outcomes >= 0
    if not ended.any():
        ended = ~ended
    return {
        "training_return": float(rollouts.returns[ended].mean()),
        "training_length": float(rollouts.lengths[ended].mean()),
        "training_episodes": float(len(rollouts.returns)),
        "training_steps": float(rollouts.lengths.sum()),
    }


def _initial_critic(critic: Controller, rng: np.random.Generator) -> Vector:
    """Draw weights of variance 1 / inputs, and biases of 0: (C,)."""
    layers = [
        part
        for inputs, outputs in pairwise(critic.sizes)
        for part in (rng.standard_normal(inputs * outputs) / math.sqrt(inputs), np.zeros(outputs))
    ]
    return np.concatenate(layers)
