"""The episodes that ended in a rollout: whose task each was of, and what it came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from torch import Tensor

from meta_learners.acting import Rollout

T = TypeVar("T")


def ended_episodes(
    rollout: Rollout, first: Sequence[T], listed: Sequence[T], gains: Tensor | None = None
) -> list[tuple[T, float, float | None]]:
    """List task, return and mean positive gain of every episode that ended, world after world.

    Args:
        rollout: of M tasks, T steps, N worlds.
        first: the task of each world's first episode (M N,), which may have been under way before, and of its trial.
        listed: of its later ones (M N,).
        gains: (M, T, N) advantages of the steps; without them no gain is told. Of an episode that was under way only
            its steps here count, while its return is whole.
    """
    scores, ends, valid = (
        each.transpose(1, 2).flatten(0, 1).cpu().numpy() for each in (rollout.scores, rollout.ends, rollout.valid)
    )
    carried = rollout.carried.flatten().cpu().numpy()
    begun = rollout.begun
    left = [1] * len(first) if begun is None else (begun.episodes - begun.lived.flatten()).tolist()
    worth = None if gains is None else gains.clamp(min=0).transpose(1, 2).flatten(0, 1).cpu().numpy()
    found: list[tuple[T, float, float | None]] = []
    for world, row in enumerate(ends):
        begin = 0
        for number, end in enumerate(np.flatnonzero(row).tolist()):
            steps = slice(begin, end + 1)
            score = float(scores[world, steps].sum()) + (float(carried[world]) if number == 0 else 0.0)
            gain = None if worth is None else float(worth[world, steps][valid[world, steps]].mean())
            found.append(((first if number < left[world] else listed)[world], score, gain))
            begin = end + 1
    return found
