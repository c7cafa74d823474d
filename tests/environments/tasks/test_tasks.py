"""Curricula made by hand and by `poet export`, as learners read and play them."""

import json
import shutil

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import environments
from environments.controller import Controller
from environments.domain import Environment
from environments.tasks.curriculum import Curriculum, CurriculumError, seal
from environments.tasks.env import TaskEnv
from environments.walker2d.env import WalkerEnv
from environments.weights import agent_bytes, read_agent

COURSES = [
    Environment(domain="walker2d", encoding="parametric", genome={"roughness": number / 2}, seed=number)
    for number in range(6)
]
MEMBERS = {"train": [0, 1, 2], "validation": [3], "test": [4], "boundary": [5]}


@pytest.fixture
def document():
    return {
        "format": "poet-curriculum",
        "schema_version": 1,
        "domain": {"name": "walker2d"},
        "environments": {course.id: json.loads(course.to_json()) for course in COURSES},
        "splits": {"members": {name: [COURSES[i].id for i in places] for name, places in MEMBERS.items()}},
        "stages": {"order": [course.id for course in reversed(COURSES)]},
        "files": {},
    }


@pytest.fixture
def write(tmp_path):
    """Write a document, sealed, as a curriculum; gives its folder."""

    def writing(document):
        folder = tmp_path / "curriculum"
        folder.mkdir(exist_ok=True)
        (folder / "curriculum.json").write_text(json.dumps(seal(document)))
        return folder

    return writing


@pytest.fixture
def curriculum(document, write):
    return Curriculum.load(write(document))


def test_curriculum_lists_tasks_by_split_in_order_of_stage(curriculum):
    assert [task.environment for task in curriculum.train_tasks] == [COURSES[2], COURSES[1], COURSES[0]]
    assert [task.id for task in curriculum.test_tasks] == [COURSES[4].id]
    assert [task.id for task in curriculum.validation_tasks] == [COURSES[3].id]
    assert [task.id for task in curriculum.stages] == [course.id for course in reversed(COURSES)]


def test_sampled_tasks_repeat_only_when_all_have_been_drawn(curriculum):
    drawn = curriculum.sample_tasks(7, rng=np.random.default_rng(0))
    assert {task.id for task in drawn} <= {course.id for course in COURSES[:3]}
    assert len({task.id for task in drawn[:3]}) == len({task.id for task in drawn[3:6]}) == 3
    assert len(drawn) == 7
    assert curriculum.sample_tasks(7, rng=np.random.default_rng(0)) == drawn


@pytest.mark.parametrize("form", ["task", "environment", "json", "id"])
def test_every_way_to_name_a_task_plays_that_tasks_course(curriculum, form):
    course = COURSES[4]
    named = {
        "task": curriculum.test_tasks[0],
        "environment": course,
        "json": course.to_json(),
        "id": course.id,
    }[form]
    env = curriculum.make_env()
    observation, info = env.reset(seed=5, options={"task": named})
    alone = WalkerEnv(course)
    expected, _ = alone.reset(seed=5)
    np.testing.assert_array_equal(observation, expected)
    assert info["task"] == course.number
    for action in np.random.default_rng(0).uniform(-1, 1, (60, 4)).astype(np.float32):
        ours, reward, *ends, _ = env.step(action)
        theirs, their_reward, *their_ends, _ = alone.step(action)
        np.testing.assert_array_equal(ours, theirs)
        assert (reward, ends) == (their_reward, their_ends)
        if any(ends):
            return


def test_set_task_holds_from_the_next_reset_on(curriculum):
    env = curriculum.make_env()
    env.set_task(curriculum.test_tasks[0])
    assert env.reset()[1]["task"] == COURSES[4].number
    env.set_task(COURSES[3])
    assert env.task == COURSES[4]
    assert [env.reset()[1]["task"] for _ in range(2)] == [COURSES[3].number] * 2


def test_without_a_chosen_task_every_reset_draws_one_of_the_split_and_a_seed_repeats_them(curriculum):
    def ids(seed):
        env = curriculum.make_env()
        first = env.reset(seed=seed)
        return [first[1]["task"], *(env.reset()[1]["task"] for _ in range(19))]

    assert set(ids(1)) == {course.number for course in COURSES[:3]}
    assert ids(1) == ids(1) != ids(2)


def test_later_episodes_follow_from_the_first_seed_also_across_tasks(curriculum):
    def observations(seed):
        env = curriculum.make_env()
        env.reset(seed=seed)
        return [env.reset(options={"task": course})[0] for course in (COURSES[1], COURSES[4], COURSES[1])]

    for ours, again, other in zip(observations(3), observations(3), observations(4), strict=True):
        np.testing.assert_array_equal(ours, again)
        assert (ours != other).any()


def test_gymnasium_makes_the_walker_with_a_task_or_a_curriculum(curriculum):
    env = gymnasium.make("poet/Walker2D-v0", task=COURSES[2])
    assert env.reset(seed=0)[1]["task"] == COURSES[2].number
    env = gymnasium.make("poet/Walker2D-v0", curriculum=curriculum.folder, split="test")
    assert env.reset(seed=0)[1]["task"] == COURSES[4].number
    assert gymnasium.make("poet/Walker2D-v0").reset()[1]["task"] == environments.FLAT.number
    assert gymnasium.make("poet/Walker2DHard-v0").reset()[1]["task"] == environments.HARD.number


def test_vector_of_walkers_plays_the_curriculum(curriculum):
    envs = gymnasium.make_vec("poet/Walker2D-v0", num_envs=3, curriculum=curriculum.folder)
    observations, infos = envs.reset(seed=0)
    assert observations.shape == (3, 24)
    assert set(infos["task"].tolist()) <= {course.number for course in COURSES[:3]}
    stepped = envs.step(np.zeros((3, 4), dtype=np.float32))
    assert stepped[0].shape == (3, 24)
    envs.close()


@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # advice on the range of observations
def test_curriculums_environment_passes_gymnasiums_checker(curriculum):
    check_env(gymnasium.make("poet/Walker2D-v0", curriculum=curriculum, render_mode="rgb_array").unwrapped)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda c: c.task("beef"), "has no task 'beef'; it has 6, such as "),
        (lambda c: c.split("exam"), "split is 'exam'; splits are train, validation, test"),
        (lambda c: c.make_env().set_task("beef"), "has no task 'beef'"),
        (lambda c: c.make_env().reset(options={"task": 7}), "task is 7; give a task, an environment, its fields"),
        (lambda c: c.make_env().set_task("{}"), "not the JSON text of an environment"),
        (lambda c: c.make_env().set_task({"seed": 1}), "task is {'seed': 1}: an environment is a JSON object with"),
        (lambda c: c.make_env("exam"), "split is 'exam'"),
        (lambda c: TaskEnv("walker2d"), "nothing to play: give a task or a curriculum"),
        (lambda c: TaskEnv("walker2d", curriculum=c.folder), "give what Curriculum.load makes of that folder"),
        (lambda c: TaskEnv("walker2d", task="beef"), "'beef' cannot be looked up without a curriculum"),
        (lambda c: TaskEnv("walker2d", task=COURSES[0]).sample_tasks(1), "there is no curriculum to draw tasks from"),
        (
            lambda c: TaskEnv("walker2d", task=Environment(domain="moon", encoding="x", genome={}, seed=0)),
            "is one of moon; this environment is walker2d",
        ),
    ],
)
def test_what_cannot_be_played_is_refused_with_one_sentence(curriculum, ask, message):
    with pytest.raises(CurriculumError, match=message):
        ask(curriculum)


def change(document, path, value):
    """Set one entry deep in a document."""
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["schema_version"], 2, "schema version 2; this version reads 1; install a newer version"),
        (["schema_version"], None, "schema version None; this version reads 1$"),
        (["format"], "zip", "is not a curriculum of poet-trailblazer"),
        (["splits", "members", "train"], ["beef"], "the split train names 'beef', which is no task"),
        (["splits", "members", "test"], [COURSES[0].id], f"task {COURSES[0].id} lies in two splits, train and test"),
        (["splits", "members", "test"], [], f"task {COURSES[4].id} lies in no split"),
        (["splits", "members", "exam"], [], "has a split 'exam'; splits are train"),
        (["stages", "order"], [COURSES[0].id], "does not list every task exactly once"),
        (["environments", COURSES[1].id, "seed"], 99, f"the environment under {COURSES[1].id} has the id"),
        (["environments"], 3, "environments is 3; it must be a JSON object"),
        (["files"], {"../../etc/passwd": {"sha256": "0"}}, "lists '../../etc/passwd', which lies outside"),
        (["files"], {"tasks.jsonl": {"sha256": "0"}}, "tasks.jsonl is missing"),
    ],
)
def test_document_that_contradicts_itself_is_refused(document, write, path, value, message):
    change(document, path, value)
    with pytest.raises(CurriculumError, match=message):
        Curriculum.load(write(document))


@pytest.mark.parametrize("seed", [None, True, 1.0, -1, 2**64])
def test_task_whose_seed_is_none_is_refused_by_file_and_task(document, write, seed):
    change(document, ["environments", COURSES[1].id, "seed"], seed)
    with pytest.raises(
        CurriculumError, match=rf"curriculum.json: task {COURSES[1].id}: the seed of an environment is {seed}; .*\[0, "
    ):
        Curriculum.load(write(document))


def test_curriculum_of_an_older_version_keeps_the_ids_that_minus_zeros_went_into(document, write):
    old = Environment.as_written(domain="walker2d", encoding="parametric", genome={"roughness": -0.0}, seed=0)
    del document["environments"][COURSES[0].id]
    document["environments"][old.id] = json.loads(old.to_json())
    document["splits"]["members"]["train"][0] = document["stages"]["order"][-1] = old.id
    curriculum = Curriculum.load(write(document))
    assert curriculum.task(old.id).environment.id == old.id
    env = curriculum.make_env()
    env.set_task(old.id)
    assert env.reset(seed=0)[1]["task"] == old.number
    env.set_task(Environment.from_json(old.to_json()))
    assert env.reset(seed=0)[1]["task"] == COURSES[0].number


def test_changed_document_is_noticed_by_its_own_hash(document, write):
    folder = write(document)
    path = folder / "curriculum.json"
    path.write_text(path.read_text(encoding="utf-8").replace("walker2d", "walker3d", 1))
    with pytest.raises(CurriculumError, match=r"curriculum.json has been changed"):
        Curriculum.load(folder)


def test_truncated_or_missing_document_is_refused(document, write, tmp_path):
    folder = write(document)
    text = (folder / "curriculum.json").read_text(encoding="utf-8")
    (folder / "curriculum.json").write_text(text[: len(text) // 2])
    with pytest.raises(CurriculumError, match="damaged or truncated"):
        Curriculum.load(folder)
    with pytest.raises(CurriculumError, match="holds no curriculum"):
        Curriculum.load(tmp_path / "nowhere")
    shutil.rmtree(folder)


def test_agent_file_is_what_pytorch_reads_and_reads_back_exactly(tmp_path):
    import torch  # noqa: PLC0415 - slow
    from safetensors.torch import load_file  # noqa: PLC0415
    from torch import nn  # noqa: PLC0415

    controller = Controller((24, 40, 40, 4))
    theta = np.random.default_rng(0).normal(size=controller.parameters).astype(np.float32)
    path = tmp_path / "agent.safetensors"
    path.write_bytes(agent_bytes(controller, theta))
    np.testing.assert_array_equal(read_agent(path, controller), theta)
    network = nn.Sequential(*[part for a, b in ((24, 40), (40, 40), (40, 4)) for part in (nn.Linear(a, b), nn.Tanh())])
    network.load_state_dict(load_file(path))
    observation = np.random.default_rng(1).normal(size=24).astype(np.float32)
    with torch.no_grad():
        acted = network(torch.from_numpy(observation)).numpy()
    np.testing.assert_allclose(acted, controller.policy(theta)(observation), atol=1e-5)


def test_wrong_agent_files_are_refused_by_name(tmp_path):
    controller = Controller((3, 2))
    path = tmp_path / "agent.safetensors"
    with pytest.raises(ValueError, match=r"cannot read .*agent.safetensors: No such file"):
        read_agent(path, controller)
    path.write_bytes(b"dear diary")
    with pytest.raises(ValueError, match="is not a safetensors file"):
        read_agent(path, controller)
    path.write_bytes(agent_bytes(Controller((4, 2)), np.zeros(10, dtype=np.float32)))
    with pytest.raises(ValueError, match="an agent of 3-2 layers has"):
        read_agent(path, controller)
