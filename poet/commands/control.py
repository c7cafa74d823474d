"""Commands: `poet control direct`, `path`, `transfers`, `no-transfer` and `novelty`.

Every one that runs long shows how far it is, keeps what it has found, and goes on
where it was stopped when it is called again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import Progress, TaskID

from cluster.executor import Executor
from evolution.evaluator import Evaluator
from poet import archive as archives
from poet import config as configuration
from poet.agents import read_agent_file
from poet.archive.reading import read_config, read_population
from poet.commands.going_on import Workers, counting_bar, going_on, workers_of
from poet.config import Config
from poet.controls import contrasts, false_positives, folder, searches, tables
from poet.controls.searches import Kind, Search, Task
from poet.display.output import LARGEST, Json, Run, show
from poet.errors import InputError, NoNicheError
from poet.session import interruptible, undisturbed

Row = dict[str, Any]

FIRST_SEED = 100  # of the searches: not one that a run is likely to have
FINAL_EPISODES = 20  # that a search's last agent is scored by
FINAL_KEY = (10**6,)  # of those episodes

app = typer.Typer(
    help="The papers' controls: what would have been without some part of POET.",
)

Niche = Annotated[int, typer.Argument(metavar="NICHE", min=0, max=LARGEST, help="Which niche, active or retired.")]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the control; again to resume.")]
Steps = Annotated[
    int | None,
    typer.Option(
        min=1, max=10**9, help="Optimiser steps of each search; as many as the run took to solve it, by default."
    ),
]
Seeds = Annotated[int, typer.Option(min=1, max=1000, help="How many searches, or runs of each kind.")]
FirstSeed = Annotated[int, typer.Option(min=0, max=2**62, help="Seed of the first; the others count up.")]
Agent = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Begin with the agent of a safetensors file, not with one that knows nothing."),
]
Preset = Annotated[str | None, typer.Option(help="Settings that come with the program, as for evolve.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file of settings, as for evolve.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting, such as es.pairs=64. Repeatable.")
]
Iterations = Annotated[int | None, typer.Option(min=1, max=10**9, help="Run each to this iteration.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the runs; again to resume.")]


@app.command()
def direct(
    run: Run,
    niche: Niche,
    output: Output,
    steps: Steps = None,
    seeds: Seeds = 5,
    first_seed: FirstSeed = FIRST_SEED,
    agent: Agent = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Learn straight in a niche's environment, by the run's optimiser alone.

    As many steps as the run took to solve the niche, from first agent to
    solution, with the run's settings: what POET's environments on the way are
    compared with.
    """
    _search(Kind.DIRECT, run, niche, output, steps, range(first_seed, first_seed + seeds), agent, workers, as_json)


@app.command()
def path(
    run: Run,
    niche: Niche,
    output: Output,
    steps: Steps = None,
    seeds: Seeds = 5,
    first_seed: FirstSeed = FIRST_SEED,
    agent: Agent = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Learn on the direct path to a niche's environment.

    From the simplest environment on; whenever the agent is good enough to be a
    parent (reproduction.parent_score), every gene stays or moves one mutation
    step towards the niche's, a coin deciding. As many steps as `direct`.
    """
    _search(Kind.PATH, run, niche, output, steps, range(first_seed, first_seed + seeds), agent, workers, as_json)


def _search(
    kind: Kind,
    run: Path,
    niche: int,
    output: Path,
    steps: int | None,
    seeds: range,
    agent: Path | None,
    workers: int | None,
    as_json: bool,
) -> None:
    with archives.reading(run) as connection:
        config, population = read_config(connection), read_population(connection)
        if niche >= len(population.niches):
            raise NoNicheError(niche, len(population.niches))
        (solved,) = connection.execute("SELECT solved FROM niche WHERE id = ?", (niche,)).fetchone()
    wanted = steps or (population.iteration if solved is None else solved + 1)
    if not wanted:
        raise InputError(f"{run} has no iteration yet, so that nothing says how long to search; give --steps")
    task = Task(kind=kind, config=config, target=population.niches[niche].environment, start=_read_agent(agent, config))
    plan = {
        "control": str(kind),
        "niche": niche,
        "environment": json.loads(task.target.to_json()),
        "settings": folder.settings_of(config),
        "agent": None if task.start is None else hashlib.sha256(task.start.tobytes()).hexdigest()[:16],
    }
    folder.open_folder(output, plan)
    with going_on(output) as stack:
        executor = stack.enter_context(workers_of(workers))
        found = _run_searches(task, output, seeds, wanted, executor, stack.enter_context(counting_bar()))
        rows = [_search_row(task, each, executor) for each in found]
    figures = {
        "run": str(run),
        "niche": niche,
        "description": config.encoding_of(task.target).describe(task.target.genome),
        "control": str(kind),
        "steps": wanted,
        "solved_in_run": None if solved is None else solved + 1,
        "solved": sum(row["solved"] is not None for row in rows),
        "final_episodes": FINAL_EPISODES,
        "searches": rows,
    }
    show(figures, as_json, tables.searches)


def _run_searches(
    task: Task, output: Path, seeds: range, wanted: int, executor: Executor, bar: Progress
) -> list[Search]:
    found = [folder.load(output, seed) or searches.begin(task, seed) for seed in seeds]
    shown = bar.add_task(
        f"{len(found)} searches, steps",
        total=len(found) * wanted,
        completed=sum(min(each.steps, wanted) for each in found),
    )
    while waiting := [number for number, each in enumerate(found) if each.steps < wanted]:
        advanced = searches.advance(
            task, [found[number] for number in waiting], wanted, executor, lambda taken: bar.advance(shown, taken)
        )
        with undisturbed():
            for number, each in zip(waiting, advanced, strict=True):
                found[number] = each
                folder.save(output, each)
    return found


def _read_agent(path: Path | None, config: Config) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    if path is None:
        return None
    agent, wanted = read_agent_file(path, config.domain), config.make_domain().controller
    if agent.controller != wanted:
        raise InputError(f"{path} is an agent of {agent.controller}; the run's are of {wanted}")
    theta: np.ndarray[Any, np.dtype[np.float64]] = agent.theta.astype(np.float64)
    return theta


def _search_row(task: Task, search: Search, executor: Executor) -> Row:
    """Tell of one search; its last agent plays fresh episodes of the niche, wherever it has learned."""
    evaluator = Evaluator(replace(task.config, seed=search.seed, push="fresh").simulation(), executor)
    request = evaluator.score_request(search.learner.theta, task.target, FINAL_KEY, FINAL_EPISODES)
    return {
        "seed": search.seed,
        "steps": search.steps,
        "solved": search.solved,
        "stage": search.stage,
        "arrived": search.arrived,
        "environment": task.config.encoding_of(search.environment).describe(search.environment.genome),
        "best": max(search.scores),
        "last": search.scores[-1],
        "final": float(evaluator.run("score", [request])[0].returns.mean()),
        "episodes": search.episodes,
        "simulated_steps": search.simulated,
        "scores": list(search.scores),
    }


@app.command()
def transfers(
    run: Run,
    episodes: Annotated[int, typer.Option(min=2, max=10**5, help="Fresh ones, of each of the two agents.")] = 20,
    most: Annotated[int, typer.Option(min=1, max=10**9, help="Judge at most so many transfers, drawn evenly.")] = 500,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Seed of the draw and of the episodes.")] = 0,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Say how many of a run's accepted transfers were false positives.

    Both agents, the one that moved in and the one it replaced, play the same fresh
    episodes of the niche. A transfer is a false positive if the newcomer's mean is
    not the higher one. (Enhanced POET, section 3.3, gives 50.4% under the original
    rule and 22.3% under the improved one.)
    """
    with archives.reading(run) as connection:
        config = read_config(connection)
        found, missing = false_positives.moves(connection)
    chosen = false_positives.sample(found, most, seed)
    simulation = replace(config.simulation(), seed=seed, push="fresh")
    with ExitStack() as stack:
        stack.enter_context(interruptible())
        executor, bar = stack.enter_context(workers_of(workers)), stack.enter_context(counting_bar())
        shown = bar.add_task("transfers judged", total=len(chosen))
        rows = false_positives.judge(chosen, simulation, episodes, executor, lambda done: bar.advance(shown, done))
    figures = {
        "run": str(run),
        "rule": config.transfer.rule,
        "accepted": len(found) + missing,
        "judged": len(rows),
        "agents_not_kept": missing,
        "episodes_each": episodes,
        "rates": false_positives.rates(rows),
        "transfers": rows,
    }
    show(figures, as_json, tables.rates)


@app.command("no-transfer")
def no_transfer(
    output: Folder,
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Set = None,
    iterations: Iterations = None,
    seeds: Seeds = 1,
    first_seed: FirstSeed = 0,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Run POET with and without transfer, from the same seeds.

    Without, no agent ever leaves its niche, and a new environment begins with its
    parent's agent as it is (transfer.rule = "none"). One run of that kind alone is
    `poet evolve RUN --set transfer.rule=none`.
    """
    base = _base(preset, config, set_, iterations)
    _contrast(output, contrasts.NO_TRANSFER, base, range(first_seed, first_seed + seeds), workers, as_json)


@app.command()
def novelty(
    output: Folder,
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Set = None,
    iterations: Iterations = None,
    seeds: Seeds = 1,
    first_seed: FirstSeed = 0,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Run POET with encoding novelty and with PATA-EC, from the same seeds.

    Both with the encoding of the settings, so that only the measure differs.
    """
    base = _base(preset, config, set_, iterations)
    _contrast(output, contrasts.NOVELTY, base, range(first_seed, first_seed + seeds), workers, as_json)


def _base(preset: str | None, config: Path | None, set_: list[str] | None, iterations: int | None) -> Mapping[str, Any]:
    if preset is not None and config is not None:
        raise InputError("--preset and --config exclude each other; give one, and refine it by --set")
    base = configuration.read_file(config) if config else configuration.read_preset(preset or "quick")
    base = configuration.refine(base, configuration.read_assignments(set_ or []))
    return base if iterations is None else configuration.merge(base, {"iterations": iterations})


def _contrast(
    output: Path,
    variants: Mapping[str, Mapping[str, Any]],
    base: Mapping[str, Any],
    seeds: range,
    workers: int | None,
    as_json: bool,
) -> None:
    planned = contrasts.plan(output, variants, base, seeds)
    wanted = [configuration.build(each.table, each.variant).iterations for each in planned]  # checks them all first
    with going_on(output) as stack:
        executor, bar = stack.enter_context(workers_of(workers)), stack.enter_context(counting_bar())
        bars = [bar.add_task(each.folder.name, total=total) for each, total in zip(planned, wanted, strict=True)]
        waiting = list(range(len(planned)))
        while waiting:
            waiting = [
                number
                for number in waiting
                if not contrasts.advance(planned[number], executor, _mark(bar, bars[number]))
            ]
    rows = contrasts.compare(planned)
    show({"folder": str(output), "runs": rows}, as_json, lambda figures: tables.contrast(figures["runs"]))


def _mark(bar: Progress, task: TaskID) -> Callable[[int], None]:
    return lambda done: bar.update(task, completed=done)
