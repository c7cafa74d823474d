"""The summary of a long run against the archive's own rows, and drift against what the encoding begins with."""

import sqlite3

import pytest
from runs import evolved

from benchmarks.long_runs.drift import drift
from benchmarks.long_runs.summary import measures, summarise
from environments.domain import Environment
from poet.config import build

SETTINGS = {
    "seed": 3,
    "iterations": 5,
    "episode_limit": 40,
    "score_episodes": 1,
    "es": {"pairs": 2},
    "minimal_criterion": {"lower": -150.0, "upper": 300.0},
    "reproduction": {"every": 2, "parent_score": -150.0, "children": 2, "capacity": 5},
    "encoding": {"name": "parametric", "options": {"kinds": ["roughness", "pit", "stump"]}},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return evolved(tmp_path_factory.mktemp("long") / "run", SETTINGS)


def test_costs_and_counts_are_those_of_the_archive(run):
    found = summarise(run)
    archive = sqlite3.connect(run / "archive.sqlite")
    (steps,) = archive.execute("SELECT sum(steps) FROM cost").fetchone()
    (seconds,) = archive.execute("SELECT sum(seconds) FROM timing").fetchone()
    (until,) = archive.execute("SELECT sum(steps) FROM cost WHERE iteration <= 2").fetchone()
    (admitted,) = archive.execute("SELECT count(*) FROM niche WHERE parent IS NOT NULL").fetchone()
    archive.close()
    assert found["steps"] == steps
    assert found["core_hours"] == pytest.approx(seconds / 3600, abs=0.01)
    assert admitted == sum(found["levels"]["admitted"].values()) > 0
    first = next(niche for niche in found["niches"] if niche["parent"] is not None)
    assert first["admitted"]["iteration"] == 2
    assert first["admitted"]["steps"] == until


def test_a_ground_counts_by_the_papers_bounds():
    genome = {"roughness": 4.5, "pit_gap": [0.0, 5.9], "stump_height": [0.0, 2.4]}
    found = measures(Environment(domain="walker2d", encoding="parametric", genome=genome, seed=0))
    assert found == {"stump": 2.4, "gap": 5.9, "roughness": 4.5, "level": 2}


def test_drift_begins_with_the_genes_initial_values_and_never_falls():
    found = drift(build(SETTINGS, "long").to_table(), 12)
    assert (found["stump"][0], found["gap"][0]) == (0.4, 0.8)  # what the paper's obstacles begin with
    for medians in found.values():
        assert medians == sorted(medians)
    assert found["roughness"][-1] > found["roughness"][0] > 0
