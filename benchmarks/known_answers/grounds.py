"""Ground of CPPN niches from a few noisy heights: `python -m benchmarks.known_answers.grounds CURRICULUM [--json]`.

CURRICULUM is a folder that `poet export` wrote of a run on CPPN ground; so this is not among the problems that
`python -m benchmarks.known_answers` runs. Beside `cnp` are the training course that fits best, which a learner should
beat, and lines from height to height. Then the training courses one after another, as the run tried them: `ftml` is
judged on each before it has learned of it, beside a start trained on all past courses without adapting (joint
training), and a network trained on the course alone. Then parametric courses among the others, which `mixture` should
tell apart.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.known_answers.answer import Answer
from benchmarks.known_answers.learning import UNTAUGHT, taught
from benchmarks.known_answers.lists import check_place, figures_in, write_figures
from environments.tasks.curriculum import Curriculum
from meta_learners.episodes import Source
from meta_learners.few_shot.alone import alone
from meta_learners.keys import Stream
from meta_learners.predictions import judge
from meta_learners.problems.grounds import Grounds
from meta_learners.registry import make_family, make_few_shot

TESTED = 1000
# By heights, meta-steps and those between halvings of the step size: from more heights the nearest course is better.
STEPS, TASKS = {3: (3000, 700), 5: (12_000, 3000)}, 16
ONLINE = {"inner_rate": 0.05, "inner_steps": 5, "step_size": 3e-3}
# Of parametric ground nothing can be told but how far it strays, so that a start needs a noise of its own to take it.
# A prior against many starts: a better one of a kind that is there already is no new kind.
MIXTURE = {
    "inner_rate": 0.05, "step_size": 3e-3, "patience": 200, "own_noise": True, "concentration": 1e-4, "share": 0.3
}  # fmt: skip
MIXTURE_STEPS = 800
# Measured on another archive, of 13 test courses, from 3 and 5 heights.
NEAREST = {3: 0.012, 5: 0.009}


def family_of(curriculum: Curriculum, **settings: Any) -> Grounds:
    """Make the family of a run's own courses, without mutations that fill it up."""
    found: Any = make_family("grounds", {"courses": 0, **settings}, Source(curriculum))
    return found


def told(curriculum: Curriculum, shots: int, seed: int) -> list[Answer]:
    """Train `cnp` on training courses, and measure on those of other branches."""
    family = family_of(curriculum, shots=shots, queries=20)
    batch = family.draw(TESTED, "test", (UNTAUGHT, Stream.TASKS))
    steps, halve_after = STEPS[shots]
    settings = {"step_size": 1e-3, "halve_after": halve_after}
    learner = taught("cnp", family, settings, steps=steps, tasks=TASKS, seed=seed)
    by = {"cnp": learner.predict(batch, (UNTAUGHT,)), **family.rivals(batch)}
    found = {name: judge(each, batch.query.targets, batch.query.present) for name, each in by.items()}
    error = {name: float(each["error"].mean()) for name, each in found.items()}
    nearest = error["nearest training course"]
    of = f"ground from {shots} heights"
    return [
        Answer(f"{of}: nearest training course, error", nearest, NEAREST[shots], "beside", 0, "", "computed"),
        Answer(f"{of}: cnp, error (nearest training course)", error["cnp"], nearest, "lower", 0, "", "computed"),
        Answer(
            f"{of}: cnp, error (lines from height to height)",
            error["cnp"],
            error["lines from height to height"],
            "lower",
            0,
            "",
            "computed",
        ),
        Answer(
            f"{of}: cnp, error (training courses by Bayes)",
            error["cnp"],
            error["training courses by Bayes"],
            "beside",
            0,
            "",
            "computed",
        ),
        Answer(f"{of}: cnp, coverage", float(found["cnp"]["coverage"].mean()), 0.9, "beside", 0, "", "computed"),
    ]


def in_order_of_birth(curriculum: Curriculum, seed: int) -> list[Answer]:
    """Play the training courses one after another: mean error of the later half."""
    family = family_of(curriculum, shots=10, queries=20, births=True)
    learners = {
        name: make_few_shot("ftml", family, {**ONLINE, "joint": name == "joint"}, seed=seed)
        for name in ("ftml", "joint")
    }
    errors: dict[str, list[float]] = {name: [] for name in (*learners, "scratch")}
    for number in range(family.courses("train")):
        batch = family.turn(number, 1, (seed, number))
        assert batch is not None
        for name, learner in learners.items():
            errors[name].append(learner.meta_step(batch, (seed, number))["error"])
        by_itself = alone(batch, (seed, number))
        errors["scratch"].append(float(judge(by_itself, batch.query.targets, batch.query.present)["error"].mean()))
    late = {name: sum(each[len(each) // 2 :]) / len(each[len(each) // 2 :]) for name, each in errors.items()}
    of = "ground in order of birth from 10 heights, later half: ftml, error"
    return [
        Answer(f"{of} (joint training)", late["ftml"], late["joint"], "lower", 0, "", "computed"),
        Answer(f"{of} (each from scratch)", late["ftml"], late["scratch"], "lower", 0, "", "computed"),
    ]


def kinds(curriculum: Curriculum, seed: int) -> list[Answer]:
    """Train `mixture` on both kinds; how many starts joined, and how far apart the kinds' shares are."""
    size = {"shots": 20, "queries": 20}
    both = family_of(curriculum, parametric=0.5, **size)
    learner: Any = taught("mixture", both, MIXTURE, steps=MIXTURE_STEPS, tasks=TASKS, seed=seed)
    shares = []
    for share in (0.0, 1.0):
        batch = family_of(curriculum, parametric=share, **size).draw(TESTED, "test", (UNTAUGHT, Stream.TASKS))
        shares.append(learner.system.shares(learner.meta, batch).mean(1))
    joined = int((learner.meta["kept.counts"] > 0).sum())
    apart = 0.5 * float((shares[0] - shares[1]).abs().sum())
    of = "parametric beside CPPN ground: mixture"
    return [
        Answer(f"{of}, starts that joined", joined, 2, "equal", 0.5, "", ""),
        Answer(f"{of}, how far apart their tasks are", apart, 0.8, "higher", 0, "", ""),
    ]


PARTS: Mapping[str, Callable[[Curriculum, int], list[Answer]]] = {
    "heights-3": lambda curriculum, seed: told(curriculum, 3, seed),
    "heights-5": lambda curriculum, seed: told(curriculum, 5, seed),
    "births": in_order_of_birth,
    "kinds": kinds,
}


def main() -> None:
    """Measure all, or one part."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.known_answers.grounds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("curriculum", type=Path)
    parser.add_argument("--part", choices=PARTS, help="alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="as of the other problems with known answers")
    parser.add_argument(
        "--into",
        type=Path,
        metavar="FILE",
        help="a list that --json wrote, or none yet: figures of the same name are replaced, others added",
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        if options.into is not None:
            check_place(options.into)
        kept, curriculum = figures_in(options.into), Curriculum.load(options.curriculum)
    except ValueError as error:
        parser.error(str(error))
    answers: list[Answer] = []
    for name in [options.part] if options.part else PARTS:
        started = time.process_time()
        answers += PARTS[name](curriculum, options.seed)
        print(f"{name}: {time.process_time() - started:.0f} s of the processor", file=sys.stderr)
    figures = [{**asdict(answer), "reached": answer.reached} for answer in answers]
    if options.into is not None:
        write_figures(options.into, [*kept, *figures])
    print(json.dumps(figures, indent=2) if options.json else "\n".join(map(str, answers)))


if __name__ == "__main__":
    main()
