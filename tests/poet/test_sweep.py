"""`poet sweep`: trainings side by side, and what is said of them."""

import json
import signal
import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest
import synthetic_archive
from runs import command, variables

from environments.domain import Environment
from environments.tasks.curriculum import Curriculum
from poet.errors import InputError
from poet.sweep import plan, summary
from poet.sweep.cells import Ground, Turn, plan_of, read_result, strangers
from poet.sweep.plan import Cell, Choice, Sweep, open_sweep

TINY = ["--tasks", 2, "--copies", 1, "--episode-limit", 20, "--steps", 40, "--worlds", 2, "--workers", 1]
PPO = ["--learner", "ppo,hidden=8,steps=10"]


@pytest.fixture(scope="module")
def curricula(tmp_path_factory):
    from poet.archive.reading import reading  # noqa: PLC0415
    from poet.export.curriculum import ExportSettings, export  # noqa: PLC0415

    place = tmp_path_factory.mktemp("sweep")
    for seed, name in enumerate(("one", "two")):
        synthetic_archive.write(place / f"run-{name}", niches=8, iterations=20, seed=seed)
        with reading(place / f"run-{name}") as connection:
            export(connection, place / name, ExportSettings())
    return place / "one", place / "two"


def refused(done, *words):
    assert done.returncode == 2, done.stderr
    said = " ".join(done.stderr.split())
    assert "Traceback" not in said
    for word in words:
        assert word in said, said


def trained(folder):
    """What decides: every training's figures and its tests."""
    names = ("metrics.jsonl", "result.json")
    return {str(path.relative_to(folder)): path.read_bytes() for name in names for path in folder.glob(f"*/{name}")}


@pytest.mark.slow
def test_a_sweep_that_was_killed_comes_to_what_an_unbroken_one_does(poet, curricula, tmp_path):
    line = [*curricula, *PPO, "--teacher", "stages", "--teacher", "mild=random,reach=curriculum", *TINY]
    line += ["--contrast", "ppo/mild:ppo/stages", "--json"]
    whole = poet("sweep", *line, "--seeds", 1, "-o", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    said = json.loads(whole.stdout)

    broken = tmp_path / "broken"
    line_of_one = command("sweep", *line, "--seeds", 1, "--workers", 2, "-o", broken)
    with subprocess.Popen(line_of_one, env=variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as begun:
        end = time.monotonic() + 120
        while not list(broken.glob("*/result.json")) and begun.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        begun.send_signal(signal.SIGKILL)
    while True:  # workers end their meta-step before they see that they are orphans
        again = poet("sweep", *line, "--seeds", 1, "-o", broken)
        if "another process is training in" not in again.stderr or time.monotonic() > end:
            break
    assert again.returncode == 0, again.stderr
    assert trained(broken) == trained(tmp_path / "whole")
    assert len(trained(broken)) == 2 * 2 * 2

    rows = {(row["arm"], row["ground"], row["actions"]): row for row in said["rows"]}
    assert {ground for _, ground, _ in rows} == {"own test tasks", "tasks of other runs"}
    runs = [Curriculum.load(place).steps for place in curricula]
    assert {row["run_steps"] for row in said["rows"]} == {sum(runs) / 2}  # mild reaches as far as a run went
    row = rows["ppo/mild", "tasks of other runs", "deterministic"]
    assert (row["runs"], row["trainings"]) == (2, 2)
    assert row["interval"][0] <= row["return"] <= row["interval"][1]
    found = [(each["arms"], each["ground"], each["runs"]) for each in said["contrasts"]]
    assert found == [(["ppo/mild", "ppo/stages"], "tasks of other runs", 2)] * 2

    # A curriculum that joins later brings tasks of another run: those that were trained before are tested again.
    grown, alone = tmp_path / "grown", [words for words in line if words != curricula[1]]
    assert poet("sweep", *alone, "--seeds", 1, "-o", grown).returncode == 0
    later = json.loads(poet("sweep", *line, "--seeds", 1, "-o", grown).stdout)
    assert trained(grown) == trained(tmp_path / "whole")
    assert later["rows"] == said["rows"]
    assert {each["ground"] for each in later["contrasts"]} == {"own test tasks"}  # as it was written down first

    refused(poet("sweep", *line, "--seeds", 1, "--steps", 39, "-o", broken), "holds a sweep of 40 steps; give as many")
    refused(poet("sweep", *alone, "--seeds", 1, "-o", broken), "holds a sweep with another curricula")

    # More steps: trainings go on to where they would have come to at once, and the first table is not forgotten.
    farther = [*line, "--seeds", 1, "--steps", 81]
    went_on = json.loads(poet("sweep", *farther, "-o", broken).stdout)
    assert went_on["earlier"] == [{name: said[name] for name in ("steps", "trainings", "rows", "contrasts")}]
    at_once = json.loads(poet("sweep", *farther, "-o", tmp_path / "at-once").stdout)
    assert trained(broken) == trained(tmp_path / "at-once")
    assert went_on["rows"] == at_once["rows"] != said["rows"]
    shown = poet("sweep", *[words for words in farther if words != "--json"], "-o", broken).stdout
    assert all(f"deterministic, {steps} steps, runs: 2:" in " ".join(shown.split()) for steps in (40, 81)), shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--learner", "nobody"], "nobody/stages: learner is 'nobody'; installed learners are"),
        (["--learner", "cnp"], "cnp/stages: learner 'cnp' learns from examples and does not act"),
        (["--learner", "ppo,hiden=8"], "ppo/stages: unknown setting hiden; known are hidden"),
        ([*PPO, "--teacher", "plr,kept=0"], "ppo/plr: kept is 0; it must be in [1, 100000]"),
        ([*PPO, "--episode-limit", 9999], "--episode-limit is 9999; for walker2d it must be in [1, "),
        ([*PPO, *PPO], "--learner has 'ppo' twice; give one a label"),
        ([*PPO, "--contrast", "ppo/stages"], "--contrast is 'ppo/stages'; it must be two arms"),
        ([*PPO, "--contrast", "ppo/stages:ppo/x"], "--contrast names 'ppo/x'; the arms of this sweep are ppo/stages"),
        ([*PPO, "--suite", "nowhere"], "--suite is 'nowhere', which walker2d does not have"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_is_written(poet, curricula, tmp_path, words, said):
    refused(poet("sweep", curricula[0], *TINY, *words, "-o", tmp_path / "none"), said)
    assert not (tmp_path / "none").exists()


def test_tasks_of_other_runs_are_no_twins_of_ones_own_by_another_terrain_seed(tmp_path):
    def of(*grounds):
        made = [
            Environment(domain="walker2d", encoding="parametric", genome={"roughness": rough}, seed=seed)
            for rough, seed in grounds
        ]
        return Curriculum(
            tmp_path,
            {
                "domain": {"name": "walker2d"},
                "environments": {each.id: each.to_fields() for each in made},
                "splits": {"members": {"train": [each.id for each in made]}},
                "stages": {"order": [each.id for each in made]},
                "files": {},
            },
        )

    own, another = of((0.0, 1), (0.4, 1), (0.8, 1)), of((0.0, 1), (0.4, 1), (0.4, 2), (0.6, 1), (0.6, 2))
    found = [(task.environment.genome["roughness"], task.environment.seed) for task in strangers(another, own)]
    assert found == [(0.6, 1), (0.6, 2)]


def test_a_teacher_who_makes_its_own_tasks_trains_another_learner_for_every_curriculum(curricula):
    def begun(where, seed, teacher):
        cell = Cell(where.name, Choice("ppo", "ppo", {}), teacher, seed)
        return plan_of(cell, PLANNED, Curriculum.load(where), 20, -10.0).seed

    random, stages = Choice("random", "random", {}), Choice("stages", "stages", {})
    seeds = {(where.name, seed): begun(where, seed, random) for where in curricula for seed in range(3)}
    assert len(set(seeds.values())) == 6
    assert begun(curricula[1], 2, stages) == seeds["two", 2]  # arms of a run are pairs


PLANNED = Sweep(
    curricula={"one": "0"},
    learners=[Choice("ppo", "ppo", {})],
    teachers=[Choice("stages", "stages", {})],
    seeds=range(1),
    steps=40,
    tasks=2,
    copies=None,
    episode_limit=None,
    fall_reward=None,
    test=plan.Test(suites=(), worlds=1, episodes=1),
    contrast=("ppo/stages", "ppo/random", "own test tasks"),
)


def test_trainings_that_would_share_a_folder_are_refused_before_anything_is_written(tmp_path):
    learners = [Choice("ppo", "ppo", {}), Choice("ppo-stages", "ppo", {"hidden": 8})]
    teachers = [Choice("stages-stages", "stages", {}), Choice("stages", "stages", {})]
    folder, said = tmp_path / "sweep", "ppo/stages-stages on one and ppo-stages/stages on one would both be trained in"
    with pytest.raises(InputError, match=said):
        open_sweep(folder, replace(PLANNED, learners=learners, teachers=teachers))
    assert not folder.exists()
    open_sweep(folder, replace(PLANNED, learners=learners))


def test_a_result_that_cannot_be_read_is_not_done(tmp_path):
    (cell,) = PLANNED.cells()
    turn = Turn(tmp_path, cell, None, tmp_path, PLANNED, [Ground("own test tasks", [], 20)])
    path = tmp_path / cell.name / "result.json"
    assert read_result(turn) is None
    path.parent.mkdir()
    grounds = {"own test tasks": turn.grounds[0].sha256}
    whole = {"steps": 40, "grounds": grounds, "tests": {"own test tasks": {"stochastic": [[1.0]]}}}
    damaged = [json.dumps(whole)[:-9], json.dumps([whole])]
    damaged += [json.dumps({name: whole[name] for name in whole if name != gone}) for gone in whole]
    for text in [
        *damaged,
        json.dumps({**whole, "steps": 39}),
        json.dumps({**whole, "tests": {}}),
        json.dumps({**whole, "grounds": None}),
        "\udcff",
    ]:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        assert read_result(turn) is None, text
    path.write_text(json.dumps(whole), encoding="utf-8")
    assert read_result(turn) == whole


def test_a_damaged_plan_is_refused_with_what_to_do(tmp_path):
    assert open_sweep(tmp_path, PLANNED) == PLANNED
    path = tmp_path / "sweep.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for damaged in ({**document, "sweep": 3}, {name: document[name] for name in document if name != "sweep"}):
        path.write_text(json.dumps(damaged), encoding="utf-8")
        with pytest.raises(InputError, match="is damaged: it does not say what is swept; begin the sweep in another"):
            open_sweep(tmp_path, PLANNED)
    for steps in ("40", None, True):
        path.write_text(json.dumps({**document, "sweep": {**document["sweep"], "steps": steps}}), encoding="utf-8")
        with pytest.raises(InputError, match="holds a sweep with another steps"):
            open_sweep(tmp_path, PLANNED)
    for contrast in (3, ["ppo/stages", "ppo/random"]):
        path.write_text(
            json.dumps({**document, "sweep": {**document["sweep"], "contrast": contrast}}), encoding="utf-8"
        )
        with pytest.raises(InputError, match="holds a sweep with another contrast"):
            open_sweep(tmp_path, PLANNED)


def results_of(means, rng, runs=10, seeds=2):
    """Arms whose trainings differ from run to run far more than from seed to seed."""
    usual = rng.normal(0, 50, runs)
    return {
        arm: [
            (
                Cell(str(place), Choice("ppo", "ppo", {}), Choice(arm, "stages", {}), seed),
                {"steps": 40, "tests": {"others": {"stochastic": [[usual[place] + mean + rng.normal(0, 5)]]}}},
            )
            for place in range(runs)
            for seed in range(seeds)
        ]
        for arm, mean in means.items()
    }


def test_a_contrast_is_between_arms_within_runs_and_its_interval_covers():
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(40):
        found = summary.contrast(results_of({"a": 10.0, "b": 0.0}, rng), ("a", "b", "others"), "stochastic")
        covered.append(found["interval"][0] <= 10 <= found["interval"][1])
        assert found["p"] < 0.05  # though runs differ by 50, since they are pairs
    assert np.mean(covered) > 0.8  # percentile intervals of ten runs are a little narrow
    same = [
        summary.contrast(results_of({"a": 0.0, "b": 0.0}, rng), ("a", "b", "others"), "stochastic")["p"]
        for _ in range(40)
    ]
    assert np.mean(np.array(same) < 0.05) < 0.2


def test_an_interval_knows_that_the_unit_is_the_run():
    rng = np.random.default_rng(2)
    (row,) = summary.rows_of(results_of({"a": 0.0}, rng, runs=5, seeds=20), 230.0, {})
    assert (row["runs"], row["trainings"]) == (5, 100)
    assert row["interval"][1] - row["interval"][0] > 20  # a hundred seeds of one run would say 2 sqrt(2500 / 100)


def test_who_learns_from_a_run_is_charged_its_steps():
    cells = [
        (Cell(run, Choice("ppo", "ppo", {}), teacher, 0), {"steps": 40, "tests": {"others": {"stochastic": [[1.0]]}}})
        for teacher in (
            Choice("stages", "stages", {}),
            Choice("mild", "random", {"reach": "curriculum"}),
            Choice("random", "random", {}),
            Choice("plr", "plr", {"reach": "encoding"}),
        )
        for run in ("one", "two")
    ]
    results = {cell.arm: [each for each in cells if each[0].arm == cell.arm] for cell, _ in cells}

    def charged(runs):
        return {row["arm"]: (row["steps"], row["run_steps"]) for row in summary.rows_of(results, 230.0, runs)}

    known = charged({"one": 100, "two": 300})
    assert known == {"ppo/stages": (40, 200), "ppo/mild": (40, 200), "ppo/random": (40, 0), "ppo/plr": (40, 0)}
    assert charged({"one": 100, "two": None})["ppo/stages"] == (40, None)
    assert charged({"one": 100, "two": None})["ppo/random"] == (40, 0)


def test_tables_that_were_written_before_are_read_again_or_their_file_is_named(tmp_path):
    path = tmp_path / "table.json"
    assert summary.read_tables(path) == []
    first = {"steps": 40, "trainings": 2, "rows": [], "contrasts": []}
    path.write_text(json.dumps({**first, "steps": 81, "folder": "x", "earlier": [first]}), encoding="utf-8")
    assert summary.read_tables(path) == [first, {**first, "steps": 81}]
    for damaged in ("{", "[]", "3", {"steps": "40"}, {**first, "earlier": 3}, {**first, "earlier": [{}]}):
        path.write_text(damaged if isinstance(damaged, str) else json.dumps(damaged), encoding="utf-8")
        with pytest.raises(InputError, match=r"table\.json cannot be read .*; it tells how the sweep stood before"):
            summary.read_tables(path)
