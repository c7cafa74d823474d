"""The suite that authors of optimisers run, over ours; broken ones fail the right check."""

import random

import numpy as np
import pytest

from environments.contracts import failures
from environments.domain import Environment
from evolution.optimisers.cmaes import CMAESSettings
from evolution.optimisers.contract import optimiser_contract
from evolution.optimisers.es import ESSettings
from evolution.optimisers.optimiser import State
from evolution.optimisers.ppo import PPOSettings

TARGET = Environment(domain="toy", encoding="target", genome={"target": [0.2, 0.0, -0.1]}, seed=0)

TestES = optimiser_contract(ESSettings(pairs=4).make)
TestCMAES = optimiser_contract(CMAESSettings(population=4, episodes=1).make)
TestPPO = optimiser_contract(PPOSettings(worlds=2, steps=20, epochs=1, minibatches=2, critic=(8,)).make)
TestESOnTheToy = optimiser_contract(ESSettings(pairs=4).make, TARGET)


class Broken:
    """ES with one fault; what is not about the fault is as it was."""

    def __init__(self, controller):
        self._sound = ESSettings(pairs=4).make(controller)

    def __getattr__(self, name):
        return getattr(self._sound, name)


class RemembersItself(Broken):
    """Hidden state: each step of this very object is bolder than the one before."""

    steps = 0

    async def step(self, state, environment, ask):
        self.steps += 1
        found, figures = await self._sound.step(state, environment, ask)
        return State(found.theta * self.steps, found.parts), figures


class DrawsByItself(Broken):
    async def step(self, state, environment, ask):
        found, figures = await self._sound.step(state, environment, ask)
        return State(found.theta + random.random(), found.parts), figures


class ChangesItsState(Broken):
    async def step(self, state, environment, ask):
        found, figures = await self._sound.step(state, environment, ask)
        state.parts["first_moment"][:] += 1
        return found, figures


class ForgetsAPart(Broken):
    async def step(self, state, environment, ask):
        found, figures = await self._sound.step(state, environment, ask)
        return State(found.theta, {name: part for name, part in found.parts.items() if name != "sigma"}), figures


class KeepsNothing(Broken):
    def moved(self, state, theta, restart, rng):
        return self._sound.moved(state, theta, "full", rng)


class SaysNaN(Broken):
    async def step(self, state, environment, ask):
        found, figures = await self._sound.step(state, environment, ask)
        return found, {**figures, "loss": np.nan}


@pytest.mark.parametrize(
    ("kind", "check", "words"),
    [
        (RemembersItself, "test_a_step_depends_on_its_arguments_alone", "the same step twice"),
        (RemembersItself, "test_an_optimiser_made_anew_goes_on_from_what_an_archive_kept", "after resuming"),
        (DrawsByItself, "test_a_step_depends_on_its_arguments_alone", "the same step twice"),
        (ChangesItsState, "test_a_step_leaves_the_state_that_it_is_given_as_it_is", "the state that was given"),
        (ForgetsAPart, "test_a_step_gives_another_state_of_the_same_parts", "names and shapes as when fresh"),
        (KeepsNothing, "test_a_mover_goes_on_as_restart_says", "with restart 'keep'"),
        (SaysNaN, "test_figures_are_finite_numbers_of_the_same_names_in_every_step", "finite floats"),
    ],
)
def test_a_broken_optimiser_fails_the_check_that_is_about_its_fault(kind, check, words):
    found = failures(optimiser_contract(kind, TARGET))
    assert words in found.get(check, ""), found
