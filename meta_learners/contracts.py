"""What every family of tasks and every learner promises, as checks that their authors run: a line each.

    from meta_learners.contracts import family_contract, learner_contract

    TestMyTasks = family_contract(MyTasks)
    TestMyLearner = learner_contract(lambda family: make_learner("mine", family, {"hidden": 8}))

Families of examples and learners that are given some have checks of their own, in `few_shot_contracts.py`.

pytest collects such classes and reports every check by its name; without pytest, `environments.contracts.failures`
runs them. A check that fails says what was expected and what came. Nothing here needs pytest.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from environments.contracts import expect, refuses
from meta_learners.experience.sampling import Sampler
from meta_learners.families.family import Step, TaskFamily, Worlds
from meta_learners.families.navigation import Navigation
from meta_learners.keys import Stream, numpy_generator
from meta_learners.learner import Learner, LossError, Metrics, State

__all__ = ["FamilyContract", "LearnerContract", "family_contract", "learner_contract"]

WORLDS = 4
TASKS, COPIES = 4, 2  # of a learner's meta-step


class FamilyContract:
    """What every `meta_learners.families.family.TaskFamily` promises; see `family_contract`."""

    make: ClassVar[staticmethod[[], TaskFamily[Any]]]

    def test_its_figures_can_be_meant(self) -> None:
        family = self.make()
        expect(isinstance(family.name, str) and family.name != "", "a name for logs and checkpoints", repr(family.name))
        expect(family.observation_size >= 1, "an observation_size of at least 1", family.observation_size)
        expect(family.episode_limit >= 1, "an episode_limit of at least 1 step", family.episode_limit)
        expect(family.actions.size >= 1, "an action of at least 1 number or choice", family.actions)

    def test_tasks_are_drawn_by_the_given_generator_alone(self) -> None:
        family = self.make()
        first = family.sample_tasks(6, np.random.default_rng(1))
        again = self.make().sample_tasks(6, np.random.default_rng(1))
        expect(len(first) == 6, "6 tasks", len(first))
        expect(_text(first) == _text(again), f"the same tasks from equal generators, {first}", again)

    def test_worlds_show_and_take_what_the_family_says(self) -> None:
        family = self.make()
        with _worlds(family) as (worlds, tasks):
            expect(worlds.num_envs == WORLDS, f"{WORLDS} worlds", worlds.num_envs)
            worlds.set_tasks(tasks)
            shape = (WORLDS, family.observation_size)
            observations, _ = worlds.reset(seed=list(range(WORLDS)))
            expect(observations.shape == shape, f"observations {shape} at a reset", observations.shape)
            expect(observations.dtype == np.float32, "observations of float32", observations.dtype)
            found = worlds.step(_actions(family, 0))
            shapes = [np.shape(each) for each in found[:4]]
            expected = [shape, (WORLDS,), (WORLDS,), (WORLDS,)]
            expect(shapes == expected, f"observations, rewards and two ends of shapes {expected}", shapes)
            finite = bool(np.isfinite(found[0]).all() and np.isfinite(found[1]).all())
            expect(finite, "finite observations and rewards", found[:2])

    def test_equal_seeds_tasks_and_actions_give_equal_episodes(self) -> None:
        family = self.make()
        with _worlds(family) as (worlds, tasks), _worlds(self.make()) as (others, _):
            first, again = _played(family, worlds, tasks), _played(family, worlds, tasks)
            other = _played(family, others, tasks)
        expect(_text(first) == _text(again), f"the same episodes a second time, {first}", again)
        expect(_text(first) == _text(other), f"the same episodes in worlds that were made anew, {first}", other)

    def test_an_episode_ends_at_its_limit_and_begins_anew_at_the_next_step_without_reward(self) -> None:
        family = self.make()
        with _worlds(family) as (worlds, tasks):
            worlds.set_tasks(tasks)
            worlds.reset(seed=list(range(WORLDS)))
            steps, over = np.zeros(WORLDS, dtype=int), np.zeros(WORLDS, dtype=np.bool_)
            ended = np.zeros(WORLDS, dtype=np.bool_)
            for number in range(2 * family.episode_limit + 3):
                _, rewards, terminations, truncations, _ = worlds.step(_actions(family, number))
                unpaid = np.asarray(rewards)[over]
                expect(bool((unpaid == 0).all()), "no reward for the step that only begins an episode", unpaid)
                steps = np.where(over, 0, steps + 1)
                over = np.asarray(terminations) | np.asarray(truncations)
                ended |= over
                within = bool((steps <= family.episode_limit).all())
                expect(within, f"episodes of at most {family.episode_limit} steps", steps)
        expect(bool(ended.all()), f"an end in every world within {2 * family.episode_limit + 3} steps", ended)

    def test_a_reset_with_a_mask_begins_only_those_worlds_anew(self) -> None:
        family = self.make()
        mask = np.arange(WORLDS) % 2 == 0
        shown = []
        for masked in (False, True):
            with _worlds(family) as (worlds, tasks):
                worlds.set_tasks(tasks)
                start, _ = worlds.reset(seed=list(range(WORLDS)))
                start = start.copy()
                worlds.step(_actions(family, 0))
                if masked:
                    begun, _ = worlds.reset(seed=list(range(WORLDS)), options={"reset_mask": mask})
                    same = np.array_equal(begun[mask], start[mask])
                    expect(same, f"what the masked worlds showed at first, {start[mask]}", begun[mask])
                observations, rewards, *_ = worlds.step(_actions(family, 1))
                shown.append(_text((observations[~mask], rewards[~mask])))
        expect(shown[0] == shown[1], f"the other worlds to go on as without a reset, {shown[0]}", shown[1])

    def test_every_world_plays_the_task_that_it_is_given(self) -> None:
        family = self.make()
        with _worlds(family) as (worlds, tasks):
            same = _played(family, worlds, tasks)
            rotated = _played(family, worlds, [tasks[0], *tasks[2:], tasks[1]])
        expect(
            all(np.array_equal(row[0][0], other[0][0]) for row, other in zip(same, rotated, strict=True)),
            "the first world's observations as they were when only others' tasks changed",
            "others",
        )


def family_contract(make: Callable[[], TaskFamily[Any]]) -> type[FamilyContract]:
    """Give the checks of a family of tasks, for pytest to collect or `failures` to run; `make` makes the family."""
    return type("FamilyContract", (FamilyContract,), {"make": staticmethod(make)})


class LearnerContract:
    """What every `meta_learners.learner.Learner` promises; see `learner_contract`."""

    make: ClassVar[staticmethod[[TaskFamily[Any]], Learner]]
    family: ClassVar[TaskFamily[Any]]

    def test_a_step_tells_finite_figures(self) -> None:
        metrics = self._taught(1)[1]
        sound = len(metrics) > 0 and all(np.isfinite(value) for value in metrics.values())
        expect(sound, "named figures that are finite", metrics)

    def test_a_step_changes_the_learner(self) -> None:
        expect(not equal(self.make(self.family).state(), self._taught(1)[0].state()), "another state", "the same")

    def test_equal_keys_give_equal_learners(self) -> None:
        first, wanted = self._taught(2)
        second, came = self._taught(2)
        expect(wanted == came, f"the same figures from the same keys, {wanted}", came)
        expect(equal(first.state(), second.state()), "the same state from the same keys", differing(first, second))

    def test_a_learner_that_loads_a_state_goes_on_to_the_same_bits(self) -> None:
        with self._sampler() as sampler, self._sampler() as other:
            unbroken = self.make(self.family)
            self._teach(unbroken, sampler, range(2))
            kept = through_a_file(unbroken.state())
            other.running.load(sampler.running.state())
            wanted = self._teach(unbroken, sampler, range(2, 4))
            resumed = self.make(self.family)
            resumed.load(kept)
            came = self._teach(resumed, other, range(2, 4))
        expect(wanted == came, f"the figures of a learner that never stopped, {wanted}", came)
        expect(equal(unbroken.state(), resumed.state()), "its state too", f"others of {differing(unbroken, resumed)}")

    def test_a_state_once_given_does_not_change_any_more(self) -> None:
        with self._sampler() as sampler:
            learner = self.make(self.family)
            self._teach(learner, sampler, range(1))
            state = learner.state()
            before = copy.deepcopy(state)
            self._teach(learner, sampler, range(1, 2))
        expect(equal(before, state), "the state that was given before a step as it was", "another")

    def test_adapting_leaves_the_learner_as_it_is_and_follows_its_key(self) -> None:
        with self._sampler() as sampler:
            learner = self.make(self.family)
            self._teach(learner, sampler, range(1))
            before, tasks = copy.deepcopy(learner.state()), self._tasks(9)
            returns = [
                sampler.play(tasks, learner.adapt(sampler, tasks, episodes, (3,)), (4,), episodes=1).rewards
                for episodes in (0, 1, 1)
            ]
        expect(equal(before, learner.state()), "the learner as it was before adapting", differing(learner, before))
        same = torch.equal(returns[1], returns[2])
        expect(same, f"the same rewards after the same adaptation, {returns[1]}", returns[2])

    def test_what_is_not_finite_is_told_and_changes_nothing(self) -> None:
        with self._sampler() as sampler, self._sampler(_Enormous(self.family)) as broken:
            learner = self.make(self.family)
            self._teach(learner, sampler, range(1))
            before = copy.deepcopy(learner.state())
            try:
                metrics = self._teach(learner, broken, range(1, 2))
            except LossError:
                same = equal(before, learner.state())
                expect(same, "the learner as it was before the step that failed", differing(learner, before))
            except Exception as error:
                expect(False, "a LossError, or a step, with rewards near the largest number", repr(error))
            else:  # it can bear such rewards
                finite = all(each.isfinite().all() for each in learner.state().tensors.values())
                expect(finite, "a LossError, or finite parameters, from rewards near the largest number", metrics)

    def test_states_of_other_learners_are_refused(self) -> None:
        learner = self.make(self.family)
        state = learner.state()
        name = next(iter(state.tensors))
        fewer = State({other: each for other, each in state.tensors.items() if other != name}, state.facts)
        longer = State({**state.tensors, name: torch.zeros(3, 3, 3)}, state.facts)
        refuses(lambda: learner.load(fewer), f"a state without {name}", "")
        refuses(lambda: learner.load(longer), f"a state whose {name} has another shape", "")

    def _tasks(self, number: int) -> list[Any]:
        return self.family.sample_tasks(TASKS, numpy_generator((0, number, Stream.TASKS)))

    def _teach(self, learner: Learner, sampler: Sampler[Any], numbers: range) -> Metrics:
        metrics: Metrics = {}
        for number in numbers:
            metrics = learner.meta_step(sampler, self._tasks(number), (0, number))
        return metrics

    def _taught(self, steps: int) -> tuple[Learner, Metrics]:
        learner = self.make(self.family)
        with self._sampler() as sampler:
            return learner, self._teach(learner, sampler, range(steps))

    @contextmanager
    def _sampler(self, family: TaskFamily[Any] | None = None) -> Iterator[Sampler[Any]]:
        sampler = Sampler(family or self.family, TASKS, COPIES)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as commands do: sums over more are made in another order
        try:
            yield sampler
        finally:
            torch.set_num_threads(threads)
            sampler.close()


def learner_contract(
    make: Callable[[TaskFamily[Any]], Learner], family: TaskFamily[Any] | None = None
) -> type[LearnerContract]:
    """Give the checks of a learner, for pytest to collect or `failures` to run.

    Args:
        make: makes the learner for a family, of the same seed and small settings each time.
        family: of the tasks that it learns on; navigation unless told otherwise.
    """
    known = {"make": staticmethod(make), "family": family or Navigation(10)}
    return type("LearnerContract", (LearnerContract,), known)


class _Enormous:
    """A family with rewards whose sums are beyond single precision."""

    def __init__(self, family: TaskFamily[Any]) -> None:
        self._family = family
        self.name, self.episode_limit = family.name, family.episode_limit
        self.observation_size, self.actions = family.observation_size, family.actions

    def sample_tasks(self, count: int, generator: np.random.Generator, split: str = "train") -> list[Any]:
        return self._family.sample_tasks(count, generator, split)

    def worlds(self, count: int) -> Worlds[Any]:
        worlds: Any = self._family.worlds(count)
        step: Callable[[NDArray[Any]], Step] = worlds.step

        def enlarged(actions: NDArray[Any]) -> Step:
            observations, rewards, terminations, truncations, infos = step(actions)
            return observations, 3e38 * np.sign(rewards + 1e-9), terminations, truncations, infos

        worlds.step = enlarged
        return worlds  # type: ignore[no-any-return]


@contextmanager
def _worlds(family: TaskFamily[Any]) -> Iterator[tuple[Worlds[Any], list[Any]]]:
    worlds = family.worlds(WORLDS)
    try:
        yield worlds, family.sample_tasks(WORLDS, np.random.default_rng(5))
    finally:
        worlds.close()


def _actions(family: TaskFamily[Any], number: int) -> NDArray[Any]:
    rng = np.random.default_rng((17, number))
    if family.actions.discrete:
        return rng.integers(family.actions.size, size=WORLDS)
    return rng.uniform(-1, 1, size=(WORLDS, family.actions.size)).astype(np.float32)


def _played(family: TaskFamily[Any], worlds: Worlds[Any], tasks: Sequence[Any]) -> list[tuple[NDArray[Any], ...]]:
    """Play some steps from a seeded reset: what was seen, earned and ended at each."""
    worlds.set_tasks(tasks)
    observations, _ = worlds.reset(seed=list(range(WORLDS)))
    shown: list[tuple[NDArray[Any], ...]] = [(observations.copy(),)]
    for number in range(min(family.episode_limit + 2, 30)):
        observations, rewards, terminations, truncations, _ = worlds.step(_actions(family, number))
        shown.append((observations.copy(), np.array(rewards), np.array(terminations), np.array(truncations)))
    return shown


def _text(value: Any) -> str:
    """Write tasks or arrays so that equal ones are equal, whatever they are made of."""
    with np.printoptions(threshold=10**6, precision=17):
        return repr(value)


class HasState(Protocol):
    """A learner of either kind."""

    def state(self) -> State:
        """Give all that it keeps."""
        ...


def through_a_file(state: State) -> State:
    return State({name: each.clone() for name, each in state.tensors.items()}, copy.deepcopy(dict(state.facts)))


def equal(one: State, other: State) -> bool:
    return dict(one.facts) == dict(other.facts) and not _names(one, other)


def _names(one: State, other: State) -> list[str]:
    names = sorted({*one.tensors, *other.tensors})
    return [
        name
        for name in names
        if name not in one.tensors
        or name not in other.tensors
        or not torch.allclose(one.tensors[name], other.tensors[name], rtol=0, atol=0, equal_nan=True)
    ]


def differing(one: HasState, other: HasState | State) -> str:
    return ", ".join(_names(one.state(), other if isinstance(other, State) else other.state())) or "other facts"
