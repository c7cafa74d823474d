"""Runs that branch off another run, or off an exported curriculum."""

import json
import shutil

import numpy as np
import pytest
from runs import TOY_SETTINGS, assert_equal_archives

from poet import InputError, Run


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
    assert branch.summary()["source"] == {"kind": "run", "name": "first", "pairs": 3}
    assert source.summary()["source"] is None
    assert any(niche.born for niche in branch.niches)
    assert all(row["works"] for row in branch.examine())
    shown = poet("inspect", branch.folder).stdout
    assert "the 3 pairs of the run first" in shown


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


def test_a_run_that_began_otherwise_is_not_gone_on_with(source, tmp_path):
    folder = tmp_path / "moving"
    shutil.copytree(source.folder, folder)
    branch = tmp_path / "branch"
    Run.create(branch, source=folder)
    Run.create(branch, source=folder, exist_ok=True)
    Run.open(folder).evolve(28, workers=1)
    with pytest.raises(InputError, match=r"began with other pairs than .*moving has now; leave that out"):
        Run.create(branch, source=folder, exist_ok=True)
    Run.create(branch, exist_ok=True)
    thetas = {agent.id: agent.theta for agent in Run.open(branch).kept_agents}
    assert all(np.isfinite(theta).all() for theta in thetas.values())
