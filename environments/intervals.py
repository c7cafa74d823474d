"""How surely a mean is known: the bootstrap that every evaluation reports."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

RESAMPLES = 2000
CONFIDENCE = 0.95
MOST_AT_ONCE = 2**24  # numbers drawn: 128 MB


def interval(samples: NDArray[np.float64]) -> tuple[float, float]:
    """Bootstrap the mean of samples (n,): the 95 % percentile interval.

    With fewer than two samples the bounds are the mean itself: nothing is known of its spread.
    """
    if len(samples) < 2:
        return float(samples.mean()), float(samples.mean())
    found = stats.bootstrap(
        (samples,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        batch=max(MOST_AT_ONCE // len(samples), 1),  # changes no bit: the draws go on from one batch to the next
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)
