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
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.domain import Environment, Rollouts
from environments.settings import Bounds, check_bounds
from evolution.evaluator import EvaluationError
from evolution.noise import Key
from evolution.optimisers.optimiser import KEEP, Ask, Figures, State, Vector
from evolution.optimisers.ppo_experience import gather, worlds_of
from evolution.requests import Simulation

if TYPE_CHECKING:  # it loads torch, which takes seconds and which reading a run does without
    from evolution.optimisers.ppo_learning import Learner, Learning, Shapes

MOST_LAYERS, LARGEST_LAYER = 8, 4096  # of the critic
MOST_EXPERIENCE = 10**7  # control steps, which stand in memory together


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
        "discount": "What a reward is worth a control step earlier.",
        "trace": "Lambda of generalised advantage estimation.",
        "clip": "How far the ratio of probabilities may leave 1 and still be followed.",
        "entropy": "Weight of the entropy of actions in what is climbed.",
        "epochs": "Times that a step learns from the same experience.",
        "minibatches": "Parts that an epoch cuts the experience into, a gradient each.",
        "step_size": "Of Adam: about how far each parameter moves with a gradient.",
        "largest_norm": "Norm to which larger gradients are scaled down, the policy's and the critic's each by itself.",
        "deviation": "Standard deviation of actions when an agent begins to learn.",
        "least_deviation": "Below which learning takes no deviation of actions.",
        "reward_scale": "What rewards are multiplied by before the critic learns to predict their sums.",
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
        if self.worlds * self.steps > MOST_EXPERIENCE:
            raise ValueError(
                f"worlds is {self.worlds} and steps {self.steps}; their product must be at most {MOST_EXPERIENCE}"
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
        from evolution.optimisers.ppo_learning import Learning  # noqa: PLC0415 - slow to load

        return Learning(**{each.name: getattr(self, each.name) for each in fields(Learning)})

    def make(self, controller: Controller) -> PPO:
        """Make the optimiser that has these options, for agents of a controller."""
        return PPO(self, controller)


@dataclass(frozen=True, slots=True)
class PPO:
    """A step is one iteration; meets `evolution.optimisers.optimiser.Optimiser`."""

    settings: PPOSettings
    controller: Controller
    name: ClassVar[str] = "ppo"

    @property
    def shapes(self) -> Shapes:
        """How an agent's parameters and its critic's lie in one vector."""
        from evolution.optimisers.ppo_learning import Shapes  # noqa: PLC0415 - slow to load

        critic = Controller((self.controller.sizes[0], *self.settings.critic, 1), "tanh", "none")
        return Shapes(self.controller, critic)

    @property
    def episodes(self) -> int:
        """Give the episodes that a step begins at least: one a world."""
        return self.settings.worlds

    def fresh(self, theta: Vector, rng: np.random.Generator) -> State:
        """Begin to learn from theta, with a random critic."""
        return self._beginning(theta, self.settings.deviation, rng)

    async def step(self, state: State, environment: Environment, ask: Ask) -> tuple[State, Figures]:
        """Learn for one iteration in the environment.

        One that fails, or ends its worker, leaves the state as it was; its figure "broken" is 1.
        """
        try:
            done = await ask.compute(self._iteration(learner_of(state), environment, ask))
        except EvaluationError:
            return state, self._broken(ask)
        return state_of(done.learner), done.figures

    async def propose(self, theta: Vector, state: State, environment: Environment, ask: Ask) -> Vector:
        """Fine-tune a visitor by one iteration with the critic, deviation and moments of the learner that it visits.

        An iteration that fails leaves it as it was.
        """
        return (await self.step(replace(state, theta=theta), environment, ask))[0].theta

    def moved(self, state: State, theta: Vector, restart: str | float, rng: np.random.Generator) -> State:
        """Give what an agent goes on with elsewhere; see `Optimiser.moved`.

        Only with "keep" the critic and what whitening knows go along. A number begins at that fraction of the option
        `deviation`.
        """
        if restart == KEEP:
            return replace(state, theta=theta)
        share = float(restart) if isinstance(restart, int | float) else 1.0
        deviation = max(share * self.settings.deviation, self.settings.least_deviation)
        return self._beginning(theta, deviation, rng)

    def _beginning(self, theta: Vector, deviation: float, rng: np.random.Generator) -> State:
        from evolution.optimisers.ppo_learning import Learner  # noqa: PLC0415 - slow to load

        shapes = self.shapes
        inputs, actions = shapes.controller.sizes[0], shapes.controller.sizes[-1]
        learner = Learner(
            theta=theta,
            critic=_initial_critic(shapes.critic, rng),
            log_deviation=np.full(actions, math.log(deviation)),
            first_moment=np.zeros(shapes.size),
            second_moment=np.zeros(shapes.size),
            updates=0,
            seen_mean=np.zeros(inputs),
            seen_variance=np.ones(inputs),
            seen_count=0,
        )
        return state_of(learner)

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

    def _broken(self, ask: Ask) -> Figures:
        """Give the figures of an iteration that failed: each of its worlds fell at once."""
        from evolution.optimisers.ppo_learning import BROKEN  # noqa: PLC0415 - slow to load

        fall = float(ask.simulation.make_domain().fall_return)
        return {**_figures(fall, 0.0, self.settings.worlds, 0), **BROKEN}


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
        from evolution.optimisers.ppo_learning import actor, improve  # noqa: PLC0415 - slow to load

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
    parts = {each.name: np.asarray(getattr(learner, each.name), dtype=np.float64) for each in fields(learner)}
    theta = parts.pop("theta")
    return State(theta, parts)


def learner_of(state: State) -> Learner:
    """Read what `state_of` wrote."""
    from evolution.optimisers.ppo_learning import Learner  # noqa: PLC0415 - slow to load

    parts: dict[str, Any] = {**state.parts, "theta": state.theta}
    parts |= {name: int(parts[name]) for name in ("updates", "seen_count")}
    return Learner(**parts)


def _told(rollouts: Rollouts) -> dict[str, float]:
    """Give the figures of the episodes: return and length of those that ended, or of what there is of the others."""
    ended = rollouts.outcomes >= 0
    if not ended.any():
        ended = ~ended
    returns, lengths = rollouts.returns[ended].mean(), rollouts.lengths[ended].mean()
    return _figures(returns, lengths, len(rollouts.returns), rollouts.lengths.sum())


def _figures(mean_return: float, mean_length: float, episodes: int, steps: int) -> dict[str, float]:
    names = ("training_return", "training_length", "training_episodes", "training_steps")
    return dict(zip(names, map(float, (mean_return, mean_length, episodes, steps)), strict=True))


def _initial_critic(critic: Controller, rng: np.random.Generator) -> Vector:
    """Draw weights of variance 1 / inputs, and biases of 0: (C,)."""
    layers = [
        part
        for inputs, outputs in pairwise(critic.sizes)
        for part in (rng.standard_normal(inputs * outputs) / math.sqrt(inputs), np.zeros(outputs))
    ]
    return np.concatenate(layers)
