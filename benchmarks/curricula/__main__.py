"""Train learners on four curricula of equal budget and compare how fast they adapt to tasks held out.

    python -m benchmarks.curricula CURRICULUM [--another CURRICULUM] [-o DIR] [--seeds 3] [--steps 600000] [--json]

Every run is written when it is done, so the same command goes on after an interruption, and several such commands can
share the work by `--learners`. Writes `results.json`, `table.md` and `figure.png`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from benchmarks.curricula.figure import SCRATCH, draw, summary, table
from benchmarks.curricula.runs import Run, fingerprint, test, train
from benchmarks.curricula.sources import STAGED, curricula
from environments.domain import Batch, Environment, find_domain
from environments.files import write_aside
from environments.suites import suites_of
from environments.tasks.curriculum import Curriculum, Task
from meta_learners.training.evaluation import Protocol
from poet.sweep.cells import strangers

PROTOCOL = Protocol(adaptations=(0, 1, 2, 5, 10), worlds=1, episodes=2, repeats=1)
POET_GROUND, OTHER_GROUND, SUITE_GROUND = "POET test tasks", "another POET run", "walker suite"
SPECIALIST_EPISODES = 8


def main() -> None:
    """Run what is missing, then write the table and the figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curricula", description=__doc__.splitlines()[0])
    parser.add_argument("curriculum", type=Path)
    parser.add_argument("--another", type=Path, help="curriculum of another run of POET, all of it to test on")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent.parent / "results" / "curricula")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600_000, help="budget of every training")
    parser.add_argument("--episode-limit", type=int, default=400)
    parser.add_argument("--courses", type=int, default=2, help="of each terrain of the suite")
    parser.add_argument("--learners", default="ppo,promp,rl2")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    exported = Curriculum.load(options.curriculum)
    played = {POET_GROUND: (exported, exported.test_tasks)}
    if options.another:
        another = Curriculum.load(options.another)
        played[OTHER_GROUND] = another, strangers(another, exported)
    grounds = {name: [task.environment for task in tasks] for name, (_, tasks) in played.items()}
    grounds[SUITE_GROUND] = courses(options.courses)
    (options.output / "runs").mkdir(parents=True, exist_ok=True)
    results = []
    for seed in range(options.seeds):
        sources = {**curricula(exported, seed), SCRATCH: []}
        for learner in options.learners.split(","):
            for name, tasks in sources.items():
                run = Run(
                    learner=learner,
                    curriculum=name,
                    seed=seed,
                    steps=options.steps if tasks else 0,
                    episode_limit=options.episode_limit,
                    made_of=fingerprint(learner, tasks, grounds, PROTOCOL, options.episode_limit),
                )
                results.append(_result(options.output / "runs" / f"{run.name}.json", run, tasks, grounds))
    rows = summary(results, PROTOCOL.adaptations)
    own = {name: specialists(*where, options.episode_limit) for name, where in played.items()}
    document = {
        "exported": exported.document["sha256"],
        "another": another.document["sha256"] if options.another else None,
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
    levels = suites_of("walker2d")["walker"]().levels
    terrains = dict.fromkeys(level.terrain for level in levels)
    return [
        environment
        for terrain in terrains
        for environment in [level.environment for level in levels if level.terrain == terrain][:each]
    ]


def specialists(exported: Curriculum, tasks: Sequence[Task], episode_limit: int) -> float:
    """Give the mean return of each task's own agent in it."""
    domain, seeds = find_domain("walker2d"), np.arange(SPECIALIST_EPISODES, dtype=np.uint64)
    means = []
    for task in tasks:
        thetas = np.repeat(exported.agent(task.id)[None], len(seeds), axis=0)
        means.append(domain.run(Batch.of(thetas, task.environment, seeds), episode_limit=episode_limit).returns.mean())
    return float(np.mean(means))


def _result(path: Path, run: Run, tasks: list[Environment], grounds: dict[str, list[Environment]]) -> dict[str, object]:
    if path.exists():
        kept: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
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
