"""How new candidate environments are: the measures that a configuration can name.

Each is an entry point of the group `poet.novelty`, ours as well as other packages'.

The mathematics is `evolution.novelty`; here is what each measure needs to know
of the population, and what it costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from environments.domain import Environment
from evolution.evaluator import Evaluator
from evolution.novelty import novelty, pata_ec
from evolution.performance import perform
from poet.config import Config
from poet.phases import Phase
from poet.population import Population
from poet.records import Journal

__all__ = ["Measure", "archive_score", "by_encoding", "by_pata_ec"]


class Measure(Protocol):
    """Says of each candidate how far it lies from every environment ever admitted."""

    def __call__(
        self,
        candidates: Sequence[Environment],
        population: Population,
        config: Config,
        evaluator: Evaluator,
        journal: Journal,
    ) -> list[float]:
        """Measure the candidates, of which there is at least one."""
        ...


def by_encoding(
    candidates: Sequence[Environment], population: Population, config: Config, evaluator: Evaluator, journal: Journal
) -> list[float]:
    """Compare genomes, as POET does."""
    encoding = config.make_encoding()
    archive = np.stack([encoding.vector(niche.environment.genome) for niche in population.niches])
    return [
        novelty(encoding.vector(candidate.genome), archive, config.reproduction.neighbours) for candidate in candidates
    ]


def by_pata_ec(
    candidates: Sequence[Environment], population: Population, config: Config, evaluator: Evaluator, journal: Journal
) -> list[float]:
    """Compare how all agents, active and archived, do in them, as Enhanced POET does."""
    known = [niche.environment for niche in population.niches]
    found = perform(
        evaluator,
        "novelty",
        population.agents(),
        [*known, *candidates],
        population.performances,
        config.episodes_per_score,
        Phase.PERFORMANCE,
    )
    journal.note_performances("novelty", found)
    places = pata_ec(found.scores, config.minimal_criterion)
    archive = places[: len(known)]
    return [novelty(place, archive, config.reproduction.neighbours) for place in places[len(known) :]]


def archive_score(
    environment: Environment, population: Population, config: Config, evaluator: Evaluator, journal: Journal
) -> float:
    """Find the best score of any agent, active or archived, in an environment."""
    known = {**population.performances, **journal.performances}
    found = perform(
        evaluator,
        "annecs",
        population.agents(),
        [environment],
        known,
        config.episodes_per_score,
        Phase.PERFORMANCE,
    )
    journal.note_performances("annecs", found)
    return float(found.scores.max())
