"""How surely a mean is known: the bootstrap that every evaluation reports; and a mean that one lucky run moves less."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
CONFIDENCE = 0.95
MOST_AT_ONCE = 2**24  # numbers drawn: 128 MB


def interval(samples: NDArray[np.float64]) -> tuple[float, float] | None:
    """Bootstrap the mean of samples (n,): the 95 % percentile interval.

    None with fewer than two samples: nothing is known of their spread, and an interval of no width would deny it.
    """
    if len(samples) < 2:
        return None
    low, high = percentiles(_means(samples))
    return float(low), float(high)


def percentiles(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the two ends of the 95 % percentile interval of statistics (..., resamples): (2, ...)."""
    return np.asarray(np.percentile(found, (50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)), axis=-1))


def interquartile_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average the middle half of values (..., n): a quarter goes at either end, in parts of a value where it must.

    Where a quarter of n is whole, it is SciPy's `trim_mean` by 0.25; of two values it is their mean. See Agarwal et al.
    2021 (arXiv:2108.13264).
    """
    ordered, count = np.sort(values, axis=-1), values.shape[-1]
    edges = np.arange(count + 1) / count
    weights = (np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25)).clip(min=0)
    return np.asarray((ordered * weights).sum(-1) / weights.sum())


def _means(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average resamples, the same ones for all samples of a size: (RESAMPLES,). SciPy would take seconds to load."""
    count = len(samples)
    at_once = max(MOST_AT_ONCE // count, 1)
    if at_once >= RESAMPLES:
        return np.asarray(samples[_draws(count)].mean(axis=0))
    rng = np.random.default_rng(0)
    sizes = [min(at_once, RESAMPLES - start) for start in range(0, RESAMPLES, at_once)]
    return np.concatenate([samples[rng.integers(0, count, (size, count))].mean(axis=1) for size in sizes])


@lru_cache(maxsize=2)
def _draws(count: int) -> NDArray[np.int64]:
    drawn = np.random.default_rng(0).integers(0, count, (RESAMPLES, count))
    return np.ascontiguousarray(drawn.T)  # summed along the first axis, which is fast
