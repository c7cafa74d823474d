"""What every optimiser promises, as checks that their authors run: a line in a file of tests.

    from evolution.optimisers.contract import optimiser_contract

    TestMine = optimiser_contract(MySettings(population=4).make)

pytest collects the class and reports every check by its name; without pytest, `environments.contracts.failures` runs
them. A check that fails says what was expected and what came. Nothing here needs pytest.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from environments.contracts import expect
from environments.controller import Controller
from environments.domain import Environment, Rollouts, find_domain
from evolution.noise import Key, Stream, keyed_rng
from evolution.optimisers.optimiser import FULL, KEEP, Figures, Optimiser, State, Vector
from evolution.requests import Request, Simulation

__all__ = ["OptimiserContract", "optimiser_contract"]

FLAT = Environment(domain="walker2d", encoding="parametric", genome={}, seed=0)
STEPS = 20  # of an episode, at most


@dataclass(eq=False)
class _Here:
    """An `Ask` that runs everything in this process, in pieces of so many episodes."""

    key: Key
    simulation: Simulation
    piece: int = 10**6
    episodes: int = field(default=0)  # run so far

    def rng(self, *more: int) -> np.random.Generator:
        return keyed_rng(self.simulation.seed, Stream.OPTIMISER, *self.key, *more)

    async def rollouts(self, request: Request) -> Rollouts:
        self.episodes += request.episodes
        return Rollouts.join([part() for part in request.split(self.piece)])

    async def compute(self, item: Any) -> Any:
        return item()

    async def compute_all(self, items: Sequence[Any]) -> list[Any]:
        return [item() for item in items]


class OptimiserContract:
    """What every `evolution.optimisers.optimiser.Optimiser` promises; see `optimiser_contract`."""

    make: ClassVar[staticmethod[[Controller], Optimiser]]
    task: ClassVar[Environment]

    def test_it_has_a_name_and_says_how_much_work_a_step_is(self) -> None:
        optimiser = self._made()
        named = isinstance(optimiser.name, str) and optimiser.name != ""
        expect(named, "the name that configurations call it", repr(optimiser.name))
        expect(optimiser.episodes >= 0, "a number of episodes", optimiser.episodes)

    def test_it_begins_with_the_agent_that_it_is_given(self) -> None:
        state = self._fresh()
        expect(np.array_equal(state.theta, self._theta()), f"theta as given, {self._theta()}", state.theta)
        _sound(state, "a fresh state")

    def test_a_step_gives_another_state_of_the_same_parts(self) -> None:
        fresh = self._fresh()
        state, _ = self._step(fresh)
        _sound(state, "the state after a step")
        expect(_shapes(state) == _shapes(fresh), f"names and shapes as when fresh, {_shapes(fresh)}", _shapes(state))

    def test_a_step_leaves_the_state_that_it_is_given_as_it_is(self) -> None:
        state = self._fresh()
        before = _bits(state)
        self._step(state)
        self._propose(state)
        expect(_bits(state) == before, "the state that was given as it was", "another")

    def test_a_step_depends_on_its_arguments_alone(self) -> None:
        optimiser = self._made()
        state, _ = self._step(self._fresh())
        states = random.getstate(), np.random.get_state()  # noqa: NPY002 - the point
        try:
            first = self._step(state, optimiser)
            random.random(), np.random.random()  # noqa: NPY002 - whoever draws from these steps elsewhere
            second = self._step(state, optimiser)
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
        _same(first, second, "the same step twice by one optimiser")
        _same(first, self._step(state), "the same step by an optimiser that was made anew")

    def test_an_optimiser_made_anew_goes_on_from_what_an_archive_kept(self) -> None:
        optimiser = self._made()
        unbroken, _ = self._step(self._fresh(), optimiser, 0)
        kept = State(unbroken.theta.copy(), {name: np.array(part) for name, part in unbroken.parts.items()})
        wanted = self._step(unbroken, optimiser, 1)
        _same(wanted, self._step(kept, None, 1), "the second step after resuming as without a break")

    def test_a_step_does_not_depend_on_how_its_work_is_cut(self) -> None:
        whole = self._step(self._fresh())
        _same(whole, self._step(self._fresh(), piece=1), "a step whose episodes run one by one as in one piece")

    def test_figures_are_finite_numbers_of_the_same_names_in_every_step(self) -> None:
        state, first = self._step(self._fresh())
        _, second = self._step(state, None, 1)
        expect(
            sorted(first) == sorted(second), f"the names of the first step's figures, {sorted(first)}", sorted(second)
        )
        for figures in (first, second):
            sound = all(isinstance(value, float) and np.isfinite(value) for value in figures.values())
            expect(sound, "figures that are finite floats", dict(figures))

    def test_a_visitor_is_fine_tuned_without_regard_to_what_ran_before(self) -> None:
        state = self._fresh()
        optimiser = self._made()
        first, second = self._propose(state, optimiser), self._propose(state, optimiser)
        expect(first.shape == state.theta.shape, f"a theta of shape {state.theta.shape}", first.shape)
        expect(bool(np.isfinite(first).all()), "a finite theta", first)
        expect(np.array_equal(first, second), f"the same proposal twice, {first}", second)

    def test_a_mover_goes_on_as_restart_says(self) -> None:
        optimiser, theta = self._made(), self._theta(1)
        state, _ = self._step(self._fresh(), optimiser)
        for restart in (FULL, KEEP, 0.5, 0.0):
            moved = optimiser.moved(state, theta, restart, np.random.default_rng(3))
            expect(np.array_equal(moved.theta, theta), f"the mover's theta with restart {restart!r}", moved.theta)
            _sound(moved, f"a state with restart {restart!r}")
            expect(_shapes(moved) == _shapes(state), f"names and shapes {_shapes(state)}", _shapes(moved))
        kept = optimiser.moved(state, theta, KEEP, np.random.default_rng(3))
        same = all(np.array_equal(kept.parts[name], part) for name, part in state.parts.items())
        expect(same, f"every part as it was with restart 'keep', {dict(state.parts)}", dict(kept.parts))
        anew = optimiser.moved(state, theta, FULL, np.random.default_rng(3))
        fresh = optimiser.fresh(theta, np.random.default_rng(3))
        expect(_bits(anew) == _bits(fresh), f"a fresh state with restart 'full', {fresh}", anew)

    def _made(self) -> Optimiser:
        return self.make(find_domain(self.task.domain).controller)

    def _theta(self, seed: int = 0) -> Vector:
        controller = find_domain(self.task.domain).controller
        return controller.initial_theta(np.random.default_rng(seed)).astype(np.float32).astype(np.float64)

    def _fresh(self) -> State:
        return self._made().fresh(self._theta(), np.random.default_rng(2))

    def _ask(self, number: int, piece: int) -> _Here:
        return _Here((0, number, 0), Simulation(domain=self.task.domain, seed=5, episode_limit=STEPS), piece)

    def _step(
        self, state: State, optimiser: Optimiser | None = None, number: int = 0, piece: int = 10**6
    ) -> tuple[State, Figures]:
        taken = (optimiser or self._made()).step(state, self.task, self._ask(number, piece))
        found: tuple[State, Figures] = asyncio.run(_awaited(taken))
        return found

    def _propose(self, state: State, optimiser: Optimiser | None = None) -> Vector:
        found: Vector = asyncio.run(
            _awaited((optimiser or self._made()).propose(self._theta(1), state, self.task, self._ask(7, 10**6)))
        )
        return found


def optimiser_contract(make: Callable[[Controller], Optimiser], task: Environment = FLAT) -> type[OptimiserContract]:
    """Give the checks of an optimiser, for pytest to collect or `failures` to run.

    Args:
        make: makes the optimiser for agents of a controller, of options that make its steps short.
        task: the environment that it learns in; flat ground for the walker unless told otherwise.
    """
    return type("OptimiserContract", (OptimiserContract,), {"make": staticmethod(make), "task": task})


async def _awaited(taken: Any) -> Any:
    return await taken


def _shapes(state: State) -> Mapping[str, tuple[int, ...]]:
    return {name: np.shape(part) for name, part in sorted(state.parts.items())}


def _bits(state: State) -> tuple[bytes, list[tuple[str, bytes]]]:
    parts = [(name, np.ascontiguousarray(part).tobytes()) for name, part in sorted(state.parts.items())]
    return state.theta.tobytes(), parts


def _sound(state: State, what: str) -> None:
    for name, part in {"theta": state.theta, **state.parts}.items():
        sound = isinstance(part, np.ndarray) and part.dtype == np.float64 and bool(np.isfinite(part).all())
        expect(sound, f"{name} of {what}, a finite array of float64", repr(part))


def _same(wanted: tuple[State, Figures], came: tuple[State, Figures], what: str) -> None:
    expect(dict(wanted[1]) == dict(came[1]), f"{what}: figures {dict(wanted[1])}", dict(came[1]))
    for name, part in {"theta": wanted[0].theta, **wanted[0].parts}.items():
        other = came[0].theta if name == "theta" else came[0].parts[name]
        expect(np.array_equal(part, other), f"{what}: {name} {part}", other)
