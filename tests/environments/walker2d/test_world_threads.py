"""Worlds that several threads step: the same bits for any number of them, in a fork too."""

import os
import pickle
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

import environments
from environments.domain import Environment
from environments.walker2d import native
from environments.walker2d.vector import WalkerVectorEnv
from meta_learners.acting import Actions
from meta_learners.experience.sampling import Sampler
from meta_learners.families.environments import EnvironmentFamily
from meta_learners.keys import torch_generator
from meta_learners.networks.heads import head_of
from meta_learners.networks.policies import Policy

pytestmark = pytest.mark.skipif(native.problem() is not None, reason=str(native.problem()))
ROUGH = Environment(domain="walker2d", encoding="parametric", genome={"roughness": 3.0}, seed=1)
TASKS = Path("/proc/self/task")  # one entry for each thread of this process
N = 39  # a last group that is not full


def told(worlds, steps=90):
    """Everything that worlds tell through steps, their own resets and some that are asked for."""
    rng, found = np.random.default_rng(0), [worlds.reset(seed=3)[0]]
    for step in range(steps):
        found += worlds.step(rng.uniform(-1, 1, (worlds.num_envs, 4)).astype(np.float32))[:4]
        if step == 50:
            found.append(worlds.reset(options={"reset_mask": rng.random(worlds.num_envs) < 0.6})[0])
    return found


@pytest.mark.parametrize("kernel", ["", "plain-4"])
@pytest.mark.parametrize("domain", ["walker2d", "walker2d-published"])
def test_no_bit_depends_on_how_many_threads_there_are(kernel, domain):
    tasks = [
        environments.HARD if number % 3 and domain == ROUGH.domain else replace(ROUGH, domain=domain)
        for number in range(N)
    ]
    expected = told(WalkerVectorEnv(tasks, kernel=kernel, episode_limit=70))
    for threads in (2, 5):
        found = told(WalkerVectorEnv(tasks, kernel=kernel, episode_limit=70, threads=threads))
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def seconds(thread):
    """What a thread has spent on the processor."""
    user, system = (thread / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not TASKS.exists(), reason="there is no /proc to see threads in")
def test_steps_are_shared_among_threads():
    before = set(TASKS.iterdir())
    worlds = WalkerVectorEnv([None] * 64, kernel="plain-4", threads=3)
    others = set(TASKS.iterdir()) - before
    assert len(others) == 2
    worlds.reset(seed=0)
    for _ in range(5000):
        worlds.step(np.zeros((64, 4), dtype=np.float32))
        if min(map(seconds, others)) > 0:
            break
    else:
        pytest.fail("a thread did nothing")
    del worlds
    assert not set(TASKS.iterdir()) - before


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_worlds_go_on_in_a_fork_where_their_threads_are_not():
    worlds = WalkerVectorEnv([ROUGH] * N, kernel="plain-4", threads=3)
    worlds.reset(seed=0)
    actions = np.full((N, 4), 0.3, dtype=np.float32)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            found = [worlds.step(actions)[0].tobytes() for _ in range(5)]
            del worlds
            os.write(writing, found[-1])
        finally:
            os._exit(0)
    os.close(writing)
    expected = [worlds.step(actions)[0].tobytes() for _ in range(5)][-1]
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == expected
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(not TASKS.exists(), reason="there is no /proc to see threads in")
def test_copies_step_with_as_many_threads():
    worlds = WalkerVectorEnv([None] * 8, kernel="plain-4", threads=2)
    worlds.reset(seed=0)
    before = set(TASKS.iterdir())
    again = pickle.loads(pickle.dumps(worlds))
    assert len(set(TASKS.iterdir()) - before) == 1
    again.close()


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, 10**6])
def test_wrong_threads_are_named(threads):
    with pytest.raises(ValueError, match="threads is "):
        WalkerVectorEnv([None], threads=threads)


def test_make_vec_takes_threads():
    worlds = gymnasium.make_vec("poet/Walker2D-v0", num_envs=40, threads=2)
    alone = gymnasium.make_vec("poet/Walker2D-v0", num_envs=40)
    np.testing.assert_array_equal(worlds.reset(seed=0)[0], alone.reset(seed=0)[0])


@pytest.fixture
def one_torch_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_torch_thread")
@pytest.mark.parametrize("go_on", [False, True])
def test_the_sampler_plays_the_same_with_threads(go_on):
    policy = Policy.make(24, head_of(Actions(4, discrete=False)))
    actor = policy.actor(policy.initial(torch_generator((0,))))
    rollouts = []
    for threads in (1, 2):
        family = EnvironmentFamily("walker2d", {"train": [ROUGH, environments.HARD]}, episode_limit=40, threads=threads)
        sampler = Sampler(family, 2, 33)
        rollouts.append(sampler.play(family.splits["train"], actor, (0,), steps=90, go_on=go_on))
        sampler.close()
    for name in ("observations", "rewards", "terminated", "truncated", "valid"):
        assert torch.equal(getattr(rollouts[0], name), getattr(rollouts[1], name)), name


def test_threads_for_worlds_that_step_one_after_another_are_refused():
    with pytest.raises(ValueError, match="threads is 2; worlds of toy are stepped one after another"):
        EnvironmentFamily("toy", {"train": []}, threads=2)
