"""Learners of policies: every variant takes steps, goes on from its state, and survives a loss that is not finite."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from environments.settings import build_settings
from meta_learners.acting import Actions
from meta_learners.black_box.ppo import PPO, PPOSettings
from meta_learners.experience.sampling import Sampler
from meta_learners.families.navigation import Navigation
from meta_learners.gradient.bilevel import flatten
from meta_learners.gradient.policy_learner import PolicyLearner, PolicySettings
from meta_learners.gradient.trust_region import TrustRegion
from meta_learners.keys import Stream, numpy_generator
from meta_learners.learner import LossError, State
from meta_learners.networks.policies import stack

FAMILY = Navigation(20)
SETTINGS = PolicySettings(hidden=(8,), deviation=0.1, inner_rate=0.01, epochs=2, trust_region=TrustRegion(iterations=4))


def learner(name, seed=0, **changes):
    return PolicyLearner(name, 2, FAMILY.actions, replace(SETTINGS, **changes), seed=seed)


def take(subject, sampler, iterations):
    for iteration in iterations:
        tasks = FAMILY.sample_tasks(4, numpy_generator((0, iteration, Stream.TASKS)))
        metrics = subject.meta_step(sampler, tasks, (0, iteration))
    return metrics


class Enormous:
    """Navigation, with rewards whose sums are beyond single precision."""

    observation_size, actions, episode_limit = 2, FAMILY.actions, 20

    def worlds(self, count):
        worlds = FAMILY.worlds(count)
        step = worlds.step

        def enlarged(actions):
            observations, rewards, *rest = step(actions)
            return observations, 3e38 * np.sign(rewards), *rest

        worlds.step = enlarged
        return worlds


def test_a_loss_that_is_not_finite_is_told():
    subject = learner("maml")
    take(subject, Sampler(FAMILY, 4, 5), range(1))
    with pytest.raises(LossError, match="the learner is as it was before this step"):
        take(subject, Sampler(Enormous(), 4, 5), range(1, 2))


def test_a_step_to_parameters_that_are_not_finite_is_undone_though_the_losses_before_it_are():
    subject, sampler = PPO(FAMILY, PPOSettings(hidden=4, steps=20, epochs=1, minibatches=1)), Sampler(FAMILY, 4, 5)
    take(subject, sampler, range(1))
    tensors = dict(subject.state().tensors)
    tensors["adam.exp_avg.layer0.bias"] = torch.full((4,), 3e38)
    tensors["adam.exp_avg_sq.layer0.bias"] = torch.zeros(4)
    subject.load(State(tensors))
    with pytest.raises(LossError, match="or the parameters after them are not finite"):
        take(subject, sampler, range(1, 2))
    assert all(torch.equal(each, tensors[name]) for name, each in subject.state().tensors.items())


def test_adapting_uses_the_episodes_and_none_leaves_the_initial_policy():
    sampler, subject = Sampler(FAMILY, 4, 5), learner("maml")
    tasks = FAMILY.sample_tasks(4, np.random.default_rng(0))
    initial, adapted = subject.adapt(sampler, tasks, 0, (1,)), subject.adapt(sampler, tasks, 3, (1,))
    assert sampler.steps == 4 * 5 * 3 * 20
    for name, each in subject.meta_parameters.items():
        assert (initial.parameters[name] == each).all()
        assert len(adapted.parameters[name].unique(dim=0)) == 4  # another policy for every task


def test_two_inner_steps_share_the_episodes_of_adapting():
    sampler, subject = Sampler(FAMILY, 4, 5), learner("maml", inner_steps=2)
    subject.adapt(sampler, FAMILY.sample_tasks(4, np.random.default_rng(0)), 3, (1,))
    assert sampler.steps == 4 * 5 * 3 * 20


def test_e_maml_differs_from_maml_only_where_exploring_is_credited():
    sampler, subjects = Sampler(FAMILY, 4, 5), [learner("maml"), learner("e-maml")]
    figures = [take(each, sampler, range(1)) for each in subjects]
    assert figures[0]["return_after"] == figures[1]["return_after"]
    maml, emaml = (each.meta_parameters["layer1.weight"] for each in subjects)
    assert not torch.equal(maml, emaml)


def test_e_maml_learns_from_a_single_task():
    subject, sampler = learner("e-maml"), Sampler(FAMILY, 1, 5)
    metrics = subject.meta_step(sampler, FAMILY.sample_tasks(1, np.random.default_rng(0)), (0,))
    assert np.isfinite(list(metrics.values())).all()


def test_states_of_other_learners_and_sizes_are_refused():
    with pytest.raises(ValueError, match="the state is of learner 'anil'; this one is 'maml'"):
        learner("maml").load(learner("anil").state())
    with pytest.raises(ValueError, match=r"layer0.weight \(2, 9\).*this learner has.*layer0.weight \(2, 8\)"):
        learner("maml").load(learner("maml", hidden=(9,)).state())
    subject = learner("promp")
    take(subject, Sampler(FAMILY, 4, 5), range(1))
    tensors = dict(subject.state().tensors)
    del tensors["adam.exp_avg.layer0.bias"]
    with pytest.raises(ValueError, match=r"the state lacks adam\.exp_avg\.layer0\.bias"):
        subject.load(State(tensors, subject.state().facts))


def test_wrong_names_and_settings_are_refused():
    with pytest.raises(ValueError, match="learner is 'mamal'; gradient-based learners are maml, fomaml"):
        PolicyLearner("mamal", 2, Actions(2, discrete=False), SETTINGS)
    with pytest.raises(ValueError, match=r"discount is 1.5; it must be in \[0, 1\]"):
        PolicySettings(discount=1.5)


def test_settings_go_through_json_and_back():
    settings = PolicySettings(steps=5, trust_region=TrustRegion(damping=0.5), hidden=(3, 4))
    assert build_settings(PolicySettings, json.loads(json.dumps(asdict(settings)))) == settings


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*")  # the compiler's own
def test_compiled_gradients_are_those_of_the_plain_ones():
    subjects = [learner("promp"), learner("promp", compile=True)]
    figures = [take(each, Sampler(FAMILY, 4, 5), range(1)) for each in subjects]
    assert figures[0] == pytest.approx(figures[1], abs=1e-5)
    plain, compiled = (flatten(each.meta_parameters) for each in subjects)
    torch.testing.assert_close(plain, compiled, atol=1e-5, rtol=1e-4)


def test_half_precision_products_stay_within_their_rounding_and_can_be_adapted_through():
    plain, half = learner("promp"), learner("promp", precision="bfloat16")
    observations = torch.rand(4, 100, 2, generator=torch.Generator().manual_seed(0))
    numbers = [each.policy(stack(each.meta_parameters, 4), observations) for each in (plain, half)]
    assert half.policy(half.meta_parameters, observations).dtype == torch.float32
    assert 0 < (numbers[0] - numbers[1]).abs().max() < 0.01 * numbers[0].abs().max()
    metrics = take(half, Sampler(FAMILY, 4, 5), range(1))
    assert metrics["gradient_norm"] > 0
