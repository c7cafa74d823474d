"""`poet export RUN RUN`: one curriculum of several runs, against what their archives say."""

import itertools
import json
import sqlite3
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import synthetic_archive
from runs import TOY_SETTINGS, evolved, typed

from environments.domain import find_domain
from environments.tasks.curriculum import Curriculum
from environments.walker2d import native
from poet import Run
from poet.archive import checksums
from poet.errors import InputError

NICHES = {"a/run": 14, "b/run": 9, "c": 12}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Walker runs; the second invented the first nine environments of the first, and has other agents for them."""
    folder = tmp_path_factory.mktemp("several")
    for (name, niches), seed in zip(NICHES.items(), (1, 1, 2), strict=True):
        (folder / name).parent.mkdir(exist_ok=True)
        synthetic_archive.write(folder / name, niches=niches, iterations=140, seed=seed)
    connection = sqlite3.connect(folder / "b/run" / "archive.sqlite")
    with connection:  # every second of its agents scored higher than the first run's
        connection.execute("UPDATE pair SET best_score = best_score + CASE WHEN niche % 2 THEN 100 ELSE -100 END")
        connection.execute("DELETE FROM checksum")
        checksums.fill(connection)
    connection.close()
    return [folder / name for name in NICHES]


@pytest.fixture(scope="module")
def exported(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "curriculum"
    Run(runs[0]).export(folder, others=runs[1:], workers=1)
    return folder


def niches_of(run):
    connection = sqlite3.connect(run / "archive.sqlite")
    connection.row_factory = sqlite3.Row
    found = connection.execute("SELECT niche.*, best_theta, best_score FROM niche JOIN pair ON id = niche").fetchall()
    connection.close()
    return {row["id"]: row for row in found}


def rows_of(folder):
    return [json.loads(line) for line in (folder / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_every_task_is_of_the_run_that_it_names_with_the_agent_of_that_run(runs, exported):
    archives, rows = {name: niches_of(run) for name, run in zip(NICHES, runs, strict=True)}, rows_of(exported)
    every = {niche["environment"] for found in archives.values() for niche in found.values()}
    assert {row["id"] for row in rows} == every
    assert len(rows) == len(every) == 14 + 12
    assert sorted(row["niche"] for row in rows) == list(range(len(rows)))
    curriculum = Curriculum.load(exported)
    for row in rows:
        niche = archives[row["run"]][row["run_niche"]]
        assert row["id"] == niche["environment"]
        assert row["born"] == niche["born"]
        theta = np.frombuffer(niche["best_theta"], dtype="<f8").astype(np.float32)
        np.testing.assert_array_equal(curriculum.agent(row["id"]), theta)


def test_an_environment_of_two_runs_is_one_task_of_the_one_that_scored_higher(runs, exported):
    first, second = niches_of(runs[0]), niches_of(runs[1])
    rows = {row["id"]: row for row in rows_of(exported)}
    for number, niche in second.items():
        assert first[number]["environment"] == niche["environment"]
        row = rows[niche["environment"]]
        assert {row["run"], *row["also_in"]} == {"a/run", "b/run"}
        assert row["run"] == ("a/run" if first[number]["best_score"] >= niche["best_score"] else "b/run")
    assert {row["run"] for row in rows.values()} == set(NICHES)


@pytest.mark.parametrize(
    "by", ["lineage", *(pytest.param(by, marks=pytest.mark.slow) for by in ("difficulty", "birth"))]
)
def test_no_task_lies_in_another_split_than_its_relatives_of_any_run(runs, tmp_path, by):
    document = Run(runs[0]).export(
        tmp_path / by, others=runs[1:], split_by=by, fractions=(0.5, 0.2, 0.3), workers=1, seed=3
    )
    split = {task: name for name, tasks in document["splits"]["members"].items() for task in tasks}
    assert set(split.values()) >= {"train", "validation", "test"}
    pairs = set()
    for run in runs:
        niches = niches_of(run)
        pairs |= {
            (niche["environment"], niches[niche["parent"]]["environment"])
            for niche in niches.values()
            if niche["parent"] is not None
        }
    flat = [niches_of(run)[0]["environment"] for run in runs]  # the same ground by two seeds
    assert len(set(flat)) == 2
    pairs |= set(itertools.combinations(flat, 2))
    # A child of flat ground is one mutation away from flat ground by the other seed too, and no two such children may
    # be nearer to each other than to it: by the genes, in units of their greatest values.
    rows = {row["id"]: row for row in rows_of(tmp_path / by)}
    encoding = find_domain("walker2d").encoding("parametric", {})
    vectors = {task: encoding.vector(row["genome"]) for task, row in rows.items()}
    children = [task for task, row in rows.items() if set(row["parents"]) & set(flat)]
    pairs |= set(itertools.product(children, set(flat)))
    near = {
        (one, other)
        for one, other in itertools.combinations(children, 2)
        if np.linalg.norm(vectors[one] - vectors[other])
        < min(np.linalg.norm(vectors[each] - vectors[flat[0]]) for each in (one, other))
    }
    assert near
    for one, other in pairs | near:
        if one != other:
            assert split[one] == split[other] or "boundary" in (split[one], split[other])


def test_order_of_the_runs_changes_no_byte_and_the_command_writes_what_python_does(
    runs, exported, tmp_path, monkeypatch, capsys
):
    assert typed(monkeypatch, "export", runs[2], runs[0], runs[1], "-o", tmp_path / "again", "--json") == 0
    assert json.loads(capsys.readouterr().out)["tasks"] == 26
    assert content(tmp_path / "again") == content(exported)
    card = (exported / "README.md").read_text(encoding="utf-8")
    assert "| a/run | 1 | 140 |" in card
    document = json.loads((exported / "curriculum.json").read_text(encoding="utf-8"))
    assert {name: run["tasks"] for name, run in document["runs"].items()} == {
        name: sum(row["run"] == name for row in rows_of(exported)) for name in NICHES
    }


def test_readers_play_it_as_any_curriculum(exported):
    curriculum = Curriculum.load(exported)
    env = gymnasium.make("poet/Walker2D-v0", curriculum=str(exported))
    for task in (curriculum.train_tasks[0], curriculum.test_tasks[0]):
        env.reset(seed=1, options={"task": task.id})
        assert env.unwrapped.task == task.environment
    env.close()
    if native.core is not None:
        worlds = gymnasium.make_vec("poet/Walker2D-v0", num_envs=3, curriculum=str(exported))
        worlds.reset(seed=0)
        worlds.step(worlds.action_space.sample())
        worlds.close()


def test_runs_that_cannot_be_one_curriculum_are_refused_before_anything_is_played(runs, tmp_path, monkeypatch, capsys):
    toy = evolved(tmp_path / "toy", TOY_SETTINGS, iterations=2)
    assert typed(monkeypatch, "export", runs[0], toy, "-o", tmp_path / "none") == 2
    assert capsys.readouterr().err.strip() == (
        "error: run and toy cannot be one curriculum: domain is 'walker2d' in the one and 'toy' in the other"
    )
    short = Run.create(tmp_path / "short", settings={"episode_limit": 50}).folder
    with pytest.raises(InputError, match="episode_limit is 2000 in the one and 50 in the other"):
        Run(runs[0]).export(tmp_path / "none", others=[short])
    wide = Run.create(tmp_path / "wide", settings={"controller.hidden": [8]}).folder
    with pytest.raises(InputError, match="the agents of the one are of"):
        Run(runs[0]).export(tmp_path / "none", others=[wide], workers=1)
    with pytest.raises(InputError, match="is named twice"):
        Run(runs[0]).export(tmp_path / "none", others=[runs[0]])
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_somebody_elses_learner_learns_on_it(exported):
    import warnings  # noqa: PLC0415

    from stable_baselines3 import PPO  # noqa: PLC0415
    from stable_baselines3.common.env_checker import check_env  # noqa: PLC0415

    env = Curriculum.load(exported).make_env("train")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on spaces, and torch's own
        check_env(env)
        PPO("MlpPolicy", env, n_steps=64, batch_size=64, n_epochs=2, device="cpu").learn(64)
