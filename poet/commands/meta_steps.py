"""The meta-steps of `poet meta-train`, whatever kind of learner takes them: progress, checkpoints, interruption."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.progress import Progress, TextColumn
from rich.table import Table

from poet.display.output import err, say
from poet.session import Interrupted, undisturbed

if TYPE_CHECKING:
    from meta_learners.learner import Metrics
    from meta_learners.training.folder import Ongoing

QUIET_SECONDS = 10.0  # between lines where there is no terminal to draw on
HORIZONS = ("decay", "anneal_over")  # learners' settings: meta-steps after which the step size is 0


def take_meta_steps(
    training: Ongoing, iterations: int, save_every: float, shown: Callable[[Metrics], dict[str, float]]
) -> None:
    """Go on with a training up to so many meta-steps.

    Args:
        training: that goes on.
        iterations: meta-steps to come to.
        save_every: seconds between checkpoints.
        shown: picks those figures of a meta-step that are told with the progress.
    """
    for name in HORIZONS:
        over = training.plan.settings.get(name)
        if isinstance(over, int) and 0 < over < iterations:  # fast weights' decay is a share, and always a float
            first = over + 1
            several = f"meta-steps {first} to {iterations} teach nothing"
            late = several if first < iterations else f"meta-step {first} teaches nothing"
            say(f"warning: {name}={over} takes the step size to 0, so {late}")
    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[figures]}"))
    saved = told = time.monotonic()
    with Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task("meta-steps", total=iterations, completed=training.iteration, figures="")
        try:
            while training.iteration < iterations:
                metrics = training.step()
                figures = ", ".join(f"{name} {value:.4g}" for name, value in shown(metrics).items())
                bar.update(task, completed=training.iteration, figures=figures)
                if not err.is_terminal and time.monotonic() - told >= QUIET_SECONDS:
                    say(f"meta-step {training.iteration}/{iterations}: {figures}")
                    told = time.monotonic()
                if time.monotonic() - saved >= save_every or training.iteration == iterations:
                    with undisturbed():
                        training.save()
                    saved = time.monotonic()
        except Interrupted:
            say(f"interrupted: resume {shlex.quote(str(training.folder))} with the same command")
            raise


def metrics_table(title: str, figures: dict[str, Any]) -> Table:
    """Lay out the figures of one meta-step, one below the other."""
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    for name, value in figures.items():
        table.add_row(name, "-" if value is None else f"{value:.5g}")
    return table
