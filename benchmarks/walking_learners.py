"""Do the learners walk? PPO and RL² on flat ground or mild courses, episodes of 2,000 steps, several seeds.

    python -m benchmarks.walking_learners [--ground flat|mild|bodies] [--learners ppo told rl2] [--seeds 0 1 2]

A million steps on flat ground, two million on mild courses: 40 to train on and 20 to be tested on, drawn once for all
seeds, every gene uniformly from nothing to about twice the most that POET's first mutation gives it (`MILD`). On
`bodies` the ground is flat and the walkers' hidden physics differ, of as many tasks; `told` is PPO that observes them.
What it has more than PPO is what there is to adapt. The step size goes down to 0 over the run.

Every run is a training in a folder of its own, so that the same command goes on where one was stopped; what is done
lies as JSON in `benchmarks/results/walking_learners`, one file a run. `reached` is the first meta-step's steps from
which on the mean return of ten meta-steps is above the figure.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

import environments
from benchmarks.hidden_physics import drawn
from benchmarks.hidden_physics import task as body_task
from benchmarks.pages import into_page
from benchmarks.random_courses import random_tasks
from environments.files import write_aside
from environments.tasks.curriculum import FORMAT, SCHEMA_VERSION, Curriculum, seal
from environments.walker2d import DOMAIN as WALKER
from environments.walker2d.physics import GENES
from meta_learners.registry import learner_kind
from meta_learners.training.evaluation import Protocol, adaptation_curve
from meta_learners.training.folder import METRICS, Training
from meta_learners.training.plan import Plan

RESULTS = Path(__file__).parent / "results" / "walking_learners"
EPISODE_LIMIT, TASKS, SAVE_EVERY = 2000, 16, 60.0
MILD = {"roughness": 1.2, "pit_gap": 1.6, "stump_height": 0.8}  # the most of each gene
TRAINED, HELD_OUT = 40, 20  # mild courses, or bodies
WORLDS = {"flat": 10, "mild": 2, "bodies": 2}  # of each task, in the test
STEPS = {"flat": 10**6, "mild": 2 * 10**6, "bodies": 2 * 10**6}
FALL_REWARD = -10.0
ADAPTATIONS = {"ppo": (0,), "told": (0,), "rl2": (0, 1)}
FIGURES = {("flat", "ppo"): 280.0, ("flat", "rl2"): 250.0, ("mild", "ppo"): 145.0, ("mild", "rl2"): 145.0}  # to pass
TESTED = 10**6  # added to seeds: the test's chances are none of training's
AVERAGED = 10  # meta-steps


def laid_ground(ground: str, folder: Path) -> Curriculum:
    """Make a curriculum by hand: of flat ground alone, or of mild courses or of bodies, of which some are held out."""
    luck = np.random.default_rng(0)
    tasks = {
        "flat": lambda: [environments.FLAT],
        "mild": lambda: random_tasks(TRAINED + HELD_OUT, 0, MILD),
        "bodies": lambda: [body_task(WALKER, {}, drawn(GENES, luck), number) for number in range(TRAINED + HELD_OUT)],
    }[ground]()
    trained = [task.id for task in tasks[:TRAINED]]
    document = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "domain": {"name": tasks[0].domain},
        "environments": {task.id: json.loads(task.to_json()) for task in tasks},
        "splits": {"members": {"train": trained, "test": [task.id for task in tasks[TRAINED:]]}},
        "stages": {"order": [task.id for task in tasks]},
        "files": {},
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_aside(folder / "curriculum.json", json.dumps(seal(document)).encode())
    return Curriculum.load(folder)


def train(training: Training, steps: int) -> float:
    """Take meta-steps until so many environment steps; gives the seconds of this process."""
    saved = time.monotonic()
    while training.steps < steps:
        training.step()
        if time.monotonic() - saved > SAVE_EVERY:
            training.save()
            saved = time.monotonic()
    training.save()
    return training.seconds


def reached(rows: list[dict[str, Any]], figure: float) -> int | None:
    """Say after how many steps the mean return of some meta-steps is above a figure; None for never."""
    told = [(row["steps"], row["return_before"]) for row in rows if "return_before" in row]
    for place in range(AVERAGED, len(told) + 1):
        if np.mean([value for _, value in told[place - AVERAGED : place]]) > figure:
            return int(told[place - 1][0])
    return None


def run(learner: str, seed: int, given: argparse.Namespace, changes: dict[str, Any]) -> None:
    """Train, test and write down one run."""
    named = "ppo" if learner == "told" else learner
    kind = learner_kind(named)
    copies, fall_reward, place = given.copies or kind.copies, given.fall_reward, given.folder
    figure = FIGURES.get((given.ground, learner))
    otherwise = dict(changes)
    otherwise |= {"copies": copies} if given.copies else {}
    otherwise |= {"fall_reward": fall_reward} if fall_reward != FALL_REWARD else {}
    ground = [] if given.ground == "flat" else [given.ground]
    name = "-".join([*ground, learner, str(seed), *(f"{key}={value}" for key, value in otherwise.items())])
    curriculum = laid_ground(given.ground, place / given.ground)
    steps = given.steps or STEPS[given.ground]
    changes = {"decay": -(-steps // (TASKS * copies * kind.settings(**changes).steps)), **changes}
    plan = Plan(
        learner=named,
        told=learner == "told",
        settings=json.loads(json.dumps(asdict(kind.settings(**changes)))),
        domain=curriculum.domain.name,
        curriculum=curriculum.document["sha256"],
        episode_limit=EPISODE_LIMIT,
        tasks=TASKS,
        copies=copies,
        fall_reward=fall_reward,
        seed=seed,
    )
    with Training(place / name, plan, curriculum) as training:
        seconds = train(training, steps)
        tested = adaptation_curve(
            training.learner,
            training.family,
            training.family.splits["test"] or training.family.splits["train"],
            Protocol(adaptations=ADAPTATIONS[learner], worlds=WORLDS[given.ground]),
            (TESTED + seed,),
            fall_reward=fall_reward,
        )
        rows = [json.loads(line) for line in (place / name / METRICS).read_text(encoding="utf-8").splitlines()]
        result = {
            "plan": asdict(plan),
            "steps": training.steps,
            "meta_steps": training.iteration,
            "seconds_of_the_last_process": round(seconds, 1),
            "reached": {} if figure is None else {str(figure): reached(rows, figure)},
            "training": [[row["steps"], round(row["return_before"], 1)] for row in rows if "return_before" in row],
            "falls": [[row["steps"], round(row["falls"], 3)] for row in rows if "falls" in row],
            "test": {
                mode: dict(zip(map(str, ADAPTATIONS[learner]), each.mean(0).round(1).tolist(), strict=True))
                for mode, each in tested.items()
            },
        }
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_aside(RESULTS / f"{name}.json", json.dumps(result).encode())
    print(f"{name}: {result['test']}, reached {result['reached']} after {training.steps} steps", flush=True)


ROW = "| {} | {:,} | {:,} | {} | {} | {} |\n"


def table(place: Path, *prefixes: str) -> str:
    """Write the runs in a folder whose names begin so as a table."""
    found = sorted(path for path in place.glob("*.json") if path.name.startswith(prefixes))
    rows = "| run | steps | meta-steps | episodes before | drawn | likeliest |\n" + "|---" * 6 + "|\n"
    for path in found:
        result = json.loads(path.read_text(encoding="utf-8"))
        for episodes, stochastic in result["test"]["stochastic"].items():
            likeliest = result["test"]["deterministic"][episodes]
            rows += ROW.format(path.stem, result["steps"], result["meta_steps"], episodes, stochastic, likeliest)
    return rows if found else "No run was finished.\n"


def report() -> None:
    """Write the tables into the page of the results, each between its marks."""
    tables = {
        "flat": table(RESULTS, *sorted(ADAPTATIONS)),
        "mild": table(RESULTS, "mild"),
        "bodies": table(RESULTS, "bodies"),
        "before": table(RESULTS / "before", ""),
    }
    into_page(RESULTS / "README.md", tables)


def main() -> None:
    """Run what the command line asks for, one run after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ground", default="flat", choices=sorted(STEPS))
    parser.add_argument("--learners", nargs="+", default=["ppo", "rl2"], choices=sorted(ADAPTATIONS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="environment steps of each run")
    parser.add_argument("--copies", type=int, help="worlds of each of the 16 tasks")
    parser.add_argument("--fall-reward", type=float, default=FALL_REWARD)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=JSON", help="settings of the learners")
    parser.add_argument("--folder", type=Path, default=Path("runs/walking_learners"))
    parser.add_argument("--report", action="store_true", help="only write the page of what is done")
    given = parser.parse_args()
    if given.report:
        report()
        return
    changes = {key: json.loads(value) for key, value in (text.split("=", 1) for text in given.set)}
    torch.set_num_threads(1)
    for seed in given.seeds:
        for learner in given.learners:
            run(learner, seed, given, changes)


if __name__ == "__main__":
    main()
