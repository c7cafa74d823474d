"""A run whose bodies must be found out, from the command line to learners that are told and that are not."""

import json

import numpy as np
import pytest
from runs import dump

from environments.domain import find_domain
from environments.encodings.physics import SECTION
from environments.tasks.curriculum import Curriculum
from environments.walker2d.physics import hidden

TINY = {
    "iterations": 3,
    "episode_limit": 30,
    "score_episodes": 1,
    "es.pairs": 2,
    "minimal_criterion.lower": -200.0,
    "reproduction.every": 1,
    "reproduction.parent_score": -200.0,
    "reproduction.children": 2,
    "reproduction.capacity": 3,
    "transfer.every": 1,
    "encoding.options.physics": '["motors", "lidar", "gravity"]',
    "encoding.options.start.physics.delay": 1,
}


@pytest.fixture
def run(tmp_path, poet):
    folder = tmp_path / "run"
    choices = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    done = poet("evolve", folder, "--workers", 1, *choices)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_command_carries_the_bodies_and_learners_are_told_if_they_ask(run, tmp_path, poet):
    niches = json.loads(poet("inspect", run, "niches", "--json").stdout)
    assert len(niches) > 1
    bodies = [niche["genome"][SECTION] for niche in niches]
    assert bodies[0] == {"motors": [1.0] * 4, "delay": 1, "lidar": 1, "gravity": 10.0}
    assert all(body["delay"] == 1 and body["gravity"] != 10.0 for body in bodies[1:])
    assert all("; motors" in niche["description"] and "gravity" in niche["description"] for niche in niches[1:])
    assert "physics (delay 1, gravity" in poet("inspect", run, "niche", 1, COLUMNS="300").stdout
    weakest = min(bodies[1]["motors"])
    found = poet("inspect", run, "niches", "--where", f"motors<={weakest}", "--json")
    assert 1 in [niche["id"] for niche in json.loads(found.stdout)]
    folder = tmp_path / "curriculum"
    for command in (
        ("report", run, "-o", tmp_path / "page.html"),
        ("render", run, 1, "-o", tmp_path / "strip.png"),
        ("evaluate", run, "--niches", "--episodes", 1, "--workers", 1),
        ("export", run, "-o", folder, "--fractions", "1,0,0"),
    ):
        done = poet(*command)
        assert done.returncode == 0, done.stderr
    assert niches[1]["description"] in (tmp_path / "page.html").read_text(encoding="utf-8")
    curriculum = Curriculum.load(folder)
    assert [task.environment.genome for task in curriculum.stages] == [niche["genome"] for niche in niches]
    genes = curriculum.document["encoding"]["genes"]
    assert (genes["physics.motors"]["minimum"], genes["physics.motors"]["parts"]) == (0.5, 4)
    assert "physics.delay" not in genes
    env = curriculum.make_env(told=True)
    observation, _ = env.reset(options={"task": curriculum.stages[1]})
    np.testing.assert_array_equal(observation[24:], hidden(curriculum.stages[1].environment))
    assert observation[28] == 0.5  # a step of delay of two
    for told, size in (((), 24), (("--told",), 34)):
        training = tmp_path / f"training{size}"
        few = ("--learner", "ppo", "--iterations", 1, "--tasks", 2, "--copies", 1)
        done = poet("meta-train", folder, "-o", training, *few, *told)
        assert done.returncode == 0, done.stderr
        tested = poet("meta-test", training, "--split", "train", "--adaptations", "0", "--worlds", 1, "--json")
        assert tested.returncode == 0, tested.stderr
        assert len(json.loads(tested.stdout)["results"][0]["returns"]) == len(niches)
        assert json.loads((training / "training.json").read_text())["plan"]["told"] == (size == 34)


LEGGED = TINY | {
    "domain": "hexapod3d",
    "episode_limit": 40,
    "encoding.options.physics": '["motors", "friction", "load", "lost"]',
}


@pytest.mark.slow
def test_a_run_of_hexapods_goes_on_as_one_that_never_stopped_and_learners_learn_on_what_it_exports(tmp_path, poet):
    pytest.importorskip("pybullet")
    choices = [part for key, value in LEGGED.items() for part in ("--set", f"{key}={value}")]
    run, whole, folder = tmp_path / "run", tmp_path / "whole", tmp_path / "curriculum"
    for command in (
        ("evolve", run, "--workers", 1, *choices, "--iterations", 2),
        ("evolve", run, "--workers", 1, "--iterations", 3),
        ("evolve", whole, "--workers", 1, *choices),
        ("export", run, "-o", folder, "--fractions", "1,0,0"),
    ):
        done = poet(*command)
        assert done.returncode == 0, done.stderr
    assert dump(run) == dump(whole)
    tasks = [task.environment for task in Curriculum.load(folder).stages]
    assert len(tasks) > 1
    assert all(set(task.genome[SECTION]) == {"delay", "motors", "friction", "load", "lost"} for task in tasks)
    assert any(find_domain("hexapod3d").hidden(task)[6:].any() for task in tasks)
    few = ("--iterations", 1, "--tasks", 2, "--copies", 1)
    for learner, more in (("ppo", ("--told",)), ("rl2", ())):
        done = poet("meta-train", folder, "--learner", learner, "-o", tmp_path / learner, *few, *more)
        assert done.returncode == 0, done.stderr
    tested = poet("meta-test", tmp_path / "ppo", "--split", "train", "--adaptations", "0", "--worlds", 1, "--json")
    assert tested.returncode == 0, tested.stderr
    assert len(json.loads(tested.stdout)["results"][0]["returns"]) == len(tasks)


def test_a_body_that_is_none_is_refused_in_a_sentence(tmp_path, poet):
    for setting, said in (
        ('encoding.options.physics=["wings"]', "physics has 'wings'; genes are motors, delay"),
        ("encoding.options.physics.motors.low=2", "physics.motors.low is 2; it must be a number in [0, 1]"),
        ("encoding.options.start.physics.delay=7", "physics.delay is 7; it must be a whole number in [0, 2]"),
    ):
        done = poet("evolve", tmp_path / "run", "--workers", 1, "--set", setting)
        assert done.returncode == 2
        assert said in done.stderr
        assert not (tmp_path / "run").exists()
