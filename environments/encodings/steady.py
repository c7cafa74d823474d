"""The smallest genome of terrain: how rough it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from environments.domain import Genome

MOST = 8.0  # of the roughness


class SteadyEncoding:
    """One gene, `roughness`, in [0, 8]; a child's is up to 0.5 rougher or smoother."""

    name: ClassVar[str] = "steady"

    def __init__(self, options: Mapping[str, Any]) -> None:
        if options:
            raise ValueError(f"the encoding steady has no options, and was given {', '.join(options)}")

    def initial(self) -> Genome:
        """Give flat ground."""
        return {"roughness": 0.0}

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        """Give a child of `genome`."""
        return {"roughness": float(np.clip(genome["roughness"] + rng.uniform(-0.5, 0.5), 0, MOST))}

    def check(self, genome: Genome) -> None:
        """Raise ValueError unless the genome is valid."""
        if set(genome) != {"roughness"} or not 0 <= genome["roughness"] <= MOST:
            raise ValueError(f"genome is {genome!r}; it must be a roughness in [0, {MOST:g}]")

    def vector(self, genome: Genome) -> NDArray[np.float64]:
        """Place the genome on a line."""
        return np.array([genome["roughness"]])

    def describe(self, genome: Genome) -> str:
        """Say how rough it is."""
        return f"roughness {genome['roughness']:.2f}"
