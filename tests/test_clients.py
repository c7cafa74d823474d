"""Other people's learners on an exported curriculum: the examples, run shortly; README has longer runs' figures."""

import importlib.util
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import synthetic_archive

from environments.agent_files import load_agent
from environments.tasks.curriculum import Curriculum
from environments.walker2d import native
from environments.walker2d.vector import WalkerVectorEnv
from poet.archive.reading import reading
from poet.export.curriculum import ExportSettings, export

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def curriculum(tmp_path_factory):
    place = tmp_path_factory.mktemp("clients")
    synthetic_archive.write(place / "run", niches=20, iterations=60)
    with reading(place / "run") as connection:
        export(connection, place / "curriculum", ExportSettings())
    return Curriculum.load(place / "curriculum")


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_stable_baselines_accepts_the_environment_and_learns_without_complaint(curriculum):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on spaces, and torch's own
        returns = example("stable_baselines").train(str(curriculum.folder), 4096)
    assert len(returns) == 2
    assert np.isfinite(returns).all()


@pytest.mark.slow
def test_a_readers_own_ppo_loop_runs_over_the_train_tasks(curriculum):
    returns = example("ppo").train(str(curriculum.folder), 3 * 64 * 128)
    assert len(returns) == 3
    assert -250 < returns[-1] < 350
    assert example("ppo").train(str(curriculum.folder), 3 * 64 * 128) == returns


@pytest.mark.slow
def test_the_agent_of_a_readers_own_ppo_is_evaluated_and_acts_as_its_network_does(curriculum, tmp_path, poet):
    path = tmp_path / "ppo.safetensors"
    told = []
    example("ppo").train(str(curriculum.folder), 64 * 128, output=str(path), show=told.append)
    assert len(told) == 1
    agent = load_agent(path, 24, 4)
    assert (agent.controller.sizes, agent.controller.output) == ((24, 64, 64, 4), "none")
    line = ("--curriculum", curriculum.folder, "--split", "train", "--episodes", 1, "--workers", 1)
    done = poet("evaluate", path, *line)
    assert done.returncode == 0, done.stderr
    assert "ppo" in done.stdout


@pytest.mark.skipif(native.problem() is not None, reason="needs the native engine")
def test_native_worlds_play_what_the_reference_plays(curriculum):
    tasks = curriculum.train_tasks[:3]
    worlds = gymnasium.make_vec(
        "poet/Walker2D-v0", num_envs=3, tasks=[task.id for task in tasks], curriculum=curriculum
    )
    assert isinstance(worlds.unwrapped, WalkerVectorEnv)
    observations, _ = worlds.reset(seed=[5, 6, 7])
    actions = np.random.default_rng(0).uniform(-1, 1, (40, 3, 4)).astype(np.float32)
    stepped = [worlds.step(each) for each in actions]
    for world, task in enumerate(tasks):
        env = curriculum.make_env()
        observation, _ = env.reset(seed=5 + world, options={"task": task})
        np.testing.assert_array_equal(observations[world], observation)
        for each, found in zip(actions, stepped, strict=True):
            observation, reward, terminated, *_ = env.step(each[world])
            np.testing.assert_array_equal(found[0][world], observation)
            assert found[1][world] == reward
            if terminated:
                break


def test_the_documented_use_of_a_curriculum_runs_as_it_is_written(curriculum):
    page = (EXAMPLES.parent / "docs" / "export.md").read_text(encoding="utf-8")
    section = page.split("## Gymnasium")[1].split("\n## ")[0]
    names = {}
    for block in section.split("```python\n")[1:]:
        exec(block.split("```")[0].replace('"curriculum"', repr(str(curriculum.folder))), names)
    assert names["env"].unwrapped.task
    assert names["worlds"].tasks[0] == curriculum.test_tasks[0].id
    assert len(names["tasks"]) == 10
