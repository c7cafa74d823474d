"""What every domain and every encoding promises, as checks that their authors run: a line in a file of tests each.

    from environments.contracts import domain_contract, encoding_contract

    TestCartPole = domain_contract("cartpole")
    TestCartPoleEncoding = encoding_contract(CartPoleEncoding)

pytest collects such classes and reports every check by its name; without pytest, `failures(TestCartPole)` gives what
failed and why. A check that fails says what was expected and what came. Nothing here needs pytest.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np

from environments.difficulty import Difficulty, Graded
from environments.domain import (
    NO_OUTCOME,
    Batch,
    Capabilities,
    Domain,
    Encoding,
    Environment,
    Genome,
    Outcome,
    Rollouts,
    find_domain,
)
from environments.sketch import Drawable, StickRecording
from environments.tasks.env import TaskEnv

__all__ = ["DomainContract", "EncodingContract", "domain_contract", "encoding_contract", "expect", "failures"]

LINEAGES, GENERATIONS = 3, 12  # of genomes that an encoding is tried on
ROWS = 6  # episodes that a domain is asked for at once, at least


def expect(holds: bool | np.bool_, expected: str, came: object) -> None:
    """Raise AssertionError, with what was expected and what came, unless that holds."""
    if not holds:
        raise AssertionError(f"expected {expected}; came {came}")


def refuses(call: Callable[[], object], what: str, word: str) -> None:
    """Check that a call raises ValueError with a message that has a word in it, such as the wrong value."""
    try:
        found = call()
    except ValueError as error:
        expect(word in str(error), f"a ValueError that names {word!r} for {what}", f"ValueError: {error}")
    except Exception as error:
        expect(False, f"a ValueError for {what}", f"{type(error).__name__}: {error}")
    else:
        expect(False, f"a ValueError for {what}", f"no error, but {found!r}")


def failures(contract: type, checks: Sequence[str] = ()) -> dict[str, str]:
    """Run the checks of a contract, or some of them, without pytest: the names of those that fail, and why."""
    found = {}
    for name in checks or [name for name in dir(contract) if name.startswith("test_")]:
        try:
            getattr(contract(), name)()
        except Exception as error:
            found[name] = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
    return found


class EncodingContract:
    """What every `environments.domain.Encoding` promises; see `encoding_contract`."""

    make: ClassVar[staticmethod[[], Encoding]]

    def test_it_has_a_name(self) -> None:
        name = self.make().name
        expect(isinstance(name, str) and name != "", "a name that configurations can call it", repr(name))

    def test_the_genome_that_runs_start_from_is_valid_and_the_same_every_time(self) -> None:
        encoding = self.make()
        first, second = encoding.initial(), encoding.initial()
        expect(first == second, f"the same genome from initial() twice, {first}", second)
        _valid(encoding, first, "initial()")

    def test_what_descends_by_mutation_is_valid(self) -> None:
        encoding = self.make()
        for _, genome, origin in _lineages(encoding):
            _valid(encoding, genome, origin)

    def test_what_descends_by_mutation_lies_within_the_bounds_that_genes_says(self) -> None:
        encoding = self.make()
        bounds = encoding.genes() if hasattr(encoding, "genes") else {}
        for _, genome, origin in _lineages(encoding):
            for name, gene in bounds.items():
                low, high = gene.get("minimum", -np.inf), gene.get("maximum", np.inf)
                for value in _numbers(genome.get(name)):
                    expect(low <= value <= high, f"{name} of {origin} in [{low}, {high}] as genes() says", value)

    def test_mutation_leaves_the_parent_as_it_is(self) -> None:
        encoding = self.make()
        for parent, _, origin in _lineages(encoding):
            before = json.dumps(parent, sort_keys=True)
            encoding.mutate(parent, np.random.default_rng(7))
            after = json.dumps(parent, sort_keys=True)
            expect(before == after, f"the parent of {origin} as it was, {before}", after)

    def test_mutation_follows_the_given_generator_and_nothing_else(self) -> None:
        encoding, other = self.make(), self.make()
        states = random.getstate(), np.random.get_state()  # noqa: NPY002 - the point
        try:
            for parent, _, origin in _lineages(self.make()):
                first = encoding.mutate(parent, np.random.default_rng(11))
                random.random(), np.random.random()  # noqa: NPY002 - whoever draws from these gives another child
                second = other.mutate(parent, np.random.default_rng(11))
                expect(first == second, f"the same sibling of {origin} from equal generators, {first}", second)
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002

    def test_mutation_changes_something(self) -> None:
        pairs = list(_lineages(self.make()))
        moved = sum(parent != child for parent, child, _ in pairs)
        expect(2 * moved >= len(pairs), f"at least half of {len(pairs)} children unlike their parents", f"{moved}")

    def test_a_genome_survives_json_exactly(self) -> None:
        encoding = self.make()
        for _, genome, origin in _lineages(encoding):
            read = json.loads(json.dumps(genome, allow_nan=False))
            expect(read == genome, f"{origin} read back from JSON as it was, {genome}", read)
            task = Environment(domain="any", encoding=encoding.name, genome=genome, seed=0)
            same = np.array_equal(encoding.vector(task.genome), encoding.vector(genome))
            expect(same, f"the vector of {origin} as an environment holds it, {encoding.vector(genome)}", task.genome)

    def test_vectors_are_finite_and_of_one_length(self) -> None:
        encoding = self.make()
        shape = np.shape(encoding.vector(encoding.initial()))
        expect(len(shape) == 1, "a vector (d,) for the initial genome", f"shape {shape}")
        for _, genome, origin in _lineages(encoding):
            vector = np.asarray(encoding.vector(genome))
            expect(vector.shape == shape, f"a vector {shape} for {origin}", f"shape {vector.shape}")
            expect(vector.dtype == np.float64, f"a vector of float64 for {origin}", vector.dtype)
            expect(bool(np.isfinite(vector).all()), f"a finite vector for {origin}", vector)

    def test_vectors_are_apart_where_genomes_are(self) -> None:
        encoding = self.make()
        vectors = {np.asarray(encoding.vector(genome)).tobytes() for _, genome, _ in _lineages(encoding)}
        expect(len(vectors) > 1, "different vectors among genomes that mutated, or novelty sees nothing", "one for all")

    def test_a_genome_is_described_in_a_line(self) -> None:
        encoding = self.make()
        for _, genome, origin in _lineages(encoding):
            words = encoding.describe(genome)
            told = isinstance(words, str) and words.strip() != "" and "\n" not in words
            expect(told, f"{origin} in one line of words", repr(words))

    def test_a_gene_that_it_does_not_know_is_refused_by_name(self) -> None:
        encoding = self.make()
        stranger = {**encoding.initial(), "no_such_gene": 1}
        refuses(lambda: encoding.check(stranger), "a genome with the gene no_such_gene", "no_such_gene")


def encoding_contract(make: Callable[[], Encoding]) -> type[EncodingContract]:
    """Give the checks of an encoding, for pytest to collect or `failures` to run.

    Args:
        make: makes the encoding, such as its class, or ``lambda: find_domain("walker2d").encoding("cppn", {})``.
    """
    return type("EncodingContract", (EncodingContract,), {"make": staticmethod(make)})


def _lineages(encoding: Encoding) -> Iterator[tuple[Genome, Genome, str]]:
    """Breed some lines of genomes; give each parent, its child and what to call the child."""
    for seed in range(LINEAGES):
        rng, genome = np.random.default_rng(seed), encoding.initial()
        for generation in range(1, GENERATIONS + 1):
            child = encoding.mutate(genome, rng)
            yield genome, child, f"the genome of generation {generation} from seed {seed}"
            genome = child


def _valid(encoding: Encoding, genome: Genome, origin: str) -> None:
    try:
        encoding.check(genome)
    except Exception as error:
        expect(False, f"a genome from {origin} that check() takes", f"{type(error).__name__}: {error}")


def _numbers(value: Any) -> list[float]:
    each = value if isinstance(value, list | tuple) else [value]
    return [number for number in each if isinstance(number, int | float)]


class DomainContract:
    """What every `environments.domain.Domain` promises; see `domain_contract`."""

    domain: ClassVar[str]
    encodings: ClassVar[Sequence[str]]
    stepped: ClassVar[bool]
    steps: ClassVar[int]
    cases: ClassVar[dict[str, _Case]]  # by engine: checks share what was played

    @property
    def found(self) -> Domain:
        """The domain, as everybody finds it."""
        return find_domain(self.domain)

    def test_it_bears_the_name_that_it_is_found_by(self) -> None:
        expect(self.found.name == self.domain, f"the domain named {self.domain!r}", repr(self.found.name))

    def test_its_figures_can_be_meant(self) -> None:
        domain = self.found
        expect(domain.episode_limit >= 1, "an episode_limit of at least 1 step", domain.episode_limit)
        ends = domain.fall_return, domain.solved_return
        expect(bool(np.isfinite(ends).all()), "a finite fall_return and solved_return", ends)
        expect(ends[0] < ends[1], "a fall_return below solved_return", ends)
        expect(len(domain.controller.sizes) >= 2, "a controller with inputs and outputs", domain.controller)

    def test_it_has_engines_and_says_what_each_is_good_at(self) -> None:
        domain = self.found
        names = list(domain.engines)
        expect(len(names) == len(set(names)) > 0, "one engine or more, each once", names)
        for name in names:
            found = domain.capabilities(name)
            expect(isinstance(found, Capabilities), f"Capabilities of engine {name}", repr(found))
            expect(found.lanes >= 1, f"lanes of engine {name}, at least 1", found.lanes)
        default, first = domain.capabilities(), domain.capabilities(names[0])
        expect(default == first, f"capabilities of the first engine where none is named, {first}", default)

    def test_an_encoding_that_it_does_not_have_is_refused_by_name(self) -> None:
        refuses(lambda: self.found.encoding("no-such", {}), "an encoding named no-such", "no-such")

    def test_its_encodings_bear_the_names_that_they_are_asked_for_by(self) -> None:
        for name in self.encodings:
            came = self.found.encoding(name, {}).name
            expect(came == name, f"an encoding named {name!r}", repr(came))

    def test_an_option_that_no_encoding_has_is_refused_by_name(self) -> None:
        for name in self.encodings:
            refuses(partial(self.found.encoding, name, {"no_such": 1}), "an option no_such", "no_such")

    def test_rows_are_of_the_right_types_and_within_the_episode_limit(self) -> None:
        for case in self._cases():
            rows, count, where = case.whole, len(case.batch), case.where
            types = [str(array.dtype) for array in (rows.returns, rows.lengths, rows.outcomes)]
            expect(
                types == ["float64", "int32", "int8"], f"float64 returns, int32 lengths, int8 outcomes {where}", types
            )
            shapes = {rows.returns.shape, rows.lengths.shape, rows.outcomes.shape}
            expect(shapes == {(count,)}, f"a row for each of {count} episodes {where}", shapes)
            expect(bool(np.isfinite(rows.returns).all()), f"finite returns {where}", rows.returns)
            within = (rows.lengths >= 1) & (rows.lengths <= case.limit)
            expect(bool(within.all()), f"lengths in [1, {case.limit}] {where}", rows.lengths)
            known = np.isin(rows.outcomes, list(Outcome))
            expect(bool(known.all()), f"outcomes among {[int(each) for each in Outcome]} {where}", rows.outcomes)
            late = rows.lengths[rows.outcomes == Outcome.TIMED_OUT]
            expect(bool((late == case.limit).all()), f"time to be out after {case.limit} steps {where}", late)

    def test_a_row_does_not_depend_on_what_it_is_batched_with(self) -> None:
        for case in self._cases():
            for row in (0, 1, len(case.batch) - 1):
                case.same(case.play(case.rows(row)), [row], f"row {row} alone as it was among {len(case.batch)}")

    def test_order_and_what_ran_before_do_not_matter(self) -> None:
        for case in self._cases():
            order = list(reversed(range(len(case.batch))))
            case.same(case.play(case.rows(*order)), order, "every row in reverse order as it was forward")

    def test_a_controller_that_is_not_finite_diverges_and_harms_no_other(self) -> None:
        for case in self._cases():
            sick, others = 2, [row for row in range(len(case.batch)) if row != 2]
            thetas = case.batch.thetas.copy()
            thetas[sick] = np.nan
            broken = case.play(replace(case.batch, thetas=thetas))
            came = int(broken.outcomes[sick]), float(broken.returns[sick])
            expected = int(Outcome.DIVERGED), float(self.found.fall_return)
            expect(came == expected, f"outcome and return {expected} of a NaN controller {case.where}", came)
            case.same(broken.rows(np.array(others)), others, "the other rows as they were without it")

    def test_no_episodes_give_no_rows(self) -> None:
        for case in self._cases():
            rows = case.play(case.rows())
            expect(len(rows.returns) == 0, f"no rows for no episodes {case.where}", rows.returns)

    def test_what_it_is_given_stays_as_it_was(self) -> None:
        for case in self._cases():
            one = case.rows(0)
            before = one.thetas.tobytes(), one.seeds.tobytes(), [task.to_json() for task in one.environments]
            case.play(one)
            after = one.thetas.tobytes(), one.seeds.tobytes(), [task.to_json() for task in one.environments]
            expect(after == before, f"thetas, seeds and genomes as they were {case.where}", "others")

    def test_every_seed_of_64_bits_can_be_played(self) -> None:
        for case in self._cases():
            far = replace(case.batch, seeds=np.full(len(case.batch), 2**64 - 1, dtype=np.uint64))
            came = len(case.play(far).returns)
            expect(came == len(far), f"{len(far)} rows of seeds of 2^64 - 1 {case.where}", came)

    def test_wrong_agents_and_engines_are_refused(self) -> None:
        case = next(self._cases())
        short = replace(case.batch, thetas=case.batch.thetas[:, :-1])
        refuses(lambda: case.play(short), "thetas that are too short", "thetas")
        refuses(lambda: self.found.run(case.batch, engine="no-such"), "an engine named no-such", "no-such")

    def test_every_step_is_told_on_request(self) -> None:
        if not self.stepped:
            return
        domain, case = self.found, next(self._cases())
        rows = domain.run(case.batch, episode_limit=case.limit, trajectory=True)
        case.same(rows, range(len(case.batch)), "every row with its steps as without")
        for row, length in enumerate(rows.lengths.tolist()):
            steps, act = rows.episode(row), domain.controller.policy(case.batch.thetas[row])
            came = len(steps.observations), len(steps.actions), len(steps.rewards)
            expect(set(came) == {length}, f"{length} steps of row {row} {case.where}", came)
            close = bool(np.isclose(steps.rewards.sum(), rows.returns[row]))
            expect(close, f"rewards of row {row} that sum to {rows.returns[row]}", steps.rewards.sum())
            acted = act(steps.observations[0])
            expect(np.array_equal(acted, steps.actions[0]), f"the controller's first action, {acted}", steps.actions[0])

    def test_an_engine_plays_what_its_environment_plays_step_by_step(self) -> None:
        if not self.stepped:
            return
        domain, cases = self.found, list(self._cases())
        for row in range(len(cases[0].batch.environments)):
            stepped = cases[0].stepped(row)
            came = {case.engine: case.whole.rows(np.array([row])) for case in cases}
            expect(
                any(_bits(rows) == _bits(stepped) for rows in came.values()),
                f"one of {domain.engines} to play as make_env's environment of {cases[0].task(row)}, {stepped}",
                came,
            )

    def test_its_environment_has_the_spaces_of_its_controller(self) -> None:
        if not self.stepped:
            return
        domain, sizes = self.found, self.found.controller.sizes
        for task in self._tasks():
            env = TaskEnv(domain.name, task=task)
            spaces = env.observation_space.shape, env.action_space.shape
            expect(spaces == ((sizes[0],), (sizes[-1],)), f"spaces of the controller's sizes {sizes}", spaces)
            observation, info = env.reset(seed=5)
            expect(observation.shape == (sizes[0],), f"an observation ({sizes[0]},)", observation.shape)
            expect(observation.dtype == np.float32, "an observation of float32", observation.dtype)
            expect(info.get("outcome") == NO_OUTCOME, f"info['outcome'] of {NO_OUTCOME} at a reset", info)
            again, _ = env.reset(seed=5)
            expect(np.array_equal(observation, again), f"the same start from the same seed, {observation}", again)
            env.close()

    def test_its_environment_draws_itself(self) -> None:
        if not self.stepped:
            return
        task = next(self._tasks())
        env = self.found.make_env(task, render_mode="rgb_array", episode_limit=self.steps)
        expect("render_fps" in env.metadata, "render_fps in the environment's metadata", env.metadata)
        env.reset(seed=0)
        frame = np.asarray(env.render())
        env.close()
        expect(frame.ndim == 3 and frame.shape[-1] == 3, "a frame (height, width, 3) in red, green, blue", frame.shape)
        expect(frame.dtype == np.uint8, "a frame of uint8", frame.dtype)

    def test_what_it_draws_and_records_is_what_it_plays(self) -> None:
        domain, tasks = self.found, list(self._tasks())
        if not isinstance(domain, Drawable):
            return
        for task in tasks:
            ground = domain.sketch(task).ground
            drawn = ground.ndim == 2 and ground.shape[1] == 2 and bool(np.isfinite(ground).all())
            expect(drawn, "ground (n, 2) in finite metres", ground)
            case, row = self._case(domain.engines[0]), tasks.index(task)
            film = domain.record(task, case.batch.thetas[row], int(case.batch.seeds[row]), case.limit)
            frames = film.points if isinstance(film, StickRecording) else film.poses
            played = case.stepped(row) if self.stepped else case.whole.rows(np.array([row]))
            came = len(frames), len(film.gauge.returns), len(film.gauge.distances)
            steps = int(played.lengths[0])
            expect(set(came) == {steps + 1}, f"{steps + 1} frames, returns and distances of {steps} steps", came)
            close = bool(np.isclose(film.score, played.returns[0]))
            expect(close, f"a recorded score of {played.returns[0]}, as played", film.score)

    def test_difficulty_is_an_order(self) -> None:
        domain = self.found
        if not isinstance(domain, Graded):
            return
        for task in self._tasks():
            found = domain.difficulty(task)
            known = found is None or (isinstance(found, Difficulty) and bool(np.isfinite(found.score)))
            expect(known, "a Difficulty of finite score, or None", found)

    def _tasks(self) -> Iterator[Environment]:
        """Give the first environment of each encoding, and one that descends from it."""
        for name in self.encodings:
            encoding, rng = self.found.encoding(name, {}), np.random.default_rng(1)
            genome = encoding.initial()
            yield Environment(domain=self.domain, encoding=name, genome=genome, seed=3)
            for _ in range(4):
                genome = encoding.mutate(genome, rng)
            yield Environment(domain=self.domain, encoding=name, genome=genome, seed=2**62)

    def _case(self, engine: str) -> _Case:
        if engine not in self.cases:
            self.cases[engine] = _Case.of(self.found, tuple(self._tasks()), engine, self.steps)
        return self.cases[engine]

    def _cases(self) -> Iterator[_Case]:
        for engine in self.found.engines:
            yield self._case(engine)


def domain_contract(
    domain: str, encodings: Sequence[str], *, stepped: bool = True, steps: int = 60
) -> type[DomainContract]:
    """Give the checks of a domain, for pytest to collect or `failures` to run.

    Args:
        domain: the name of its entry point in the group `poet.domains`.
        encodings: the names of its encodings, with whose genomes it is tried; each has an `encoding_contract` too.
        stepped: whether it has an environment to step; without one it can be evolved in, but not learned from.
        steps: of an episode, at most: enough for some to end before others.
    """
    known = {"domain": domain, "encodings": tuple(encodings), "stepped": stepped, "steps": steps, "cases": {}}
    return type("DomainContract", (DomainContract,), known)


@dataclass(frozen=True, eq=False)
class _Case:
    """A batch of mixed environments for one engine, and what came of it."""

    domain: Domain
    engine: str
    batch: Batch
    limit: int  # control steps

    @staticmethod
    def of(domain: Domain, tasks: tuple[Environment, ...], engine: str, steps: int) -> _Case:
        rng, count = np.random.default_rng(0), max(ROWS, len(tasks))
        thetas = np.stack([domain.controller.initial_theta(rng, scale=0.3) for _ in range(count)]).astype(np.float32)
        seeds = np.arange(100, 100 + count, dtype=np.uint64)
        batch = Batch(thetas, tasks, np.arange(count) % len(tasks), seeds)
        return _Case(domain, engine, batch, min(steps, domain.episode_limit))

    @cached_property
    def whole(self) -> Rollouts:
        """All episodes, played once."""
        return self.play(self.batch)

    @property
    def where(self) -> str:
        return f"on engine {self.engine} in {', '.join(self.task(row) for row in range(len(self.batch.environments)))}"

    def task(self, row: int) -> str:
        task = self.batch.environments[self.batch.places[row]]
        return f"{task.encoding} {task.genome}"

    def play(self, batch: Batch) -> Rollouts:
        return self.domain.run(batch, episode_limit=self.limit, engine=self.engine)

    def rows(self, *rows: int) -> Batch:
        return self.batch.rows(np.array(rows, dtype=np.intp))

    def same(self, came: Rollouts, rows: Sequence[int], what: str) -> None:
        """Check that some rows came as they came in the whole batch: to the bit, where the engine says so."""
        expected = self.whole.rows(np.array(list(rows), dtype=np.intp))
        equal = _bits(came) == _bits(expected)
        if not equal and not self.domain.capabilities(self.engine).bit_exact and len(came.returns) == len(rows):
            equal = bool(np.allclose(came.returns, expected.returns, rtol=1e-3, atol=1e-3))
        expect(equal, f"{what} {self.where}: {expected}", came)

    def stepped(self, row: int) -> Rollouts:
        """Play a row in the domain's environment, step by step."""
        task = self.batch.environments[self.batch.places[row]]
        env = self.domain.make_env(task, episode_limit=self.limit)
        act = self.domain.controller.policy(self.batch.thetas[row])
        observation, info = env.reset(seed=int(self.batch.seeds[row]))
        total, length = 0.0, 0
        while info["outcome"] == NO_OUTCOME and length <= self.limit:
            observation, reward, _, _, info = env.step(act(observation))
            total, length = total + float(reward), length + 1
        env.close()
        outcome = np.array([info["outcome"]], dtype=np.int8)
        return Rollouts(np.array([total]), np.array([length], dtype=np.int32), outcome)


def _bits(rollouts: Rollouts) -> tuple[list[float], list[int], list[int]]:
    return rollouts.returns.tolist(), rollouts.lengths.tolist(), rollouts.outcomes.tolist()
