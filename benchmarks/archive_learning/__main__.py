"""The learners on an archive: `python -m benchmarks.archive_learning recognition|fits|scores|dynamics CURRICULUM`.

CURRICULUM is a folder that `poet export` wrote. Results and figures go to benchmarks/results/archive_learning. What is
there already, of the same curriculum and settings, is kept: a learner that was installed since is trained and joins.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from benchmarks.archive_learning import dynamics, figure, fits, recognition, scores
from benchmarks.archive_learning.kept import Kept
from environments.tasks.curriculum import Curriculum

RESULTS = Path(__file__).parents[1] / "results" / "archive_learning"
PROBLEMS = {
    "recognition": (recognition, figure.recognition),
    "fits": (fits, figure.fits),
    "scores": (scores, figure.scores),
    "dynamics": (dynamics, figure.dynamics),
}


def main() -> None:
    """Measure, and draw."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.archive_learning",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "problem",
        choices=PROBLEMS,
        help="niches told by their ground, values and grounds fitted, agents' scores told, or how bodies move",
    )
    parser.add_argument("curriculum", type=Path, nargs="?", help="left out: draw anew what was measured")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the processor, for a learner to train")
    parser.add_argument("--tasks", type=int, default=60, help="of the test")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="measure these learners again")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true", help="write the summary to standard output too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    problem, draw = PROBLEMS[options.problem]
    options.output.mkdir(parents=True, exist_ok=True)
    kept = Kept(options.output / f"{options.problem}.json")
    if options.curriculum is not None:
        budget = {"seconds": options.seconds, "tasks": options.tasks, "seed": options.seed}
        problem.measure(kept, Curriculum.load(options.curriculum), budget, options.only)
    draw(kept.found, options.output / f"{options.problem}.png")
    if options.json:
        print(json.dumps(kept.found, indent=2))


if __name__ == "__main__":
    main()
