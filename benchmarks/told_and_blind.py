"""What is there to adapt to on hidden bodies: PPO that is told which leg is lost, and PPO that is not.

    python -m benchmarks.told_and_blind [--seeds 0] [--steps 1000000]

Both learn on flat ground in hexapods that have all of their legs or have lost one, seven tasks in all, from the same
seeds; what they are told is all that differs. Every run is a training in a folder of its own, so that the same command
goes on where one was stopped; what is done lies as JSON in `benchmarks/results/told_and_blind`, one file a run. The
last state is tested, on every task, never the best.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.walking_learners import train
from environments.domain import Environment
from environments.files import write_aside
from environments.hexapod3d import DOMAIN
from environments.tasks.curriculum import FORMAT, SCHEMA_VERSION, Curriculum, seal
from meta_learners.registry import learner_kind
from meta_learners.training.evaluation import Protocol, adaptation_curve
from meta_learners.training.folder import METRICS, Training
from meta_learners.training.plan import Plan

RESULTS = Path(__file__).parent / "results" / "told_and_blind"
LEARNER = "ppo"
TASKS, COPIES = 14, 8
FALL_REWARD = -10.0
SETTINGS = {"deviation": 0.2, "steps": 128}  # more noise topples this body
TESTED = 10**6  # added to seeds: the test's chances are none of training's


def lame(folder: Path) -> Curriculum:
    """Make a curriculum by hand: flat ground, and no leg lost or any one."""
    tasks = [
        Environment(domain=DOMAIN.name, encoding="parametric", genome={"physics": {"lost": leg}} if leg else {}, seed=0)
        for leg in range(7)
    ]
    ids = [task.id for task in tasks]
    document = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "domain": {"name": DOMAIN.name},
        "environments": {task.id: json.loads(task.to_json()) for task in tasks},
        "splits": {"members": {"train": ids}},
        "stages": {"order": ids},
        "files": {},
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_aside(folder / "curriculum.json", json.dumps(seal(document)).encode())
    return Curriculum.load(folder)


def run(told: bool, seed: int, steps: int, place: Path) -> None:
    """Train, test and write down one run."""
    curriculum, kind = lame(place / "lame"), learner_kind(LEARNER)
    plan = Plan(
        learner=LEARNER,
        settings=json.loads(json.dumps(asdict(kind.settings(**SETTINGS)))),
        domain=curriculum.domain.name,
        curriculum=curriculum.document["sha256"],
        episode_limit=DOMAIN.episode_limit,
        tasks=TASKS,
        copies=COPIES,
        fall_reward=FALL_REWARD,
        seed=seed,
        told=told,
    )
    name = f"{LEARNER}-{'told' if told else 'blind'}-{seed}"
    with Training(place / name, plan, curriculum) as training:
        seconds = train(training, steps)
        tasks = training.family.splits["train"]
        tested = adaptation_curve(
            training.learner,
            training.family,
            tasks,
            Protocol(adaptations=(0,)),
            (TESTED + seed,),
            fall_reward=FALL_REWARD,
        )
        rows = [json.loads(line) for line in (place / name / METRICS).read_text(encoding="utf-8").splitlines()]
        result = {
            "plan": asdict(plan),
            "steps": training.steps,
            "seconds_of_the_last_process": round(seconds, 1),
            "training": [[row["steps"], round(row["return_before"], 1)] for row in rows if "return_before" in row],
            "falls": [[row["steps"], round(row["falls"], 3)] for row in rows if "falls" in row],
            "test": {mode: each.round(1).tolist() for mode, each in tested.items()},
        }
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_aside(RESULTS / f"{name}.json", json.dumps(result).encode())
    print(f"{name}: {result['test']} after {result['steps']} steps", flush=True)


def main() -> None:
    """Run what the command line asks for, one run after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=10**6)
    parser.add_argument("--folder", type=Path, default=Path("runs/told_and_blind"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    for seed in given.seeds:
        for told in (True, False):
            run(told, seed, given.steps, given.folder)


if __name__ == "__main__":
    main()
