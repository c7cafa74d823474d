"""PPO over tasks: by the core and by torch it takes the same steps, from the same state, and acts the same."""

import math
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch

from evolution import proximal
from meta_learners.black_box.ppo import PPO, PPOSettings
from meta_learners.experience.sampling import Sampler
from meta_learners.families.navigation import Navigation
from meta_learners.learner import State
from meta_learners.networks.adam import Adam
from meta_learners.networks.policies import LaidOut, stack

FAMILY, TASKS = Navigation(20), 3
SETTINGS = PPOSettings(hidden=9, steps=25, epochs=3, minibatches=4, entropy=0.01, step_size=3e-3)

pytestmark = pytest.mark.skipif(proximal.problem() is not None, reason=str(proximal.problem()))


def by(core):
    """A context in which there is the core, or is not."""
    return nullcontext() if core else proximal.set_aside()


def begun():
    """A learner that has begun to learn, and episodes of its policy in three tasks, in some of which less is valid."""
    learner, sampler = PPO(FAMILY, SETTINGS, seed=1), Sampler(FAMILY, TASKS, 2)
    tasks = FAMILY.sample_tasks(TASKS, np.random.default_rng(0))
    learner.meta_step(sampler, tasks, (0,))
    rollout = sampler.play(tasks, learner._policy.actor(learner._adam.parameters), (1,), steps=25)
    return learner, rollout


@pytest.mark.parametrize("fresh", [True, False], ids=["from new moments", "from moments that are there"])
@pytest.mark.parametrize("stacked", [True, False], ids=["a policy for each task", "one policy"])
def test_the_core_takes_torchs_steps(stacked, fresh):
    found = []
    for core in (True, False):
        learner, rollout = begun()
        adam = learner._adam
        if stacked:
            adam = Adam(stack(adam.parameters, TASKS), 3e-3, stacked=True)
        if fresh:
            adam = Adam(adam.parameters, 3e-3, stacked=stacked, largest_norm=None if stacked else 0.5)
        data = learner._data(adam.parameters, rollout)
        if not stacked:
            data = {name: each.flatten(0, 1)[None] for name, each in data.items()}
        assert 0 < data["weights"].mean() < 1
        with by(core):
            told = learner._improve(adam, data, (7,))
        found.append({**adam.tensors(), "told": told})
    one, other = found
    assert set(one) == set(other)
    for name, each in one.items():
        torch.testing.assert_close(each, other[name], rtol=3e-4, atol=3e-6)


def test_what_the_core_learnt_is_kept_and_gone_on_with_by_either():
    ends = []
    for core in (True, False):
        learner, _ = begun()
        again = PPO(FAMILY, SETTINGS, seed=5)
        state = learner.state()
        again.load(State(dict(state.tensors), dict(state.facts)))
        sampler, tasks = Sampler(FAMILY, TASKS, 2), FAMILY.sample_tasks(TASKS, np.random.default_rng(2))
        with by(core):
            again.meta_step(sampler, tasks, (3,))
        assert again.state().tensors["adam.step.layer0.weight"] == 2 * SETTINGS.epochs * SETTINGS.minibatches
        ends.append(again.state().tensors)
    for name, each in ends[0].items():
        torch.testing.assert_close(each, ends[1][name], rtol=1e-2, atol=1e-4)


def test_deviations_below_the_least_are_the_least_to_both():
    ends = []
    for core in (True, False):
        learner, rollout = begun()
        adam = learner._adam
        adam.parameters["log_deviation"][:] = -9.0
        data = {name: each.flatten(0, 1)[None] for name, each in learner._data(adam.parameters, rollout).items()}
        with by(core):
            learner._improve(adam, data, (7,))
        ends.append(adam.tensors())
        assert (adam.parameters["log_deviation"] >= math.log(1e-3) - 1e-6).all()
    for name, each in ends[0].items():
        torch.testing.assert_close(each, ends[1][name], rtol=1e-3, atol=1e-5)


def test_batches_of_which_nothing_counts_say_nothing_of_entropy_to_either():
    ends = []
    for core in (True, False):
        learner, rollout = begun()
        adam = Adam(stack(learner._adam.parameters, TASKS), 3e-3, stacked=True)
        data = learner._data(adam.parameters, rollout)
        data["weights"] = torch.zeros_like(data["weights"])
        data["weights"][:, :2] = 1
        with by(core):
            told = learner._improve(adam, data, (7,))
        ends.append({**adam.tensors(), "told": told})
    for name, each in ends[0].items():
        torch.testing.assert_close(each, ends[1][name], rtol=1e-3, atol=1e-5)


def test_parameters_in_double_precision_learn():
    learner, rollout = begun()
    adam = Adam({name: each.double() for name, each in learner._adam.parameters.items()}, 3e-3)
    before = adam.tensors()
    data = learner._data(learner._adam.parameters, rollout)
    learner._improve(adam, {name: each.flatten(0, 1)[None].double() for name, each in data.items()}, (7,))
    assert not torch.equal(adam.parameters["layer0.weight"], before["parameter.layer0.weight"])


def test_a_rollout_that_teaches_nothing_is_no_error():
    """As where all worlds only began episodes, in meta-steps of one step."""
    learner, rollout = begun()
    data = learner._data(learner._adam.parameters, rollout)
    told = learner._improve(learner._adam, {name: each.flatten(0, 1)[None, :0] for name, each in data.items()}, (7,))
    assert told.tolist() == [0.0, 0.0, 0.0]


def test_rows_want_every_name_and_stacked_parameters_have_no_norm():
    learner, _ = begun()
    with pytest.raises(ValueError, match="it must have all of"), learner._adam.rows(learner._order[1:]):
        pass
    with pytest.raises(ValueError, match=r"largest_norm is 0\.5; parameters of tasks"):
        Adam(learner._adam.parameters, 1.0, stacked=True, largest_norm=0.5)


def test_a_policy_laid_out_acts_as_the_policy_did_when_it_was():
    learner, rollout = begun()
    parameters = learner._adam.parameters
    laid_out = LaidOut.of(learner._policy, parameters)
    seen = rollout.observations[:, 0]
    numbers = learner._policy(parameters, seen)
    torch.testing.assert_close(laid_out(seen), numbers, rtol=1e-5, atol=1e-6)
    parameters["layer0.weight"] += 1.0
    torch.testing.assert_close(laid_out(seen), numbers, rtol=1e-5, atol=1e-6)


def test_what_the_core_cannot_evaluate_is_torchs():
    learner, _ = begun()
    policy, parameters = learner._policy, learner._adam.parameters
    assert LaidOut.of(policy, stack(parameters, TASKS)) is None
    assert LaidOut.of(policy, {name: each.double() for name, each in parameters.items()}) is None
    assert LaidOut.of(policy, {name: each.to("meta") for name, each in parameters.items()}) is None
    rounded = replace(policy, network=replace(policy.network, precision="bfloat16"))
    assert LaidOut.of(rounded, parameters) is None
