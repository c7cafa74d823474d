"""CMA-ES with a diagonal covariance matrix (Ros and Hansen 2008), by CyberAgent's library `cmaes`.

One step is one generation, whose candidates all meet the same episodes. The agent is the mean of the distribution.
`SepCMA` is made anew in every step from the arrays that are its state; what else it holds follows from the options and
the number of parameters, or is not read by `ask` and `tell`. Its last bits may vary between machines, as a norm's do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from environments.controller import Controller
from environments.domain import Environment
from environments.settings import Bounds, check_bounds
from evolution.optimisers.optimiser import FULL, KEEP, Ask, Figures, State, Vector
from evolution.requests import CandidatesRequest

if TYPE_CHECKING:
    from cmaes import SepCMA

LEAST_SIGMA = 1e-6
VECTORS = {"variances": "_C", "sigma_path": "_p_sigma", "covariance_path": "_pc"}  # (P,), by the library's attribute


@dataclass(frozen=True, slots=True, kw_only=True)
class CMAESSettings:
    """Options of the optimiser "cmaes"."""

    population: Annotated[int, Bounds(4, 10**6)] = 64  # candidates of a generation
    episodes: Annotated[int, Bounds(1, 10**4)] = 4  # of a candidate, averaged; with a fixed push one is run
    sigma: Annotated[float, Bounds(LEAST_SIGMA, 100)] = 0.1  # of the first generation
    meanings: ClassVar = {
        "population": "Candidates of a generation, which is a step.",
        "episodes": "Episodes of a candidate, whose mean return ranks it; with push = 'fixed' one is run.",
        "sigma": "Standard deviation of the candidates about theta when an agent begins to learn.",
    }

    def __post_init__(self) -> None:
        check_bounds(self)

    def make(self, controller: Controller) -> CMAES:
        """Make the optimiser that has these options."""
        return CMAES(self)


@dataclass(frozen=True, slots=True)
class CMAES:
    """A step is one generation."""

    settings: CMAESSettings
    name: ClassVar[str] = "cmaes"

    @property
    def episodes(self) -> int:
        """Give the episodes of a generation."""
        return self.settings.population * self.settings.episodes

    def fresh(self, theta: Vector, rng: np.random.Generator) -> State:
        """Begin with a round distribution about theta; nothing in that is random."""
        return _state(self._search(theta, self.settings.sigma))

    async def step(self, state: State, environment: Environment, ask: Ask) -> tuple[State, Figures]:
        """Try a generation and move the distribution."""
        search = self._search(state.theta, float(state.parts["sigma"]))
        for name, attribute in VECTORS.items():
            setattr(search, attribute, state.parts[name])  # which `tell` replaces, and does not change
        search._g = int(state.parts["generation"])
        search.reseed_rng(int(ask.rng().integers(2**32)))
        candidates = np.array([search.ask() for _ in range(search.population_size)])
        each = 1 if ask.simulation.push == "fixed" else self.settings.episodes
        thetas = candidates.astype(np.float32)
        tried = await ask.rollouts(CandidatesRequest(ask.simulation, environment, thetas, ask.key, each))
        means = tried.returns.reshape(-1, each).mean(axis=1)
        search.tell(list(zip(candidates, -means, strict=True)))  # it descends; equals keep their order
        axes = np.sqrt(search._C)
        figures = {"mean_return": means.mean(), "best_return": means.max(), "return_deviation": means.std()}
        figures |= {"sigma": search._sigma, "longest_axis": axes.max(), "shortest_axis": axes.min()}
        return _state(search), {name: float(value) for name, value in figures.items()}

    async def propose(self, theta: Vector, state: State, environment: Environment, ask: Ask) -> Vector:
        """Give the mean after one generation about a visitor, of the shape that the incumbent has learned."""
        return (await self.step(State(theta, state.parts), environment, ask))[0].theta

    def moved(self, state: State, theta: Vector, restart: str | float, rng: np.random.Generator) -> State:
        """Go on with the distribution as it is, or with a round one of the options' sigma or a fraction of it."""
        if restart == KEEP:
            return State(theta, state.parts)
        fraction = 1.0 if restart == FULL else float(restart)
        return _state(self._search(theta, max(fraction * self.settings.sigma, LEAST_SIGMA)))

    def _search(self, theta: Vector, sigma: float) -> SepCMA:
        from cmaes import SepCMA  # noqa: PLC0415 - loads scipy, which reading a run does without

        return SepCMA(mean=theta.copy(), sigma=sigma, population_size=self.settings.population)


def _state(search: SepCMA) -> State:
    numbers = {"sigma": search._sigma, "generation": search._g}
    vectors = {name: getattr(search, attribute) for name, attribute in VECTORS.items()}
    return State(search.mean, {name: np.asarray(part, dtype=np.float64) for name, part in (numbers | vectors).items()})
