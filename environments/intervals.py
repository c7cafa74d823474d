"""How surely a mean is known: the bootstrap that every evaluation reports."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
CONFIDENCE = 0.95


def interval(samples: NDArray[np.float64]) -> tuple[float, float] | None:
    """Bootstrap the mean of samples (n,): the 95 % percentile interval.

    None with fewer than two samples: nothing is known of their spread, and an interval of no width would deny it.
    """
    if len(samples) < 2:
        return None
    means = samples[_draws(len(samples))].mean(axis=0)
    low, high = np.percentile(means, (50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)))
    return float(low), float(high)


@lru_cache(maxsize=2)
def _draws(count: int) -> NDArray[np.int64]:
    """Draw resamples, the same for all samples of a size: (count, RESAMPLES). SciPy would take seconds to load."""
    drawn = np.random.default_rng(0).integers(0, count, (RESAMPLES, count))
    return np.ascontiguousarray(drawn.T)  # summed along the first axis, which is fast
