"""Worlds on a GPU without a GPU: their class and their kernel's text, run on the host, equal the native engine's.

What a card makes of them is tested where there is one.
"""

import copy
import os
import pickle
import shutil
from dataclasses import fields, is_dataclass

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from host_stepper import OnHost
from listening import Listening
from walkers import course

import environments
from environments.domain import Environment, Outcome
from environments.tasks.env import TaskSource
from environments.walker2d import native
from environments.walker2d.device import toolchain
from environments.walker2d.device.stepper import BLOCK, FEW
from environments.walker2d.device.worlds import WalkerTensorEnv
from environments.walker2d.env import Lidar
from environments.walker2d.vector import WalkerVectorEnv
from meta_learners.acting import Actions
from meta_learners.experience.running import Underway
from meta_learners.experience.sampling import Sampler
from meta_learners.families.environments import EnvironmentFamily
from meta_learners.keys import torch_generator
from meta_learners.networks.heads import head_of
from meta_learners.networks.policies import Policy
from meta_learners.networks.recurrent import RecurrentActor, RecurrentPolicy

pytestmark = [
    pytest.mark.skipif(native.problem() is not None, reason=str(native.problem())),
    pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++"),
]
FEWER = 14  # contacts of the smaller build, so that some worlds are left to the other


def tasks_of(domain, count):
    weak, late = {"motors": [1, 0.7, 0.5, 1], "legs": 1.1}, {"delay": 2, "lidar": 0, "gravity": 8.0}
    genomes = (
        {},
        {"roughness": 3.0, "physics": weak},
        {"stump_height": [0.2, 1.0]},
        {"pit_gap": [0.2, 1.2], "roughness": 1.0, "physics": late},
    )
    return [
        Environment(domain=domain, encoding="parametric", genome=genomes[number % 4], seed=number)
        for number in range(count)
    ]


@pytest.fixture(scope="session")
def stepper(tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    return OnHost(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base, FEWER)


def pair(stepper, tasks, **settings):
    """Make the same worlds twice: on the kernel's text, and on the native engine."""
    source = TaskSource(tasks[0].domain)
    settings = {"episode_limit": 60, **settings}
    on_device = WalkerTensorEnv(tasks, source=source, device="cpu", stepper=stepper, **settings)
    return on_device, WalkerVectorEnv(tasks, source=source, **settings)


def assert_equal(ours, theirs):
    """Compare what `step` or `reset` gave; where an array of theirs tells of some worlds only, there."""
    for found, wanted in zip(ours[:-1], theirs[:-1], strict=True):
        assert str(found.dtype).removeprefix("torch.") == str(wanted.dtype)
        np.testing.assert_array_equal(found.numpy(), wanted)
    for name in ("outcome", "_outcome", "task", "_task"):
        np.testing.assert_array_equal(ours[-1][name].numpy(), theirs[-1][name], err_msg=name)


def compare(stepper, tasks, steps, **settings):
    """Step both through resets of every kind; gives how many episodes were over."""
    ours, theirs = pair(stepper, tasks, **settings)
    rng, n, ends = np.random.default_rng(0), len(tasks), 0
    assert_equal(ours.reset(seed=5), theirs.reset(seed=5))
    for step in range(steps):
        actions = rng.uniform(-1.3, 1.3, (n, 4)).astype(np.float32)
        if step % 50 == 20:
            actions[rng.integers(n), 2] = np.nan
        found, wanted = ours.step(torch.from_numpy(actions)), theirs.step(actions)
        assert_equal(found, wanted)
        ends += int((wanted[2] | wanted[3]).sum())
        if "_final_obs" in wanted[-1]:
            over = wanted[-1]["_final_obs"]
            np.testing.assert_array_equal(found[-1]["_final_obs"].numpy(), over)
            np.testing.assert_array_equal(found[-1]["final_obs"].numpy()[over], np.stack(wanted[-1]["final_obs"][over]))
            for name in ("outcome", "task"):
                last = (each[-1]["final_info"][name] for each in (found, wanted))
                np.testing.assert_array_equal(*map(np.asarray, last))
        if step % 97 == 60:
            mask = rng.random(n) < 0.5
            mask[0] = True
            seeds = [None if number % 2 else int(rng.integers(2**31)) for number in range(n)]
            options = {"reset_mask": mask}
            assert_equal(ours.reset(seed=seeds, options=options), theirs.reset(seed=seeds, options=options))
        if step % 97 == 80:
            chosen = [None if number % 3 else tasks[(number + step) % n] for number in range(n)]
            ours.set_tasks(chosen)
            theirs.set_tasks(chosen)
        if step % 97 == 90:
            mask = rng.random(n) < 0.5
            mask[0] = True
            assert_equal(
                ours.reset(options={"reset_mask": torch.from_numpy(mask)}), theirs.reset(options={"reset_mask": mask})
            )
    return ends


def test_worlds_on_the_kernels_text_tell_what_is_hidden_as_the_native_engines_do(stepper):
    tasks = tasks_of("walker2d", 8)
    assert compare(stepper, tasks, 100, autoreset_mode=AutoresetMode.SAME_STEP, told=True) > 5


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("domain", ["walker2d", "walker2d-published"])
def test_worlds_on_the_kernels_text_equal_the_native_engines(stepper, domain, mode):
    assert compare(stepper, tasks_of(domain, 10), 130, autoreset_mode=mode) > 10


@pytest.mark.slow
@pytest.mark.parametrize("domain", ["walker2d", "walker2d-published"])
def test_thousands_of_steps_equal_the_native_engines(stepper, domain):
    assert compare(stepper, tasks_of(domain, 24), 2000, episode_limit=300) > 150


def test_worlds_with_more_contacts_than_the_smaller_build_holds_are_stepped_by_the_other(stepper):
    everything = course("everything", 4)
    ours = WalkerTensorEnv([everything] * 8, device="cpu", stepper=stepper, lidar=Lidar.NEAREST)
    theirs = WalkerVectorEnv([everything] * 8, lidar=Lidar.NEAREST)
    seen, spilt = [ours.reset(seed=1)[0], theirs.reset(seed=1)[0]], 0

    class Watching:
        """Counts the worlds that are left to the roomy build."""

        def launch(self, roomy, threads, arguments):
            nonlocal spilt
            spilt += int(ours._spilt.sum()) if roomy else 0
            stepper.launch(roomy, threads, arguments)

    ours._stepper = Watching()
    rng = np.random.default_rng(3)
    for _ in range(100):
        actions = rng.uniform(-1, 1, (8, 4)).astype(np.float32)
        seen = [ours.step(torch.from_numpy(actions))[0].numpy(), theirs.step(actions)[0]]
        np.testing.assert_array_equal(*seen)
    assert 0 < spilt < 100 * 8


def test_episodes_begin_by_the_seeds_that_a_step_is_given(stepper):
    ours, theirs = pair(stepper, tasks_of("walker2d", 6), episode_limit=5)
    ours.reset(seed=0)
    theirs.reset(seed=0)
    actions = np.full((6, 4), 0.2, dtype=np.float32)
    for _ in range(5):
        last = theirs.step(actions)
        ours.step(torch.from_numpy(actions))
    over = last[2] | last[3]
    seeds = np.arange(40, 46)
    found, *_ = ours.step(torch.from_numpy(actions), seeds=torch.from_numpy(seeds))
    theirs.step(actions)
    wanted, _ = theirs.reset(seed=seeds.tolist(), options={"reset_mask": over})
    assert over.all()
    np.testing.assert_array_equal(found.numpy(), wanted)


def test_courses_that_nobody_can_be_playing_any_more_are_taken_away(stepper):
    many = tasks_of("walker2d", 40)
    ours, theirs = pair(stepper, many[:2], episode_limit=10)
    ours.reset(seed=0)
    theirs.reset(seed=0)
    actions = np.full((2, 4), 0.5, dtype=np.float32)
    for first in range(0, 38, 2):
        for worlds in (ours, theirs):
            worlds.set_tasks(many[first : first + 2])
        for _ in range(9):
            assert_equal(ours.step(torch.from_numpy(actions)), theirs.step(actions))
    assert len(ours._shelf) <= 6
    assert ours.tasks == [task.number for task in theirs._played]


def test_tensors_are_shared_with_other_libraries(stepper):
    ours, theirs = pair(stepper, tasks_of("walker2d", 3))
    ours.reset(seed=0)
    theirs.reset(seed=0)
    actions = np.full((3, 4), 0.4, dtype=np.float32)  # NumPy shares by DLPack, too
    found = ours.step(actions)
    np.testing.assert_array_equal(np.from_dlpack(found[0]), theirs.step(actions)[0])
    first = found[0].clone()
    ours.step(actions)
    assert torch.equal(found[0], first)


def test_what_worlds_on_a_gpu_cannot_do_is_said(stepper):
    task = tasks_of("walker2d", 1)[0]

    def make(courses=(task, task), **settings):
        return WalkerTensorEnv(courses, device="cpu", stepper=stepper, **settings)

    with pytest.raises(ValueError, match="autoreset_mode is DISABLED; on a GPU it must be"):
        make(autoreset_mode="Disabled")
    with pytest.raises(ValueError, match="render_mode is 'rgb_array'"):
        make(render_mode="rgb_array")
    with pytest.raises(ValueError, match="a course is None; worlds on a GPU draw no tasks"):
        make([None], source=TaskSource("walker2d"))
    with pytest.raises(ValueError, match="courses is empty"):
        make([])
    worlds = make()
    with pytest.raises(gymnasium.error.ResetNeeded, match="world 0 has no episode under way"):
        worlds.step(torch.zeros(2, 4))
    worlds.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions has shape \(2, 3\) on cpu; it must be \(2, 4\) on cpu"):
        worlds.step(torch.zeros(2, 3))
    for seeds in (torch.zeros(2, dtype=torch.int32), torch.zeros(3, dtype=torch.int64)):
        with pytest.raises(ValueError, match=r"seeds is torch.int\d\d of shape \(\d,\) on cpu; it must be torch.int64"):
            worlds.step(torch.zeros(2, 4), seeds=seeds)
    with pytest.raises(ValueError, match="actions is a list; it must be a tensor on cpu"):
        worlds.step([[0.0] * 4] * 2)
    with pytest.raises(ValueError, match=r"reset_mask is torch.int64 of shape \(2,\)"):
        worlds.reset(options={"reset_mask": torch.ones(2, dtype=torch.int64)})
    for way in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            way(worlds)
    worlds.close()
    with pytest.raises(RuntimeError, match="closed"):
        worlds.reset()


def test_a_diverged_world_is_told_and_begins_anew(stepper):
    ours, _ = pair(stepper, tasks_of("walker2d", 3))
    ours.reset(seed=0)
    actions = torch.zeros(3, 4)
    actions[1, 0] = torch.inf
    _, rewards, terminations, _, infos = ours.step(actions)
    assert terminations.tolist() == [False, True, False]
    assert (rewards[1], infos["outcome"][1]) == (-100, Outcome.DIVERGED)
    observations, rewards, *_ = ours.step(torch.zeros(3, 4))
    assert observations[1].any()
    assert rewards[1] == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_worlds_on_a_gpu_that_is_not_there_say_so():
    with pytest.raises(RuntimeError, match="worlds on a GPU cannot be had: there is no"):
        WalkerTensorEnv([environments.FLAT, environments.FLAT])


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "contacts"), [("sm_90", FEW)])  # each takes half a minute
def test_nvrtc_compiles_the_kernel_of_worlds(architecture, contacts):
    if reason := toolchain.problem():
        pytest.skip(reason)
    macros = {"WALKER_CONTACTS": str(contacts), "WALKER_BLOCK": str(BLOCK)}
    code, resources = toolchain.compiled("worlds.cu", architecture, macros)
    assert b"step_worlds" in code
    assert resources.stack < 20_000  # of which the driver sets aside as much as could ever be in use at once


class Ashore(EnvironmentFamily):
    """Worlds of the kernel's text, for a learner on the processor."""

    def __init__(self, stepper, *given, **settings):
        super().__init__(*given, **settings)
        self._stepper = stepper

    def worlds_on(self, count, device):
        tasks = [self.splits["train"][0]] * count
        source, limit = TaskSource(self.name), self.episode_limit
        return WalkerTensorEnv(tasks, source=source, episode_limit=limit, device=device, stepper=self._stepper)


def samplers(stepper, tasks, copies=3, **settings):
    """Make the same sampler twice: in tensor worlds, and in the native engine's."""
    splits = {"train": tasks}
    families = Ashore(stepper, "walker2d", splits, **settings), EnvironmentFamily("walker2d", splits, **settings)
    return [Sampler(family, len(tasks), copies, fall_reward=-10.0) for family in families]


def assert_rollouts_equal(ours, theirs):
    for field in fields(ours):
        found, wanted = getattr(ours, field.name), getattr(theirs, field.name)
        if isinstance(found, torch.Tensor):
            assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), field.name
            assert torch.equal(found, wanted), field.name
        elif is_dataclass(found):
            assert_rollouts_equal(found, wanted)
        else:
            assert found == wanted, field.name


def recurrent():
    head = head_of(Actions(4, discrete=False))
    made = RecurrentPolicy(24, 4, head.numbers, 8, 10, torch_generator((0,)), deviations=[0.6] * head.spread)
    return RecurrentActor(made, head)


def test_the_sampler_plays_the_same_in_worlds_on_its_device(stepper):
    ours, theirs = samplers(stepper, tasks_of("walker2d", 3), episode_limit=25)
    actor = recurrent()
    for number, how in enumerate(({"episodes": 2}, {"steps": 40}, {"episodes": 1, "steps": 30})):
        tasks = tasks_of("walker2d", 3 + number)[-3:]
        assert_rollouts_equal(*(each.play(tasks, actor, (number,), **how) for each in (ours, theirs)))
    assert ours.steps == theirs.steps


def test_worlds_on_the_device_run_on_and_are_brought_back_as_those_of_the_processor_are(stepper):
    ours, theirs = samplers(stepper, tasks_of("walker2d", 3), episode_limit=45)
    policy = Policy.make(24, head_of(Actions(4, discrete=False)))
    actor, kept = policy.actor(policy.initial(torch_generator((0,)))), None
    for number in range(8):
        tasks = tasks_of("walker2d", 3 + number)[-3:]
        if number == 5:
            ours, theirs = samplers(stepper, tasks_of("walker2d", 3), episode_limit=45)
            ours.running.load(kept[1])  # each goes on from what the other kept
            theirs.running.load(kept[0])
        rollouts = [each.play(tasks, actor, (number,), steps=17, go_on=True) for each in (ours, theirs)]
        assert_rollouts_equal(*rollouts)
        kept = [each.running.state() for each in (ours, theirs)]
        for field in fields(Underway):
            np.testing.assert_array_equal(*(getattr(each, field.name) for each in kept))


def test_trials_run_on_in_worlds_on_the_device_as_in_those_of_the_processor(stepper):
    ours, theirs = samplers(stepper, tasks_of("walker2d", 3), episode_limit=25)
    actor = recurrent()
    for number in range(5):
        tasks = tasks_of("walker2d", 3 + number)[-3:]
        rollouts = [each.play(tasks, actor, (number,), steps=17, go_on=True, trial=2) for each in (ours, theirs)]
        assert_rollouts_equal(*rollouts)
        kept = [each.running.state() for each in (ours, theirs)]
        for name, each in kept[0].remembered.items():
            np.testing.assert_array_equal(each, kept[1].remembered[name])
        if number == 2:
            ours, theirs = samplers(stepper, tasks_of("walker2d", 3), episode_limit=25)
            ours.running.load(kept[1])
            theirs.running.load(kept[0])


def test_a_step_of_worlds_on_the_device_asks_it_nothing(stepper):
    sampler, _ = samplers(stepper, tasks_of("walker2d", 2), episode_limit=25)
    policy = Policy.make(24, head_of(Actions(4, discrete=False)))
    actor, asked = policy.actor(policy.initial(torch_generator((0,)))), []
    for go_on in (False, True):
        for steps in (5, 15):
            with Listening() as heard:
                sampler.play(tasks_of("walker2d", 2), actor, (steps,), steps=steps, go_on=go_on)
            asked.append([heard.counts.get(name, 0) for name in ("_local_scalar_dense", "nonzero", "_to_copy")])
    assert asked[0][0] == asked[1][0] == 0
    assert asked[2][:2] == asked[3][:2]


def test_the_class_without_a_gpu_steps_on_the_processor():
    family = EnvironmentFamily("walker2d", {"train": tasks_of("walker2d", 1)})
    assert family.worlds_on(2, torch.device("cpu")) is None
    if not torch.cuda.is_available():
        assert family.worlds_on(2, torch.device("cuda")) is None
