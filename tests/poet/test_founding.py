"""Runs that branch off another run, or off an exported curriculum."""

import json
import shutil
import sqlite3
from hashlib import sha256

import numpy as np
import pytest
from runs import TOY_SETTINGS, assert_equal_archives
from safetensors.numpy import load_file, save_file

from environments.tasks.curriculum import Curriculum, seal
from poet import InputError, Run
from poet.founding import _elders_first


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run that has retired niches and goes on with three of them, two of which are parent and child."""
    run = Run.create(tmp_path_factory.mktemp("source") / "first", config=TOY_SETTINGS, settings={"iterations": 24})
    run.evolve(workers=1)
    active = [niche for niche in run.niches if niche.active]
    assert len(active) < len(run.niches)
    assert {niche.parent for niche in active} & {niche.id for niche in active}
    return run


def pairs(run):
    """The environments that a run began in, those of their parents, and the agents, by their hashes."""
    begun = [niche for niche in run.niches if niche.born == 0]
    ids = {niche.id: niche.environment.id for niche in run.niches}
    firsts = [agent.id for agent in run.kept_agents if agent.origin == "initial"]
    return [(ids[niche.id], ids.get(niche.parent), agent) for niche, agent in zip(begun, firsts, strict=True)]


def simulated(run):
    return sum(run.summary()["steps"].values())


def test_branch_begins_with_the_active_niches_their_best_agents_and_family_under_the_runs_own_settings(
    source, tmp_path, poet
):
    branch = Run.create(tmp_path / "branch", source=source)
    assert branch.config == source.config
    active = {niche.id: niche.environment.id for niche in source.niches if niche.active}
    best = {agent.niche: agent.id for agent in source.agents}
    parents = {niche.id: active.get(niche.parent) for niche in source.niches}
    assert pairs(branch) == [(environment, parents[number], best[number]) for number, environment in active.items()]
    branch.evolve(12, workers=1)
    steps = simulated(source)
    assert branch.summary()["source"] == {"kind": "run", "name": "first", "pairs": 3, "steps": steps}
    assert source.summary()["source"] is None
    assert any(niche.born for niche in branch.niches)
    assert all(row["works"] for row in branch.examine())
    shown = poet("inspect", branch.folder).stdout
    assert f"3 pairs of the run first, {steps:,} steps before" in shown


def test_branch_of_an_export_is_that_of_its_run_and_resumes_exactly(source, tmp_path, poet):
    source.export(tmp_path / "curriculum", fractions=(1, 0, 0))
    line = ("evolve", tmp_path / "line", "--from", tmp_path / "curriculum", "--seed", 5, "--workers", 1)
    assert poet(*line, "--iterations", 6).returncode == 0
    assert poet(*line, "--iterations", 12).returncode == 0
    branch = Run.create(tmp_path / "branch", source=source, settings={"seed": 5})
    branch.evolve(12, workers=1)
    assert pairs(branch) == pairs(Run.open(tmp_path / "line"))
    table = json.loads(poet("inspect", tmp_path / "line", "--json").stdout)
    assert table["source"]["kind"] == "curriculum"
    again = tmp_path / "again"
    assert poet("evolve", again, *line[2:], "--iterations", 12).returncode == 0
    assert_equal_archives(again, tmp_path / "line")


def test_curricula_tell_the_steps_of_their_run_and_of_those_that_it_branched_off(source, tmp_path):
    source.export(tmp_path / "one", fractions=(1, 0, 0))
    second = Run.create(tmp_path / "second", source=tmp_path / "one", settings={"seed": 5})
    second.evolve(3, workers=1)
    third = Run.create(tmp_path / "third", source=second, settings={"seed": 6})
    third.evolve(2, workers=1)
    third.export(tmp_path / "curriculum", fractions=(1, 0, 0))
    spent = [simulated(run) for run in (source, second, third)]
    assert min(spent) > 0
    assert Curriculum.load(tmp_path / "one").steps == spent[0]
    assert Curriculum.load(tmp_path / "curriculum").steps == sum(spent)
    assert third.summary()["source"]["steps"] == sum(spent[:2])
    merged = tmp_path / "merged"
    source.export(merged, others=[third], fractions=(1, 0, 0))
    assert Curriculum.load(merged).steps == spent[0] + sum(spent)
    # Exports of before knew nothing of it, and so does what branches off them.
    document = json.loads((tmp_path / "one" / "curriculum.json").read_text())
    for odd in (None, -1, True, "3"):
        document["run"]["steps"] = odd
        assert Curriculum(tmp_path / "one", document).steps is None
    for odd in (3, [1], {"a": 3}, {"a": {}}):
        assert Curriculum(tmp_path / "one", {**document, "runs": odd}).steps is None
    del document["run"]["steps"]
    (tmp_path / "one" / "curriculum.json").write_text(json.dumps(seal(document)))
    fourth = Run.create(tmp_path / "fourth", source=tmp_path / "one", settings={"seed": 7})
    assert fourth.summary()["source"]["steps"] is None
    fourth.export(tmp_path / "unknown", fractions=(1, 0, 0))
    assert Curriculum.load(tmp_path / "unknown").steps is None


def test_more_pairs_than_there_is_room_for_begin_and_the_oldest_retire_at_the_first_reproduction(source, tmp_path):
    branch = Run.create(tmp_path / "branch", source=source, settings={"reproduction.capacity": 2})
    branch.evolve(4, workers=1)
    assert all(niche.active for niche in branch.niches)
    branch.evolve(5, workers=1)
    assert [niche.id for niche in branch.niches if niche.retired == 4] == list(range(len(branch.niches) - 2))


def test_what_no_run_can_branch_off_is_refused_in_a_sentence_and_nothing_is_written(source, tmp_path, poet):
    def refused(message, *options):
        done = poet("evolve", tmp_path / "run", *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
        assert not (tmp_path / "run").exists()

    refused("holds neither a run nor an exported curriculum", "--from", tmp_path)
    refused("leave the others out", "--from", source.folder, "--agent", tmp_path / "net.pt")
    refused("is one of toy; the run's agents live in walker2d", "--from", source.folder, "--preset", "quick")
    source.export(tmp_path / "curriculum", fractions=(1, 0, 0))
    document = json.loads((tmp_path / "curriculum" / "curriculum.json").read_text())
    agent = next(name for name in document["files"] if name.endswith(".safetensors"))
    (tmp_path / "curriculum" / agent).unlink()
    refused(f"{agent.rpartition('/')[2]} is missing", "--from", tmp_path / "curriculum")


def test_a_branch_goes_on_by_the_same_command_though_its_source_went_on_or_is_gone(source, tmp_path, poet):
    folder = tmp_path / "moving"
    shutil.copytree(source.folder, folder)
    line = ("evolve", tmp_path / "branch", "--from", folder, "--workers", 1)
    assert poet(*line, "--iterations", 1).returncode == 0
    Run.open(folder).evolve(28, workers=1)
    assert poet(*line, "--iterations", 2).returncode == 0
    shutil.rmtree(folder)
    assert poet(*line, "--iterations", 3).returncode == 0
    with pytest.raises(InputError, match="began with the pairs of moving, not with those of first"):
        Run.create(tmp_path / "branch", source=source, exist_ok=True)
    Run.create(tmp_path / "own", config=TOY_SETTINGS)
    with pytest.raises(InputError, match="began with no other's pairs, not with those of first"):
        Run.create(tmp_path / "own", source=source, exist_ok=True)


def test_branch_of_agents_with_layers_of_their_own_resumes_under_a_preset(tmp_path, poet):
    Run.create(tmp_path / "wide", settings={"controller.hidden": [8]})
    small = ("--preset", "quick", "--set", "es.pairs=1", "--set", "episode_limit=20", "--workers", 1)
    line = ("evolve", tmp_path / "branch", "--from", tmp_path / "wide", *small)
    assert poet(*line, "--iterations", 1).returncode == 0
    resumed = poet(*line, "--iterations", 2)
    assert (resumed.returncode, Run.open(tmp_path / "branch").config.controller.hidden) == (0, (8,))


def test_branch_of_a_merged_curriculum_begins_with_parents_before_children(source, tmp_path):
    branch = Run.create(tmp_path / "branch", source=source, settings={"seed": 5})
    branch.evolve(12, workers=1)
    merged = source.export(tmp_path / "merged", others=[branch], fractions=(1, 0, 0))
    assert len(merged["environments"]) > 3
    with pytest.raises(InputError, match="merged does not tell the settings of its run; name some by --preset"):
        Run.create(tmp_path / "third", source=tmp_path / "merged")
    room = {"reproduction.capacity": 20}
    third = Run.create(tmp_path / "third", source=tmp_path / "merged", config=TOY_SETTINGS, settings=room)
    assert all(niche.parent is None or niche.parent < niche.id for niche in third.niches)
    assert {niche.environment.id for niche in third.niches if niche.parent is not None}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("b", "a"), ("a", None)], [("a", None), ("b", 0)]),
        ([("c", "b"), ("b", "a"), ("a", None), ("d", "lost")], [("a", None), ("b", 0), ("c", 1), ("d", None)]),
        ([("a", "b"), ("b", "a")], [("b", None), ("a", 0)]),
        ([("a", "a")], [("a", None)]),
    ],
)
def test_elders_come_first_whatever_rows_say(rows, expected):
    assert _elders_first([{"id": name, "parent": parent} for name, parent in rows]) == expected


def edited(curriculum, **changes):
    """Change a curriculum's document by hand, and seal it again."""
    path = curriculum / "curriculum.json"
    path.write_text(json.dumps(seal({**json.loads(path.read_text()), **changes})))


def test_odd_curricula_and_damaged_runs_are_refused_in_a_sentence(source, tmp_path, poet):
    place = tmp_path / "curriculum"

    def refused(message, folder=place):
        done = poet("evolve", tmp_path / "run", "--from", folder)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert message in done.stderr
        assert not (tmp_path / "run").exists()

    source.export(place, fractions=(1, 0, 0))
    run = json.loads((place / "curriculum.json").read_text())["run"]
    edited(place, run={**run, "settings": "quick"})
    refused("does not tell the settings of its run")
    edited(place, run=run)
    agent = place / "agents" / f"{source.niches[-1].environment.id}.safetensors"
    tensors = load_file(agent)
    save_file({name: np.full_like(tensor, np.nan) for name, tensor in tensors.items()}, agent)
    document = json.loads((place / "curriculum.json").read_text())
    listed = document["files"]
    listed[f"agents/{agent.name}"] = {
        **listed[f"agents/{agent.name}"],
        "sha256": sha256(agent.read_bytes()).hexdigest(),
    }
    edited(place, files=listed)
    refused("has an agent with numbers that are not finite")
    damaged = tmp_path / "damaged"
    shutil.copytree(source.folder, damaged)
    archive = sqlite3.connect(damaged / "archive.sqlite")
    archive.execute("UPDATE pair SET best_theta = zeroblob(24) WHERE niche = (SELECT max(niche) FROM pair)")
    archive.commit()
    archive.close()
    refused("is not what was committed", damaged)
    with pytest.raises(InputError, match="source is 3; it must be a run or a folder's path"):
        Run.create(tmp_path / "run", source=3)


@pytest.mark.parametrize("steps", ["many", -1, True, 1.5])
def test_an_archive_whose_steps_before_are_no_number_is_refused_in_a_sentence(source, tmp_path, poet, steps):
    Run.create(tmp_path / "branch", source=source)
    with sqlite3.connect(tmp_path / "branch" / "archive.sqlite") as connection:
        (told,) = connection.execute("SELECT value FROM run WHERE key = 'source'").fetchone()
        forged = json.dumps({**json.loads(told), "steps": steps})
        connection.execute("UPDATE run SET value = ? WHERE key = 'source'", [forged])
    done = poet("inspect", tmp_path / "branch")
    assert done.returncode == 2
    assert "archive.sqlite" in done.stderr
    assert "must be a whole number" in done.stderr
    assert "Traceback" not in done.stderr
