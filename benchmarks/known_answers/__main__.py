"""Do the meta-learners find what is known? `python -m benchmarks.known_answers [NAME] [--short] [--json]`.

Exit status 1 where an aim is missed. The short form aims lower, at what can be learned in seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from benchmarks.known_answers.answer import Answer

NAMES = (
    "sinusoid",
    "bandits",
    "mdps",
    "navigation",
    "niches",
    "omniglot",
    "curves",
    "recall",
    "in_context",
    "hull",
    "instances",
    "optimisers",
    "plastic",
    "uncertain",
    "online",
)


def main() -> None:
    """Run one problem or all."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.known_answers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", choices=NAMES, help="all when left out")
    parser.add_argument("--short", action="store_true", help="minutes' work in seconds: learns something, not all")
    parser.add_argument(
        "--part",
        help="of a long form that has several, which take long: "
        "curves, in_context, hull, instances, omniglot, plastic, uncertain",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--json",
        action="store_true",
        help="a list with each target's source, and how certain it is",
    )
    parser.add_argument(
        "--into",
        type=Path,
        metavar="FILE",
        help="a list that --json wrote, or none yet: figures of the same name are replaced, others added",
    )
    options = parser.parse_args()
    if options.part is not None:
        _check_part(parser, options)
    try:
        kept = _kept(options.into)
    except ValueError as error:
        parser.error(str(error))
    torch.set_num_threads(1)
    answers: list[Answer] = []
    for name in [options.name] if options.name else NAMES:
        started = time.perf_counter()
        problem = import_module(f"benchmarks.known_answers.{name}")
        if options.part is None:
            answers += problem.run(short=options.short, seed=options.seed, device=options.device)
        else:
            answers += problem.PARTS[options.part](options.seed, options.device)
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    figures = [{**asdict(answer), "reached": answer.reached} for answer in answers]
    if options.into:
        merged = {each["name"]: each for each in [*kept, *figures]}
        options.into.write_text(json.dumps(list(merged.values()), indent=2) + "\n", encoding="utf-8")
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(map(str, answers)))
    aims = [answer.reached for answer in answers if answer.reached is not None]
    if missed := aims.count(False):
        print(f"{missed} of {len(aims)} aims missed", file=sys.stderr)
        sys.exit(1)


def _check_part(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with one sentence unless the problem has the part."""
    if options.name is None:
        parser.error(f"--part is {options.part}; name the problem that it is of")
    parts = getattr(import_module(f"benchmarks.known_answers.{options.name}"), "PARTS", {})
    if options.part not in parts:
        has = f"it must be one of {', '.join(parts)}" if parts else f"{options.name} has no parts"
        parser.error(f"--part is {options.part}; {has}")
    if options.short:
        parser.error(f"--part is {options.part}; parts are of the long form, so leave out --short")


def _kept(path: Path | None) -> list[dict[str, Any]]:
    """Read what is in a list of figures; nothing where there is none yet.

    Raises:
        ValueError: it is none, or its folder is not there.
    """
    if path is None or not path.exists():
        if path is not None and not path.parent.is_dir():
            raise ValueError(f"--into is {path}, but there is no folder {path.parent}")
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"--into is {path}, which cannot be read as a list of figures: {error}") from error
    if not isinstance(found, list) or not all(isinstance(each, dict) and "name" in each for each in found):
        raise ValueError(f"--into is {path}, which holds no list of figures as --json writes them")
    return found


if __name__ == "__main__":
    main()
