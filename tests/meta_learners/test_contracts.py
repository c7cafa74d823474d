"""The suites that authors of families and learners run, over all of ours; broken ones fail the right check."""

import gymnasium
import numpy as np
import pytest
import torch

import environments
from environments.contracts import failures
from meta_learners.contracts import family_contract, learner_contract
from meta_learners.families.bandits import BernoulliBandits
from meta_learners.families.environments import EnvironmentFamily
from meta_learners.families.gymnasium_family import GymnasiumFamily
from meta_learners.families.mdps import TabularMDPs
from meta_learners.families.navigation import Navigation
from meta_learners.learner import State
from meta_learners.registry import make_learner


class PendulumOfOneGravity(gymnasium.Wrapper):
    """Gymnasium's pendulum; a task is its gravity."""

    def __init__(self):
        super().__init__(gymnasium.make("Pendulum-v1").unwrapped)
        self.observation_space, self.action_space = self.env.observation_space, self.env.action_space

    @property
    def unwrapped(self):
        return self

    def sample_tasks(self, count):
        return self.env.np_random.uniform(5, 15, size=count).tolist()

    def set_task(self, task):
        self.env.g = task


def walkers():
    return EnvironmentFamily("walker2d", {"train": [environments.FLAT, environments.HARD]}, episode_limit=12)


TestBandits = family_contract(BernoulliBandits)
TestMDPs = family_contract(TabularMDPs)
TestNavigation = family_contract(lambda: Navigation(10))
TestWalkers = family_contract(walkers)
TestPendulums = family_contract(lambda: GymnasiumFamily(PendulumOfOneGravity, episode_limit=8))

GRADIENT = {"hidden": [8], "trust_region": {"iterations": 4}}


def learner(name, **settings):
    return learner_contract(lambda family: make_learner(name, family, settings))


TestRL2 = learner("rl2", hidden=8, reflex=0, episodes=2, steps=0, window=0, epochs=2, minibatches=2)
TestRL2WithReflex = learner("rl2", hidden=8, reflex=5, steps=0, window=4, epochs=2, minibatches=2)
TestRL2RunningOn = learner("rl2", hidden=8, reflex=5, episodes=2, steps=15, window=4, epochs=2, minibatches=2)
TestRL2OfProducts = learner(
    "rl2", hidden=8, reflex=0, products=True, hypernetwork=True, steps=15, epochs=2, minibatches=2
)
CONTEXT = {"reflex": 4, "window": 4, "epochs": 2, "minibatches": 2}
TestTransformer = learner("transformer", size=8, heads=2, context=6, steps=0, **CONTEXT)
TestTransformerRunningOn = learner("transformer", size=8, heads=2, context=6, steps=15, **CONTEXT)
TestSNAIL = learner("snail", filters=4, keys=4, steps=0, **CONTEXT)
TestSNAILRunningOn = learner("snail", filters=4, keys=4, steps=15, **CONTEXT)
TestVariBAD = learner("varibad", units=8, hidden=8, latent=2, beliefs=3, told=5, window=4, epochs=2, minibatches=2)
TestPPO = learner("ppo", hidden=8, steps=15, epochs=2, minibatches=2)
TestMAML = learner("maml", **GRADIENT)
TestFirstOrderMAML = learner("fomaml", **GRADIENT)
TestReptile = learner("reptile", hidden=[8])
TestANIL = learner("anil", **GRADIENT)
TestMetaSGD = learner("meta-sgd", **GRADIENT)
TestEMAML = learner("e-maml", **GRADIENT)
TestProMP = learner("promp", hidden=[8], epochs=2)


class Broken:
    """A part with one fault; what is not about the fault is as it was."""

    def __init__(self, sound):
        self._sound = sound

    def __getattr__(self, name):
        return getattr(self._sound, name)


class ResumesOtherwise(Broken):
    """Loads half of every number."""

    def load(self, state):
        self._sound.load(State({name: each * 0.5 for name, each in state.tensors.items()}, state.facts))


class DrawsByItself(Broken):
    def meta_step(self, sampler, tasks, key):
        torch.manual_seed(np.random.default_rng().integers(2**31))
        return self._sound.meta_step(sampler, tasks, (*key, int(torch.randint(1000, ()))))


class AdaptsItself(Broken):
    def adapt(self, sampler, tasks, episodes, key):
        if episodes:
            self._sound.meta_step(sampler, tasks, key)
        return self._sound.adapt(sampler, tasks, episodes, key)


class TakesAnyState(Broken):
    def load(self, state):
        pass


@pytest.mark.parametrize(
    ("kind", "check", "words"),
    [
        (ResumesOtherwise, "test_a_learner_that_loads_a_state_goes_on_to_the_same_bits", "never stopped"),
        (DrawsByItself, "test_equal_keys_give_equal_learners", "from the same keys"),
        (AdaptsItself, "test_adapting_leaves_the_learner_as_it_is_and_follows_its_key", "before adapting"),
        (TakesAnyState, "test_states_of_other_learners_are_refused", "a ValueError for a state without"),
    ],
)
def test_a_broken_learner_fails_the_check_that_is_about_its_fault(kind, check, words):
    settings = {"hidden": [4]}
    found = failures(learner_contract(lambda family: kind(make_learner("maml", family, settings))), [check])
    assert words in found.get(check, ""), found


def altered(worlds, change):
    """Worlds whose steps are changed on their way out."""
    step = worlds.step
    worlds.step = lambda actions: change(*step(actions))
    return worlds


class Pays(Broken):
    """Pays also at the step that only begins an episode."""

    def worlds(self, count):
        return altered(self._sound.worlds(count), lambda seen, rewards, *ends: (seen, rewards + 1, *ends))


class NeverEnds(Broken):
    def worlds(self, count):
        never = np.zeros(count, dtype=bool)
        return altered(self._sound.worlds(count), lambda seen, rewards, *_: (seen, rewards, never, never, {}))


class DrawsTasksByItself(Broken):
    def sample_tasks(self, count, generator, split="train"):
        return self._sound.sample_tasks(count, np.random.default_rng(), split)


class BeginsAllAnew(Broken):
    def worlds(self, count):
        worlds = self._sound.worlds(count)
        reset = worlds.reset
        worlds.reset = lambda *, seed, options=None: reset(seed=seed)
        return worlds


@pytest.mark.parametrize(
    ("kind", "check", "words"),
    [
        (Pays, "test_an_episode_ends_at_its_limit_and_begins_anew_at_the_next_step_without_reward", "no reward"),
        (NeverEnds, "test_an_episode_ends_at_its_limit_and_begins_anew_at_the_next_step_without_reward", "at most"),
        (DrawsTasksByItself, "test_tasks_are_drawn_by_the_given_generator_alone", "from equal generators"),
        (BeginsAllAnew, "test_a_reset_with_a_mask_begins_only_those_worlds_anew", "to go on as without a reset"),
    ],
)
def test_a_broken_family_fails_the_check_that_is_about_its_fault(kind, check, words):
    found = failures(family_contract(lambda: kind(TabularMDPs(states=4, actions=2, horizon=5))))
    assert words in found.get(check, ""), found
