"""How much a run has still to simulate: what was measured, for the population that there will be.

A run begins with one pair and fills up to its capacity, and what transfers cost grows with the square of
the pairs; so the latest iterations say little of those to come. What is estimated is one pair's step, one
agent's visit to a target and one pair's share of a reproduction, each by the latest that were seen, or
before any was, by the episodes that the settings ask for. It is assumed that the population fills as fast as
it may, and that episodes stay as long as they are.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from poet.config import Config
from poet.records import Journal
from transfer.rules import original_cost

ITERATIONS, ROUNDS = 20, 3  # the latest that count: of steps, and of transfers or reproductions
ALONE = ("optimise", "score")  # purposes whose cost goes with the number of pairs


@dataclass(slots=True)
class _Mean:
    """Simulated steps by what they were spent on, over the latest occasions."""

    latest: deque[tuple[int, int]]  # steps, units

    def note(self, steps: int, units: int) -> None:
        if units:
            self.latest.append((steps, units))

    def otherwise(self, value: float) -> float:
        """Give the mean of a unit, or a value where none was seen."""
        units = sum(each for _, each in self.latest)
        return sum(steps for steps, _ in self.latest) / units if units else value


def _latest(count: int) -> _Mean:
    return _Mean(deque(maxlen=count))


@dataclass(slots=True)
class Estimate:
    """Told of every iteration; says how many steps are left."""

    config: Config
    _pairs: int = 1  # active
    _step: _Mean = field(default_factory=lambda: _latest(ITERATIONS))  # of a pair
    _episode: _Mean = field(default_factory=lambda: _latest(ITERATIONS))
    _visit: _Mean = field(default_factory=lambda: _latest(ROUNDS))  # of an agent to a target
    _share: _Mean = field(default_factory=lambda: _latest(ROUNDS))  # of a pair in a reproduction

    def note(self, journal: Journal) -> None:
        """Take in what an iteration cost."""
        steps, episodes, pairs = journal.tally.steps, journal.tally.episodes, len(journal.scores)
        alone = sum(steps[purpose] for purpose in ALONE)
        self._pairs = pairs
        self._step.note(alone, pairs)
        self._episode.note(alone, sum(episodes[purpose] for purpose in ALONE))
        if journal.transfers:
            self._visit.note(steps["transfer"], pairs * (pairs - 1))
        if journal.children:
            self._share.note(sum(steps.values()) - alone - steps["transfer"], pairs)

    def steps_left(self, iteration: int) -> float:
        """Estimate the steps of all iterations from this one on; `note` must have been told of one."""
        config, reproduction = self.config, self.config.reproduction
        step_episodes = config.make_optimiser().episodes
        visit_episodes = original_cost(1, config.episodes_per_score, step_episodes)
        episode = self._episode.otherwise(0.0)
        step = self._step.otherwise(episode * (step_episodes + config.episodes_per_score))
        moves = config.transfer.moves
        visit = self._visit.otherwise(episode * visit_episodes) if moves else 0.0
        heard = (
            reproduction.admitted * (visit_episodes if moves else config.episodes_per_score)
            + reproduction.children * config.episodes_per_score
        )
        share = self._share.otherwise(episode * heard)
        starts, pairs = self._population(iteration)
        ends = np.append(starts[1:], config.iterations)
        # A transfer follows iteration 0 too, which a reproduction does not.
        transfers = _multiples(ends, config.transfer.every) - _multiples(starts, config.transfer.every)
        reproductions = _multiples(ends, reproduction.every) - _multiples(starts, reproduction.every)
        each = step * (ends - starts) + visit * (pairs - 1) * transfers + share * reproductions
        return float((pairs * each).sum())

    def _population(self, iteration: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give the iterations at which the number of pairs changes, from this one on, and the numbers."""
        rule, last = self.config.reproduction, self.config.iterations
        places = max(rule.capacity - self._pairs, 0)
        first = -(-max(iteration, 1) // rule.every) * rule.every
        rounds = min(-(-places // rule.admitted), max(-(-(last - first) // rule.every), 0))
        starts = np.append(iteration, first + rule.every * np.arange(rounds))
        pairs = np.minimum(self._pairs + rule.admitted * np.arange(rounds + 1), max(rule.capacity, self._pairs))
        return starts.astype(np.int64), pairs.astype(np.int64)


def _multiples(before: NDArray[np.int64], every: int) -> NDArray[np.int64]:
    """Count the multiples of a number, 0 among them, that lie before others."""
    return -(-before // every)
