"""Does a learner get farther on the tasks that POET found than on random ones?

    python -m benchmarks.curricula FOLDER [--runs 10] [--steps 1200000] [--teachers stages random] [--workers 2]

Makes runs of POET in FOLDER (`run.toml` beside this, a seed each), exports them, and trains PPO on each by
`poet sweep`. The same command goes on where it was stopped; more runs, teachers and steps may be asked for later.
Without FOLDER it writes tables and figure anew from what is kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.curricula.figure import draw, tables
from benchmarks.curricula.results import CELLS, PRIMARY, RUNS, cells_of, runs_of
from benchmarks.pages import into_page
from environments.files import write_aside
from environments.tasks.curriculum import DOCUMENT
from poet.run import Run
from poet.sweep.summary import TABLE

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "curricula"
AGENT = HERE.parent / "results" / "controls" / "original-12" / "flat_walker.safetensors"  # walks, on flat ground
FIRST_SEED = 101  # no long run's
TEACHERS = {
    "stages": "stages",
    "random": "random",
    "mild": "mild=random,reach=curriculum",
    "ordered": "ordered=stages,open_over=200",
    # These make tasks of all that the encoding allows, as random does, and find out which of them to play.
    "plr": "plr",
    "accel": "accel",
    "sfl": "sfl",
    "alp-gmm": "alp-gmm",
}
COPIES, WORLDS = 2, 2  # of each task: in a meta-step, in a test


def main() -> None:
    """Do what is not done yet, then write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.curricula",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, nargs="?", help="of runs, curricula and trainings; again to go on")
    parser.add_argument("--runs", type=int, default=10, help="of POET")
    parser.add_argument("--steps", type=int, default=1_200_000, help="environment steps of each training")
    parser.add_argument("--teachers", nargs="+", default=["stages", "random"], choices=list(TEACHERS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    if options.runs < 2:  # one has no tasks of other runs, on which the comparison is to be
        parser.error("--runs must be 2 or more")
    if not {"stages", "random"} <= set(options.teachers) or len(set(options.teachers)) < len(options.teachers):
        parser.error("--teachers must have stages and random, each once")
    if options.folder is None and not (options.output / TABLE).exists():
        parser.error(f"{options.output} holds no results yet; give a FOLDER to make them in")
    if options.folder:
        options.output.mkdir(parents=True, exist_ok=True)
        curricula = [
            _curriculum(options.folder, FIRST_SEED + number, options.workers) for number in range(options.runs)
        ]
        _sweep(words_of(options.folder / "sweep", curricula, options))
        written = {
            TABLE: {**json.loads((options.folder / "sweep" / TABLE).read_text(encoding="utf-8")), "folder": "sweep"},
            CELLS: cells_of(options.folder / "sweep"),
            RUNS: runs_of(curricula),
        }
        for name, rows in written.items():
            write_aside(options.output / name, f"{json.dumps(rows, indent=1)}\n".encode())
    table, cells, runs = (
        json.loads((options.output / name).read_text(encoding="utf-8")) for name in (TABLE, CELLS, RUNS)
    )
    draw(cells, options.output / "figure.png")
    into_page(options.output / "README.md", tables(table, cells, runs))


def _curriculum(folder: Path, seed: int, workers: int) -> Path:
    """Make a run and export it, unless that is done."""
    place = folder / f"curriculum-{seed}"
    if not (place / DOCUMENT).exists():
        settings = {"seed": seed}
        run = Run.create(
            folder / f"run-{seed}", config=HERE / "run.toml", settings=settings, agent=AGENT, exist_ok=True
        )
        run.evolve(workers=workers)
        run.export(place, workers=workers)
        print(f"{place}: exported", file=sys.stderr, flush=True)
    return place


def words_of(folder: Path, curricula: Sequence[Path], options: argparse.Namespace) -> list[str]:
    """Write the command line of the sweep."""
    first, second, *_ = PRIMARY
    words = [*map(str, curricula), "-o", str(folder), "--learner", "ppo", "--contrast", f"{first}:{second}"]
    words += [word for name in options.teachers for word in ("--teacher", TEACHERS[name])]
    words += ["--suite", "walker", "--seeds", "1", "--copies", str(COPIES), "--worlds", str(WORLDS)]
    return [*words, "--steps", str(options.steps), "--workers", str(options.workers)]


def _sweep(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "poet", "sweep", *words], check=False)
    if done.returncode:  # it has said why
        raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
