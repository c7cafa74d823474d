"""A run of walkers on CPPN ground, from the command line to the exported curriculum."""

import json

import numpy as np
import pytest

from environments.curriculum import Curriculum
from environments.walker2d.terrain import terrain_of

# So lenient and small that children are admitted within seconds; agents fall at once, and that counts as alive.
TINY = {
    "iterations": 4,
    "episode_limit": 40,
    "score_episodes": 1,
    "es.pairs": 2,
    "minimal_criterion.lower": -200.0,
    "reproduction.every": 1,
    "reproduction.parent_score": -200.0,
    "reproduction.children": 2,
    "reproduction.capacity": 2,
    "reproduction.novelty": "pata-ec",
    "reproduction.whole_archive": "true",
    "transfer.every": 1,
    "transfer.rule": "improved",
    "encoding.name": "cppn",
    "encoding.options.obstacles": '["pit", "stump"]',
}


@pytest.fixture
def run(tmp_path, poet):
    folder = tmp_path / "run"
    choices = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    done = poet("evolve", folder, "--workers", 1, *choices)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_command_copes_with_the_encoding(run, tmp_path, poet):
    niches = json.loads(poet("inspect", run, "niches", "--json").stdout)
    assert len(niches) == 4
    assert all("relief" in niche["description"] and "pit" in niche["description"] for niche in niches[1:])
    assert "cppn (connections" in poet("inspect", run, "niche", 1).stdout
    steep = poet("inspect", run, "niches", "--where", "pit_gap>=0.4", "--json")
    assert [niche["id"] for niche in json.loads(steep.stdout)] == [1, 2, 3]
    for command in (
        ("inspect", run, "lineage"),
        ("inspect", run, "metrics"),
        ("report", run, "-o", tmp_path / "page.html"),
        ("render", run, 1, "-o", tmp_path / "strip.png"),
        ("evaluate", run, "--niches", "--episodes", 1, "--workers", 1),
        ("export", run, "-o", tmp_path / "curriculum", "--fractions", "1,0,0"),
    ):
        done = poet(*command)
        assert done.returncode == 0, done.stderr
    refused = poet("export", run, "-o", tmp_path / "other", "--split-by", "difficulty")
    assert "--split-by difficulty needs parametric genomes; encoding cppn has none" in refused.stderr
    curriculum = Curriculum.load(tmp_path / "curriculum")
    assert [task.environment.genome for task in curriculum.stages] == [niche["genome"] for niche in niches]
    assert {"cppn.weight", "relief", "parametric.pit_gap"} <= set(curriculum.document["encoding"]["genes"])
    env = curriculum.make_env()
    env.set_task(curriculum.stages[-1])
    assert np.isfinite(env.reset(seed=0)[0]).all()
    assert terrain_of(curriculum.stages[-1].environment).boxes.size
