"""An environment is data: a genome, its encoding and a seed, under a content hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from environments.documents import parse_json
from environments.plain import plain, whole_seed

__all__ = ["LARGEST_SEED", "Environment", "Genome", "id_of"]

LARGEST_SEED = 2**63 - 1  # of terrain: what an archive can hold
Genome: TypeAlias = dict[str, Any]
"""A JSON object; its encoding knows what is in it."""


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
        return json.dumps(self.to_fields(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    def to_fields(self) -> dict[str, Any]:
        """Give the four fields as a JSON object, which `from_fields` takes."""
        return {"domain": self.domain, "encoding": self.encoding, "genome": self.genome, "seed": self.seed}

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
