"""What hidden physics does to agents that know nothing of it, and whether both engines say the same.

    python -m benchmarks.hidden_physics [--domain hexapod3d] [--run RUN --niche N] [--json]

Plays an agent (the walker or the hexapod that lies beside this file, or the best of a run's niche) with each gene
changed by itself, and agents of every skill in bodies drawn at random on both engines. What counts there is how many
episodes have the same return to the last bit, the same length and the same outcome.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.walker_agreement import COURSES, controllers
from environments.domain import Batch, Domain, Environment
from environments.encodings.physics import Genes
from environments.hexapod3d import DOMAIN as HEXAPOD
from environments.hexapod3d.physics import genes_of
from environments.walker2d import DOMAIN as WALKER
from environments.walker2d.physics import GENES
from poet import Run

Thetas = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A body, what is changed of it, and where it is tried."""

    domain: Domain
    genes: Genes
    agent: str  # a file beside this one
    engines: tuple[str, str]
    rough: dict[str, Any]  # what the agents cross
    courses: tuple[dict[str, Any], ...]  # of the agreement
    controllers: Callable[[int], Thetas]  # of every skill
    changes: dict[str, dict[str, Any]]


def agent_of(name: str) -> Thetas:
    """Read an agent that lies beside this file."""
    return np.load(Path(__file__).parent / name).astype(np.float32)  # type: ignore[no-any-return]


def hexapods(n: int) -> Thetas:
    """Mix skills: a quarter untrained, the rest about a trained hexapod, from exact to spoilt."""
    rng, agent = np.random.default_rng(1), agent_of("hexapod.npy")
    thetas = [
        (i % 4 > 0) * agent
        + rng.choice([0.3] if i % 4 == 0 else [0.0, 0.02, 0.05, 0.1]) * rng.standard_normal(len(agent))
        for i in range(n)
    ]
    return np.stack(thetas).astype(np.float32)


SUBJECTS = {
    "walker2d": Subject(
        domain=WALKER,
        genes=GENES,
        agent="walker.npy",
        engines=("native", "reference"),
        rough={"roughness": 0.5},
        courses=tuple(COURSES.values()),
        controllers=controllers,
        changes={
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
        },
    ),
    "hexapod3d": Subject(
        domain=HEXAPOD,
        genes=genes_of(6),
        agent="hexapod.npy",
        engines=("native", "pybullet"),
        rough={"bumps": 0.03, "hills": 0.2},
        courses=({}, {"bumps": 0.1, "mounds": 0.3}, {"step_height": [0.02, 0.1]}, {"boulder_height": [0.0, 0.2]}),
        controllers=hexapods,
        changes={
            "ordinary": {},
            "all motors 0.7": {"motors": 0.7},
            "all motors 0.5": {"motors": 0.5},
            "coxae 0.5": {"motors": [0.5, 1, 1]},
            "femurs 0.5": {"motors": [1, 0.5, 1]},
            "tibiae 0.5": {"motors": [1, 1, 0.5]},
            "delay 1": {"delay": 1},
            "delay 2": {"delay": 2},
            "friction 0.3": {"friction": 0.3},
            "friction 1.5": {"friction": 1.5},
            "load 1.5": {"load": 1.5},
            "load 2": {"load": 2.0},
            "load 2.5": {"load": 2.5},
            **{f"leg {leg} lost": {"lost": leg} for leg in range(1, 7)},
        },
    ),
}


def drawn(genes: Genes, rng: np.random.Generator) -> dict[str, Any]:
    """Draw a body from all that evolution may come to, each gene ordinary four times in ten."""
    physics = {}
    for name, gene in genes.items():
        if rng.random() < 0.6:
            numbers = rng.uniform(gene.low, gene.high, gene.parts)
            physics[name] = gene.written(tuple(rng.integers(gene.low, gene.high + 1, 1) if gene.whole else numbers))
    return physics


def task(domain: Domain, genome: dict[str, Any], physics: dict[str, Any], seed: int) -> Environment:
    """Give a course for a body."""
    section = {"physics": physics} if physics else {}
    return Environment(domain=domain.name, encoding="parametric", genome={**genome, **section}, seed=seed)


def effects(subject: Subject, theta: Thetas, episodes: int) -> list[dict[str, Any]]:
    """Play an agent with each change, on flat and on gently rolling ground."""
    rows = []
    for name, physics in subject.changes.items():
        row: dict[str, Any] = {"change": name}
        for ground, genome in (("flat", {}), ("rough", subject.rough)):
            tasks = tuple(task(subject.domain, genome, physics, seed) for seed in range(10))
            places, seeds = np.arange(episodes) % 10, np.arange(episodes, dtype=np.uint64)
            found = subject.domain.run(Batch(np.tile(theta, (episodes, 1)), tasks, places, seeds), engine="native")
            row[ground] = round(float(found.returns.mean()), 1)
            row[f"{ground} falls"] = round(float((found.outcomes == 1).mean()), 2)
        rows.append(row)
    return rows


def agreement(subject: Subject, episodes: int, seed: int) -> dict[str, Any]:
    """Play agents of every skill in bodies of their own, on every kind of course and both engines."""
    rng = np.random.default_rng(seed)
    courses, genes = subject.courses, subject.genes
    tasks = tuple(task(subject.domain, courses[i % len(courses)], drawn(genes, rng), i) for i in range(episodes))
    batch = Batch(subject.controllers(episodes), tasks, np.arange(episodes), np.arange(episodes, dtype=np.uint64))
    ours, theirs = (subject.domain.run(batch, engine=engine) for engine in subject.engines)
    same = (ours.returns == theirs.returns) & (ours.lengths == theirs.lengths) & (ours.outcomes == theirs.outcomes)
    return {"episodes": episodes, "bodies": episodes, "equal": int(same.sum()), "steps": int(theirs.lengths.sum())}


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--domain", choices=list(SUBJECTS), default="walker2d")
    parser.add_argument("--run", type=Path, help="take the agent of a niche of this run")
    parser.add_argument("--niche", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=50, help="of each change")
    parser.add_argument("--bodies", type=int, default=200, help="that both engines play")
    parser.add_argument("--seed", type=int, default=0, help="of the bodies")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    subject = SUBJECTS[chosen.domain]
    theta = agent_of(subject.agent)
    if chosen.run is not None:
        theta = Run(chosen.run).niches[chosen.niche].agent.theta
    found: dict[str, Any] = {
        "effects": effects(subject, theta, chosen.episodes),
        "agreement": agreement(subject, chosen.bodies, chosen.seed),
    }
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
