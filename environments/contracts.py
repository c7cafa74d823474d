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
from numpy.typing import NDArray

from environments.difficulty import Difficulty, Graded
from environments.domain import NO_OUTCOME, Domain, Encoding, Environment, Genome, Outcome, Rollouts, find_domain
from environments.sketch import Drawable, StickRecording
from environments.tasks.env import TaskEnv

__all__ = ["DomainContract", "EncodingContract", "domain_contract", "encoding_contract", "expect", "failures"]

LINEAGES, GENERATIONS = 3, 12  # of genomes that an encoding is tried on
ROWS = 4  # episodes that a domain is asked for at once


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


def failures(contract: type) -> dict[str, str]:
    """Run every check of a contract, without pytest: the names of those that fail, and why."""
    found = {}
    for name in dir(contract):
        if name.startswith("test_"):
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
    batches: ClassVar[dict[tuple[Environment, str], _Batch]]  # checks share what was played

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

    def test_it_has_engines_and_says_what_each_runs_at_once(self) -> None:
        domain = self.found
        names = list(domain.engines)
        expect(len(names) == len(set(names)) > 0, "one engine or more, each once", names)
        for name in names:
            lanes = domain.lanes.get(name, 0)
            expect(lanes >= 1, f"lanes of engine {name}, at least 1", lanes)

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
        for batch in self._batches():
            rows, where = batch.whole, batch.where
            types = [str(array.dtype) for array in (rows.returns, rows.lengths, rows.outcomes)]
            expect(
                types == ["float64", "int32", "int8"],
                f"returns, lengths and outcomes of float64, int32 and int8 {where}",
                types,
            )
            shapes = rows.returns.shape, rows.lengths.shape, rows.outcomes.shape
            expect(set(shapes) == {(ROWS,)}, f"a row for each of {ROWS} episodes {where}", shapes)
            expect(bool(np.isfinite(rows.returns).all()), f"finite returns {where}", rows.returns)
            within = (rows.lengths >= 1) & (rows.lengths <= batch.limit)
            expect(bool(within.all()), f"lengths in [1, {batch.limit}] {where}", rows.lengths)
            known = np.isin(rows.outcomes, list(Outcome))
            expect(bool(known.all()), f"outcomes among {[int(each) for each in Outcome]} {where}", rows.outcomes)
            late = rows.lengths[rows.outcomes == Outcome.TIMED_OUT]
            expect(bool((late == batch.limit).all()), f"time to be out after {batch.limit} steps {where}", late)

    def test_a_row_does_not_depend_on_what_it_is_batched_with(self) -> None:
        for batch in self._batches():
            for row in (0, ROWS - 1):
                batch.same(batch.only(row).play(), batch.whole, [row], f"row {row} alone as it was among {ROWS}")

    def test_order_and_what_ran_before_do_not_matter(self) -> None:
        order = list(reversed(range(ROWS)))
        for batch in self._batches():
            batch.same(batch.only(*order).play(), batch.whole, order, "every row in reverse order as it was forward")

    def test_a_controller_that_is_not_finite_diverges_and_harms_no_other(self) -> None:
        sick, others = 2, [row for row in range(ROWS) if row != 2]
        for batch in self._batches():
            broken = batch.spoiled(sick).play()
            came = int(broken.outcomes[sick]), float(broken.returns[sick])
            expected = int(Outcome.DIVERGED), float(self.found.fall_return)
            expect(came == expected, f"outcome and return {expected} of a NaN controller {batch.where}", came)
            batch.same(_rows(broken, others), batch.whole, others, "the other rows as they were without it")

    def test_no_episodes_give_no_rows(self) -> None:
        for batch in self._batches():
            rows = batch.only().play()
            expect(len(rows.returns) == 0, f"no rows for no episodes {batch.where}", rows.returns)

    def test_what_it_is_given_stays_as_it_was(self) -> None:
        for batch in self._batches():
            one = batch.only(0)
            before = one.given
            one.play()
            expect(one.given == before, f"thetas, seeds and genome as they were {batch.where}", "others")

    def test_every_seed_of_64_bits_can_be_played(self) -> None:
        for batch in self._batches():
            far = batch.seeded(2**64 - 1).play()
            expect(len(far.returns) == ROWS, f"{ROWS} rows of seeds up to 2^64 - 1 {batch.where}", len(far.returns))

    def test_wrong_shapes_and_engines_are_refused(self) -> None:
        batch = next(self._batches())
        domain, task = self.found, batch.environment
        refuses(lambda: domain.rollout(batch.thetas[:, :-1], task, batch.seeds), "thetas that are too short", "thetas")
        refuses(lambda: domain.rollout(batch.thetas, task, batch.seeds[:-1]), "a seed too few", "seeds")
        refuses(lambda: domain.rollout(batch.thetas, task, batch.seeds, engine="no-such"), "an engine", "no-such")

    def test_an_engine_plays_what_its_environment_plays_step_by_step(self) -> None:
        if not self.stepped:
            return
        domain = self.found
        for task in self._tasks():
            batches = [self._batch(task, engine) for engine in domain.engines]
            stepped = _stepped(domain, task, batches[0])
            came = {batch.engine: _rows(batch.whole, [0]) for batch in batches}
            expect(
                any(_bits(rows) == _bits(stepped) for rows in came.values()),
                f"some engine to play {task.genome} as make_env's environment, {stepped}",
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
        domain = self.found
        if not isinstance(domain, Drawable):
            return
        for task in self._tasks():
            ground = domain.sketch(task).ground
            drawn = ground.ndim == 2 and ground.shape[1] == 2 and bool(np.isfinite(ground).all())
            expect(drawn, "ground (n, 2) in finite metres", ground)
            batch = self._batch(task, domain.engines[0])
            film = domain.record(task, batch.thetas[0], int(batch.seeds[0]), batch.limit)
            frames = film.points if isinstance(film, StickRecording) else film.poses
            played = _stepped(domain, task, batch) if self.stepped else _rows(batch.whole, [0])
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

    def _batch(self, task: Environment, engine: str) -> _Batch:
        if (task, engine) not in self.batches:
            self.batches[task, engine] = _Batch.of(self.found, task, engine, self.steps)
        return self.batches[task, engine]

    def _batches(self) -> Iterator[_Batch]:
        """Give a batch for every environment and engine."""
        for task in self._tasks():
            for engine in self.found.engines:
                yield self._batch(task, engine)


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
    known = {"domain": domain, "encodings": tuple(encodings), "stepped": stepped, "steps": steps, "batches": {}}
    return type("DomainContract", (DomainContract,), known)


@dataclass(frozen=True, eq=False)
class _Batch:
    """Episodes of one environment on one engine, of which some can be played again, in any order."""

    domain: Domain
    environment: Environment
    engine: str
    thetas: NDArray[np.float32]  # (ROWS, P)
    seeds: NDArray[np.uint64]  # (ROWS,)
    limit: int

    @staticmethod
    def of(domain: Domain, environment: Environment, engine: str, steps: int) -> _Batch:
        rng = np.random.default_rng(0)
        thetas = np.stack([domain.controller.initial_theta(rng, scale=0.3) for _ in range(ROWS)]).astype(np.float32)
        seeds = np.arange(100, 100 + ROWS, dtype=np.uint64)
        return _Batch(domain, environment, engine, thetas, seeds, min(steps, domain.episode_limit))

    @property
    def where(self) -> str:
        return f"in {self.environment.encoding} {self.environment.genome} on engine {self.engine}"

    @cached_property
    def whole(self) -> Rollouts:
        """All of its episodes, played once."""
        return self.play()

    @property
    def given(self) -> tuple[bytes, bytes, str]:
        return self.thetas.tobytes(), self.seeds.tobytes(), self.environment.to_json()

    def only(self, *rows: int) -> _Batch:
        places = list(rows)
        return replace(self, thetas=self.thetas[places], seeds=self.seeds[places])

    def play(self) -> Rollouts:
        thetas, task, seeds = self.thetas, self.environment, self.seeds
        return self.domain.rollout(thetas, task, seeds, episode_limit=self.limit, engine=self.engine)

    def spoiled(self, row: int) -> _Batch:
        thetas = self.thetas.copy()
        thetas[row] = np.nan
        return replace(self, thetas=thetas)

    def seeded(self, seed: int) -> _Batch:
        return replace(self, seeds=np.full_like(self.seeds, seed))

    def same(self, came: Rollouts, whole: Rollouts, rows: Sequence[int], what: str) -> None:
        expected = _rows(whole, rows)
        expect(_bits(came) == _bits(expected), f"{what} {self.where}: {expected}", came)


def _rows(rollouts: Rollouts, rows: Sequence[int]) -> Rollouts:
    places = list(rows)
    return Rollouts(rollouts.returns[places], rollouts.lengths[places], rollouts.outcomes[places])


def _bits(rollouts: Rollouts) -> tuple[list[float], list[int], list[int]]:
    return rollouts.returns.tolist(), rollouts.lengths.tolist(), rollouts.outcomes.tolist()


def _stepped(domain: Domain, task: Environment, batch: _Batch) -> Rollouts:
    """Play the first row in the domain's environment, step by step."""
    env, act = domain.make_env(task, episode_limit=batch.limit), domain.controller.policy(batch.thetas[0])
    observation, info = env.reset(seed=int(batch.seeds[0]))
    total, length = 0.0, 0
    while info["outcome"] == NO_OUTCOME and length <= batch.limit:
        observation, reward, _, _, info = env.step(act(observation))
        total, length = total + float(reward), length + 1
    env.close()
    return Rollouts(np.array([total]), np.array([length], dtype=np.int32), np.array([info["outcome"]], dtype=np.int8))
