"""The runs that are compared, advanced in slices so that at any time all have had about equal budgets.

All start from one agent that has learned to walk on flat ground, so that a
small budget goes to environments.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from cluster.executor import InProcess
from environments.domain import find_domain
from environments.files import holds_run, write_aside
from environments.weights import agent_bytes, read_agent
from evolution.optimisers.es import Learner
from poet.archive.reading import reading
from poet.archive.rows import read_blob
from poet.archive.store import Archive
from poet.config import Config, build, merge, read_preset
from poet.display.live import make_display
from poet.population import Population, first_population
from poet.session import evolve_archive

SLICE = 2  # iterations that a run advances by before it is another's turn
FOREVER = 10**6  # iterations; the budget of steps ends a run before
FIRST_ITERATIONS = 75
# On flat ground, from theta ~ N(0, 0.1²).
FIRST = {"seed": 3, "iterations": FIRST_ITERATIONS, "reproduction": {"every": 15, "capacity": 6}}
COMMON: dict[str, Any] = {
    "iterations": FOREVER,
    "episode_limit": 1600,
    "score_episodes": 3,
    "es": {
        "pairs": 40,
        "sigma": 0.05,
        "sigma_decay": 0.99,
        "sigma_floor": 0.02,
        "step_size": 0.01,
        "step_size_decay": 0.99,
        "step_size_floor": 0.003,
    },
    # The same for both, so that the two curves count the same thing.
    "minimal_criterion": {"lower": 50.0, "upper": 300.0},
    "reproduction": {"every": 5, "parent_score": 200.0, "capacity": 5, "whole_archive": True},
    "transfer": {"every": 10},
}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "original": {"encoding": {"name": "parametric", "options": {"kinds": ["roughness", "pit", "stump"]}}},
    "enhanced": {
        "encoding": {"name": "cppn"},
        "reproduction": {"novelty": "pata-ec"},
        "transfer": {"rule": "improved"},
    },
}
SEEDS = (0, 1)
NAMES = [f"{algorithm}-{seed}" for seed in SEEDS for algorithm in ALGORITHMS]


def settings(name: str) -> Config:
    """Give the configuration of a run."""
    algorithm, seed = name.split("-")
    return build(merge(COMMON, {**ALGORITHMS[algorithm], "seed": int(seed)}), name)


def first_agent(results: Path, folder: Path) -> Path:
    """Give the agent that all runs start from; it is trained where it is not kept with the results."""
    path = results / "first_agent.safetensors"
    if not path.exists():
        config = build(merge(read_preset("quick"), FIRST), "first agent")
        advance(folder / "first", FIRST_ITERATIONS, lambda: (config, first_population(config)))
        query = "SELECT theta FROM agent WHERE niche = 0 AND iteration = ? AND origin = 'checkpoint'"
        with reading(folder / "first") as connection:
            (blob,) = connection.execute(query, (FIRST_ITERATIONS - 1,)).fetchone()
        write_aside(path, agent_bytes(find_domain(config.domain).controller, read_blob(blob)))
    return path


def start(name: str, agent: Path) -> tuple[Config, Population]:
    """Give what a run starts from."""
    config = settings(name)
    theta = read_agent(agent, find_domain(config.domain).controller).astype(float)
    population = first_population(config)
    (pair,) = population.pairs
    return config, replace(population, pairs=(replace(pair, learner=Learner.fresh(theta, config.es).state()),))


def advance(folder: Path, iterations: int, begin: Callable[[], tuple[Config, Population]]) -> None:
    """Run so many iterations more."""
    archive = Archive.resume(folder) if holds_run(folder) else Archive.create(folder, *begin())
    try:
        archive.config = replace(archive.config, iterations=archive.population.iteration + iterations)
        display = make_display(Console(stderr=True), archive.config, folder, archive.population)
        evolve_archive(archive, InProcess(), display)
        display.close()
    finally:
        archive.close()


def steps_done(folder: Path) -> int:
    """Count the steps that a run has simulated."""
    if not holds_run(folder):
        return 0
    with reading(folder) as connection:
        (steps,) = connection.execute("SELECT coalesce(sum(steps), 0) FROM cost").fetchone()
    return int(steps)


def run_all(folder: Path, agent: Path, budget: int, seconds: float) -> None:
    """Advance whichever run has had least, until all have had the budget or the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done = {name: steps_done(folder / name) for name in NAMES}
        name = min(done, key=lambda name: done[name])
        if done[name] >= budget:
            return
        advance(folder / name, SLICE, lambda name=name: start(name, agent))  # type: ignore[misc]
