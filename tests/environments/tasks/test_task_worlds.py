"""Vectors of tasks: the native engine's against Gymnasium's own vector of `TaskEnv`s, however episodes start anew."""

import json

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from environments.domain import Environment, id_of
from environments.tasks.curriculum import Curriculum, CurriculumError, seal
from environments.tasks.worlds import TaskWorlds
from environments.walker2d import native
from environments.walker2d.vector import WalkerVectorEnv

COURSES = [
    Environment(domain="walker2d", encoding="parametric", genome={"roughness": number / 2}, seed=number)
    for number in range(6)
]
IDS = [course.id for course in COURSES]
NUMBERS = [course.number for course in COURSES]
needs_native = pytest.mark.skipif(native.problem() is not None, reason=str(native.problem()))


@pytest.fixture
def curriculum(tmp_path):
    document = {
        "format": "poet-curriculum",
        "schema_version": 1,
        "domain": {"name": "walker2d"},
        "environments": {course.id: json.loads(course.to_json()) for course in COURSES},
        "splits": {"members": {"train": IDS[:4], "test": IDS[4:]}},
        "stages": {"order": IDS},
        "files": {},
    }
    (tmp_path / "curriculum.json").write_text(json.dumps(seal(document)))
    return Curriculum.load(tmp_path)


@pytest.fixture(params=["native", "gymnasium"])
def make(request, monkeypatch):
    """Make worlds of either kind."""
    if request.param == "gymnasium":
        return slow_maker(monkeypatch)
    if native.problem() is not None:
        pytest.skip(native.problem())
    return lambda **settings: gymnasium.make_vec("poet/Walker2D-v0", **settings)


def slow_maker(monkeypatch):
    def make(**settings):
        with monkeypatch.context() as patch:
            patch.setattr(native, "problem", lambda: "it is not built")
            worlds = gymnasium.make_vec("poet/Walker2D-v0", **settings)
        assert isinstance(worlds, TaskWorlds)
        return worlds

    return make


def assert_equal(found, wanted):
    """Compare infos where they speak, and all the rest."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key in (key for key in wanted if not key.startswith("_")):
            where = wanted[f"_{key}"]
            np.testing.assert_array_equal(found[f"_{key}"], where)
            if isinstance(wanted[key], dict):
                assert_equal(found[key], wanted[key])
            else:
                for ours, theirs in zip(found[key][where], wanted[key][where], strict=True):
                    np.testing.assert_array_equal(ours, theirs)
    elif isinstance(wanted, tuple):
        for ours, theirs in zip(found, wanted, strict=True):
            assert_equal(ours, theirs)
    else:
        np.testing.assert_array_equal(found, wanted)


@needs_native
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_native_worlds_equal_gymnasiums_vector_of_task_environments(curriculum, monkeypatch, mode):
    settings = {"num_envs": 4, "curriculum": curriculum, "episode_limit": 25, "autoreset_mode": mode}
    ours = gymnasium.make_vec("poet/Walker2D-v0", **settings)
    assert isinstance(ours, WalkerVectorEnv)
    theirs = slow_maker(monkeypatch)(**settings)
    assert ours.metadata["autoreset_mode"] is theirs.metadata["autoreset_mode"] is mode
    rng = np.random.default_rng(0)
    played = set()

    def reset(**arguments):
        wanted = theirs.reset(**arguments)
        assert_equal(ours.reset(**arguments), wanted)
        played.update(wanted[1]["task"][wanted[1]["_task"]])

    reset(seed=[3, 3, 8, 2**63])
    for step in range(150):
        actions = rng.uniform(-1, 1, (4, 4)).astype(np.float32)
        wanted = theirs.step(actions)
        assert_equal(ours.step(actions), wanted)
        assert ours.tasks == theirs.tasks
        played.update(wanted[4]["task"][wanted[4]["_task"]])
        over = wanted[2] | wanted[3]
        if mode is AutoresetMode.DISABLED and over.any():
            reset(options={"reset_mask": over})
        if step == 60:
            reset(options={"task": [IDS[5], None, COURSES[4], IDS[0]]})
        if step == 100:
            reset(seed=np.int64(7), options={"task": IDS[4], "reset_mask": np.array([True, False, False, True])})
    assert played == set(NUMBERS)


@needs_native
def test_a_world_of_a_vector_plays_what_one_environment_plays_from_the_same_seed(curriculum):
    worlds = gymnasium.make_vec("poet/Walker2D-v0", num_envs=2, curriculum=curriculum, episode_limit=10)
    env = gymnasium.make("poet/Walker2D-v0", curriculum=curriculum, episode_limit=10)
    found, infos = worlds.reset(seed=[9, 5])
    observation, info = env.reset(seed=5)
    for _ in range(6):
        np.testing.assert_array_equal(found[1], observation)
        assert infos["task"][1] == info["task"]
        truncated = False
        while not truncated:
            observation, _, _, truncated, _ = env.step(np.zeros(4, dtype=np.float32))
            found, _, _, truncations, _ = worlds.step(np.zeros((2, 4), dtype=np.float32))
            np.testing.assert_array_equal(found[1], observation)
        assert truncations[1]
        observation, info = env.reset()
        found, _, _, _, infos = worlds.step(np.zeros((2, 4), dtype=np.float32))


def test_each_seed_alone_decides_what_its_world_draws(curriculum, make):
    def drawn(seeds):
        worlds = make(num_envs=2, curriculum=curriculum, episode_limit=3)
        rows = [worlds.reset(seed=seeds)[1]["task"]]
        for _ in range(40):
            rows.append(worlds.step(np.zeros((2, 4), dtype=np.float32))[4]["task"])
        return np.array(rows).T.tolist()

    (one, two), (three, four) = drawn([1, 2]), drawn([2, 1])
    assert (one, two) == (four, three)
    assert one != two
    assert set(one) == set(NUMBERS[:4])


def test_every_step_tells_the_task_that_its_episode_plays(curriculum, make):
    worlds = make(num_envs=1, curriculum=curriculum, episode_limit=2)
    playing = worlds.reset(seed=0)[1]["task"][0]
    played, begins = [playing], False
    for _ in range(30):
        _, _, _, truncations, infos = worlds.step(np.zeros((1, 4), dtype=np.float32))
        if begins:
            playing = infos["task"][0]
            played.append(playing)
        assert infos["task"].tolist() == [playing]
        assert worlds.tasks == [id_of(playing)]
        begins = truncations[0]
    assert len(played) == 11
    assert set(played) == set(NUMBERS[:4])


def test_set_tasks_gives_every_world_its_task_from_its_next_episode_on(curriculum, make):
    worlds = make(num_envs=3, curriculum=curriculum, episode_limit=4)
    worlds.reset(seed=0)
    before = worlds.tasks
    worlds.set_tasks([IDS[5], None, curriculum.test_tasks[0]])
    worlds.set_task(1, COURSES[3])
    assert worlds.tasks == before
    for _ in range(12):
        worlds.step(np.zeros((3, 4), dtype=np.float32))
    assert worlds.tasks == [IDS[5], IDS[3], IDS[4]]
    worlds.set_tasks(IDS[0])
    assert worlds.reset()[1]["task"].tolist() == [NUMBERS[0]] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"options": {"reset_mask": [True, False]}}, "reset_mask is a list; it must be a NumPy array"),
        ({"options": {"reset_mask": np.ones(3, dtype=bool)}}, r"reset_mask is bool of shape \(3,\)"),
        ({"options": {"reset_mask": np.zeros(2, dtype=bool)}}, "reset_mask chooses no world"),
        ({"options": {"task": ["beef", IDS[0]]}}, "has no task 'beef'"),
        ({"options": {"task": [IDS[1], "beef"]}}, "has no task 'beef'"),
        ({"options": {"task": IDS[:3]}}, "tasks has 3 entries; there are 2 worlds"),
        ({"options": {"task": 7}}, "task is 7; give a task"),
        ({"options": {"taks": IDS[0]}}, "options has 'taks'; a vector environment takes task and reset_mask"),
        ({"seed": [1, 2, 3]}, "seed has 3 entries; it must have one for each of 2 worlds"),
        ({"seed": 1.5}, "seed is 1.5; it must be a whole number"),
        ({"seed": [1, -1]}, "seed is -1"),
    ],
)
def test_a_wrong_reset_is_refused_and_changes_nothing(curriculum, make, arguments, message):
    worlds, untouched = (make(num_envs=2, curriculum=curriculum, episode_limit=3) for _ in range(2))
    worlds.reset(seed=1)
    untouched.reset(seed=1)
    with pytest.raises(ValueError, match=message):
        worlds.reset(**arguments)
    for _ in range(8):
        actions = np.ones((2, 4), dtype=np.float32)
        assert_equal(worlds.step(actions), untouched.step(actions))
    assert_equal(worlds.reset(), untouched.reset())


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"tasks": ["beef", "beef"]}, CurriculumError, "has no task 'beef'"),
        ({"tasks": []}, CurriculumError, "tasks has 0 entries; there are 2 worlds"),
        ({"tasks": [], "task": "beef"}, CurriculumError, "exclude each other"),
        ({"split": "exam"}, CurriculumError, "split is 'exam'"),
        ({"split": "validation"}, CurriculumError, "has no validation tasks"),
        ({"episode_limit": 0}, ValueError, "episode_limit is 0; it must be at least 1"),
        ({"autoreset_mode": "never"}, ValueError, "never"),
    ],
)
def test_wrong_requests_for_worlds_are_refused(curriculum, make, settings, error, message):
    with pytest.raises(error, match=message):
        make(num_envs=2, curriculum=curriculum, **settings)


def test_a_native_setting_is_refused_rather_than_dropped_where_the_engine_is_missing(curriculum, monkeypatch):
    with pytest.raises(ValueError, match="kernel is a setting of worlds that walker2d does not have here"):
        slow_maker(monkeypatch)(num_envs=2, curriculum=curriculum, kernel="plain-4")


def test_worlds_that_do_not_begin_by_themselves_ask_for_a_reset(curriculum, make):
    worlds = make(num_envs=1, curriculum=curriculum, episode_limit=1, autoreset_mode="Disabled")
    worlds.reset(seed=0)
    worlds.step(np.zeros((1, 4), dtype=np.float32))
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset first: world 0 has no episode under way"):
        worlds.step(np.zeros((1, 4), dtype=np.float32))
