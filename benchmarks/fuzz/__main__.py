"""Attack the command line's readers for as long as you like: `python -m benchmarks.fuzz [--attacks N] [--seed S]`."""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.fuzz.attack import attack
from benchmarks.fuzz.targets import TARGETS, make_inputs

MEMORY = 16 * 2**30  # bytes of address space: what asks for more is refused, not killed


def main() -> None:
    """Attack, say what was found, and end with status 1 if anything was."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--attacks", type=int, default=1000, help="on each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=[target.name for target in TARGETS], help="all when left out")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one attack, as a finding gives its number")
    parser.add_argument("--json", action="store_true", help="a list of target, number, complaint")
    options = parser.parse_args()
    random.seed(options.seed)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    found = []
    with tempfile.TemporaryDirectory(prefix="fuzz-inputs-") as name:
        inputs = Path(name)
        make_inputs(inputs)
        for target in TARGETS:
            if options.target not in (None, target.name):
                continue
            started, counts = time.perf_counter(), Counter[str]()
            numbers = range(options.attacks) if options.only is None else [options.only]
            for number in numbers:
                finding = attack(target, inputs, f"{options.seed} {target.name} {number}")
                if finding is not None:
                    found.append({"target": target.name, "number": number, "complaint": finding.complaint})
                    counts[finding.complaint] += 1
                    print(f"{target.name} {number}: {finding}", file=sys.stderr, flush=True)
            seconds = time.perf_counter() - started
            said = f"{target.name}: {len(numbers)} attacks, {sum(counts.values())} findings, {seconds:.0f} s"
            print(said, file=sys.stderr if options.json else sys.stdout, flush=True)
    if options.json:
        print(json.dumps(found, indent=2))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
