"""What one iteration did, as rows for the archive and lines for the display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from environments.domain import Environment
from evolution.evaluator import Tally
from evolution.optimisers.optimiser import Figures
from evolution.performance import Pairing, Performances
from poet.population import Niche, Pair
from transfer.tournament import Candidate


class Decision(StrEnum):
    """What became of a child environment."""

    ADMITTED = "admitted"
    DUPLICATE = "duplicate of an active environment"
    TOO_HARD = "too hard for its parent's agent"
    TOO_EASY = "too easy for its parent's agent"
    TRANSFER_TOO_HARD = "too hard for every agent"
    TRANSFER_TOO_EASY = "too easy for the best agent"
    OUTRANKED = "no more novel than those admitted"


class Origin(StrEnum):
    """Why a copy of an agent was kept."""

    INITIAL = "initial"
    ADMITTED = "admitted"
    MOVED_IN = "moved in"
    MOVED_OUT = "moved out"
    CHECKPOINT = "checkpoint"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Input:
    """An environment that a person put into the run."""

    environment: Environment
    file: str  # by whose name it came, for the receipt


@dataclass(frozen=True, slots=True)
class ChildRecord:
    """One child environment and what was decided on it."""

    number: int
    parent: int  # niche id; of an input, the niche whose agent it was judged by
    environment: Environment
    decision: Decision
    parent_score: float | None = None  # of the parent's agent in the child
    novelty: float | None = None
    candidates: Sequence[Candidate] = ()  # every agent, where they were tried
    archive_score: float | None = None  # the best of any agent, active or archived, where that was measured
    niche: int | None = None  # its id, if admitted
    input: Input | None = None  # if a person put it in


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """One pair's step and the self-evaluation that followed."""

    niche: int
    score: float
    outcomes: Sequence[int]  # episodes of the self-evaluation that finished, fell, timed out, diverged
    steps: int  # of the self-evaluation, mean
    figures: Figures  # what the optimiser has to tell of the step


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """One target's tournament: all candidates, the incumbent's score, and who won."""

    target: int
    incumbent_score: float
    candidates: Sequence[Candidate]
    winner: Candidate | None  # None where the incumbent stays


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """A copy of an agent, kept for good."""

    niche: int
    origin: Origin
    theta: NDArray[np.float64]
    score: float | None
    source: int | None = None  # the niche that it came from


@dataclass(frozen=True, slots=True)
class ReuseRecord:
    """How many scores of agents in environments a phase asked for, and how many of them were known."""

    purpose: str
    pairings: int
    reused: int


@dataclass(slots=True)
class Journal:
    """Everything that one iteration did, filled in as it goes."""

    iteration: int
    admitted: list[Niche] = field(default_factory=list)
    children: list[ChildRecord] = field(default_factory=list)
    retired: list[Pair] = field(default_factory=list)
    scores: list[ScoreRecord] = field(default_factory=list)
    transfers: list[TransferRecord] = field(default_factory=list)
    agents: list[AgentRecord] = field(default_factory=list)
    performances: dict[Pairing, float] = field(default_factory=dict)
    reuse: list[ReuseRecord] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def keep(self, pair: Pair, origin: Origin, source: int | None = None) -> None:
        """Keep a copy of a pair's agent."""
        self.agents.append(AgentRecord(pair.niche.id, origin, pair.learner.theta, pair.score, source))

    def note_performances(self, purpose: str, found: Performances) -> None:
        """Take down the scores of agents in environments that had to be run."""
        self.performances |= found.new
        self.reuse.append(ReuseRecord(purpose, found.scores.size, found.reused))
