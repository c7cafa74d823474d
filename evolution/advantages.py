"""Generalised advantage estimation (Schulman et al. 2016, arXiv:1506.02438), for NumPy's arrays and torch's tensors.

Time is the first axis; whatever axes follow are worlds, tasks or both.
"""

from __future__ import annotations

from typing import Any


def advantages(rewards: Any, values: Any, following: Any, ends: Any, *, discount: float, trace: float) -> Any:
    """Estimate how much better each step did than its value said.

    Args:
        rewards: (T, ...) of each step.
        values: (T, ...) of the observation that each step began with.
        following: (T, ...) value of the observation that each step ended with: 0 where the episode terminated, that of
            the last observation where a time limit cut it, or the end of the rollout.
        ends: (T, ...) bool, whether nothing after the step belongs to its episode.
        discount: gamma, within [0, 1].
        trace: lambda, within [0, 1].

    Returns:
        (T, ...) of the values' kind: the sum over k of (gamma lambda)^k delta[t + k] up to the episode's end.
    """
    found = rewards + discount * following - values  # the deltas, to begin with
    for step in reversed(range(len(found) - 1)):
        found[step] += discount * trace * (found[step + 1] * ~ends[step])
    return found
