"""Ids in processes that import nothing of ours."""

import subprocess
import sys

import gymnasium
import pytest

from environments.domain import Environment
from environments.registration import register

WORKERS = """
import warnings
warnings.simplefilter("ignore")
import gymnasium
import numpy as np

if __name__ == "__main__":
    def make():
        return gymnasium.make({name!r}, max_episode_steps=3)

    worlds = {worlds}
    worlds.reset()
    worlds.step(np.zeros((1, *worlds.action_space.shape[-1:]), dtype=np.float32))
    worlds.close()
    print("stepped")
"""
GYMNASIUMS = "gymnasium.vector.AsyncVectorEnv([make], context={start!r})"
STABLE_BASELINES = "__import__('stable_baselines3').common.vec_env.SubprocVecEnv([make], start_method={start!r})"


def fresh(code):
    """Run code as `python -c` does it, and give what it printed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("call", ["make", "make_vec"])
def test_an_id_that_names_its_module_works_where_nothing_of_ours_is_imported(call):
    found = fresh(
        f"import gymnasium; env = gymnasium.{call}('environments:poet/Walker2D-v0'); env.reset(seed=0); "
        "print(env.unwrapped.spec.id)"
    )
    assert found == "poet/Walker2D-v0\n"


@pytest.mark.parametrize("start", ["spawn", "forkserver"])
@pytest.mark.parametrize(
    "worlds",
    [pytest.param(GYMNASIUMS, id="gymnasium"), pytest.param(STABLE_BASELINES, id="sb3", marks=pytest.mark.slow)],
)
def test_workers_that_start_afresh_find_the_id(worlds, start):
    if worlds == STABLE_BASELINES:
        pytest.importorskip("stable_baselines3")
    code = WORKERS.format(name="environments:poet/Walker2D-v0", worlds=worlds.format(start=start))
    assert fresh(code) == "stepped\n"


def test_registering_loads_no_engine():
    assert (
        fresh("import environments, sys; print({'Box2D', 'pybullet', 'torch', 'pygame'} & set(sys.modules))")
        == "set()\n"
    )


def test_an_id_that_somebody_has_changed_is_left_alone():
    before = gymnasium.spec("poet/Walker2D-v0")
    register({"poet/Walker2D-v0": Environment(domain="walker2d", encoding="parametric", genome={}, seed=1)})
    assert gymnasium.spec("poet/Walker2D-v0") is before
