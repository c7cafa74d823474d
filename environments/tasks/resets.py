"""What a vector environment's `reset` asks for, read whole before anything changes.

Gymnasium's rules (an integer seed counts up from world to world; `reset_mask`
chooses worlds), and one of ours: `options["task"]` names a task for all worlds
or one for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from environments.plain import whole_seed
from environments.tasks.env import TaskSource

NO_LIMIT = 2**31 - 1  # control steps
MOST_THREADS = 1024  # of one vector's worlds
Seeds: TypeAlias = int | np.integer[Any] | Sequence[int | None] | NDArray[np.integer[Any]] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """Which worlds begin anew, from which seeds, in which tasks."""

    mask: NDArray[np.bool_]  # (n,) the worlds that begin anew
    seeds: list[int | None]  # (n,) None continues a world's stream
    tasks: dict[int, Environment]  # by world of the mask, where one was named

    @staticmethod
    def read(worlds: int, seed: Seeds, options: Mapping[str, Any] | None, source: TaskSource) -> Reset:
        """Read what `reset(seed=..., options=...)` was given, for so many worlds.

        Raises:
            ValueError: a seed, the mask, a task or an option is not valid.
        """
        given = dict(options or {})
        mask = _mask(worlds, given.pop("reset_mask", None))
        named = given.pop("task", None)
        if given:
            raise ValueError(f"options has {next(iter(given))!r}; a vector environment takes task and reset_mask")
        tasks = {} if named is None else source.find_each(named, worlds)
        chosen = {world: task for world, task in tasks.items() if mask[world]}
        return Reset(mask=mask, seeds=_seeds(worlds, seed), tasks=chosen)


def episode_seed(seed: int | None, generator: np.random.Generator) -> int:
    """Give the seed of one world's next episode: the one asked for, or else the generator's next.

    Raises:
        ValueError: the seed is out of range.
    """
    return int(generator.integers(2**64, dtype=np.uint64)) if seed is None else whole_seed(seed)


def checked_action(action: object, size: int) -> NDArray[np.float64]:
    """Give an action as numbers: (size,).

    Raises:
        ValueError: it has another shape.
    """
    numbers = np.asarray(action, dtype=np.float64)
    if numbers.shape != (size,):
        raise ValueError(f"the action has shape {numbers.shape}; it must be ({size},)")
    return numbers


def checked_limit(steps: object, name: str = "episode_limit") -> int:
    """Give the control steps of an episode as a plain number.

    Raises:
        ValueError: it is no whole number, or below 1.
    """
    if not isinstance(steps, int | np.integer) or isinstance(steps, bool) or steps < 1:
        raise ValueError(f"{name} is {steps!r}; it must be at least 1, a whole number")
    return int(steps)


def checked_threads(threads: object) -> int:
    """Give how many threads step worlds as a plain number.

    Raises:
        ValueError: it is no whole number, or out of range.
    """
    checked = checked_limit(threads, "threads")
    if checked > MOST_THREADS:
        raise ValueError(f"threads is {checked}; it must be at most {MOST_THREADS}")
    return checked


def checked_actions(actions: object, space: gymnasium.Space[Any]) -> NDArray[np.float32]:
    """Give the actions of a vector of worlds as numbers: (n, k).

    Raises:
        ValueError: they have another shape.
    """
    numbers = np.ascontiguousarray(actions, dtype=np.float32)
    if numbers.shape != space.shape:
        raise ValueError(f"actions has shape {numbers.shape}; it must be {space.shape}")
    return numbers


def over(worlds: NDArray[np.bool_]) -> gymnasium.error.ResetNeeded:
    """Make the complaint about worlds (n,) that are stepped with no episode under way."""
    return gymnasium.error.ResetNeeded(f"call reset first: world {worlds.argmax()} has no episode under way")


def _mask(worlds: int, mask: object) -> NDArray[np.bool_]:
    if mask is None:
        return np.ones(worlds, dtype=np.bool_)
    if not isinstance(mask, np.ndarray):
        raise ValueError(f"reset_mask is a {type(mask).__name__}; it must be a NumPy array, bool of ({worlds},)")
    if mask.shape != (worlds,) or mask.dtype != np.bool_:
        raise ValueError(f"reset_mask is {mask.dtype} of shape {mask.shape}; it must be bool of ({worlds},)")
    if not mask.any():
        raise ValueError("reset_mask chooses no world; at least one entry must be true")
    return mask.copy()


def _seeds(worlds: int, seed: Seeds) -> list[int | None]:
    if seed is None:
        return [None] * worlds
    if not isinstance(seed, Sequence | np.ndarray) or isinstance(seed, str):
        first = whole_seed(seed)
        return [whole_seed(first + world) for world in range(worlds)]
    if len(seed) != worlds:
        raise ValueError(f"seed has {len(seed)} entries; it must have one for each of {worlds} worlds")
    return [None if each is None else whole_seed(each) for each in seed]
