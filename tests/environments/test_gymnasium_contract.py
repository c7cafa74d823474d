"""One contract for every body, single and in vectors, with the libraries that people bring as its judges."""

import warnings

import gymnasium
import numpy as np
import pytest
from bodies import DOMAINS, IDS, needs_pybullet
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector as vector_wrappers

from environments.domain import NO_OUTCOME, Outcome, find_domain, id_of
from environments.registration import LIMITS

MODES = list(AutoresetMode)
REGISTERED = [
    ("poet/Walker2D-v0", "walker2d"),
    ("poet/Walker2DHard-v0", "walker2d"),
    pytest.param("poet/Hexapod3D-v0", "hexapod3d", marks=needs_pybullet),
    pytest.param("poet/Hexapod3DJoints-v0", "hexapod3d-joints", marks=needs_pybullet),
    pytest.param("poet/Quadruped3D-v0", "quadruped3d", marks=needs_pybullet),
    pytest.param("poet/Octopod3DJoints-v0", "octopod3d-joints", marks=needs_pybullet),
]


@pytest.fixture(params=DOMAINS)
def domain(request):
    return request.param


@pytest.fixture
def body(domain):
    return IDS[domain]


@pytest.fixture
def make(body):
    """Make the body's environment; all are closed in the end."""
    made = []

    def making(**settings):
        made.append(gymnasium.make(body, **settings))
        return made[-1]

    yield making
    for each in made:
        each.close()


@pytest.fixture
def make_vec(body):
    """Make worlds of the body; all are closed in the end."""
    made = []

    def making(num_envs=2, **settings):
        made.append(gymnasium.make_vec(body, num_envs=num_envs, **settings))
        return made[-1]

    yield making
    for each in made:
        each.close()


def actions(space, seed, count):
    space.seed(seed)
    return [space.sample() for _ in range(count)]


@pytest.mark.parametrize(("name", "plays"), REGISTERED)
def test_ids_know_their_bodies_limits_and_can_be_written_down(name, plays):
    spec = gymnasium.spec(name)
    assert spec.max_episode_steps == LIMITS[plays] == find_domain(plays).episode_limit
    again = type(spec).from_json(spec.to_json())
    with gymnasium.make(again) as env, gymnasium.make(name) as wanted:
        np.testing.assert_array_equal(env.reset(seed=4)[0], wanted.reset(seed=4)[0])
        assert env.spec.max_episode_steps == spec.max_episode_steps


# --- single


@pytest.mark.filterwarnings("error", "ignore:.*For Box action spaces:UserWarning")
def test_gymnasiums_checkers_find_nothing_wrong(make):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(observation space|not have a spec|no `spec`)")
        check_env(make(render_mode="rgb_array").unwrapped)
    env = make(disable_env_checker=False)
    env.reset(seed=np.int64(0))
    for action in actions(env.action_space, 0, 3):
        env.step(action)


def test_stable_baselines_checker_finds_nothing_wrong(make):
    check = pytest.importorskip("stable_baselines3.common.env_checker").check_env
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        check(make(), warn=True)


def test_torchrl_rolls_out_single_environments_through_their_ends(make):
    libs = pytest.importorskip("torchrl.envs", exc_type=ImportError)
    env = libs.GymWrapper(make(max_episode_steps=7))
    done = env.rollout(20, break_when_any_done=False)["next", "done"]
    assert np.flatnonzero(done.numpy()).tolist() == [6, 13]


def test_every_info_has_the_same_keys_and_plain_types(make):
    env = make(episode_limit=5)
    task = env.unwrapped.task
    infos = [env.reset(seed=1)[1]]
    for action in actions(env.action_space, 1, 5):
        _, reward, terminated, truncated, info = env.step(np.zeros_like(action))
        assert [type(each) for each in (reward, terminated, truncated)] == [float, bool, bool]
        infos.append(info)
    assert truncated
    assert {tuple(info) for info in infos} == {("outcome", "task")}
    assert {type(value) for info in infos for value in info.values()} == {int}
    assert [info["outcome"] for info in infos] == [NO_OUTCOME] * 5 + [Outcome.TIMED_OUT]
    assert {id_of(info["task"]) for info in infos} == {task.id}
    assert task.number == infos[0]["task"]


@pytest.mark.parametrize("most", [3, 5])
def test_gymnasiums_time_limit_is_the_one_that_counts(make, most):
    env = make(max_episode_steps=most)
    assert env.spec.max_episode_steps == most
    env.reset(seed=0)
    ends = [env.step(np.zeros(env.action_space.shape, np.float32))[3] for _ in range(most)]
    assert ends == [False] * (most - 1) + [True]


def test_gymnasiums_time_limit_can_be_longer_than_the_bodys(make, domain):
    limit = LIMITS[domain]
    env = make(max_episode_steps=limit + 1)
    env.reset(seed=0)
    inner = env.unwrapped._inner
    if domain == "walker2d":
        inner._steps = limit - 1  # rather than walk for 2,000 steps
    else:
        inner._judge.steps[:] = limit - 1
    *_, terminated, truncated, info = env.step(np.zeros(env.action_space.shape, np.float32))
    assert (terminated, truncated, info["outcome"]) == (False, False, NO_OUTCOME)


def test_a_limit_that_gymnasium_would_cut_short_is_refused(make, domain):
    limit = LIMITS[domain]
    with pytest.raises(ValueError, match=f"episode_limit is {limit + 1}, but .* give max_episode_steps={limit + 1}"):
        make(episode_limit=limit + 1)


@pytest.mark.parametrize("wrong", [0, 1.5, float("nan"), True, "9"])
def test_a_limit_that_is_no_number_of_steps_is_refused(make, wrong):
    with pytest.raises(ValueError, match=r"episode_limit is .*; it must be at least 1, a whole number"):
        make(episode_limit=wrong)


def test_gymnasiums_wrappers_work(make, tmp_path):
    limit = make().spec.max_episode_steps
    timed = gymnasium.wrappers.TimeAwareObservation(make(), normalize_time=True)
    timed.reset(seed=0)
    assert timed.step(np.zeros(timed.action_space.shape, np.float32))[0][-1] == np.float32(1 / limit)
    env = make(max_episode_steps=4, render_mode="rgb_array")
    recorded = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.wrappers.RenderCollection(env))
    recorded.reset(seed=0)
    for action in actions(recorded.action_space, 0, 4):
        *_, info = recorded.step(action)
    assert info["episode"]["l"] == 4
    assert len(recorded.render()) == 5
    normal = gymnasium.wrappers.NormalizeObservation(gymnasium.wrappers.Autoreset(make(max_episode_steps=2)))
    normal.reset(seed=0)
    assert [normal.step(normal.action_space.sample())[3] for _ in range(3)] == [False, True, False]


def test_tasks_are_set_through_wrappers(make):
    env = make()
    other = {"domain": env.unwrapped.task.domain, "encoding": "parametric", "genome": {}, "seed": np.int64(8)}
    env.get_wrapper_attr("set_task")(other)
    number = env.reset(seed=0)[1]["task"]
    assert env.unwrapped.task.id == id_of(number)
    assert env.unwrapped.task.seed == 8
    env.unwrapped.set_task({**other, "seed": 9})
    assert env.reset()[1]["task"] != number
    assert env.reset(options={"task": {**other, "seed": 8}})[1]["task"] == number


@pytest.mark.parametrize("wrapped", [True, False])
def test_what_needs_an_episode_says_so_before_it_and_after_it(make, wrapped):
    env = make(episode_limit=1, render_mode="rgb_array")
    env = env if wrapped else env.unwrapped
    nothing = np.zeros(env.action_space.shape, np.float32)
    for use in (lambda: env.step(nothing), env.render):
        with pytest.raises(gymnasium.error.ResetNeeded):
            use()
    env.reset(seed=0)
    assert env.step(nothing)[3]
    with pytest.raises(gymnasium.error.ResetNeeded, match="no episode is under way"):
        env.step(nothing)
    assert env.render().ndim == 3
    env.reset()
    env.step(nothing)
    env.close()
    env.close()
    with pytest.raises(RuntimeError, match="has been closed; make another"):
        env.reset()
    for use in (lambda: env.step(nothing), env.render):
        with pytest.raises(gymnasium.error.ResetNeeded):
            use()


@pytest.mark.parametrize("bad", [True, 1.5, np.float64(2), -1, 2**64, "3"])
def test_seeds_that_are_none_are_refused_and_change_nothing(make, make_vec, bad):
    env, untouched = make(), make()
    for each in (env, untouched):
        each.reset(seed=7)
    with pytest.raises(ValueError, match="seed is "):
        env.reset(seed=bad)
    np.testing.assert_array_equal(env.reset()[0], untouched.reset()[0])
    with pytest.raises(ValueError, match="seed is "):
        make_vec().reset(seed=bad)


def test_numpys_seeds_are_taken_for_what_they_say(make, make_vec):
    for kind in (np.int64, np.uint8):
        np.testing.assert_array_equal(make().reset(seed=kind(5))[0], make().reset(seed=5)[0])
        np.testing.assert_array_equal(make_vec().reset(seed=kind(5))[0], make_vec().reset(seed=[5, 6])[0])


# --- vectors


@pytest.mark.parametrize("mode", MODES)
def test_every_info_of_a_vector_has_the_same_keys_and_types(make_vec, mode):
    worlds = make_vec(episode_limit=3, autoreset_mode=mode)
    assert worlds.metadata["autoreset_mode"] is worlds.autoreset_mode is mode
    infos = [worlds.reset(seed=0)[1]]
    ends = 0
    for _ in range(9):
        *_, truncations, info = worlds.step(np.zeros(worlds.action_space.shape, np.float32))
        infos.append(info)
        ends += truncations.any()
        if mode is AutoresetMode.SAME_STEP and truncations.any():
            final = info["final_info"]
            assert final["outcome"].tolist() == [Outcome.TIMED_OUT] * 2
            assert set(final) == {"outcome", "_outcome", "task", "_task"}
            assert (final["outcome"].dtype, final["task"].dtype) == (np.int64, np.int64)
        if mode is AutoresetMode.DISABLED and truncations.any():
            infos.append(worlds.reset(options={"reset_mask": np.array([True, True])})[1])
    assert ends > 1
    for info in infos:
        rest = set(info) - {"final_obs", "_final_obs", "final_info", "_final_info"}
        assert rest == {"outcome", "_outcome", "task", "_task"}
        assert all(info[key].dtype == np.int64 and info[f"_{key}"].all() for key in ("outcome", "task"))
    assert [id_of(number) for number in infos[-1]["task"]] == worlds.tasks


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED])
def test_torchrl_rolls_out_vectors_through_their_ends(make_vec, mode):
    libs = pytest.importorskip("torchrl.envs", exc_type=ImportError)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own
        env = libs.GymWrapper(make_vec(max_episode_steps=5, autoreset_mode=mode))
        rolled = env.rollout(12, break_when_any_done=False)
    assert np.flatnonzero(rolled["next", "done"][0].numpy()).tolist() == [4, 9]
    assert np.isfinite(rolled["next", "observation"].numpy()).all()


def test_gymnasiums_vector_wrappers_work(make_vec):
    worlds = vector_wrappers.RecordEpisodeStatistics(
        vector_wrappers.NormalizeObservation(make_vec(max_episode_steps=np.int64(4), render_mode=None))
    )
    worlds.reset(seed=0)
    for _ in range(4):
        *_, truncations, infos = worlds.step(np.zeros(worlds.action_space.shape, np.float32))
    assert truncations.all()
    assert infos["episode"]["l"].tolist() == [4, 4]
    told = vector_wrappers.DictInfoToList(make_vec(max_episode_steps=1))
    assert [set(info) for info in told.reset(seed=0)[1]] == [{"outcome", "task"}] * 2


def test_worlds_render_what_single_environments_render(make, make_vec):
    worlds, env = make_vec(render_mode="rgb_array"), make(render_mode="rgb_array")
    assert {"render_modes", "render_fps"} <= set(worlds.metadata)
    with pytest.raises(gymnasium.error.ResetNeeded):
        worlds.render()
    worlds.reset(seed=[3, 4])
    env.reset(seed=4)
    for action in actions(env.action_space, 0, 25):
        worlds.step(np.stack([action, action]))
        env.step(action)
    frames = worlds.render()
    assert isinstance(frames, tuple)
    assert [frame.shape for frame in frames] == [env.render().shape] * 2
    assert (frames[1] != env.render()).mean() == 0
    assert (frames[0] != frames[1]).any()
    assert make_vec().render() is None


def test_worlds_take_gymnasiums_word_for_the_limit_of_an_episode(make_vec):
    worlds = make_vec(max_episode_steps=2)
    assert worlds.spec.kwargs["max_episode_steps"] == 2
    worlds.reset(seed=0)
    nothing = np.zeros(worlds.action_space.shape, np.float32)
    assert [worlds.step(nothing)[3].all() for _ in range(2)] == [False, True]
    with pytest.raises(ValueError, match="episode_limit is 3 and max_episode_steps 2; they are two names"):
        make_vec(episode_limit=3, max_episode_steps=2)
    for wrong in (0, -2, 1.5, True):
        with pytest.raises(ValueError, match=f"max_episode_steps is {wrong}; it must be at least 1"):
            make_vec(max_episode_steps=wrong)
    with pytest.raises(ValueError, match=r"render_mode is 'human'; .*HumanRendering"):
        make_vec(render_mode="human")
    with pytest.raises(ValueError, match="num_envs is 0; it must be at least 1"):
        make_vec(num_envs=0)


@pytest.mark.parametrize("mode", MODES)
def test_worlds_stepped_outside_an_episode_say_so(make_vec, mode):
    worlds = make_vec(episode_limit=1, autoreset_mode=mode)
    nothing = np.zeros(worlds.action_space.shape, np.float32)
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset first"):
        worlds.step(nothing)
    worlds.reset(seed=0)
    worlds.step(nothing)
    if mode is AutoresetMode.DISABLED:
        with pytest.raises(gymnasium.error.ResetNeeded, match="call reset first"):
            worlds.step(nothing)
    with pytest.raises(ValueError, match="actions has shape"):
        worlds.step(nothing[:, :3])
    worlds.close()
    worlds.close()
    with pytest.raises(RuntimeError, match="have been closed"):
        worlds.reset()
    with pytest.raises(gymnasium.error.ResetNeeded):
        worlds.step(nothing)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_gymnasiums_own_vectors_of_our_environments_give_the_same(make_vec, mode):
    ours, theirs = make_vec(max_episode_steps=3), make_vec(max_episode_steps=3, vectorization_mode=mode)
    assert theirs.reset(seed=0)[1].keys() == ours.reset(seed=0)[1].keys()
    for action in actions(ours.action_space, 0, 5):
        found, wanted = theirs.step(action), ours.step(action)
        for mine, other in zip(wanted[:4], found[:4], strict=True):
            np.testing.assert_array_equal(mine, other)
        assert found[4].keys() == wanted[4].keys()
        assert found[4]["task"].tolist() == wanted[4]["task"].tolist()
    assert len(theirs.np_random_seed) == len(ours.np_random_seed) == 2
    assert [each.bit_generator.state for each in theirs.np_random] == [
        each.bit_generator.state for each in ours.np_random
    ]
