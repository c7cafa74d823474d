"""How new candidate environments are: the measures that a configuration can name.

Each is an entry point of the group `poet.novelty`, ours as well as other packages'.

The mathematics is `evolution.novelty`; here is what each measure needs to know
of the population, and what it costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from evolution.evaluator import Evaluator
from evolution.novelty import novelty, pata_ec
from evolution.performance import perform
from poet.config import Config
from poet.phases import Phase
from poet.population import Population
from poet.records import Journal

__all__ = ["Measure", "archive_score", "by_encoding", "by_pata_ec", "places_of"]


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
    """Compare genomes, as POET does; ground of another encoding, which a person drew, lies where `places_of` says."""
    known = [niche.environment for niche in population.niches]
    places = places_of([*known, *candidates], config)
    archive = places[: len(known)]
    return [novelty(place, archive, config.reproduction.neighbours) for place in places[len(known) :]]


def places_of(environments: Sequence[Environment], config: Config) -> NDArray[np.float64]:
    """Place environments by their genomes: (n, d), an axis for every number of every encoding that is among them.

    An environment lies at 0 on the axes of other encodings than its own: of ground that was drawn that is level
    ground, so that to a course of another encoding both are as far as they are from there, taken together. An encoding
    may say by `shared_axes` how many of its last axes are no matter of its own, such as those of what is hidden of a
    body: these all encodings share, and they come last.
    """
    kinds = {each.encoding: config.encoding_of(each) for each in environments}
    vectors = [kinds[each.encoding].vector(each.genome) for each in environments]
    shared = {name: int(getattr(kind, "shared_axes", 0)) for name, kind in kinds.items()}
    sizes = {
        each.encoding: len(vector) - shared[each.encoding] for each, vector in zip(environments, vectors, strict=True)
    }
    starts = dict(zip(sizes, np.cumsum([0, *sizes.values()]).tolist(), strict=False))
    own = sum(sizes.values())
    places = np.zeros((len(environments), own + max(shared.values(), default=0)))
    for row, each, vector in zip(places, environments, vectors, strict=True):
        start, size = starts[each.encoding], sizes[each.encoding]
        row[start : start + size] = vector[:size]
        row[own : own + shared[each.encoding]] = vector[size:]
    return places


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
