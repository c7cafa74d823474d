"""The contract that every body meets, and the way to find one by its name.

A domain is one folder: a body, its terrains and the engines that simulate
them. Evolution sees only what stands here. Third parties register a domain
through the entry-point group ``poet.domains``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments import plugins
from environments.controller import Controller
from environments.documents import parse_json
from environments.plain import plain, whole_seed

LARGEST_SEED = 2**63 - 1  # of terrain: what an archive can hold
Genome: TypeAlias = dict[str, Any]
"""A JSON object; its encoding knows what is in it."""


class Outcome(IntEnum):
    """How an episode ended."""

    FINISHED = 0  # reached the end of the course
    FELL = 1
    TIMED_OUT = 2  # the episode limit came first
    DIVERGED = 3  # NaN, or a state that the simulator refused


NO_OUTCOME = -1  # in the place of an `Outcome`: the episode goes on


@dataclass(frozen=True, slots=True)
class Rollouts:
    """Episodes of n controllers in one environment, one row each."""

    returns: NDArray[np.float64]  # (n,) sum of rewards
    lengths: NDArray[np.int32]  # (n,) control steps
    outcomes: NDArray[np.int8]  # (n,) values of `Outcome`

    @staticmethod
    def join(parts: Sequence[Rollouts]) -> Rollouts:
        """Concatenate the rows of several rollouts, in order."""
        return Rollouts(
            np.concatenate([part.returns for part in parts]),
            np.concatenate([part.lengths for part in parts]),
            np.concatenate([part.outcomes for part in parts]),
        )

    def check(self, episodes: int, domain: str) -> None:
        """Check that a domain gave a row for each episode that it was asked for.

        Raises:
            ValueError: it did not; the message names the domain and both lengths.
        """
        for name in ("returns", "lengths", "outcomes"):
            found = np.shape(getattr(self, name))
            if found != (episodes,):
                given = found[0] if len(found) == 1 else f"an array of shape {found}"
                raise ValueError(f"the domain {domain} was asked for {episodes} episodes and returned {given} {name}")

    def count(self, outcome: Outcome) -> int:
        """Say how many episodes ended so."""
        return int(np.count_nonzero(self.outcomes == outcome))


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One task as data: expressing it gives the same terrain on every machine.

    NumPy's numbers are taken for what they say, -0.0 for 0.0: equal ground has one content hash.

    Raises:
        ValueError: the seed is no whole number in [0, 2^64), or the genome no table that JSON can hold.
    """

    domain: str
    encoding: str
    genome: Genome
    seed: int  # of the terrain's random draws

    def __post_init__(self) -> None:
        if not isinstance(self.genome, Mapping):
            raise ValueError(f"genome is {self.genome!r}; it must be a table of genes")
        object.__setattr__(self, "genome", plain(self.genome))
        object.__setattr__(self, "seed", whole_seed(self.seed))

    @staticmethod
    def as_written(*, domain: str, encoding: str, genome: Genome, seed: int) -> Environment:
        """Read a task from where its content hash stands beside it, which a genome's -0.0 may have gone into.

        Raises:
            ValueError: as the constructor.
        """
        environment = Environment(domain=domain, encoding=encoding, genome=genome, seed=seed)
        object.__setattr__(environment, "genome", genome)
        return environment

    def to_json(self) -> str:
        """Write the canonical JSON text: sorted keys, no spaces, exact floats."""
        fields = {"domain": self.domain, "encoding": self.encoding, "genome": self.genome, "seed": self.seed}
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> Environment:
        """Read what `to_json` wrote.

        Raises:
            ValueError: the text is not such an object.
        """
        try:
            fields = parse_json(text)
        except ValueError as error:
            raise ValueError(f"the text {error}") from error
        return Environment.from_fields(fields)

    @staticmethod
    def from_fields(fields: object, *, as_written: bool = False) -> Environment:
        """Take the four fields from a JSON object that somebody else wrote.

        Args:
            fields: the object.
            as_written: its content hash stands beside it, see `as_written`.

        Raises:
            ValueError: there are others, or one is of the wrong type.
        """
        kinds = {"domain": (str, "text"), "encoding": (str, "text"), "genome": (dict, "a JSON object")}
        expected = {*kinds, "seed"}
        if not isinstance(fields, dict) or set(fields) != expected:
            raise ValueError(f"an environment is a JSON object with the keys {', '.join(sorted(expected))}")
        for name, (kind, called) in kinds.items():
            if not isinstance(fields[name], kind):
                raise ValueError(f"the {name} of an environment is {fields[name]!r}; it must be {called}")
        seed = fields["seed"]
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not 0 <= seed <= LARGEST_SEED:
            raise ValueError(
                f"the seed of an environment is {seed!r}; it must be a whole number in [0, {LARGEST_SEED}]"
            )
        return Environment.as_written(**fields) if as_written else Environment(**fields)

    @cached_property
    def id(self) -> str:
        """The content hash: 16 hexadecimal digits of SHA-256 over the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    @property
    def number(self) -> int:
        """The id as a whole number of 64 bits with a sign, for arrays and tensors, which hold no text."""
        return int.from_bytes(bytes.fromhex(self.id), signed=True)

    def __hash__(self) -> int:
        return hash(self.id)


def id_of(number: int) -> str:
    """Give the id of the task with a number, such as `info["task"]` holds.

    Raises:
        OverflowError: no task can have it.
    """
    return int(number).to_bytes(8, signed=True).hex()


class Encoding(Protocol):
    """Genomes of terrain and how they vary. Random draws come from the caller's generator."""

    @property
    def name(self) -> str:
        """What configurations call it."""
        ...

    def initial(self) -> Genome:
        """Give the genome that a run starts from."""
        ...

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        """Give a child of `genome`, within bounds."""
        ...

    def check(self, genome: Genome) -> None:
        """Raise ValueError, naming the gene, its value and its range, unless the genome is valid."""
        ...

    def vector(self, genome: Genome) -> NDArray[np.float64]:
        """Place the genome in the space where novelty is measured."""
        ...

    def describe(self, genome: Genome) -> str:
        """Write the genome in a few words for a table."""
        ...


class Domain(Protocol):
    """A body, its terrains and its engines.

    `rollout` promises that a row of its result depends on that row of `thetas`
    and `seeds` only, never on what it was batched with or ran before.
    """

    name: str
    controller: Controller
    episode_limit: int  # control steps
    fall_return: float  # the reward of falling; also what a diverged episode scores
    solved_return: float  # with the course's end reached, solved from here on
    engines: tuple[str, ...]  # the first is the default
    lanes: Mapping[str, int]  # by engine, how many episodes it runs for about the price of one

    def encoding(self, name: str, options: Mapping[str, Any]) -> Encoding:
        """Make the encoding called `name`; ValueError names what is valid."""
        ...

    def make_env(
        self, environment: Environment, *, render_mode: str | None = None, episode_limit: int | None = None
    ) -> gymnasium.Env:
        """Make the reference environment for one task; `episode_limit` of None means the domain's."""
        ...

    def rollout(
        self,
        thetas: NDArray[np.float32],
        environment: Environment,
        seeds: NDArray[np.uint64],
        *,
        episode_limit: int | None = None,
        engine: str | None = None,
    ) -> Rollouts:
        """Run one episode for each row of `thetas` (n, P) and `seeds` (n,)."""
        ...


def find_domain(name: str) -> Domain:
    """Load the domain registered as `name`.

    Raises:
        ValueError: nothing is registered under that name, or it cannot be loaded, as where a library that it needs is
            not installed.
    """
    domain: Domain = plugins.find(plugins.DOMAIN, name)
    return domain
