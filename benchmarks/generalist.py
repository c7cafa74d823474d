"""One agent for many grounds: evolution strategies on all of a curriculum's at once, or on random ones.

    python -m benchmarks.generalist [--grounds curriculum|random] [--steps 90000000] [--seed 0] [--folder FOLDER]

Both begin with the one of the reference curriculum's agents that returns most over all of its grounds, and take the
same steps. In an iteration the agent meets every ground of the curriculum, or as many that are drawn anew (every gene
from nothing to what POET's paper calls extremely challenging); returns are ranked within a ground, so that hard ones
count as much as easy ones, and the slopes are averaged. The same command goes on where one was stopped. The agent of
the last iteration, never the best, is written beside the results of `benchmarks.agents_on_suites`, which tests it:

    python -m benchmarks.agents_on_suites --agent generalist-curriculum-0=FILE=STEPS
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.agents_on_suites import GENERALISTS as TABLE
from benchmarks.agents_on_suites import RESULTS
from benchmarks.random_courses import HARD, random_tasks
from environments.domain import Batch, Environment
from environments.files import write_aside
from environments.tasks.curriculum import Curriculum
from environments.walker2d import DOMAIN
from environments.weights import agent_bytes
from evolution.noise import Stream, keyed_rng
from evolution.optimisers.es import ESSettings, Learner, es_gradient, es_update
from evolution.requests import PerturbationRequest, Simulation

CURRICULUM = Path(__file__).parent / "results" / "long_runs" / "original-12" / "curriculum"
PAIRS = 16  # of each ground in an iteration
SETTINGS = ESSettings(
    pairs=PAIRS, sigma=0.03, sigma_decay=1.0, sigma_floor=0.02, step_size=0.004, step_size_decay=0.995,
    step_size_floor=0.001, weight_decay=0.005,
)  # fmt: skip
METRICS = "metrics.jsonl"
EPISODES = 4  # of each agent on each ground, to choose who begins
UNTAUGHT, TESTED = 10**6, 20  # the seed and the number of episodes that training never saw
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a training stands."""

    learner: Learner
    iteration: int
    steps: int

    def save(self, path: Path) -> None:
        """Write it as NumPy's arrays."""
        parts = {each.name: np.asarray(getattr(self.learner, each.name)) for each in fields(Learner)}
        aside = path.with_suffix(".new.npz")
        np.savez(aside, iteration=self.iteration, steps=self.steps, **parts)
        aside.replace(path)

    @staticmethod
    def load(path: Path) -> Progress:
        """Read what `save` wrote."""
        with np.load(path) as kept:
            theta = {name: kept[name] for name in ("theta", "first_moment", "second_moment")}
            learner = Learner(
                **theta, updates=int(kept["updates"]), step_size=float(kept["step_size"]), sigma=float(kept["sigma"])
            )
            return Progress(learner=learner, iteration=int(kept["iteration"]), steps=int(kept["steps"]))


def best_of(curriculum: Curriculum, simulation: Simulation) -> tuple[str, NDArray[np.float64]]:
    """Find the task whose agent returns most over all tasks, and that agent, (P,)."""
    tasks = [task.environment for task in curriculum.stages]
    agents = {task.id: curriculum.agent(task.id) for task in curriculum.stages}
    places = np.repeat(np.arange(len(tasks)), EPISODES)
    seeds = np.concatenate([simulation.episode_seeds(task, (at,), 0, EPISODES) for at, task in enumerate(tasks)])
    means = {
        name: simulation.play(
            Batch(np.broadcast_to(theta, (len(places), theta.size)), tuple(tasks), places, seeds)
        ).returns.mean()
        for name, theta in agents.items()
    }
    best = max(means, key=lambda name: means[name])
    return best, agents[best].astype(np.float64)


def iterate(progress: Progress, grounds: list[Environment], simulation: Simulation) -> tuple[Progress, Row]:
    """Take one step of the agent over all grounds; gives what is to be written down too."""
    learner = progress.learner
    requests = [
        PerturbationRequest(
            simulation=simulation,
            environment=ground,
            theta=learner.theta.astype(np.float32),
            sigma=learner.sigma,
            key=(progress.iteration, at),
            start=0,
            stop=PAIRS,
        )
        for at, ground in enumerate(grounds)
    ]
    tried = simulation.play(Batch.join([request.batch() for request in requests]))
    returns = tried.returns.reshape(len(grounds), PAIRS, 2)
    gradient = np.zeros_like(learner.theta)
    for request, each in zip(requests, returns, strict=True):
        gradient += es_gradient(request.noise(), each, learner.sigma)
    after = Progress(
        learner=es_update(learner, gradient / len(grounds), SETTINGS),
        iteration=progress.iteration + 1,
        steps=progress.steps + int(tried.lengths.sum()),
    )
    row = {
        "iteration": after.iteration,
        "steps": after.steps,
        "mean": round(float(returns.mean()), 2),
        "solved": round(float((returns > DOMAIN.solved_return).mean()), 4),
    }
    return after, row


def train(folder: Path, kind: str, curriculum: Curriculum, steps: int, seed: int) -> Progress:
    """Go on with the training in a folder until so many steps."""
    simulation = Simulation(domain=DOMAIN.name, episode_limit=curriculum.episode_limit, seed=seed)
    tasks = [task.environment for task in curriculum.stages]
    folder.mkdir(parents=True, exist_ok=True)
    place, begun = folder / "progress.npz", folder / "curriculum.txt"
    if begun.exists() and begun.read_text(encoding="utf-8") != curriculum.document["sha256"]:
        raise SystemExit(f"error: {folder} holds a training on another curriculum; give another --folder")
    begun.write_text(curriculum.document["sha256"], encoding="utf-8")
    if place.exists():
        progress = Progress.load(place)
    else:
        name, theta = best_of(curriculum, simulation)
        progress = Progress(learner=Learner.fresh(theta, SETTINGS), iteration=0, steps=0)
        print(f"begins with the agent of task {name}", flush=True)
    while progress.steps < steps:
        luck = int(keyed_rng(seed, Stream.CHILD, progress.iteration).integers(2**31))
        grounds = tasks if kind == "curriculum" else random_tasks(len(tasks), luck, HARD)
        started = time.monotonic()
        progress, row = iterate(progress, grounds, simulation)
        row["seconds"] = round(time.monotonic() - started, 1)
        progress.save(place)
        with (folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    return progress


def compared(curriculum: Curriculum, agents: Mapping[str, Callable[[str], NDArray[np.float32]]]) -> dict[str, Row]:
    """Play every ground of a curriculum in fresh episodes; agents are told which ground it is."""
    simulation = Simulation(domain=DOMAIN.name, episode_limit=curriculum.episode_limit, seed=UNTAUGHT)
    found, first = {}, None
    for name, agent in agents.items():
        returns = np.stack(
            [
                simulation.play(
                    Batch.of(
                        np.broadcast_to(agent(task.id), (TESTED, DOMAIN.controller.parameters)),
                        task.environment,
                        simulation.episode_seeds(task.environment, (at,), 0, TESTED),
                    )
                ).returns
                for at, task in enumerate(curriculum.stages)
            ]
        )
        means = returns.mean(axis=1)
        first = means if first is None else first
        apart = means - first
        found[name] = {
            "mean": round(float(means.mean()), 1),
            "apart": round(float(apart.mean()), 1),  # from the first agents, ground by ground
            "apart_within": round(float(1.96 * apart.std(ddof=1) / np.sqrt(len(apart))), 1),  # 95 %
            "solved": round(float((returns > DOMAIN.solved_return).mean()), 3),
            "grounds": len(returns),
            "grounds_solved": int((means >= DOMAIN.solved_return).sum()),
        }
    return found


def rows_of(folder: Path) -> list[Row]:
    """Read what was written down of a training."""
    return [json.loads(line) for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Train one agent, test it where it was trained, and write it where the table of suites finds it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curriculum", type=Path, default=CURRICULUM)
    parser.add_argument("--grounds", choices=("curriculum", "random"), default="curriculum")
    parser.add_argument("--steps", type=int, default=90_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("runs/generalist"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    name = f"generalist-{given.grounds}-{given.seed}"
    curriculum = Curriculum.load(given.curriculum)
    done = train(given.folder / name, given.grounds, curriculum, given.steps, given.seed)
    file = given.results / f"{name}.safetensors"
    given.results.mkdir(parents=True, exist_ok=True)
    write_aside(file, agent_bytes(DOMAIN.controller, done.learner.theta.astype(np.float32)))
    begun, _ = best_of(
        curriculum, Simulation(domain=DOMAIN.name, episode_limit=curriculum.episode_limit, seed=given.seed)
    )
    own: dict[str, Callable[[str], NDArray[np.float32]]] = {
        "each ground's own agent": curriculum.agent,
        "the agent that generalists begin with": lambda task: curriculum.agent(begun),
        name: lambda task: done.learner.theta.astype(np.float32),
    }
    path = given.results / TABLE
    kept: dict[str, Row] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept |= compared(curriculum, own)
    kept[name]["training"] = [[row["steps"], row["mean"]] for row in rows_of(given.folder / name)[::7]]
    write_aside(path, (json.dumps(kept) + "\n").encode())
    print(f"test it: python -m benchmarks.agents_on_suites --agent {name}={file}={done.steps}")


if __name__ == "__main__":
    main()
