"""`poet evaluate`: agents on courses that they were not bred on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poet.agents import parse_activations
from poet.commands import tables
from poet.commands.going_on import workers_of
from poet.display.output import LARGEST, MOST_WORKERS, Activations, Json, say, show
from poet.display.waiting import waiting


def evaluate(
    subject: Annotated[
        Path, typer.Argument(metavar="RUN|AGENT", help="A run's folder, or an agent's .safetensors or .pt.")
    ],
    suite: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="On a fixed suite: walker, high, xchal, poet or stump-tracks."),
    ] = None,
    niches: Annotated[bool, typer.Option("--niches", help="On all niches of the run.")] = False,
    curriculum: Annotated[
        Path | None, typer.Option(metavar="DIR", help="On the tasks of an exported curriculum.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Which tasks of the curriculum: train, validation, test or all.", show_default="test"),
    ] = None,
    agents: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH", help="Agents of a run: active, all, or niches such as 3,7.", show_default="active"
        ),
    ] = None,
    activations: Activations = None,
    episodes: Annotated[int, typer.Option(min=1, help="Of each agent on each course.")] = 5,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Seed of the episodes.")] = 0,
    engine: Annotated[str | None, typer.Option(help="Of the domain; its fastest by default.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_WORKERS, help="Processes that simulate; one per core by default."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the result, too.")] = None,
    as_json: Json = False,
) -> None:
    """Score agents on courses they were not bred on; every agent meets the same episodes.

    Shows each terrain's best agent with 95 % bootstrap intervals; --json has
    every agent on every terrain. Where there are several agents, the best is
    chosen by as many other episodes, so that its mean is not its luck.
    """
    from poet.evaluate.evaluation import Evaluation, chosen_rows  # noqa: PLC0415 - slow to load
    from poet.evaluate.plotting import check_plot  # noqa: PLC0415

    if plot is not None:
        check_plot(plot)
    evaluation = Evaluation.of(
        subject,
        suite=suite,
        niches=niches,
        curriculum=curriculum,
        split=split,
        agents=agents,
        activations=parse_activations(activations),
        episodes=episodes,
        seed=seed,
        engine=engine,
    )
    with workers_of(workers) as executor, waiting(f"playing {evaluation.total:,} episodes") as note:
        played = evaluation.play(executor, note)
    say(f"{evaluation.total:,} episodes, {played.steps:,} steps in {played.seconds:.1f} s")
    if plot is not None:
        evaluation.plot(played, plot)
    figures = evaluation.figures(played)
    show(
        figures,
        as_json,
        lambda shown: tables.evaluation(shown["results"], chosen_rows(shown["results"]), len(evaluation.contestants)),
    )
