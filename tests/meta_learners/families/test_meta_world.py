"""Meta-World's benchmarks as a family: with a benchmark of the same shape everywhere, with Meta-World where it is."""

from dataclasses import dataclass

import gymnasium
import numpy as np
import pytest

from meta_learners.contracts import family_contract
from meta_learners.experience.sampling import Sampler
from meta_learners.families.meta_world import meta_world
from meta_learners.keys import numpy_generator
from meta_learners.registry import make_learner


@dataclass(frozen=True)
class Goal:
    """A task as Meta-World has them: it names its environment."""

    env_name: str
    place: float


class Reach(gymnasium.Env):
    """A hand that goes along a line; the goal is hidden. Without a task it does not begin, as Meta-World's do not."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    sign, goal = 1.0, None

    def set_task(self, task):
        self.goal = task.place

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        assert self.goal is not None
        self.hand = np.zeros(2)
        return self.hand.copy(), {}

    def step(self, action):
        self.hand[0] += self.sign * action[0]
        missed = abs(self.hand[0] - self.goal)
        return self.hand.copy(), -missed, False, False, {"success": float(missed < 0.1)}


class Backwards(Reach):
    """The same, the wrong way round."""

    sign = -1.0


class Small:
    """A benchmark: reaching to train, reaching backwards to test."""

    train_classes, test_classes = {"reach": Reach}, {"backwards": Backwards}
    train_tasks = tuple(Goal("reach", float(place)) for place in range(1, 5))
    test_tasks = tuple(Goal("backwards", float(place)) for place in range(1, 3))


TestSmall = family_contract(lambda: meta_world(Small(), name="small", episode_limit=10))


def test_every_world_plays_the_environment_that_its_task_names():
    family = meta_world(Small(), name="small", episode_limit=3)
    worlds = family.worlds(2)
    worlds.set_tasks([Small.train_tasks[2], Small.test_tasks[0]])
    worlds.reset(seed=[0, 1])
    for distance in (2.0, 1.0, 0.0):
        observations, rewards, _, over, infos = worlds.step(np.ones((2, 1), np.float32))
        assert rewards.tolist() == pytest.approx([-distance, distance - 4])
        assert over.tolist() == [distance == 0.0] * 2
    assert observations[:, 0].tolist() == [3.0, -3.0]
    assert infos["success"].tolist() == [1.0, 0.0]


def test_a_task_that_is_given_within_an_episode_waits_for_the_next():
    worlds = meta_world(Small(), name="small", episode_limit=2).worlds(1)
    worlds.set_tasks([Small.train_tasks[0]])
    worlds.reset(seed=[0])
    worlds.set_tasks([Small.test_tasks[1]])
    rewards = [worlds.step(np.ones((1, 1), np.float32))[1].item() for _ in range(4)]
    assert rewards == [0.0, -1.0, 0.0, -3.0]


def test_splits_draw_their_own_tasks_and_all_before_any_twice():
    family = meta_world(Small(), name="small")
    for split, tasks in (("train", Small.train_tasks), ("test", Small.test_tasks)):
        drawn = family.sample_tasks(2 * len(tasks), numpy_generator((3,)), split)
        assert sorted(drawn[: len(tasks)], key=lambda task: task.place) == list(tasks)
        assert {task: drawn.count(task) for task in tasks} == dict.fromkeys(tasks, 2)


@pytest.mark.parametrize("limit", [0, 501])
def test_a_limit_that_meta_world_does_not_have_is_refused(limit):
    with pytest.raises(ValueError, match=rf"episode_limit is {limit}; it must lie in \[1, 500\]"):
        meta_world(Small(), name="small", episode_limit=limit)


def test_a_benchmark_without_test_tasks_is_refused_when_they_are_asked_for():
    class Multi(Small):
        test_tasks = ()

    with pytest.raises(ValueError, match="Multi has no such tasks; take ML1, ML10, ML25 or ML45"):
        meta_world(Multi(), name="multi").sample_tasks(1, numpy_generator((0,)), "test")


@pytest.mark.slow
def test_meta_worlds_own_benchmark_is_learned_on():
    metaworld = pytest.importorskip("metaworld", reason="Meta-World is not installed: pip install metaworld packaging")
    family = meta_world(metaworld.ML1("reach-v3", seed=0), name="ml1-reach", episode_limit=5)
    learner = make_learner("rl2", family, {"steps": 0, "epochs": 1, "minibatches": 2})
    sampler = Sampler(family, 2, 1)
    metrics = learner.meta_step(sampler, family.sample_tasks(2, numpy_generator((0,))), (0,))
    assert np.isfinite(list(metrics.values())).all()
    tasks = family.sample_tasks(2, numpy_generator((1,)), "test")
    played = [sampler.play(tasks, learner.adapt(sampler, tasks, 1, (2,)), (3,), episodes=1).rewards for _ in range(2)]
    assert played[0].any()
    assert (played[0] == played[1]).all()
    sampler.close()
