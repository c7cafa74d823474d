"""The searches: ES straight in a ground, from scratch and from the flat walker, and along the direct path to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.controls.plan import Plan, Target
from cluster.executor import Executor
from environments.files import write_aside
from evolution.evaluator import Evaluator
from evolution.noise import keyed_rng
from poet.config import Config, build, merge, read_preset
from poet.controls import folder as folders
from poet.controls import searches
from poet.controls.searches import Kind, Search, Task

Row = dict[str, Any]

FIRST_SEED = 100  # not one that a run is likely to have
FIRST_STEPS, FIRST_PRESET = 75, "quick"  # by which a walker's first agent was trained that a run began with
FRESH_EPISODES, FRESH_KEY = 20, (10**6,)  # that an agent is scored by
AFRESH = 10**6  # in the key of an optimiser that begins anew where the run's first agent was ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way to search, and to how many times the steps of the solver's line."""

    name: str
    words: str
    kind: Kind
    walks: bool  # begins with the flat walker, not with an agent that knows nothing
    multiples: tuple[int, ...]


FORMS = (
    Form(name="walker", words="ES straight, from the flat walker", kind=Kind.DIRECT, walks=True, multiples=(1, 2)),
    Form(name="scratch", words="ES straight, from scratch", kind=Kind.DIRECT, walks=False, multiples=(1, 2)),
    Form(name="path", words="direct path, from the flat walker", kind=Kind.PATH, walks=True, multiples=(1,)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One search to one number of steps: what is done before the next one's turn."""

    target: Target
    form: Form
    seed: int
    multiple: int

    @property
    def name(self) -> str:
        """What its result is called."""
        return f"{self.target.niche}-{self.form.name}-{self.seed}-x{self.multiple}"


def trials(plan: Plan, seeds: int) -> list[Trial]:
    """List all trials in the order of their turns: wherever it stops, the same has been done for every ground."""
    return [
        Trial(target=target, form=form, seed=FIRST_SEED + seed, multiple=multiple)
        for multiple in (1, 2)
        for seed in range(seeds)
        for form in FORMS
        if multiple in form.multiples
        for target in plan.targets
        if form.kind is not Kind.PATH or hasattr(plan.config.encoding_of(target.place), "approach")
    ]


class Searcher:
    """Runs trials one after another; what is done is kept after every few steps, and gone on with."""

    def __init__(
        self, plan: Plan, walker: NDArray[np.float64], folder: Path, executor: Executor, first_steps: int = FIRST_STEPS
    ) -> None:
        self._plan, self._walker, self._folder, self._executor = plan, walker, folder, executor
        self._trained = first_steps

    def result(self, trial: Trial) -> Row | None:
        """Give what a trial came to; None until it is done."""
        path = self._path(trial)
        found: Row | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        return found

    def run(self, trial: Trial) -> Iterator[int]:
        """Bring a trial to its end; yields the steps that it has come to, whenever they are safe on disk."""
        place = self._folder / f"{trial.target.niche}-{trial.form.name}"
        task = self._task(trial, self._plan.config)
        folders.open_folder(place, self._described(trial))
        search = folders.load(place, trial.seed) or searches.begin(task, trial.seed)
        first, wanted = self._first_steps(trial), self._wanted(trial)
        while search.steps < wanted:
            learning = search.steps < first
            here = self._task(trial, self._first_config()) if learning else task
            until = min(first, wanted) if learning else wanted
            (search,) = searches.advance(here, [search], until, self._executor, lambda taken: None)
            if learning and search.steps == first:
                search = replace(search, learner=self._afresh(search))
            folders.save(place, search)
            yield search.steps
        self._write(trial, task, search, wanted)

    def _task(self, trial: Trial, config: Config) -> Task:
        return Task(
            kind=trial.form.kind,
            config=config,
            target=trial.target.place,
            start=self._walker if trial.form.walks else None,
        )

    def _first_steps(self, trial: Trial) -> int:
        """Say for how many steps a search from scratch learns as the run's first agent did before the run."""
        return self._trained if self._plan.brought and not trial.form.walks else 0

    def _wanted(self, trial: Trial) -> int:
        return self._first_steps(trial) + trial.multiple * trial.target.line

    def _first_config(self) -> Config:
        table = merge(self._plan.settings, {"es": read_preset(FIRST_PRESET)["es"]})
        return build(table, FIRST_PRESET)

    def _afresh(self, search: Search) -> Any:
        return self._plan.config.make_optimiser().fresh(search.learner.theta, keyed_rng(search.seed, AFRESH))

    def _described(self, trial: Trial) -> Row:
        return {
            "control": trial.form.name,
            "niche": trial.target.niche,
            "environment": json.loads(trial.target.environment),
            "settings": folders.settings_of(self._plan.config),
        }

    def _write(self, trial: Trial, task: Task, search: Search, wanted: int) -> None:
        """Score the agent on fresh episodes of the ground, wherever it has learned, and keep what was found."""
        simulation = replace(task.config, seed=trial.seed, push="fresh").simulation()
        evaluator = Evaluator(simulation, self._executor)
        request = evaluator.score_request(search.learner.theta, task.target, FRESH_KEY, FRESH_EPISODES)
        (fresh,) = evaluator.run("score", [request])
        scores = search.scores[:wanted]
        row = {
            "steps": search.steps,
            "simulated": search.simulated,
            "episodes": search.episodes,
            "solved": search.solved if search.solved is not None and search.solved <= wanted else None,
            "arrived": search.arrived,
            "stages": search.stage,
            "best": max(scores),
            "last": scores[-1],
            "fresh": float(fresh.returns.mean()),
            "scores": [round(score, 2) for score in scores],
        }
        write_aside(self._path(trial), json.dumps(row).encode())

    def _path(self, trial: Trial) -> Path:
        return self._folder / "results" / f"{trial.name}.json"
