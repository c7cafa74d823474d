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
from functools import cache, cached_property
from importlib.metadata import entry_points
from typing import Any, Protocol, TypeAlias

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.controller import Controller
from environments.documents import parse_json

LARGEST_SEED = 2**63 - 1  # of terrain: what an archive can hold
Genome: TypeAlias = dict[str, Any]
"""A JSON object; its encoding knows what is in it."""


class Outcome(IntEnum):
    """How an episode ended."""

    FINISHED = 0  # reached the end of the course
    FELL = 1
    TIMED_OUT = 2  # the episode limit came first
    DIVERGED = 3  # NaN, or a state that the simulator refused


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

    def count(self, outcome: Outcome) -> int:
        """Say how many episodes ended so."""
        return int(np.count_nonzero(self.outcomes == outcome))


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One task as data: expressing it gives the same terrain on every machine."""

    domain: str
    encoding: str
    genome: Genome
    seed: int  # of the terrain's random draws

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
    def from_fields(fields: object) -> Environment:
        """Take the four fields from a JSON object that somebody else wrote.

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
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= LARGEST_SEED:
            raise ValueError(
                f"the seed of an environment is {seed!r}; it must be a whole number in [0, {LARGEST_SEED}]"
            )
        return Environment(**fields)

    @cached_property
    def id(self) -> str:
        """The content hash: 16 hexadecimal digits of SHA-256 over the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        return hash(self.id)


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


DOMAINS_GROUP = "poet.domains"


@cache
def find_domain(name: str) -> Domain:
    """Load the domain registered as `name`.

    Raises:
        ValueError: nothing is registered under that name.
    """
    found = {entry.name: entry for entry in entry_points(group=DOMAINS_GROUP)}
    if name not in found:
        raise ValueError(f"domain is {name!r}; installed domains are {', '.join(sorted(found)) or 'none'}")
    domain: Domain = found[name].load()
    return domain
