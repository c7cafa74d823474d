"""The smallest optimiser: a perturbed agent takes the place of one that it beats in the same episodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np

from environments.controller import Controller
from environments.domain import Environment
from environments.settings import Bounds, check_bounds
from evolution.optimisers.optimiser import Ask, Figures, State, Vector
from evolution.requests import CandidatesRequest

NOTHING: Mapping[str, Vector] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class HillClimberSettings:
    """Options of the optimiser "hill-climber"."""

    sigma: Annotated[float, Bounds(1e-6, 100)] = 0.1  # of the perturbation
    meanings: ClassVar = {"sigma": "Standard deviation of the perturbed agent about theta."}

    def __post_init__(self) -> None:
        check_bounds(self)

    def make(self, controller: Controller) -> HillClimber:
        """Make the optimiser that has these options."""
        return HillClimber(self)


@dataclass(frozen=True, slots=True)
class HillClimber:
    """A step tries one neighbour."""

    settings: HillClimberSettings
    name: ClassVar[str] = "hill-climber"
    episodes: ClassVar[int] = 2

    def fresh(self, theta: Vector, rng: np.random.Generator) -> State:
        """Remember nothing but theta."""
        return State(theta, NOTHING)

    async def step(self, state: State, environment: Environment, ask: Ask) -> tuple[State, Figures]:
        """Try one neighbour in an episode that both play."""
        other = state.theta + self.settings.sigma * ask.rng().standard_normal(state.theta.size)
        thetas = np.stack([state.theta, other]).astype(np.float32)
        tried = (await ask.rollouts(CandidatesRequest(ask.simulation, environment, thetas, ask.key, 1))).returns
        better = bool(tried[1] > tried[0])
        return replace(state, theta=other if better else state.theta), {"better": float(better)}

    async def propose(self, theta: Vector, state: State, environment: Environment, ask: Ask) -> Vector:
        """Give the visitor or its neighbour."""
        return (await self.step(State(theta, NOTHING), environment, ask))[0].theta

    def moved(self, state: State, theta: Vector, restart: str | float, rng: np.random.Generator) -> State:
        """Go on from theta."""
        return State(theta, NOTHING)
