"""How much sharing ranks between equals changes which environment PATA-EC picks: `python -m benchmarks.pata_ec_ties`.

Scores beyond the minimal criterion's bounds are clipped and so become equal.
Here equals share a rank; the published code sorts, and so ranks them by their
place in the list. Both measures rate the same candidates against the same
archive, of drawn scores of which a given share is clipped; `same` is the share
of draws in which both pick one winner.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evolution.minimal_criterion import MinimalCriterion
from evolution.novelty import novelty, pata_ec

Floats = NDArray[np.float64]

CRITERION = MinimalCriterion(lower=0.0, upper=1.0)
AGENTS, ENVIRONMENTS, CANDIDATES, NEIGHBOURS = 20, 20, 8, 5
ALIKE = 0.5  # how far a score goes with the agent's ability and the environment's difficulty; the rest is chance
SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)


def by_place(scores: Floats, criterion: MinimalCriterion) -> Floats:
    """Place environments as `pata_ec` does, but rank equals in the agents' order, as sorting leaves them."""
    clipped = np.clip(scores, criterion.lower, criterion.upper).T
    ranks = clipped.argsort(axis=1, kind="stable").argsort(axis=1)
    return np.asarray(ranks / (clipped.shape[1] - 1) - 0.5)


def winner(measure: Callable[[Floats, MinimalCriterion], Floats], scores: Floats) -> int:
    """Pick the candidate, of the last columns, that lies farthest from the environments of the first ones."""
    places = measure(scores, CRITERION)
    archive = places[:ENVIRONMENTS]
    return int(np.argmax([novelty(place, archive, NEIGHBOURS) for place in places[ENVIRONMENTS:]]))


def draw(share: float, below: float, rng: np.random.Generator) -> Floats:
    """Draw scores (agents, environments) of which a share lies beyond the bounds, so much of it below."""
    shape = (AGENTS, ENVIRONMENTS + CANDIDATES)
    common = rng.standard_normal(shape[0])[:, None] + rng.standard_normal(shape[1])
    raw = ALIKE * common + (1 - ALIKE) * rng.standard_normal(shape)
    low, high = np.quantile(raw, [share * below, 1 - share * (1 - below)])
    return np.asarray((raw - low) / (high - low))


def same(share: float, below: float, draws: int, seed: int = 0) -> float:
    """Give the share of draws in which both measures pick the same candidate."""
    rng = np.random.default_rng(seed)
    scores = (draw(share, below, rng) for _ in range(draws))
    return float(np.mean([winner(pata_ec, each) == winner(by_place, each) for each in scores]))


def main() -> None:
    """Print a row for each share of clipped scores."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    rows = [
        {"clipped": share, "of it below": below, "same": same(share, below, options.draws)}
        for share in SHARES
        for below in (0.5, 1.0)
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{AGENTS} agents, {ENVIRONMENTS} environments, {CANDIDATES} candidates, {options.draws} draws")
    print("clipped   same winner: clipped on both sides   below alone")
    for share in SHARES:
        both, below = (row["same"] for row in rows if row["clipped"] == share)
        print(f"{share:7.0%}   {both:35.0%}   {below:11.0%}")


if __name__ == "__main__":
    main()
