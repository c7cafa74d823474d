"""One evaluation from beginning to end: agents, courses, rules, episodes, and the figures that they come to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cluster.executor import Executor
from environments.intervals import CONFIDENCE
from poet.errors import InputError
from poet.evaluate import evaluating, scoring
from poet.evaluate.evaluating import Ground
from poet.evaluate.scoring import Contestant, Rules, chosen_rows

__all__ = ["Evaluation", "Played", "chosen_rows"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """What an evaluation came to."""

    rows: list[Row]  # one an agent and terrain
    steps: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """Whom to evaluate on what, and how; nothing of it has been played."""

    subject: Path
    ground: Ground
    contestants: Sequence[Contestant]
    parts: Sequence[Rules]  # the episodes to report, and where there are several agents those to choose by

    @staticmethod
    def of(
        subject: Path,
        *,
        suite: str | None = None,
        niches: bool = False,
        curriculum: Path | None = None,
        split: str | None = None,
        agents: str | None = None,
        activations: tuple[str, str] | None = None,
        episodes: int = 5,
        seed: int = 0,
        engine: str | None = None,
    ) -> Evaluation:
        """Find all that an evaluation needs; arguments are the options of `poet evaluate`.

        Raises:
            InputError: something of this cannot be had, or does not go together.
        """
        if split is not None and curriculum is None:
            raise InputError(f"--split {split} goes with --curriculum DIR")
        ground = evaluating.ground_from(subject, suite, niches, curriculum, split or "test")
        contestants, controller = evaluating.contestants_from(subject, agents, ground.domain, activations)
        scoring.check_effort(episodes, len(contestants), len(ground.levels))
        rules = ground.rules(episodes, seed, engine, controller)
        parts = [rules] if len(contestants) == 1 else [rules, replace(rules, choosing=True)]
        return Evaluation(subject=subject, ground=ground, contestants=contestants, parts=parts)

    @property
    def episodes(self) -> int:
        """Of each agent on each course."""
        return self.parts[0].episodes

    @property
    def total(self) -> int:
        """How many episodes are to be played in all."""
        return len(self.contestants) * len(self.ground.levels) * self.episodes * len(self.parts)

    def play(self, executor: Executor, progress: Callable[[int, int], None] | None = None) -> Played:
        """Play it; `progress` hears of the work items done, out of how many.

        Raises:
            EvaluationError: some episodes could not be simulated.
        """
        started = time.perf_counter()
        results: list[scoring.Result] = []

        def heard(done: int) -> None:
            if progress is not None:
                progress(len(results) * self.total // len(self.parts) + done, self.total)

        for part in self.parts:
            results.append(scoring.play(self.contestants, self.ground.levels, part, executor, heard))
        seconds = time.perf_counter() - started
        choosing = results[1] if len(results) > 1 else None
        found = scoring.summarise(results[0], self.contestants, self.ground.terrains, choosing)
        rows = [{**row, **self.ground.notes.get(row["terrain"], {})} for row in found]
        return Played(rows, sum(result.steps for result in results), seconds)

    def plot(self, played: Played, path: Path) -> None:
        """Draw the result."""
        from poet.evaluate.plotting import plot  # noqa: PLC0415 - slow to load

        plot(played.rows, f"{self.subject.name} on {self.ground.name}", self.ground.solved_above, path)

    def figures(self, played: Played) -> Row:
        """Give the result and what it is of, as plain values."""
        return {
            "subject": str(self.subject),
            "ground": self.ground.name,
            "episodes_each": self.episodes,
            "seed": self.parts[0].seed,
            "episode_limit": self.ground.episode_limit,
            "solved_above": self.ground.solved_above,
            "confidence": CONFIDENCE,
            "results": played.rows,
        }
