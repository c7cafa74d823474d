"""Episodes to be played: rows of an agent, an environment and a seed, environments mixed as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.environment import Environment
from environments.rollouts import Rollouts

__all__ = ["Batch", "Capabilities", "by_environment", "in_groups"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine is good at. Whoever cuts work into batches reads it; no result depends on it."""

    lanes: int = 1  # episodes that it plays side by side, for about the price of one
    mixed_environments: bool = False  # they may be of different environments, at no extra price
    device: str = "cpu"  # or "cuda"
    room: int = 0  # episodes that this process had best give it at once, where that is far more than `lanes`
    worlds: bool = False  # those of the domain's `make_worlds` play as it does, though it is not the default
    bit_exact: bool = True  # a row gives the same bits on every machine, whatever it is batched with


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """n episodes of one domain, a row each.

    Raises:
        ValueError: the rows do not fit each other, or one is of an environment that is not there.
    """

    thetas: NDArray[np.float32]  # (n, P), the agents
    environments: tuple[Environment, ...]  # that occur, best each once
    places: NDArray[np.intp]  # (n,), the environment of each row among these
    seeds: NDArray[np.uint64]  # (n,), of the episodes

    def __post_init__(self) -> None:
        for name, kind in (("thetas", np.float32), ("places", np.intp), ("seeds", np.uint64)):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=kind))
        if self.thetas.ndim != 2:
            raise ValueError(f"thetas has shape {self.thetas.shape}; it must be (n, P)")
        for name in ("places", "seeds"):
            shape = getattr(self, name).shape
            if shape != (len(self),):
                raise ValueError(f"{name} has shape {shape}; it must be ({len(self)},), one for each controller")
        if len(self) and not 0 <= self.places.min() <= self.places.max() < len(self.environments):
            low, high = self.places.min(), self.places.max()
            raise ValueError(f"places go from {low} to {high}; there are {len(self.environments)} environments")

    @staticmethod
    def of(thetas: NDArray[np.float32], environment: Environment, seeds: NDArray[np.uint64]) -> Batch:
        """Lay out episodes of a single environment: thetas (n, P), seeds (n,)."""
        return Batch(thetas, (environment,), np.zeros(len(thetas), dtype=np.intp), seeds)

    @staticmethod
    def join(parts: Sequence[Batch]) -> Batch:
        """Lay the rows of several batches one after another, each environment once."""
        place = {
            each: at for at, each in enumerate(dict.fromkeys(each for part in parts for each in part.environments))
        }
        places = [np.array([place[each] for each in part.environments], np.intp)[part.places] for part in parts]
        return Batch(
            np.concatenate([part.thetas for part in parts]),
            tuple(place),
            np.concatenate(places),
            np.concatenate([part.seeds for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.thetas)

    def check(self, controller: Controller) -> None:
        """Raise ValueError unless the rows are agents of this controller."""
        controller.check(self.thetas, self.seeds)

    def rows(self, chosen: NDArray[np.intp]) -> Batch:
        """Take some rows, in the order given."""
        return replace(self, thetas=self.thetas[chosen], places=self.places[chosen], seeds=self.seeds[chosen])


def in_groups(batch: Batch, groups: Iterable[NDArray[np.intp]], play: Callable[[Batch], Rollouts]) -> Rollouts:
    """Play groups of a batch's rows one after another, and give all rows in the batch's order.

    Args:
        batch: of which every row is in one group.
        groups: the rows of each, by number.
        play: plays a group.
    """
    order, parts = [], []
    for rows in groups:
        if len(rows):
            order.append(rows)
            parts.append(play(batch.rows(rows)))
    if not parts:
        return Rollouts(np.zeros(0), np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int8))
    return Rollouts.join(parts).rows(np.argsort(np.concatenate(order)))


def by_environment(batch: Batch, play: Callable[[Batch], Rollouts]) -> Rollouts:
    """Play a batch one environment after another: what an engine does that cannot mix them."""
    if len(batch.environments) == 1:
        return play(batch)

    def alone(part: Batch) -> Rollouts:
        (place,) = part.places[:1].tolist()
        return play(replace(part, environments=(part.environments[place],), places=0 * part.places))

    groups = (np.flatnonzero(batch.places == place) for place in range(len(batch.environments)))
    return in_groups(batch, groups, alone)
