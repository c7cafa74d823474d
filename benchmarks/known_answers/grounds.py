"""Ground of CPPN niches from a few noisy heights: `python -m benchmarks.known_answers.grounds CURRICULUM [--json]`.

CURRICULUM is a folder that `poet export` wrote of a run on CPPN ground; so this is not among the problems that
`python -m benchmarks.known_answers` runs. Beside `cnp` and `anp` are the training course that fits best, which a
learner should beat on other courses than these, too (an interval over test courses), lines from height to height,
training's mean, and a network trained on the task alone. Then the training courses one after another, as the run tried
them: `ftml` is judged on each before it has learned of it, beside a start trained on all past courses without adapting
(joint training), and a network trained on the course alone. Then parametric courses among the others, which `mixture`
should tell apart, beside a threshold on how far the told heights stray, and one start alone.
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

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.known_answers import curves
from benchmarks.known_answers.answer import Answer, Better
from benchmarks.known_answers.learning import UNTAUGHT, mean_of, taught
from benchmarks.known_answers.lists import check_place, figures_in, write_figures
from environments.tasks.curriculum import Curriculum, seal
from meta_learners.episodes import Source, TaskBatch
from meta_learners.few_shot.alone import alone
from meta_learners.keys import Key, Stream, numpy_generator, torch_generator
from meta_learners.learner import FewShotLearner
from meta_learners.predictions import Numbers, Prediction, judge
from meta_learners.problems.grounds import Grounds
from meta_learners.registry import make_family, make_few_shot

TESTED, AT_ONCE = 10_000, 1000  # tasks on which learners are tested, and how many at once
ALONE = 100  # tasks of the network trained on each alone
STEPS, TASKS = 12_000, 16
# As on curves: who attends to what was told can weigh training's courses.
LEARNERS: Mapping[str, Mapping[str, Any]] = {
    "cnp": {"step_size": 1e-3, "halve_after": 3000},
    "anp": curves.settings("anp", STEPS),
}
RESAMPLES, RESAMPLING = 10_000, 0  # of courses, for the interval; and the seed
ONLINE = {"inner_rate": 0.05, "inner_steps": 5, "step_size": 3e-3}
# Of parametric ground nothing can be told but how far it strays, so that a start needs a noise of its own to take it.
# A prior against many starts: a better one of a kind that is there already is no new kind.
MIXTURE = {
    "inner_rate": 0.05, "step_size": 3e-3, "patience": 200, "own_noise": True, "concentration": 1e-4, "share": 0.3
}  # fmt: skip
MIXTURE_STEPS, OF_EACH_KIND = 800, 1000
# Measured on another archive, of 13 test courses, from 3 and 5 heights.
NEAREST = {3: 0.012, 5: 0.009}


def family_of(curriculum: Curriculum, **settings: Any) -> Grounds:
    """Make the family of a run's own courses, without mutations that fill it up."""
    found: Any = make_family("grounds", {"courses": 0, **settings}, Source(curriculum))
    return found


def fingerprint(curriculum: Curriculum) -> str:
    """Give the beginning of the sha256 of a curriculum's environments and splits: several exports have as many."""
    told = {name: curriculum.document[name] for name in ("environments", "splits")}
    return str(seal(told)["sha256"])[:12]


def courses_of(family: Grounds, count: int, key: Key) -> Tensor:
    """Say which test course each task is of that `draw` gives with this key (M,): it draws courses first."""
    return torch.randint(family.courses("test"), (count,), generator=torch_generator((*key, Stream.TASKS)))


def interval_over_courses(differences: NDArray[Any], courses: NDArray[Any], key: Key) -> tuple[float, float]:
    """Bootstrap the 95 % interval of the mean difference of tasks (M,), resampling whole courses (M,)."""
    _, course = np.unique(courses, return_inverse=True)
    sums, counts = np.bincount(course, differences), np.bincount(course)
    chosen = numpy_generator(key).integers(len(counts), size=(RESAMPLES, len(counts)))
    low, high = np.quantile(sums[chosen].sum(1) / counts[chosen].sum(1), [0.025, 0.975])
    return float(low), float(high)


def told(curriculum: Curriculum, shots: int, seed: int) -> list[Answer]:
    """Train on training courses, and measure on those of other branches."""
    family = family_of(curriculum, shots=shots, queries=20)
    learners = {
        name: taught(name, family, settings, steps=STEPS, tasks=TASKS, seed=seed) for name, settings in LEARNERS.items()
    }
    level = float(family.draw(AT_ONCE, "train", (UNTAUGHT, Stream.CHOICES)).query.targets.mean())
    figures: dict[str, list[Mapping[str, Tensor]]] = {}
    courses = []
    for number in range(TESTED // AT_ONCE):
        key = (UNTAUGHT, number, Stream.BATCHES)
        batch = family.draw(AT_ONCE, "test", key)
        courses.append(courses_of(family, AT_ONCE, key))
        by: dict[str, Prediction] = {
            **{name: learner.predict(batch, key) for name, learner in learners.items()},
            **family.rivals(batch),
            "mean of training's heights": Numbers.of(torch.full_like(batch.query.targets, level)),
        }
        for name, each in by.items():
            figures.setdefault(name, []).append(judge(each, batch.query.targets, batch.query.present))
    errors = {name: torch.cat([each["error"] for each in found]) for name, found in figures.items()}
    error = {name: float(each.double().mean()) for name, each in errors.items()}
    batch = family.draw(ALONE, "test", (UNTAUGHT, Stream.EPISODES))
    key, of = (UNTAUGHT, Stream.PARAMETERS), f"ground from {shots} heights"
    by_itself, nearest = mean_of(alone(batch, key), batch.query, "error"), "nearest training course"
    answers = [Answer(f"{of}: {nearest}, error", error[nearest], NEAREST[shots], "beside", 0, "", "computed")]
    for name, learner in learners.items():
        less = f"{of}: {name}, error less that of the {nearest}, 95 % over courses"
        apart = (errors[name] - errors[nearest]).double().numpy()
        low, high = interval_over_courses(apart, torch.cat(courses).numpy(), (RESAMPLING, Stream.CHOICES))
        coverage = float(torch.cat([each["coverage"] for each in figures[name]]).mean())
        few, among = mean_of(learner.predict(batch, key), batch.query, "error"), f"{of}, {ALONE} tasks: {name}"
        rivals: dict[str, Better] = {
            nearest: "lower",
            "lines from height to height": "lower",
            "training courses by Bayes": "beside",
            "mean of training's heights": "beside",
        }
        answers += [
            *(
                Answer(f"{of}: {name}, error ({other})", error[name], error[other], better, 0, "", "computed")
                for other, better in rivals.items()
            ),
            Answer(f"{less}, upper end", high, 0, "lower", 0, "", ""),
            Answer(f"{less}, lower end", low, 0, "beside", 0, "", ""),
            Answer(f"{among}, error (trained on each alone)", few, by_itself, "beside", 0, "", "computed"),
            Answer(f"{of}: {name}, coverage", coverage, 0.9, "beside", 0, "", "computed"),
        ]
    return answers


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
        errors["scratch"].append(mean_of(alone(batch, (seed, number)), batch.query, "error"))
    late = {name: sum(each[len(each) // 2 :]) / len(each[len(each) // 2 :]) for name, each in errors.items()}
    of = "ground in order of birth from 10 heights, later half: ftml, error"
    return [
        Answer(f"{of} (joint training)", late["ftml"], late["joint"], "lower", 0, "", "computed"),
        Answer(f"{of} (each from scratch)", late["ftml"], late["scratch"], "lower", 0, "", "computed"),
    ]


def best_threshold(one: Tensor, other: Tensor) -> float:
    """Find the value of two samples (n,), (m,) that parts them best: above which their shares differ most."""
    return float(max(torch.cat([one, other]).tolist(), key=lambda each: apart_by(each, one, other)))


def apart_by(threshold: float, one: Tensor, other: Tensor) -> float:
    """Say by how much the shares above a threshold differ."""
    return abs(float((one > threshold).double().mean() - (other > threshold).double().mean()))


def kinds(curriculum: Curriculum, seed: int) -> list[Answer]:
    """Train `mixture` on both kinds; how many starts joined, and how far apart the kinds' shares are.

    Beside them: how far apart a threshold on the deviation of the told heights puts them, and the errors of one start.
    """
    size = {"shots": 20, "queries": 20}
    both = family_of(curriculum, parametric=0.5, **size)
    learner: Any = taught("mixture", both, MIXTURE, steps=MIXTURE_STEPS, tasks=TASKS, seed=seed)
    single = taught("mixture", both, {**MIXTURE, "starts": 1}, steps=MIXTURE_STEPS, tasks=TASKS, seed=seed)
    families = [family_of(curriculum, parametric=share, **size) for share in (0.0, 1.0)]
    known = [each.draw(OF_EACH_KIND, "train", (UNTAUGHT, Stream.TASKS)) for each in families]
    tested = [each.draw(OF_EACH_KIND, "test", (UNTAUGHT, Stream.TASKS)) for each in families]
    cppn, parametric = (learner.system.shares(learner.meta, batch).mean(1) for batch in tested)
    joined = int((learner.meta["kept.counts"] > 0).sum())
    apart = 0.5 * float((cppn - parametric).abs().sum())
    threshold = best_threshold(*map(_strays, known))
    by_threshold = apart_by(threshold, *map(_strays, tested))
    of = "parametric beside CPPN ground: mixture"
    how_far = f"{of}, how far apart their tasks are"

    def errors(kind: str, batch: TaskBatch) -> Answer:
        by: list[FewShotLearner] = [learner, single]
        several, one = (mean_of(each.predict(batch, (UNTAUGHT,)), batch.query, "error") for each in by)
        return Answer(f"{of}, error on {kind} ground (one start)", several, one, "beside", 0, "", "computed")

    return [
        Answer(f"{of}, starts that joined", joined, 2, "equal", 0.5, "", ""),
        Answer(how_far, apart, 0.8, "higher", 0, "", ""),
        Answer(f"{how_far} (threshold on told heights' deviation)", apart, by_threshold, "beside", 0, "", "computed"),
        *(errors(kind, batch) for kind, batch in zip(("CPPN", "parametric"), tested, strict=True)),
    ]


def _strays(batch: TaskBatch) -> Tensor:
    """Measure the deviation of each task's told heights (M,)."""
    return batch.support.targets[..., 0].std(1)


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
    of = f"curriculum {fingerprint(curriculum)}"
    figures = [{**asdict(answer), "source": of, "reached": answer.reached} for answer in answers]
    if options.into is not None:
        write_figures(options.into, [*kept, *figures])
    print(json.dumps(figures, indent=2) if options.json else "\n".join(map(str, answers)))


if __name__ == "__main__":
    main()
