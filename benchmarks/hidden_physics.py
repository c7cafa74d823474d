"""What hidden physics of the walker does to agents that know nothing of it, and whether both engines say the same.

    python -m benchmarks.hidden_physics [--run RUN --niche N] [--json]

Plays an agent (the walker that lies beside this file, or the best of a run's niche) with each gene changed by itself,
and agents of every skill in bodies drawn at random on both engines. What counts there is how many episodes have the
same return to the last bit, the same length and the same outcome.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.walker_agreement import COURSES, controllers
from environments.domain import Batch, Environment
from environments.walker2d import DOMAIN
from environments.walker2d.physics import GENES
from poet import Run

ROUGH = {"roughness": 0.5}  # what both agents cross
CHANGES: dict[str, dict[str, Any]] = {
    "ordinary": {},
    "all motors 0.7": {"motors": 0.7},
    "all motors 0.5": {"motors": 0.5},
    "one hip 0.5": {"motors": [0.5, 1, 1, 1]},
    "one knee 0.3": {"motors": [1, 0.3, 1, 1]},
    "delay 1": {"delay": 1},
    "delay 2": {"delay": 2},
    "lidar off": {"lidar": 0},
    "gravity 7": {"gravity": 7.0},
    "gravity 13": {"gravity": 13.0},
    "friction 0.5": {"friction": 0.5},
    "friction 4": {"friction": 4.0},
    "load 0.5": {"load": 0.5},
    "load 2": {"load": 2.0},
    "legs 0.75": {"legs": 0.75},
    "legs 1.25": {"legs": 1.25},
}


def drawn(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a body from all that evolution may come to, each gene ordinary four times in ten."""
    physics = {}
    for name, gene in GENES.items():
        if rng.random() < 0.6:
            numbers = rng.uniform(gene.low, gene.high, gene.parts)
            physics[name] = gene.written(tuple(rng.integers(gene.low, gene.high + 1, 1) if gene.whole else numbers))
    return physics


def task(genome: dict[str, Any], physics: dict[str, Any], seed: int) -> Environment:
    """Give a course for a body."""
    section = {"physics": physics} if physics else {}
    return Environment(domain="walker2d", encoding="parametric", genome={**genome, **section}, seed=seed)


def effects(theta: NDArray[np.float32], episodes: int) -> list[dict[str, Any]]:
    """Play an agent with each change, on flat and on gently rolling ground."""
    rows = []
    for name, physics in CHANGES.items():
        row: dict[str, Any] = {"change": name}
        for ground, genome in (("flat", {}), ("rough", ROUGH)):
            tasks = tuple(task(genome, physics, seed) for seed in range(10))
            places, seeds = np.arange(episodes) % 10, np.arange(episodes, dtype=np.uint64)
            found = DOMAIN.run(Batch(np.tile(theta, (episodes, 1)), tasks, places, seeds), engine="native")
            row[ground] = round(float(found.returns.mean()), 1)
            row[f"{ground} falls"] = round(float((found.outcomes == 1).mean()), 2)
        rows.append(row)
    return rows


def agreement(episodes: int, seed: int) -> dict[str, Any]:
    """Play agents of every skill in bodies of their own, on every kind of course and both engines."""
    rng = np.random.default_rng(seed)
    grounds = list(COURSES.values())
    tasks = tuple(task(grounds[i % len(grounds)], drawn(rng), i) for i in range(episodes))
    batch = Batch(controllers(episodes), tasks, np.arange(episodes), np.arange(episodes, dtype=np.uint64))
    ours, theirs = (DOMAIN.run(batch, engine=engine) for engine in ("native", "reference"))
    same = (ours.returns == theirs.returns) & (ours.lengths == theirs.lengths) & (ours.outcomes == theirs.outcomes)
    return {"episodes": episodes, "bodies": episodes, "equal": int(same.sum()), "steps": int(theirs.lengths.sum())}


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, help="take the agent of a niche of this run")
    parser.add_argument("--niche", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=50, help="of each change")
    parser.add_argument("--bodies", type=int, default=200, help="that both engines play")
    parser.add_argument("--seed", type=int, default=0, help="of the bodies")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    theta = np.load(Path(__file__).parent / "walker.npy").astype(np.float32)
    if chosen.run is not None:
        theta = Run(chosen.run).niches[chosen.niche].agent.theta
    found = {"effects": effects(theta, chosen.episodes), "agreement": agreement(chosen.bodies, chosen.seed)}
    if chosen.json:
        print(json.dumps(found, indent=1))
        return
    for row in found["effects"]:
        print(
            f"{row['change']:15} flat {row['flat']:7.1f} ({row['flat falls']:.0%} fall)   rough {row['rough']:7.1f} "
            f"({row['rough falls']:.0%} fall)"
        )
    said = found["agreement"]
    print(f"{said['equal']} of {said['episodes']} episodes, each in another body, are equal ({said['steps']:,} steps)")


if __name__ == "__main__":
    main()
