"""The genome of a cart and its pole: how long the pole is, and how hard the cart can be pushed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.domain import Genome
from environments.plain import plain


@dataclass(frozen=True, slots=True)
class Gene:
    """One number of the genome."""

    initial: float
    minimum: float
    maximum: float
    factor: float  # of a mutation, at most: lengths and forces matter by their ratios
    unit: str


GENES = {
    "length": Gene(initial=0.5, minimum=0.05, maximum=4.0, factor=2.0, unit="m, half of the pole"),
    "force": Gene(initial=10.0, minimum=1.0, maximum=40.0, factor=1.5, unit="N"),
}


@dataclass(frozen=True)
class CartPoleEncoding:
    """Two numbers; a mutation multiplies each by a random factor."""

    name: str = "pole"

    def initial(self) -> Genome:
        """Give what Gymnasium's CartPole-v1 has."""
        return {name: gene.initial for name, gene in GENES.items()}

    def check(self, genome: Genome) -> None:
        """Raise ValueError, naming the gene, its value and its range, unless the genome is valid."""
        for name in genome:
            if name not in GENES:
                raise ValueError(f"the genome has a gene {name!r}; genes are {', '.join(GENES)}")
        for name, gene in GENES.items():
            value = plain(genome.get(name))
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not gene.minimum <= value <= gene.maximum:
                raise ValueError(f"{name} is {value!r}; it must lie in [{gene.minimum:g}, {gene.maximum:g}]")

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        """Multiply each gene by a factor, and keep it within its bounds."""
        child = {}
        for name, gene in GENES.items():
            factor = gene.factor ** float(rng.uniform(-1, 1))
            child[name] = round(min(max(genome[name] * factor, gene.minimum), gene.maximum), 4)
        return child

    def vector(self, genome: Genome) -> NDArray[np.float64]:
        """Place the genome where ratios are distances: 0 at a gene's minimum, 1 at its maximum."""
        return np.array(
            [np.log(genome[name] / gene.minimum) / np.log(gene.maximum / gene.minimum) for name, gene in GENES.items()]
        )

    def describe(self, genome: Genome) -> str:
        """Write the genome in a few words, such as ``pole 1 m, 10 N``."""
        return f"pole {2 * genome['length']:.3g} m, {genome['force']:.3g} N"

    def genes(self) -> dict[str, dict[str, Any]]:
        """Say of each gene where it starts, its bounds and unit: exported curricula have this."""
        return {
            name: {"minimum": gene.minimum, "maximum": gene.maximum, "initial": gene.initial, "unit": gene.unit}
            for name, gene in GENES.items()
        }

    @staticmethod
    def from_options(options: Mapping[str, Any]) -> CartPoleEncoding:
        """Read a configuration's encoding options, of which there are none."""
        for option in options:
            raise ValueError(f"option {option!r} is unknown; the pole encoding takes none")
        return CartPoleEncoding()
