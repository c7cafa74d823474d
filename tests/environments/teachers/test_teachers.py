"""Teachers choose as their papers say, go on from a state, and find what a learner learns from."""

import json

import numpy as np
import pytest

from environments.domain import Environment
from environments.tasks.task import draw
from environments.teachers import Ended, TaskSpace, Told, make_teacher, teacher_names
from environments.teachers.replay import Kept, Replay, ReplaySettings

STAIRS = {"kinds": ["roughness", "pit", "stump", "stair"]}
TASKS = [Environment(domain="walker2d", encoding="parametric", genome={"roughness": n / 10}, seed=n) for n in range(9)]


def space(encoding="parametric", options=None, **others):
    return TaskSpace("walker2d", encoding, options, tasks=TASKS, **others)


def teach(teacher, lessons, play, count=8, seed=0, first=0):
    """Give lessons, and tell what a learner made of them; gives the tasks that were learnt on."""
    learnt, number = [], first
    for given in range(lessons):
        lesson = teacher.lesson(count, number, np.random.default_rng([seed, first, given]))
        assert len(lesson.tasks) == count
        teacher.told(Told([play(task) for task in lesson.tasks], learnt=lesson.learn))
        if lesson.learn:
            number += 1
            learnt.append(lesson.tasks)
    return learnt


def by_roughness(task):
    """Tell of a learner whose regret is highest where the ground is roughest."""
    return Ended(task, 300 - 20 * task.genome["roughness"], task.genome["roughness"])


@pytest.mark.parametrize("options", [{}, STAIRS])
def test_a_point_of_the_cube_is_a_task_and_back(options):
    tasks, rng = space(options=options), np.random.default_rng(3)
    assert tasks.size == (8 if options else 5)
    for _ in range(50):
        task = tasks.draw(rng)
        again = tasks.at(tasks.point(task), rng)
        assert again.genome == task.genome
    # Alike within bounds: the mean of sorted pairs' lower ends is a third.
    points = np.array([tasks.point(tasks.draw(rng)) for _ in range(2000)])
    assert points[:, 0].mean() == pytest.approx(1 / 2, abs=0.03)
    assert points[:, 1:3].mean(0) == pytest.approx([1 / 3, 2 / 3], abs=0.03)


def test_a_space_reaches_as_far_as_its_curriculum_went():
    rng = np.random.default_rng(0)
    mild = space(reach="curriculum")
    drawn = [mild.draw(rng).genome for _ in range(200)]
    assert 0.7 < max(genome["roughness"] for genome in drawn) <= 0.8
    assert all(genome["pit_gap"] == [0.0, 0.0] for genome in drawn)
    child = TASKS[0]
    for _ in range(30):
        child = mild.mutate(child, rng)
        assert child.genome["roughness"] <= 0.8
        assert child.genome["pit_gap"] == [0.0, 0.0]
    with pytest.raises(ValueError, match="genes of cppn are no numbers that it could bound"):
        space("cppn", reach="curriculum")
    with pytest.raises(ValueError, match="reach is 'far'; it must be one of encoding, curriculum"):
        space(reach="far")


@pytest.mark.parametrize(("most", "steps"), [(None, {1}), (3, {1, 2, 3})])
def test_stairs_reach_as_far_as_a_curriculum_went_and_are_whole(most, steps):
    ground = {"stair_height": [0.0, 0.4]} | ({} if most is None else {"stair_steps": most})
    tasks = [Environment(domain="walker2d", encoding="parametric", genome=ground, seed=0)]
    mild, rng = TaskSpace("walker2d", "parametric", STAIRS, tasks=tasks, reach="curriculum"), np.random.default_rng(0)
    drawn = [mild.draw(rng) for _ in range(300)]
    counts = [task.genome["stair_steps"] for task in drawn]
    assert set(counts) == steps
    assert min(map(counts.count, steps)) > 300 / len(steps) * 0.7  # alike
    assert {type(each) for each in counts} == {int}
    for task in drawn[:30]:
        assert mild.mutate(task, rng).genome["stair_steps"] in steps
        assert mild.at(mild.point(task), rng).genome == task.genome


def test_what_is_hidden_of_a_body_is_drawn_alike_and_within_reach():
    options = {"physics": ["motors", "delay", "gravity"], "start": {"physics": {"load": 1.5}}}
    bodies, rng = space(options=options), np.random.default_rng(0)
    assert bodies.size == 5 + 4 + 1 + 1
    drawn = [bodies.draw(rng) for _ in range(300)]
    physics = [task.genome["physics"] for task in drawn]
    assert all(each["load"] == 1.5 for each in physics)
    motors = np.array([each["motors"] for each in physics])
    assert motors.mean(0) == pytest.approx([0.75] * 4, abs=0.04)
    assert np.abs(np.corrcoef(motors.T) - np.eye(4)).max() < 0.25
    delays = [each["delay"] for each in physics]
    assert min(delays.count(delay) for delay in (0, 1, 2)) > 70
    assert all(bodies.at(bodies.point(task), rng).genome == task.genome for task in drawn)
    assert np.array([bodies.point(task) for task in drawn]).mean(0)[5:] == pytest.approx([0.5] * 6, abs=0.06)

    seen = [{"motors": [1.0, 0.8, 1.0, 1.0], "delay": 1, "gravity": 9.0}, {"motors": 0.9, "delay": 0, "gravity": 10.5}]
    tasks = [Environment(domain="walker2d", encoding="parametric", genome={"physics": each}, seed=0) for each in seen]
    mild = TaskSpace("walker2d", "parametric", options, tasks=tasks, reach="curriculum")
    child = tasks[0]
    for _ in range(60):
        child = mild.mutate(child, rng)
        for each in (child, mild.draw(rng)):
            body = each.genome["physics"]
            assert 0.8 <= min(body["motors"]) <= max(body["motors"]) <= 1.0
            assert body["delay"] in (0, 1)
            assert 9.0 <= body["gravity"] <= 10.5


@pytest.mark.parametrize("name", teacher_names())
def test_a_teacher_goes_on_from_a_state_as_if_it_had_never_stopped(name):
    settings = {"plr": {"first": 10, "kept": 20}, "accel": {"first": 10, "kept": 20}}.get(name, {})
    settings |= {"sfl": {"tried": 8, "kept": 4, "every": 3, "solved": 200.0}, "alp-gmm": {"window": 20, "most": 3}}.get(
        name, {}
    )
    unbroken = make_teacher(name, space(), settings)
    teach(unbroken, 5, by_roughness)
    broken = make_teacher(name, space(), settings)
    broken.load(json.loads(json.dumps(unbroken.state())))
    assert teach(broken, 5, by_roughness, first=5) == teach(unbroken, 5, by_roughness, first=5)
    assert broken.state() == unbroken.state()


@pytest.mark.parametrize("name", ["random", "plr", "accel", "sfl"])
def test_grounds_without_numbers_are_taught_too(name):
    settings = {"first": 8} if name in ("plr", "accel") else {}
    tasks = teach(make_teacher(name, space("cppn"), settings), 12, lambda task: Ended(task, 0.0, 1.0))
    assert all(task.encoding == "cppn" for row in tasks for task in row)


def test_points_of_grounds_without_numbers_cannot_be_modelled():
    with pytest.raises(ValueError, match="alp-gmm needs genes that are numbers; those of cppn are none"):
        make_teacher("alp-gmm", space("cppn"))


def test_stages_open_in_order_and_are_drawn_as_ever():
    teacher = make_teacher("stages", space(), {"open_over": 9})
    for number in range(12):
        lesson = teacher.lesson(4, number, np.random.default_rng(number))
        assert lesson.tasks == draw(TASKS[: number + 1], 4, np.random.default_rng(number))


def test_priorities_are_those_of_prioritised_level_replay():
    """Jiang et al. 2021, arXiv:2010.03934, equations 2 to 4, by hand."""
    teacher = Replay(ReplaySettings(first=3, temperature=0.5, staleness=0.3), space())
    teacher.kept = {
        task.id: Kept(task, 0.0, regret, played)
        for task, regret, played in zip(TASKS, (1.0, 5.0, 3.0), (0, 1, 2), strict=False)
    }
    teacher._lessons = 4
    ranked = np.array([1 / 9, 1.0, 1 / 4])  # (1 / rank) ** (1 / 0.5)
    stale = np.array([4, 3, 2]) / 9
    assert teacher.priorities() == pytest.approx(0.7 * ranked / ranked.sum() + 0.3 * stale)


def test_robust_replay_learns_on_the_kept_alone_and_keeps_where_regret_is_highest():
    teacher = make_teacher("plr", space(), {"first": 20, "kept": 20, "regret": "gain"})
    tried = set()

    def play(task):
        tried.add(task.id)
        return by_roughness(task)

    learnt = teach(teacher, 100, play)
    assert 30 < len(learnt) < 60  # half the lessons after the first three
    roughness = [task.genome["roughness"] for row in learnt[len(learnt) // 2 :] for task in row]
    assert np.mean(roughness) > 8  # of tasks drawn alike in [0, 10]
    assert len(tried) > 300
    assert len(teacher.kept) == 20


def test_regret_without_a_critic_is_how_far_the_mean_stays_below_the_best():
    teacher = Replay(ReplaySettings(regret="best", first=1), space())
    for scores in ((10.0, 30.0), (20.0, 20.0)):
        teacher.told(Told([Ended(TASKS[0], score) for score in scores], learnt=False))
    assert teacher.kept[TASKS[0].id].regret == 10.0  # the best was 30, in an earlier lesson


def test_accel_climbs_where_no_random_task_is_worth_much():
    """Regret lies at high roughness without pits or stumps, which random tasks nearly always have."""

    def play(task):
        genome = task.genome
        pits = sum(sum(genome[name] or ()) for name in ("pit_gap", "stump_height"))
        return Ended(task, 0.0, genome["roughness"] if pits < 3 else 0.0)

    best = {}
    for name in ("plr", "accel"):
        teacher = make_teacher(name, space(), {"first": 16, "kept": 50})
        teach(teacher, 200, play)
        best[name] = np.mean([each.regret for each in teacher.kept.values()])
    assert best["accel"] > 2 * best["plr"]


def test_learnability_keeps_what_is_solved_sometimes():
    luck = np.random.default_rng(1)

    def play(task):
        chance = np.clip(1.5 - task.genome["roughness"] / 5, 0, 1)  # 1 below 2.5, 0 above 7.5
        return Ended(task, 300.0 if luck.random() < chance else 0.0)

    teacher = make_teacher("sfl", space(), {"tried": 64, "times": 8, "kept": 10, "every": 5, "share": 1.0})
    learnt = teach(teacher, 150, play)
    assert len(learnt) == 10  # of 150, for twice 64 lessons are needed to try 64 tasks 8 times
    kept = [task.genome["roughness"] for row in learnt for task in row]
    assert 2.5 < min(kept) < max(kept) < 7.5


def test_learning_progress_goes_where_returns_change():
    """They do between a roughness of 4 and 6, and are the same everywhere else."""
    luck = np.random.default_rng(0)

    def play(task):
        return Ended(task, luck.uniform(-100, 230) if abs(task.genome["roughness"] - 5) < 1 else 60)

    teacher = make_teacher("alp-gmm", space(options={"kinds": ["roughness"]}), {"window": 100, "most": 4})
    learnt = teach(teacher, 125, play)
    late = [task.genome["roughness"] for row in learnt[-60:] for task in row]
    assert np.mean([abs(rough - 5) < 1.5 for rough in late]) > 0.6  # of tasks drawn alike it would be 0.3
