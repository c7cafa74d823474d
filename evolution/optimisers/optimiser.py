"""How an agent learns in its environment: the protocol that every optimiser meets.

The optimisation step of POET (arXiv:1901.01753, section 3.1) is a part. Transfer, scoring and the archive know an
agent by its theta; whatever else its optimiser remembers is arrays with names, and what it has to tell of a step is
numbers with names. The archive keeps both as they are, views show them under their names.

An optimiser is a value made from its options. It keeps nothing between two calls: what a step returns depends on its
arguments alone, and all that is random in it comes from the key it is given. So the bits are equal for any number of
workers, after any resume and any failure. An optimiser is found by its name in the entry-point group
`poet.optimisers` (`evolution.optimisers.registry`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment, Rollouts
from evolution.noise import Key
from evolution.requests import Request, Simulation

__all__ = ["FULL", "KEEP", "Ask", "Figures", "Optimiser", "State", "Vector"]

FULL, KEEP = "full", "keep"  # what an optimiser does when its agent moves, or a fraction

Vector: TypeAlias = NDArray[np.float64]
Figures: TypeAlias = Mapping[str, float]
"""Finite numbers that a step has to tell, by name; the same names in every step."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """An agent and what its optimiser knows.

    The names and shapes of the parts are those of a fresh state, for as long as a run goes on: by that the archive
    tells a damaged state. They are float64, as is theta; a count is exact to 2**53.

    Raises:
        ValueError: something is no float64 array, and so would not come back from the archive as it is.
    """

    theta: Vector  # (P,)
    parts: Mapping[str, Vector]  # of any shape; numbers are 0-d

    def __post_init__(self) -> None:
        for name, value in {"theta": self.theta, **self.parts}.items():
            if not isinstance(value, np.ndarray) or value.dtype != np.float64:
                kind = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
                raise ValueError(f"{name} of an optimiser's state is {kind}; it must be an array of float64")


class Ask(Protocol):
    """What a step may ask of the workers."""

    @property
    def key(self) -> Key:
        """Name the step: everything random in it comes from this key, in a stream of its own or in a request."""
        ...

    @property
    def simulation(self) -> Simulation:
        """How episodes are run: domain, the run's seed, episode limit, engine, push, controller."""
        ...

    def rng(self, *more: int) -> np.random.Generator:
        """Make the generator of the step's key, with more numbers appended for a second one and so on."""
        ...

    async def rollouts(self, request: Request) -> Rollouts:
        """Run a request's episodes, wherever there are workers, and count them."""
        ...

    async def compute(self, item: Any) -> Any:
        """Run one other work item, `item()` with `str(item)` to name it, and give what it returns.

        Item and result are pickled. Where the result has an attribute `rollouts`, these episodes are counted. Where
        the item has a number `episodes`, that many are its work, and it waits for its turn as other episodes do; one
        without is little work and runs soon.

        Raises:
            EvaluationError: an item that has `episodes` raised or ended its worker (`evolution.evaluator`). They are
                counted as diverged; a step that catches the error may go on from there.
        """
        ...

    async def compute_all(self, items: Sequence[Any]) -> list[Any]:
        """Run work items side by side, and give what they return in their order."""
        ...


class Optimiser(Protocol):
    """Learns in a pair's environment, one step an iteration."""

    @property
    def name(self) -> str:
        """The name that it is registered by."""
        ...

    @property
    def episodes(self) -> int:
        """How many episodes a step runs, or a visitor's fine-tuning, as far as that is known beforehand.

        For bars of progress, estimates of time, and what `poet inspect summary` says that the original rule of
        transfer would have cost, which is a lower bound where a step may run more. No run depends on it.
        """
        ...

    def fresh(self, theta: Vector, rng: np.random.Generator) -> State:
        """Begin to learn from theta, (P,); what is random in that comes from the generator, which is its own."""
        ...

    async def step(self, state: State, environment: Environment, ask: Ask) -> tuple[State, Figures]:
        """Learn for one iteration in the environment."""
        ...

    async def propose(self, theta: Vector, state: State, environment: Environment, ask: Ask) -> Vector:
        """Give a visiting theta, (P,), fine-tuned by one step in the environment, (P,).

        The state is that of the environment's own agent, and stays as it is.
        """
        ...

    def moved(self, state: State, theta: Vector, restart: str | float, rng: np.random.Generator) -> State:
        """Give what an agent goes on with in another environment.

        Args:
            state: of the agent where it comes from.
            theta: (P,) the agent, which a step in the new environment may have tuned.
            restart: "full" starts afresh, as published; "keep" goes on with everything as it was; a number in [0, 1]
                starts afresh at that fraction of the sizes of steps that the options say.
            rng: for what is random in a fresh start.

        Raises:
            ValueError: no step can go on from the state, as from one that a damaged archive held.
        """
        ...
