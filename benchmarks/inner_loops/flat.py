"""One agent learns flat ground by the optimiser of a preset, until it walks; what that cost."""

from __future__ import annotations

import hashlib
import io
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cluster.executor import InProcess
from environments.domain import Outcome
from environments.files import write_aside
from evolution.evaluator import Evaluator
from evolution.optimisers.asking import Asking
from evolution.optimisers.optimiser import State
from poet.config import Config, build, merge, read_preset
from poet.phases import Phase
from poet.population import first_population

SOLVED = 230.0  # mean return of the ruler's episodes
EPISODES = 20  # of the ruler: fresh, of 2,000 steps, of the agent without noise
EPISODE_LIMIT = 2000
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is learned, and for how long at most."""

    preset: str
    seed: int
    most_seconds: float  # of one core

    def config(self) -> Config:
        """Give the settings: the preset's, on flat ground."""
        seeded = {"seed": self.seed, "episode_limit": EPISODE_LIMIT, "push": "fresh"}
        return build(merge(read_preset(self.preset), seeded), f"preset {self.preset}")

    @property
    def made_of(self) -> str:
        """Hash what decides on the result, so that a kept one is not taken for another."""
        config = self.config()
        options = asdict(config.es) if config.optimiser.name == "es" else dict(config.optimiser.options)
        text = json.dumps([config.optimiser.name, options, SOLVED, EPISODES, EPISODE_LIMIT], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def run(self, kept: Path) -> Row:
        """Learn until the ruler says so, or the time is up; after an interruption from what was kept.

        Steps and seconds are those of learning: the ruler's own are not counted.

        Args:
            kept: .npz file of what has been learned so far; gone when the trial is over.
        """
        config = self.config()
        optimiser, evaluator = config.make_optimiser(), Evaluator(config.simulation(), InProcess())
        (pair,) = first_population(config).pairs
        state, environment = pair.learner, pair.niche.environment
        state, curve = self._load(kept, state)
        iteration = len(curve)
        seconds, steps = (curve[-1]["seconds"], curve[-1]["steps"]) if curve else (0.0, 0)
        while seconds < self.most_seconds and not (curve and curve[-1]["score"] >= SOLVED):
            ask = Asking(
                key=(Phase.OPTIMISE, iteration, pair.niche.id),
                simulation=evaluator.simulation,
                evaluator=evaluator,
                purpose="optimise",
            )
            begun = time.process_time()
            with evaluator.side_by_side("optimise", optimiser.episodes) as flow:
                state, _ = flow.wait(flow.start(optimiser.step(state, environment, ask)))
            seconds += time.process_time() - begun
            request = evaluator.score_request(
                state.theta, environment, (Phase.RESCORE, iteration, pair.niche.id), EPISODES
            )
            (own,) = evaluator.run("score", [request])
            iteration += 1
            curve.append(
                {
                    "iteration": iteration,
                    "steps": steps + evaluator.tally.steps["optimise"],
                    "seconds": round(seconds, 2),
                    "score": round(float(own.returns.mean()), 2),
                    "falls": own.count(Outcome.FELL),
                }
            )
            self._save(kept, state, curve)
        kept.unlink(missing_ok=True)
        return {
            "preset": self.preset,
            "seed": self.seed,
            "optimiser": optimiser.name,
            "made_of": self.made_of,
            "solved": curve[-1]["score"] >= SOLVED,
            **{name: curve[-1][name] for name in ("iteration", "steps", "seconds", "score")},
            "curve": curve,
        }

    def _save(self, path: Path, state: State, curve: list[Row]) -> None:
        file = io.BytesIO()
        arrays: dict[str, Any] = {f"part.{name}": part for name, part in state.parts.items()}
        told = json.dumps({"made_of": self.made_of, "curve": curve})
        np.savez(file, theta=state.theta, told=np.array(told), **arrays)
        write_aside(path, file.getvalue())

    def _load(self, path: Path, fresh: State) -> tuple[State, list[Row]]:
        """Give what an interrupted trial had come to, or the beginning."""
        if not path.exists():
            return fresh, []
        with np.load(path) as kept:
            told = json.loads(str(kept["told"]))
            if told["made_of"] != self.made_of:
                return fresh, []
            return State(kept["theta"], {name: kept[f"part.{name}"] for name in fresh.parts}), told["curve"]
