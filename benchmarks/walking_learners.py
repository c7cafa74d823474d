"""Do the learners walk? PPO and RL² on flat ground, episodes of 2,000 steps, a million steps each, several seeds.

    python -m benchmarks.walking_learners [--learners ppo rl2] [--seeds 0 1 2] [--steps 1000000]

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
from environments.files import write_aside
from environments.tasks.curriculum import FORMAT, SCHEMA_VERSION, Curriculum, seal
from meta_learners.registry import learner_kind
from meta_learners.training.evaluation import Protocol, adaptation_curve
from meta_learners.training.folder import METRICS, Training
from meta_learners.training.plan import Plan

RESULTS = Path(__file__).parent / "results" / "walking_learners"
EPISODE_LIMIT, TASKS, SAVE_EVERY = 2000, 16, 60.0
FALL_REWARD = -10.0
ADAPTATIONS = {"ppo": (0,), "rl2": (0, 1)}
FIGURES = {"ppo": 280.0, "rl2": 250.0}  # to pass by a million steps
TESTED = 10**6  # added to seeds: the test's chances are none of training's
AVERAGED = 10  # meta-steps


def flat_ground(folder: Path) -> Curriculum:
    """Make a curriculum of one task by hand."""
    task = environments.FLAT
    fields = json.loads(task.to_json())
    document = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "domain": {"name": task.domain},
        "environments": {task.id: fields},
        "splits": {"members": {"train": [task.id]}},
        "stages": {"order": [task.id]},
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
    kind = learner_kind(learner)
    copies, fall_reward, place = given.copies or kind.copies, given.fall_reward, given.folder
    otherwise = dict(changes)
    otherwise |= {"copies": copies} if given.copies else {}
    otherwise |= {"fall_reward": fall_reward} if fall_reward != FALL_REWARD else {}
    name = "-".join([learner, str(seed), *(f"{key}={value}" for key, value in otherwise.items())])
    curriculum = flat_ground(place / "flat")
    plan = Plan(
        learner=learner,
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
        seconds = train(training, given.steps)
        tested = adaptation_curve(
            training.learner,
            training.family,
            training.family.splits["train"],
            Protocol(adaptations=ADAPTATIONS[learner]),
            (TESTED + seed,),
            fall_reward=fall_reward,
        )
        rows = [json.loads(line) for line in (place / name / METRICS).read_text(encoding="utf-8").splitlines()]
        result = {
            "plan": asdict(plan),
            "steps": training.steps,
            "meta_steps": training.iteration,
            "seconds_of_the_last_process": round(seconds, 1),
            "reached": {str(FIGURES[learner]): reached(rows, FIGURES[learner])},
            "training": [[row["steps"], round(row["return_before"], 1)] for row in rows if "return_before" in row],
            "falls": [[row["steps"], round(row["falls"], 3)] for row in rows if "falls" in row],
            "test": {
                mode: dict(zip(map(str, ADAPTATIONS[learner]), each[0].round(1).tolist(), strict=True))
                for mode, each in tested.items()
            },
        }
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_aside(RESULTS / f"{name}.json", json.dumps(result).encode())
    print(f"{name}: {result['test']}, reached {result['reached']} after {training.steps} steps", flush=True)


def main() -> None:
    """Run what the command line asks for, one run after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", nargs="+", default=["ppo", "rl2"], choices=sorted(FIGURES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=10**6)
    parser.add_argument("--copies", type=int, help="worlds of each of the 16 tasks")
    parser.add_argument("--fall-reward", type=float, default=FALL_REWARD)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=JSON", help="settings of the learners")
    parser.add_argument("--folder", type=Path, default=Path("runs/walking_learners"))
    given = parser.parse_args()
    changes = {key: json.loads(value) for key, value in (text.split("=", 1) for text in given.set)}
    torch.set_num_threads(1)
    for seed in given.seeds:
        for learner in given.learners:
            run(learner, seed, given, changes)


if __name__ == "__main__":
    main()
