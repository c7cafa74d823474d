"""Tiny runs whose every figure was recorded once: what an old configuration computes may never change.

The record keeps, for each view of `poet inspect --json`, the keys there were and a hash of their values;
views may gain keys. `python tests/poet/test_golden_runs.py` writes a new record, which only a change that
says in CHANGELOG.md that runs will not resume may need.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import pytest

from cluster.executor import InProcess
from poet import archive as archives
from poet.archive import inspection
from poet.archive.store import Archive
from poet.config import build
from poet.population import first_population
from poet.session import evolve_archive

RECORD = Path(__file__).with_name("golden_runs.json")
COMMON = {
    "seed": 5,
    "iterations": 13,
    "episode_limit": 90,
    "score_episodes": 2,
    "es": {"pairs": 6, "sigma": 0.1, "sigma_decay": 0.99, "step_size": 0.05},
    "minimal_criterion": {"lower": -150.0, "upper": 300.0},
    "reproduction": {"every": 3, "parent_score": -150.0, "children": 4, "admitted": 2, "capacity": 3},
    "transfer": {"every": 2},
    "archive": {"checkpoint_every": 4},
}
ENHANCED = {
    **COMMON,
    "reproduction": {**COMMON["reproduction"], "novelty": "pata-ec", "whole_archive": True},
    "transfer": {"every": 2, "rule": "improved"},
    "encoding": {"name": "cppn"},
}
RUNS = {
    "original": {**COMMON, "encoding": {"name": "parametric", "options": {"kinds": ["roughness", "pit", "stump"]}}},
    "enhanced": ENHANCED,
    "mixed": {**ENHANCED, "encoding": {"name": "cppn", "options": {"obstacles": ["pit", "stump"]}}},
    "hexapod": {**COMMON, "domain": "hexapod3d", "iterations": 5, "episode_limit": 40},
}


class Silent:
    def phase(self, purpose, done, total):
        pass

    def iteration(self, population, journal, seconds):
        pass


def run(folder, settings, stops=()):
    """Evolve to the end, in as many lives as there are stops."""
    for iterations in (*stops, settings["iterations"]):
        if folder.exists():
            archive = Archive.resume(folder)
            archive.extend(iterations)
        else:
            config = build({**settings, "iterations": iterations}, "golden")
            archive = Archive.create(folder, config, first_population(config))
        evolve_archive(archive, InProcess(), Silent())
        archive.close()
    return folder


def views(folder):
    """Give every view of a run that holds no wall-clock times."""
    with archives.reading(folder) as connection:
        niches = inspection.niches(connection)
        return {
            "summary": inspection.summary(connection),
            "niches": niches,
            "lineage": inspection.lineage(connection),
            "transfers": inspection.transfers(connection),
            "metrics": inspection.metrics(connection),
            **{f"niche {row['id']}": inspection.niche(connection, row["id"]) for row in niches},
        }


def at_keys(value, keys):
    """Give a view's values under the recorded keys, of a list in every row; what lies deeper is a value."""
    if isinstance(value, list):
        return [at_keys(part, keys) for part in value]
    return {key: value[key] for key in keys} if isinstance(value, dict) else value


def keys_of(value):
    return sorted(value[0] if isinstance(value, list) else value)


def digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", RUNS)
def test_an_old_configuration_gives_the_archive_it_gave_before(tmp_path, name):
    record = json.loads(RECORD.read_text(encoding="utf-8"))[name]
    found = views(run(tmp_path / name, RUNS[name]))
    assert found.keys() == record.keys()
    for view, (keys, expected) in record.items():
        assert digest(at_keys(found[view], keys)) == expected, f"{view} of {name}"


def test_a_run_resumed_twice_gives_the_recorded_archive_too(tmp_path):
    record = json.loads(RECORD.read_text(encoding="utf-8"))["mixed"]
    found = views(run(tmp_path / "run", RUNS["mixed"], stops=(4, 7)))
    for view, (keys, expected) in record.items():
        assert digest(at_keys(found[view], keys)) == expected, view


def main():
    """Write the record anew."""
    record = {}
    for name, settings in RUNS.items():
        with tempfile.TemporaryDirectory() as folder:
            found = views(run(Path(folder) / name, settings))
            record[name] = {view: [keys_of(value), digest(value)] for view, value in found.items()}
            sys.stderr.write(f"{name}: {found['summary']}\n")
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
