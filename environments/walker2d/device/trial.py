"""Try the GPU: a few short episodes on it, compared with the native engine's."""

from __future__ import annotations

import time

import numpy as np

from environments.batch import Batch
from environments.environment import Environment
from environments.walker2d import native
from environments.walker2d.device import driver, episodes

EPISODES, STEPS = 64, 40


def tried() -> str:
    """Play on this process's GPU and say what came of it in a few words.

    Raises:
        RuntimeError: it cannot be used, or its results are not the native engine's; the message says why.
    """
    if reason := native.problem() or driver.problem():
        raise RuntimeError(reason)
    task = Environment(domain="walker2d", encoding="parametric", genome={"stump_height": [0.0, 1.0]}, seed=0)
    thetas = 0.3 * np.random.default_rng(0).standard_normal((EPISODES, episodes.PARAMETERS), dtype=np.float32)
    batch = Batch.of(thetas, task, np.arange(EPISODES, dtype=np.uint64))
    card = driver.card(driver.mine() or 0)
    episodes.play(card, batch, 1)  # the first time compiles
    started = time.perf_counter()
    found = episodes.play(card, batch, STEPS)
    seconds = time.perf_counter() - started
    expected = native.run_native(batch, STEPS)
    pairs = (found.returns, expected.returns), (found.lengths, expected.lengths), (found.outcomes, expected.outcomes)
    if not all(np.array_equal(one, other) for one, other in pairs):
        raise RuntimeError(f"{driver.describe()} does not give the native engine's results; use the engine native")
    return f"{driver.describe()}: {EPISODES} episodes as the C++ core plays them, in {seconds:.2f} s"
