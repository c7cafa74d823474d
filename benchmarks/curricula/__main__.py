"""Train learners on three curricula of equal budget and compare how fast they adapt to tasks held out.

    python -m benchmarks.curricula CURRICULUM [-o DIR] [--seeds 3] [--steps 800000] [--learners ppo,rl2] [--json]

Every run is written when it is done, so the same command goes on after an interruption. Writes `results.json`,
`table.md` and `figure.png`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from benchmarks.curricula.figure import SCRATCH, draw, summary, table
from benchmarks.curricula.runs import Run, test, train
from benchmarks.curricula.sources import STAGED, curricula
from environments.curriculum import Curriculum
from environments.domain import Environment, find_domain
from environments.files import write_aside
from environments.suites import suite
from meta_learners.evaluation import Protocol

PROTOCOL = Protocol(adaptations=(0, 1, 2, 5, 10), episodes=2, repeats=1)
POET_GROUND, SUITE_GROUND = "POET test tasks", "walker suite"
SPECIALIST_EPISODES = 8


def main() -> None:
    """Run what is missing, then write the table and the figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curricula", description=__doc__.splitlines()[0])
    parser.add_argument("curriculum", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent.parent / "results" / "curricula")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=800_000, help="budget of every training")
    parser.add_argument("--episode-limit", type=int, default=400)
    parser.add_argument("--courses", type=int, default=4, help="of each terrain of the suite")
    parser.add_argument("--learners", default="ppo,rl2")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    exported = Curriculum.load(options.curriculum)
    grounds = {POET_GROUND: [task.environment for task in exported.test_tasks], SUITE_GROUND: courses(options.courses)}
    (options.output / "runs").mkdir(parents=True, exist_ok=True)
    results = []
    for seed in range(options.seeds):
        sources = {**curricula(exported, seed), SCRATCH: []}
        for learner in options.learners.split(","):
            for name, tasks in sources.items():
                run = Run(
                    learner=learner,
                    curriculum=name,
                    exported=exported.document["sha256"],
                    seed=seed,
                    steps=options.steps if tasks else 0,
                    episode_limit=options.episode_limit,
                )
                results.append(_result(options.output / "runs" / f"{run.name}.json", run, tasks, grounds))
    rows = summary(results, PROTOCOL.adaptations)
    own = specialists(exported, options.episode_limit)
    document = {
        "exported": exported.document["sha256"],
        "budget_steps": options.steps,
        "episode_limit": options.episode_limit,
        "protocol": asdict(PROTOCOL),
        "tasks": {name: len(tasks) for name, tasks in {**curricula(exported, 0), **grounds}.items()},
        "specialists": own,
        "rows": rows,
    }
    write_aside(options.output / "results.json", json.dumps(document, indent=1).encode())
    text = table(rows, own, PROTOCOL.adaptations)
    write_aside(options.output / "table.md", f"{text}\n".encode())
    draw(rows, own, options.output / "figure.png")
    print(json.dumps(document, indent=2) if options.json else text)


def courses(each: int) -> list[Environment]:
    """Take the first courses of every terrain of the walker suite."""
    levels = suite("walker")
    terrains = dict.fromkeys(level.terrain for level in levels)
    return [
        environment
        for terrain in terrains
        for environment in [level.environment for level in levels if level.terrain == terrain][:each]
    ]


def specialists(exported: Curriculum, episode_limit: int) -> float:
    """Give the mean return of each test task's own agent in it."""
    domain, seeds = find_domain("walker2d"), np.arange(SPECIALIST_EPISODES, dtype=np.uint64)
    means = []
    for task in exported.test_tasks:
        thetas = np.repeat(exported.agent(task.id)[None], len(seeds), axis=0)
        means.append(domain.rollout(thetas, task.environment, seeds, episode_limit=episode_limit).returns.mean())
    return float(np.mean(means))


def _result(path: Path, run: Run, tasks: list[Environment], grounds: dict[str, list[Environment]]) -> dict[str, object]:
    if path.exists():
        kept: dict[str, object] = json.loads(path.read_text())
        if all(kept.get(name) == value for name, value in asdict(run).items()):
            return kept
    started = time.perf_counter()
    learner, learning = train(run, tasks, STAGED.get(run.curriculum, False))
    curves = test(learner, grounds, PROTOCOL, run)
    result = {**asdict(run), "curves": curves, "learning": learning[:: max(len(learning) // 20, 1)]}
    write_aside(path, json.dumps(result).encode())
    means = {name: np.mean(rows, axis=0).round(1).tolist() for name, rows in curves.items()}
    print(f"{run.name}: {time.perf_counter() - started:.0f} s, {means}", file=sys.stderr, flush=True)
    return result


if __name__ == "__main__":
    main()
