"""The comparison of curricula: what is compared, and the arithmetic of its table."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks.curricula.figure import summary, table
from benchmarks.curricula.runs import fingerprint
from benchmarks.curricula.sources import ANYTHING, HARD, greatest, hand_made_tasks, random_tasks
from environments.difficulty import difficulty_of
from environments.domain import Environment
from environments.encodings.parametric import ParametricEncoding
from meta_learners.training.evaluation import Protocol


def test_random_tasks_are_valid_and_others_for_every_seed():
    tasks = random_tasks(50, 1, ANYTHING)
    encoding = ParametricEncoding.from_options({"kinds": ["roughness", "pit", "stump"]})
    for task in tasks:
        encoding.check(task.genome)
    assert max(task.genome["pit_gap"][1] for task in tasks) > 8  # of a range that ends at 10
    assert random_tasks(50, 1, ANYTHING) == tasks != random_tasks(50, 2, ANYTHING)


def test_random_tasks_may_go_as_far_as_given_ones_and_no_farther():
    pits = Environment(domain="walker2d", encoding="parametric", genome={"roughness": 0.5, "pit_gap": [1, 4]}, seed=0)
    most = greatest([*hand_made_tasks(3)[:2], pits])
    assert most == {"roughness": 2.25, "pit_gap": 4.0, "stump_height": 1.2}
    drawn = greatest(random_tasks(200, 1, most))
    assert all(0.9 * most[name] < drawn[name] <= most[name] + 0.05 for name in most)  # genes have one decimal


def test_hand_made_tasks_climb_from_flat_to_the_hard_course():
    tasks = hand_made_tasks(6)
    assert tasks[0].genome == {}
    assert tasks[-1].genome == {
        "roughness": HARD["roughness"],
        "pit_gap": [0.0, HARD["pit_gap"]],
        "stump_height": [0.0, HARD["stump_height"]],
    }
    climbing = [difficulty_of(task).score for task in tasks]
    assert climbing == sorted(climbing)


def test_the_table_gives_means_over_tasks_and_students_interval_over_seeds():
    curves = [np.array([[0.0, 10.0], [4.0, 14.0]]) + seed * np.array([1.0, 5.0]) for seed in range(3)]
    results = [{"learner": "ppo", "curriculum": "poet", "curves": {"walker suite": each.tolist()}} for each in curves]
    first, second = summary(results, [0, 5])
    assert (first["mean"], second["mean"]) == (3.0, 17.0)
    expected = stats.t.interval(0.95, 2, loc=17.0, scale=stats.sem([12.0, 17.0, 22.0]))
    assert second["interval"] == pytest.approx(expected)
    lines = table([first, second], {"POET test tasks": 50.4}, [0, 5]).splitlines()
    assert "| walker suite | multi-task PPO, fine-tuned | poet | 3 ± 2 | 17 ± 12 |" in lines
    assert lines[-1] == "| POET test tasks | each task's own POET agent | its niche | 50 |  |"


def test_a_kept_run_counts_only_for_the_same_tasks_tests_and_settings():
    protocol = Protocol(adaptations=(0, 1), episodes=2, repeats=1)
    tasks, others = hand_made_tasks(3), random_tasks(3, 0, ANYTHING)
    same = fingerprint("ppo", tasks, {"suite": others}, protocol, 400)
    assert same == fingerprint("ppo", hand_made_tasks(3), {"suite": random_tasks(3, 0, ANYTHING)}, protocol, 400)
    changed = [
        fingerprint("rl2", tasks, {"suite": others}, protocol, 400),
        fingerprint("ppo", tasks[::-1], {"suite": others}, protocol, 400),
        fingerprint("ppo", tasks, {"suite": others[:2]}, protocol, 400),
        fingerprint("ppo", tasks, {"suite": others}, replace(protocol, episodes=3), 400),
        fingerprint("ppo", tasks, {"suite": others}, protocol, 300),
    ]
    assert len({same, *changed}) == 6
