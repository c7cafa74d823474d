"""What a step asks of the workers, on its way through the evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from environments.domain import Rollouts
from evolution.evaluator import Evaluator, Tally
from evolution.noise import Key, Stream, keyed_rng
from evolution.requests import Request, Simulation


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Asking:
    """One step's `Ask`: its key, and how its work is counted and ordered."""

    key: Key
    simulation: Simulation
    evaluator: Evaluator
    purpose: str  # that episodes are counted under
    urgency: int = 1  # of its episodes; the lowest runs first
    tally: Tally | None = None  # to count in, rather than in the evaluator's

    def rng(self, *more: int) -> np.random.Generator:
        """Make the generator of the step's key; see `Ask.rng`."""
        return keyed_rng(self.simulation.seed, Stream.OPTIMISER, *self.key, *more)

    async def rollouts(self, request: Request) -> Rollouts:
        """Run a request's episodes; see `Ask.rollouts`."""
        return await self.evaluator.rollouts(self.purpose, request, self.urgency, self.tally)

    async def compute(self, item: Any) -> Any:
        """Run one other work item; see `Ask.compute`."""
        (found,) = await self.compute_all([item])
        return found

    async def compute_all(self, items: Sequence[Any]) -> list[Any]:
        """Run work items side by side; see `Ask.compute_all`."""
        return await self.evaluator.compute(self.purpose, items, self.urgency, self.tally)
