"""`poet inject`: put an environment into a run, also while it goes on."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from poet import run as runs
from poet.display.output import LARGEST, Json, Run, show


def inject(
    run: Run,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON file of one environment.")],
    iteration: Annotated[
        int | None,
        typer.Option(min=1, max=LARGEST, help="Let the reproduction of this iteration take it, to repeat a run with."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Put an environment into a run: a candidate at its next reproduction.

    It is judged like any child: the minimal criterion, with the best of all
    active agents, then novelty, then the audition. The run may be going on;
    its archive keeps what was put in, so that the run stays exact.
    """
    found = runs.Run.open(run)
    taken = found.inject(file, iteration=iteration)
    figures = {
        "run": str(run),
        "environment": str(file),
        "iteration": taken,
        "done": found.iteration,
        "iterations": found.config.iterations,
    }
    show(figures, as_json, _sentence)


def _sentence(figures: dict[str, Any]) -> str:
    run, taken, iterations = figures["run"], figures["iteration"], figures["iterations"]
    said = f"{figures['environment']} waits in {run} for the reproduction of iteration {taken}"
    if taken < iterations:
        return said
    end = "has ended" if figures["done"] >= iterations else "is to end"
    return (
        f"{said}, but the run {end} at iteration {iterations}: "
        f"`poet evolve {shlex.quote(run)} --iterations {taken + 1}`, or more, goes on to it"
    )
