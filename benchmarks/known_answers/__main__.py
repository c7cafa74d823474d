"""Do the meta-learners find what is known? `python -m benchmarks.known_answers [NAME] [--short] [--json]`.

Exit status 1 says that something was missed; of the short form only the figures that need no learning are asked for.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from importlib import import_module

import torch

from benchmarks.known_answers.answer import Answer

NAMES = ("sinusoid", "bandits", "mdps", "navigation")
SIGNS = {"higher": ">=", "lower": "<=", "equal": "="}


def main() -> None:
    """Run one problem or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.known_answers", description=__doc__)
    parser.add_argument("name", nargs="?", choices=NAMES, help="all when left out")
    parser.add_argument("--short", action="store_true", help="minutes' work in seconds: learns something, not all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="a list of name, measured, target, better")
    options = parser.parse_args()
    torch.set_num_threads(1)
    answers: list[Answer] = []
    for name in [options.name] if options.name else NAMES:
        started = time.perf_counter()
        problem = import_module(f"benchmarks.known_answers.{name}")
        answers += problem.run(short=options.short, seed=options.seed, device=options.device)
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    if options.json:
        print(json.dumps([{**asdict(answer), "reached": answer.reached} for answer in answers], indent=2))
    else:
        for answer in answers:
            print(line(answer, options.short))
    asked = [answer for answer in answers if answer.better == "equal" or not options.short]
    sys.exit(not all(answer.reached for answer in asked))


def line(answer: Answer, short: bool) -> str:
    """Write a figure, what it is measured against, and whether it got there."""
    missed = "not reached, which takes the long form" if short and answer.better != "equal" else "NOT REACHED"
    wanted = f"wanted {SIGNS[answer.better]} {answer.target:.3f}"
    return f"{answer.name:<68} {answer.measured:9.3f}  {wanted}: {'reached' if answer.reached else missed}"


if __name__ == "__main__":
    main()
