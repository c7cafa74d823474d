"""The train tasks of an exported curriculum under Syllabus, which chooses what is played next.

poet export runs/quick -o curriculum
pip install syllabus-rl
python examples/syllabus_tasks.py curriculum
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import gymnasium
from syllabus.core import GymnasiumSyncWrapper, TaskWrapper, make_multiprocessing_curriculum
from syllabus.curricula import DomainRandomization
from syllabus.task_space import DiscreteTaskSpace

import environments  # noqa: F401 - registers poet/Walker2D-v0
from environments.domain import Outcome
from environments.tasks.curriculum import Curriculum


class NumberedTasks(TaskWrapper):
    """Syllabus names tasks by number; solved is what it calls completed."""

    def __init__(self, env: gymnasium.Env, ids: list[str]) -> None:
        super().__init__(env)
        self.ids = ids
        self.task = 0

    def change_task(self, new_task: int) -> None:
        self.task = int(new_task)
        self.env.unwrapped.set_task(self.ids[self.task])

    def _task_completion(self, obs: Any, rew: float, term: bool, trunc: bool, info: dict[str, Any]) -> float:
        return float(info["outcome"] == Outcome.FINISHED)


def play(folder: str, episodes: int) -> Counter[str]:
    """Play some episodes at random and count which tasks Syllabus chose."""
    ids = [task.id for task in Curriculum.load(folder).train_tasks]
    space = DiscreteTaskSpace(len(ids))
    chooser = make_multiprocessing_curriculum(DomainRandomization(space))
    walker = gymnasium.make("poet/Walker2D-v0", curriculum=folder, episode_limit=100)
    env = GymnasiumSyncWrapper(NumberedTasks(walker, ids), space, chooser.components)
    played: Counter[str] = Counter()
    for _ in range(episodes):
        env.reset()
        played[env.unwrapped.task.id] += 1
        over = False
        while not over:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            over = terminated or truncated
    env.close()
    chooser.stop()
    return played


if __name__ == "__main__":
    played = play(sys.argv[1], 100)
    print(f"{played.total()} episodes in {len(played)} tasks")
