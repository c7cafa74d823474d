"""Summarise and draw long runs: `python -m benchmarks.long_runs RUN [RUN ...]`; without one, from what is kept.

Of each run: how hard its grounds are, at what cost and beside drift without agents; its transfers and ANNECS; who
descends from whom; films of the hardest three solved; its curriculum, agents included. Walkers are kept in
`benchmarks/results/long_runs`, hexapods in `benchmarks/results/hexapod/long_runs`. A run is copied and stays as it is.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.long_runs.annecs import annecs_afterwards
from benchmarks.long_runs.choosing import hardest_solved, was_admitted
from benchmarks.long_runs.drift import MOST, SEEDS, admissions_to_levels, drift
from benchmarks.long_runs.figures import draw_course, draw_difficulty, draw_phylogeny
from benchmarks.long_runs.films import film
from benchmarks.long_runs.gallery import draw_gallery
from benchmarks.long_runs.page import FILMS, page
from benchmarks.long_runs.summary import before, summarise
from environments.files import holds_run, write_aside
from poet.archive.reading import read_config, reading
from poet.archive.store import CONFIG_NAME
from poet.errors import InputError
from poet.run import Run

RESULTS = Path(__file__).parents[1] / "results"
FOLDERS = {"walker2d": RESULTS / "long_runs", "hexapod3d": RESULTS / "hexapod" / "long_runs"}
SUMMARY = "summary.json"
Row = dict[str, Any]


def main() -> None:
    """Summarise the runs that are given, and draw all that are kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_runs", description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="*", help="folders of runs; they may go on meanwhile")
    parser.add_argument("--results", type=Path, help="folder for everything; by default one for each body")
    parser.add_argument("--no-films", action="store_true", help="keep the films there are")
    parser.add_argument("--no-curriculum", action="store_true", help="keep the curricula there are")
    options = parser.parse_args()
    for folder in options.runs:
        with copied(folder) as copy:
            keep(copy, options.results, films=not options.no_films, curriculum=not options.no_curriculum)
    kept = False
    for results in [options.results] if options.results else FOLDERS.values():
        kept |= draw(results)
    if not kept:
        parser.error("no run is given and none is kept")


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """Copy a run as it stands, in one moment of its archive: what is added to the copy does not touch it."""
    if not holds_run(folder):
        raise SystemExit(f"error: {folder} holds no run; give a folder that `poet evolve` has made")
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / folder.name
        copy.mkdir()
        if (folder / CONFIG_NAME).exists():
            shutil.copy(folder / CONFIG_NAME, copy)
        source = sqlite3.connect(f"file:{folder / 'archive.sqlite'}?mode=ro", uri=True)
        with closing(source), closing(sqlite3.connect(copy / "archive.sqlite")) as target:
            source.backup(target)
        yield copy


def keep(folder: Path, results: Path | None, *, films: bool, curriculum: bool) -> None:
    """Write what is kept of a run; its best agents are scored on fresh episodes first, within the folder."""
    run = Run.open(folder)
    run.rescore()
    found = summarise(folder)
    place = (results or next(path for name, path in FOLDERS.items() if found["domain"].startswith(name))) / folder.name
    place.mkdir(parents=True, exist_ok=True)
    last = _read(place / SUMMARY)
    with reading(folder) as connection:
        write_aside(place / CONFIG_NAME, read_config(connection).to_toml().encode())
    kept = {path.parent.name: _read(path) for path in place.parent.glob(f"*/{SUMMARY}")} | {folder.name: found}
    earlier = before(folder.name, kept)["admitted"]
    if found["source"]:  # of runs that are not kept the grounds alone are known that a branch began with
        earlier = max(earlier, found["source"]["pairs"] - 1)
    admissions = earlier + sum(map(was_admitted, found["niches"]))
    # A hexapod's ground is measured in ten milliseconds, not in a tenth of one.
    seeds, most = (SEEDS, MOST) if found["domain"].startswith("walker") else (SEEDS // 4, MOST // 4)
    found["drift"] = drift(found["settings"], max(admissions, 1), seeds)
    found["drift_admissions"] = {"most": most, "median": admissions_to_levels(found["settings"], seeds, most)}
    if found["annecs"] is None:
        found["annecs_afterwards"] = annecs_afterwards(folder)
    if curriculum:
        written = _exported(run, place / "curriculum")
        found["curriculum"] = {
            "tasks": len(written["environments"]),
            "sha256": written["sha256"],
        }
    elif "curriculum" in last:
        found["curriculum"] = last["curriculum"]
    found["films"] = _films(run, found, place) if films else last.get("films", {})
    write_aside(place / SUMMARY, (json.dumps(found, sort_keys=True) + "\n").encode())


def _exported(run: Run, place: Path) -> Row:
    """Write the curriculum; all tasks are for training where they are too few to keep relatives apart."""
    try:
        return run.export(place)
    except InputError:
        return run.export(place, fractions=(1.0, 0.0, 0.0))


def _films(run: Run, found: Row, place: Path) -> Row:
    """Film the hardest three; older films go when the new ones are there."""
    chosen = hardest_solved(found["niches"], FILMS)
    made = {str(number): film(run, number, place / f"film-{number}.gif") for number in chosen}
    for old in place.glob("film-*.gif"):
        if old.stem.removeprefix("film-") not in made:
            old.unlink()
    return made


def _read(path: Path) -> Row:
    kept: Row = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return kept


def draw(results: Path) -> bool:
    """Draw everything from the summaries in a folder, and write the page; False where there are none."""
    runs: Mapping[str, Row] = {path.parent.name: _read(path) for path in sorted(results.glob(f"*/{SUMMARY}"))}
    if not runs:
        return False
    draw_difficulty(runs, results / "difficulty.png")
    for name, run in runs.items():
        draw_course(name, run, results / name / "course.png")
        draw_phylogeny(name, run, results / name / "phylogeny.png")
        draw_gallery(name, run, results / name / "gallery.png")
    write_aside(results / "README.md", page(runs).encode())
    return True


if __name__ == "__main__":
    main()
