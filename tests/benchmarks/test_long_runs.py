"""The summary of a long run against the archive's own rows, and drift against what the encoding begins with."""

import json
import re
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from kept_runs import solving_run
from runs import evolved

from benchmarks.long_runs import __main__ as command
from benchmarks.long_runs.annecs import annecs_afterwards
from benchmarks.long_runs.choosing import hardest_solved
from benchmarks.long_runs.drift import admissions_to_levels, drift
from benchmarks.long_runs.measures import LEG, measures
from benchmarks.long_runs.summary import before, summarise
from environments.domain import Environment
from environments.hexapod3d.expression import terrain_of
from environments.hexapod3d.terrain import FINISH, SIDE_LIMIT, START_PAD, grid
from environments.tasks.curriculum import Curriculum
from poet.config import build

LINK = re.compile(r"\]\(([^)#]*)[^)]*\)")
KEPT = Path(__file__).parents[2] / "benchmarks/results"

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


@pytest.mark.parametrize("document", sorted(KEPT.rglob("curriculum.json")), ids=lambda path: path.parts[-3])
def test_curricula_kept_here_load_and_have_solvers(document):
    curriculum = Curriculum.load(document.parent)
    assert curriculum.train_tasks
    assert all((document.parent / "agents" / f"{task.id}.safetensors").is_file() for task in curriculum.train_tasks)


@pytest.mark.parametrize("page", sorted(KEPT.rglob("*.md")), ids=lambda path: str(path.relative_to(KEPT)))
def test_what_pages_kept_here_show_and_link_to_is_there(page):
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in links if link and not (page.parent / link).exists()] == []


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
    score = found.pop("score")
    assert found == {"stump": 2.4, "gap": 5.9, "roughness": 4.5, "level": 2}
    assert score == pytest.approx((1 + 5.9 / 6 + 1) / 3, abs=1e-4)


def test_what_a_hexapod_climbs_is_what_a_loop_over_half_metres_finds_without_the_gaps():
    genome = {"step_height": [0.1, 0.3], "boulder_height": [0.0, 0.2], "gap_width": [0.27, 0.54]}
    found = measures(Environment(domain="hexapod3d", encoding="parametric", genome=genome, seed=4))
    filled = Environment(domain="hexapod3d", encoding="parametric", genome={**genome, "gap_width": None}, seed=4)
    heights = terrain_of(filled).heights
    x, y = (side.reshape(-1) for side in grid())
    rows = [i for i in range(len(x)) if START_PAD - 0.01 <= x[i] <= FINISH + 0.01]
    columns = [j for j in range(len(y)) if abs(y[j]) <= SIDE_LIMIT + 0.01]
    highest = 0.0
    for i in rows[:-5]:
        for j in columns[:-5]:
            window = heights[i : i + 6, j : j + 6]
            highest = max(highest, float(window.max() - window.min()))
    assert found["climb"] == pytest.approx(highest / LEG, abs=1e-3)
    assert found["gap"] == 1.0  # 0.54 m, the length of femur and tibia
    assert found["climb_level"] == (highest / LEG >= np.array([0.25, 0.5, 1.0])).sum()


def test_flat_ground_of_the_hexapod_has_nothing_to_climb():
    found = measures(Environment(domain="hexapod3d", encoding="parametric", genome={}, seed=0))
    assert found == {"variance": 0, "climb": 0, "gap": 0, "level": 0, "climb_level": 0, "score": 0}


def test_the_hardest_are_of_different_lineages_while_there_are_enough():
    def row(number, parent, score, solved=True):
        admitted = {"iteration": 0 if parent is None else 5}
        return {"id": number, "parent": parent, "level": 0, "score": score, "admitted": admitted} | {
            "solved": {} if solved else None
        }

    family = [row(0, None, 0), row(1, 0, 1), row(2, 1, 5), row(3, 2, 6), row(4, 0, 2), row(5, 4, 9, solved=False)]
    assert hardest_solved(family, 2) == [3, 4]  # 2 is 3's parent, 1 its grandparent, 5 is not solved
    assert hardest_solved(family, 3) == [3, 2, 4]
    assert hardest_solved(family, 9) == [3, 2, 4, 1]


def test_drift_begins_with_the_genes_initial_values_and_never_falls():
    found = drift(build(SETTINGS, "long").to_table(), 12)
    assert (found["stump"][0], found["gap"][0]) == (0.4, 0.8)  # what the paper's obstacles begin with
    for medians in found.values():
        assert medians == sorted(medians)
    assert found["roughness"][-1] > found["roughness"][0] > 0


def test_drift_of_the_hexapod_is_measured_by_its_own_measures():
    settings = build({"domain": "hexapod3d", "encoding": {"options": {"stride": 2.0}}}, "hexapod").to_table()
    found = drift(settings, 3, seeds=2)
    assert set(found) == {"variance", "climb", "gap", "level"}
    assert found["variance"][-1] >= found["variance"][0] > 0


def test_a_level_that_drift_does_not_reach_is_told_as_none():
    settings = {**SETTINGS, "reproduction": {**SETTINGS["reproduction"], "capacity": 2}}
    assert admissions_to_levels(build(settings, "long").to_table(), seeds=3, most=2) == [None, None, None]


def test_every_ground_is_new_to_all_agents_where_any_score_meets_the_criterion(run):
    found = annecs_afterwards(run)
    assert (found["created"], found["created_and_solved"]) == (2, 0)
    assert found["agents"] >= 1


def test_the_command_keeps_all_of_a_run_and_draws_it_again_from_what_is_kept(tmp_path, monkeypatch):
    folder, results = solving_run(tmp_path / "short"), tmp_path / "results"
    before = (folder / "archive.sqlite").read_bytes()
    monkeypatch.setattr(command, "MOST", 4)
    monkeypatch.setattr("sys.argv", ["long_runs", str(folder), "--results", str(results), "--no-films"])
    command.main()
    assert (folder / "archive.sqlite").read_bytes() == before
    kept = json.loads((results / "short" / "summary.json").read_text("utf-8"))
    (admitted,) = [niche for niche in kept["niches"] if niche["parent"] is not None]
    assert admitted["solved"]["iteration"] == 1
    assert admitted["mean_return"] > 230
    assert kept["levels"]["solved"]["easy"] == 1
    curriculum = Curriculum.load(results / "short" / "curriculum")
    assert len(curriculum.stages) == 2
    page = (results / "README.md").read_text("utf-8")
    assert "| short | solved | 1 | 0 | 0 | 0 |" in page
    own = ("course.png", "phylogeny.png", "gallery.png")
    pictures = [results / "difficulty.png", *(results / "short" / each for each in own)]
    drawn = [picture.read_bytes() for picture in pictures]
    monkeypatch.setattr("sys.argv", ["long_runs", "--results", str(results)])
    command.main()
    assert (results / "README.md").read_text("utf-8") == page
    assert [picture.read_bytes() for picture in pictures] == drawn


def test_what_a_branch_cost_is_told_with_what_came_before():
    def kept(steps, hours, source, *born):
        niches = [{"admitted": {"iteration": at}} for at in born]
        return {"steps": steps, "core_hours": hours, "source": source and {"name": source}, "niches": niches}

    runs = {
        "first": kept(100, 1.0, None, 0, 2, 3),
        "second": kept(20, 0.5, "first/curriculum", 0, 0, 5),
        "third": kept(3, 0.25, "second", 0),
        "lost": kept(3, 0.25, "gone", 0),
        "round": kept(3, 0.25, "round/curriculum", 0),
    }
    assert before("third", runs) == {"steps": 120, "core_hours": 1.5, "admitted": 3, "known": True}
    assert before("first", runs) == {"steps": 0, "core_hours": 0.0, "admitted": 0, "known": True}
    assert not before("lost", runs)["known"]
    assert not before("round", runs)["known"]


def test_a_folder_without_a_run_is_refused_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["long_runs", str(tmp_path)])
    with pytest.raises(SystemExit, match="holds no run; give a folder that `poet evolve` has made"):
        command.main()
