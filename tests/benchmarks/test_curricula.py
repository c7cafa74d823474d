"""The comparison of curricula: what is kept of it, and its tables."""

import json
from argparse import Namespace

import pytest

from benchmarks.curricula.__main__ import HERE, RESULTS, main, words_of
from benchmarks.curricula.figure import draw, tables
from benchmarks.curricula.results import PRIMARY, cells_of, runs_of
from benchmarks.pages import into_page
from benchmarks.random_courses import HARD, random_tasks
from environments.encodings.parametric import ParametricEncoding
from poet.config import build, read_file
from poet.sweep.plan import Choice


def test_random_tasks_are_valid_and_others_for_every_seed():
    tasks = random_tasks(50, 1, HARD)
    encoding = ParametricEncoding.from_options({"kinds": ["roughness", "pit", "stump"]})
    for task in tasks:
        encoding.check(task.genome)
    assert 5 < max(task.genome["pit_gap"][1] for task in tasks) <= 6
    assert random_tasks(50, 1, HARD) == tasks != random_tasks(50, 2, HARD)


ARMS = ("stages", "random")


def write_sweep(folder, returns):
    """Write what a sweep of two runs leaves: returns by run and teacher."""
    teachers, learners = ([{"label": n, "name": n, "settings": {}} for n in names] for names in (ARMS, ["ppo"]))
    sweep = {"seeds": [0], "curricula": {"one": "0", "two": "0"}, "learners": learners, "teachers": teachers}
    folder.mkdir()
    (folder / "sweep.json").write_text(json.dumps({"sweep": sweep}))
    for (run, teacher), rows in returns.items():
        place = folder / f"{run}-ppo-{teacher}-0"
        place.mkdir()
        tests = {PRIMARY[2]: {PRIMARY[3]: rows, "stochastic": rows}}
        (place / "result.json").write_text(json.dumps({"steps": 50, "tests": tests}))


@pytest.fixture
def cells(tmp_path):
    write_sweep(
        tmp_path / "sweep",
        {
            ("one", "stages"): [[100.0, 230.0], [300.0, 90.0]],
            ("one", "random"): [[-100.0, -50.0], [-50.0, 0.0]],
            ("two", "stages"): [[10.0]],
            ("two", "random"): [[20.0]],
        },
    )
    return cells_of(tmp_path / "sweep")


def test_a_training_is_kept_as_its_mean_and_the_share_of_episodes_solved(cells):
    found = {(cell["arm"], cell["run"], cell["actions"]): cell for cell in cells}
    one = found["ppo/stages", "one", "deterministic"]
    assert (one["return"], one["solved"], one["episodes"]) == (180.0, 0.5, 4)
    assert (found["ppo/random", "two", "stochastic"]["return"], len(found)) == (20.0, 8)


def test_tables_tell_all_costs_and_mark_the_one_comparison_that_was_written_down(cells, tmp_path):
    row = {"arm": "ppo/stages", "ground": PRIMARY[2], "actions": PRIMARY[3], "trainings": 2, "steps": 50.0}
    row |= {"run_steps": 1000.0, "return": 95.0, "interval": [10.0, 180.0], "solved": 0.25}
    contrast = {"arms": list(PRIMARY[:2]), "ground": PRIMARY[2], "actions": PRIMARY[3], "runs": 2}
    contrast |= {"difference": 110.0, "interval": [-10.0, 230.0], "p": 0.5}
    other = {**contrast, "actions": "stochastic"}
    earlier = {"steps": 20, "rows": [{**row, "return": 3.0}], "contrasts": [{**contrast, "difference": 7.0}]}
    fewer = {"steps": 50, "rows": [], "contrasts": [{**contrast, "difference": 8.0}]}  # runs, with as many steps
    unknown = {**row, "run_steps": None, "interval": None}
    table = {"steps": 50, "rows": [row, unknown], "contrasts": [contrast, other], "earlier": [earlier, fewer]}
    run = {"run": "one", "steps": 1000, "tasks": 3, "solved": 1, "train": 1, "validation": 1, "test": 1}
    run |= {"roughness": 0.5, "pit_gap": 0.8, "stump_height": 0}
    page = tmp_path / "README.md"
    page.write_text("Before.\n<!-- table: contrasts -->\nold\n<!-- end -->\nAfter.\n")
    named = tables(table, cells, [run, {**run, "steps": None}])
    into_page(page, {"contrasts": named["contrasts"]})
    text = page.read_text()
    assert text.startswith("Before.")
    assert text.endswith("After.\n")
    assert "old" not in text
    what = "ppo/stages less ppo/random, tasks of other runs"
    assert f"| **{what}** | 20 | 2 | likeliest | 7.0 (-10.0 to 230.0) | 0.5 |" in text
    assert f"| **{what}** | 50 | 2 | likeliest | 110.0 (-10.0 to 230.0) | 0.5 |" in text
    assert f"| {what} | 50 | 2 | drawn |" in text
    assert " 8.0 " not in text
    assert [line.split(" | ")[1:4] for line in named["growth"].splitlines()[2:]] == [
        ["20", "2", "3 (10 to 180)"],
        ["50", "2", "95 (10 to 180)"],
        ["50", "2", "95"],
    ]
    assert "| 2 | 1,050 | 95 (10 to 180) | 25.0% |" in named["arms"]
    assert "| 2 | not known | 95 | 25.0% |" in named["arms"]
    assert "| one | 1,000 | 3 |" in named["runs"]
    assert (
        "| ppo/stages less ppo/random | 2 | likeliest | 110.0 (-10.0 to 230.0) | 110, -10, 230 | 1 | +25.0% |"
        in named["besides"]
    )
    assert "| one | not known | 3 |" in named["runs"]
    into_page(page, {"contrasts": "again", "runs": "more"})  # a table that the page has no place for goes to its end
    assert page.read_text().startswith("Before.")
    assert page.read_text().endswith("\nmore\n\n<!-- end -->\n")
    assert "again" in page.read_text()
    assert what not in page.read_text()
    draw(cells, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_is_kept_with_its_cost_and_how_far_its_tasks_reach():
    kept = RESULTS.parent / "long_runs" / "original-12" / "curriculum"
    (row,) = runs_of([kept])
    genomes = [json.loads(line)["genome"] for line in (kept / "tasks.jsonl").read_text().splitlines()]
    assert row["tasks"] == len(genomes) == 22
    assert row["stump_height"] == max(genome["stump_height"][1] for genome in genomes if genome["stump_height"])
    assert row["steps"] is None  # it was exported before curricula told


def test_the_runs_are_what_their_file_says_and_the_sweep_is_for_the_comparison_that_was_written_down(tmp_path):
    assert build(read_file(HERE / "run.toml"), "run.toml").reproduction.admitted == 2
    options = Namespace(teachers=["stages", "random", "mild"], steps=50, workers=1)
    words = words_of(tmp_path / "sweep", [tmp_path / "one", tmp_path / "two"], options)
    assert words[words.index("--contrast") + 1] == ":".join(PRIMARY[:2])
    taught = [Choice.read(words[place + 1], "--teacher") for place, word in enumerate(words) if word == "--teacher"]
    assert [(each.label, each.settings) for each in taught] == [
        ("stages", {}),
        ("random", {}),
        ("mild", {"reach": "curriculum"}),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x", "--runs", "1"], "--runs must be 2 or more"),
        (["x", "--teachers", "mild", "random"], "--teachers must have stages and random, each once"),
        (["x", "--teachers", "stages", "random", "random"], "--teachers must have stages and random, each once"),
        (["-o", "none"], "none holds no results yet; give a FOLDER"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_made(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["curricula", *words])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
