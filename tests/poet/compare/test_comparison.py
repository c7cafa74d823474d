"""Runs compared: what is said of each is what its archive says, and who was played where is what the domain says."""

import hashlib
import itertools
import json
from contextlib import closing

import numpy as np
import pytest
from runs import TOY_SETTINGS, evolved, typed
from scipy.stats import trim_mean

from cluster.executor import InProcess
from environments.intervals import interquartile_mean
from poet import Run
from poet.archive.reading import reading
from poet.archive.store import Archive
from poet.compare.comparing import MatrixSettings, compare_folders
from poet.compare.facts import MEASURES
from poet.compare.groups import aggregate
from poet.errors import InputError
from poet.names import names_of


def here():
    return closing(InProcess())


def compared(*folders, groups=None, **settings):
    return compare_folders(folders, groups, settings=MatrixSettings(**settings), make_executor=here).to_plain()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three toy runs of seeds of their own, the last of another length."""
    folder = tmp_path_factory.mktemp("runs")
    made = {"first/toy": {"seed": 1}, "second/toy": {"seed": 2, "es": {**TOY_SETTINGS["es"], "sigma": 0.2}}}
    made["third"] = {"seed": 3, "iterations": 20}
    return [evolved(folder / name, {**TOY_SETTINGS, **changes}) for name, changes in made.items()]


def contents(folder):
    """The run's own files; SQLite makes others beside them by which readers share with a writer."""
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("archive.sqlite", "config.toml")]


def test_every_figure_is_the_archives_and_nothing_is_written(runs):
    before = [contents(run) for run in runs]
    found = compared(*runs, wanted=False)
    assert [run["name"] for run in found["runs"]] == ["first/toy", "second/toy", "third"]
    for folder, told in zip(runs, found["runs"], strict=True):
        summary, metrics = Run.open(folder).summary(), Run.open(folder).metrics()
        for name in ("iterations", "niches", "solved", "active", "seed"):
            assert told[name] == summary[name]
        assert told["transfers"] == summary["transfers"]["accepted"]
        assert told["steps"] == sum(row["steps"] for row in metrics)
        assert {phase: cost["steps"] for phase, cost in told["costs"].items() if cost} == summary["steps"]
        curves = told["curves"]
        assert curves["iteration"] == [row["iteration"] + 1 for row in metrics]
        assert curves["steps"] == np.cumsum([row["steps"] for row in metrics]).tolist()
        for name in ("niches", "solved", "mean_score", "best_score"):
            assert curves[name] == [row[name] for row in metrics]
        with reading(folder) as connection:
            (hours,) = connection.execute(
                "SELECT sum(seconds * workers) / 3600 FROM timing JOIN session ON session.id = session"
            ).fetchone()
        assert told["core_hours"] == pytest.approx(hours)
    assert [contents(run) for run in runs] == before


def test_settings_that_differ_are_listed_with_every_runs_value_and_no_others(runs):
    found = compared(*runs, wanted=False)
    assert {row["setting"]: row["values"] for row in found["settings"]} == {
        "seed": [1, 2, 3],
        "iterations": [36, 36, 20],
        "es.sigma": [0.1, 0.2, 0.1],
    }


def test_every_agent_scores_in_every_niche_what_the_closed_form_says(runs):
    found = compared(*runs, niches=3, episodes=2)["matrix"]
    homes = []
    for folder, name in zip(runs, ("first/toy", "second/toy", "third"), strict=True):
        run = Run.open(folder)
        niches, agents = run.niches, run.agents
        places = np.unique(np.linspace(0, len(niches) - 1, 3).round().astype(int))
        assert [home["niche"] for home in found["niches"] if home["run"] == name] == places.tolist()
        homes += [(niches[place].environment.genome["target"], agents[place].theta) for place in places]
    thetas, targets = np.stack([theta for _, theta in homes]), np.array([target for target, _ in homes])
    wanted = 200 - 100 * ((thetas[:, None].astype(np.float64) - targets[None]) ** 2).sum(axis=2)
    returns = np.array(found["returns"])
    assert ((returns >= wanted - 0.01) & (returns <= wanted + 1.01)).all()
    assert (np.array(found["solved"])[wanted > 195] == 1).all()
    assert (np.array(found["solved"])[wanted < 194] == 0).all()
    block = next(each for each in found["blocks"] if (each["agents_of"], each["niches_of"]) == ("third", "first/toy"))
    rows, columns = slice(len(returns) - 3, None), slice(0, 3)
    assert block["mean_return"] == pytest.approx(returns[rows, columns].mean(), abs=0.01)


def test_a_pairing_scores_the_same_whoever_else_is_compared_and_whatever_is_left_out(runs):
    def cells(matrix):
        names = [(home["run"].split("/")[0], home["niche"]) for home in matrix["niches"]]
        return {
            (agent, niche): matrix["returns"][i][j] for i, agent in enumerate(names) for j, niche in enumerate(names)
        }

    whole, part = cells(compared(*runs, episodes=1)["matrix"]), cells(compared(runs[1], runs[0], niches=2)["matrix"])
    few = cells(compared(runs[1], runs[0], niches=2, episodes=1)["matrix"])
    assert few.items() <= whole.items()
    assert part.keys() == few.keys()
    assert part != few


def test_many_niches_are_sampled_and_it_is_said_of_which_run(runs):
    found = compared(*runs[:2], niches=2, episodes=1)
    counts = [run["niches"] for run in found["runs"]]
    parts = [
        f"2 of the {count} niches of {name}" for count, name in zip(counts, ("first/toy", "second/toy"), strict=True)
    ]
    assert f"{', '.join(parts)} take part in the matrix, evenly chosen by birth" in found["notes"]
    assert not any("take part" in note for note in compared(*runs[:2], niches=max(counts), episodes=1)["notes"])


def test_what_went_into_a_branch_before_it_began_is_said_not_to_be_counted(runs, tmp_path):
    source = Run.open(runs[0])
    branch = Run.create(tmp_path / "branch", source=source)
    branch.evolve(1, workers=1)
    notes = compared(runs[0], branch.folder, episodes=1)["notes"]
    active = sum(niche.active for niche in source.niches)
    steps = sum(source.summary()["steps"].values())
    said = f"branch began with {active} pairs of {source.folder.name}: the {steps:,} steps that went into them are not"
    assert [note for note in notes if "went into" in note] == [f"{said} counted"]


def test_runs_of_different_domains_are_compared_without_a_matrix_and_it_is_said_why(runs, tmp_path):
    walker = Run.create(tmp_path / "walker", settings={"es.pairs": 2})
    found = compared(runs[0], walker.folder)
    assert found["matrix"] is None
    assert any(note.startswith("no matrix: the runs' agents live in different domains") for note in found["notes"])
    assert [run["domain"] for run in found["runs"]] == ["toy", "walker2d"]
    assert found["runs"][1]["iterations"] == 0  # nothing is on disk yet


def test_a_run_is_read_while_another_process_holds_it_for_writing(runs, tmp_path):
    folder = evolved(tmp_path / "going", {**TOY_SETTINGS, "seed": 9}, iterations=2)
    archive = Archive.resume(folder)
    try:
        archive.connection.execute("BEGIN IMMEDIATE")
        archive.connection.execute("UPDATE niche SET solved = 1")
        found = compared(runs[0], folder, niches=2, episodes=1)
        archive.connection.execute("ROLLBACK")
    finally:
        archive.close()
    assert found["runs"][1]["iterations"] == 2
    assert found["runs"][1]["solved"] == Run.open(folder).summary()["solved"]


def test_names_take_as_many_folders_as_tell_runs_apart(tmp_path):
    folders = [tmp_path / "a" / "x" / "run", tmp_path / "b" / "x" / "run", tmp_path / "c" / "run", tmp_path / "other"]
    assert names_of(folders) == ["a/x/run", "b/x/run", "c/run", "other"]
    with pytest.raises(InputError, match="is named twice"):
        names_of([folders[0], folders[0] / ".." / "run"])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 11])
def test_interquartile_mean_is_scipys_trimmed_mean_of_four_copies_of_every_value(count):
    """Of so many a quarter is whole; of as many as divide by four, copies change nothing."""
    values = np.random.default_rng(count).normal(size=(7, count))
    found = interquartile_mean(values)
    np.testing.assert_allclose(found, trim_mean(np.repeat(values, 4, axis=1), 0.25, axis=1))
    if count % 4 == 0:
        np.testing.assert_allclose(found, trim_mean(values, 0.25, axis=1))
    assert aggregate(values.T).middle == found.tolist()


def test_intervals_are_those_of_every_resample_there_is():
    values = np.array([1.0, 4.0, 11.0, 30.0])
    exact = [trim_mean([values[i] for i in drawn], 0.25) for drawn in itertools.product(range(4), repeat=4)]
    found = aggregate(values[:, None])
    assert found.middle == [7.5]
    low, high = np.percentile(exact, (2.5, 97.5))
    assert found.low[0] == pytest.approx(low, abs=0.8)
    assert found.high[0] == pytest.approx(high, abs=0.8)
    alone = aggregate(np.array([[3.0, np.nan]]))
    assert (alone.middle, alone.low) == ([3.0, None], [None, None])


def test_a_group_is_the_runs_aggregated_and_ends_with_its_shortest(runs):
    found = compared(runs[0], groups={"all": runs, "one": [runs[1]]}, wanted=False)
    (group, one), told = found["groups"], {run["name"]: run for run in found["runs"]}
    assert group["runs"] == ["first/toy", "second/toy", "third"]
    assert group["curves"]["iteration"]["x"][-1] == 20
    for axis in ("iteration", "steps", "core_hours"):
        xs = group["curves"][axis]["x"]
        for measure in MEASURES:
            values = [
                [
                    old
                    for x, old in zip(run["curves"][axis], run["curves"][measure], strict=True)
                    if x <= xs[-1] * (1 + 1e-9)
                ]
                for run in told.values()
            ]
            last = [each[-1] for each in values]
            # Of three, a quarter of the outer ones and all of the middle one.
            wanted = None if None in last else pytest.approx(np.dot(sorted(last), (1, 4, 1)) / 6)
            assert group["curves"][axis][measure]["iqm"][-1] == wanted, (axis, measure)
    assert one["figures"]["solved"] == {"iqm": told["second/toy"]["solved"], "low": None, "high": None}


def test_command_writes_tables_json_and_a_page(runs, monkeypatch, capsys, tmp_path):
    page, few = tmp_path / "page.html", ("--niches", 2, "--episodes", 1, "--workers", 1)
    assert typed(monkeypatch, "compare", *runs, *few, "--json", "-o", page) == 0
    python = Run.open(runs[0]).compare(*runs[1:], niches=2, episodes=1, workers=1)
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(python))
    assert page.read_text(encoding="utf-8").count("first/toy") >= 1
    groups = ("--group", f"b={runs[1]},{runs[2]}", f"a={runs[0]}")
    assert typed(monkeypatch, "compare", runs[0], *groups, *few) == 0
    shown = capsys.readouterr().out
    for words in ("first/toy", "es.sigma", "interquartile mean", "b (2)", "a (1)", "optimise", "solve "):
        assert words in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["first/toy"], "a comparison takes two runs or more, and 1 was given"),
        (["first/toy", "first/toy"], "is named twice"),
        (["first/toy", "nowhere"], "nowhere holds no run"),
        (["first/toy", "third", "-o", "page.pdf"], "page.pdf ends in .pdf"),
        (["--group", "a"], "--group is 'a'; it must be a name and runs, as NAME=RUN,RUN"),
        (["--group", "a=third,third"], "the group a names third twice"),
        (["--group", "a=third", "--group", "a=first/toy"], "--group names 'a' twice"),
    ],
)
def test_wrong_use_is_one_sentence(runs, arguments, said, monkeypatch, capsys):
    monkeypatch.chdir(runs[2].parent)
    assert typed(monkeypatch, "compare", *arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
