"""Commands that look at a run, also while it goes on: inspect, render, report, export, evaluate.

Libraries that only one command needs are imported there: they are slow to load.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.progress import Progress

from cluster.executor import Executor, InProcess
from cluster.processes import Processes
from poet import archive as archives
from poet import inspection, rendering, tables
from poet.errors import InputError
from poet.output import LARGEST, MOST_WORKERS, Json, Run, err, say, show
from poet.selection import Selection, State, select
from poet.splits import Fractions, SplitBy, StageOrder

ALL_SHOWN = 40  # niches listed to a person unless --limit says otherwise


class View(StrEnum):
    """What `poet inspect` can show."""

    SUMMARY = "summary"
    NICHES = "niches"
    NICHE = "niche"
    LINEAGE = "lineage"
    TRANSFERS = "transfers"
    METRICS = "metrics"
    TIMING = "timing"


def inspect(
    run: Run,
    view: Annotated[View, typer.Argument(help="What to show.")] = View.SUMMARY,
    number: Annotated[
        int | None, typer.Argument(metavar="[ID]", min=0, max=LARGEST, help="Which niche, with the view niche.")
    ] = None,
    state: Annotated[State | None, typer.Option(help="List only such niches.")] = None,
    search: Annotated[
        str | None, typer.Option(help="List only niches with this in their id, description or difficulty.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help="List only such niches as 'pit_gap>=4', 'score>230'. Repeatable."),
    ] = None,
    sort: Annotated[str | None, typer.Option(metavar="COLUMN", help="List niches by a column or a gene.")] = None,
    descending: Annotated[bool, typer.Option("--descending", help="Largest first.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="List at most so many niches.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a run's archive holds, also while the run goes on."""
    if (view is View.NICHE) != (number is not None):
        raise InputError(f"the view {view} takes {'the ID of a niche' if view is View.NICHE else 'no ID'}")
    chosen = (state, search, where, sort, limit)
    if view is not View.NICHES and (descending or any(option is not None for option in chosen)):
        raise InputError("--state, --search, --where, --sort, --descending and --limit go with the view niches")
    with archives.reading(run) as connection:
        if number is not None:
            found: Any = inspection.niche(connection, number)
        else:
            found = getattr(inspection, view)(connection)
    if view is View.NICHES:
        wanted = Selection(
            state=state, search=search, where=where or (), sort=sort or "id", descending=descending, limit=limit
        )
        found = select(found, wanted)
        if not as_json and limit is None and len(found) > ALL_SHOWN:
            say(f"{ALL_SHOWN} of {len(found)} niches; --limit shows more, --state, --search and --where choose")
            found = found[:ALL_SHOWN]
    show(found, as_json, getattr(tables, view))


def render(
    run: Run,
    niche: Annotated[
        int, typer.Argument(metavar="NICHE", min=0, max=LARGEST, help="Which niche; its best agent is shown in it.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="FILE.gif, FILE.mp4 or FILE.png.")],
    agent_of: Annotated[
        int | None, typer.Option(metavar="NICHE", min=0, max=LARGEST, help="Show the best agent of another niche.")
    ] = None,
    agent: Annotated[Path | None, typer.Option(metavar="FILE", help="Show the agent of a safetensors file.")] = None,
    environment: Annotated[
        str | None, typer.Option(metavar="JSON", help="Show the agent in this environment, not in its niche.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Seed of the episode.")] = 0,
) -> None:
    """Make a film of a pair, or a PNG of moments side by side; needs no screen.

    Any agent can be shown in any environment: --agent-of and --agent choose
    the one, NICHE or --environment the other.
    """
    if agent is not None and agent_of is not None:
        raise InputError("--agent and --agent-of exclude each other")
    rendering.check_format(output)
    with archives.reading(run) as connection:
        cast = rendering.Cast(niche=niche, agent_of=agent_of, agent_file=agent, environment=environment)
        scene = rendering.scene_of(connection, cast, seed)
    take = rendering.film(scene, output)
    say(f"{output}: {take.steps} steps, return {take.score:.1f}")


def export(
    run: Run,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write.")],
    split_by: Annotated[SplitBy, typer.Option(help="What decides on a task's split.")] = SplitBy.LINEAGE,
    fractions: Annotated[
        str, typer.Option(metavar="TRAIN,VALIDATION,TEST", help="Shares of the splits.")
    ] = "0.7,0.15,0.15",
    stage_order: Annotated[StageOrder, typer.Option(help="In which order to learn the tasks.")] = StageOrder.BIRTH,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Decides between equally good splits.")] = 0,
    as_json: Json = False,
) -> None:
    """Write the environments and agents of a run as a curriculum for any learner.

    No task and its parent ever lie in two splits. The same archive gives the
    same bytes; an older curriculum in DIR is replaced at once and whole.
    """
    from poet import curriculum  # noqa: PLC0415

    settings = curriculum.ExportSettings(
        split_by=split_by,
        fractions=Fractions.parse(fractions),
        seed=seed,
        stage_order=stage_order,
    )
    with archives.reading(run) as connection:
        document = curriculum.export(connection, output, settings)
    sizes = {name: len(ids) for name, ids in document["splits"]["members"].items()}
    figures = {"folder": str(output), "tasks": len(document["environments"]), "splits": sizes}
    show(
        figures, as_json, lambda shown: f"{shown['folder']}: {shown['tasks']} tasks, {tables.counted(shown['splits'])}"
    )


def report(
    run: Run,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.html", help="Page to write.")],
    films: Annotated[int, typer.Option(min=0, help="Record the episodes of at most so many agents.")] = 12,
) -> None:
    """Write one page that shows all of a run: curves, family tree, transfers, gallery, films.

    The page needs no network and no server: open it in any browser.
    """
    from poet import report as reports  # noqa: PLC0415

    with archives.reading(run) as connection:
        size = reports.write(connection, output, run.resolve().name, films)
    say(f"{output}: {size / 2**20:.1f} MiB")


def evaluate(
    subject: Annotated[Path, typer.Argument(metavar="RUN|AGENT", help="A run's folder or an agent's safetensors.")],
    suite: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="On a fixed suite: walker, high, xchal, poet or stump-tracks."),
    ] = None,
    niches: Annotated[bool, typer.Option("--niches", help="On all niches of the run.")] = False,
    curriculum: Annotated[
        Path | None, typer.Option(metavar="DIR", help="On the tasks of an exported curriculum.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which tasks of the curriculum.", show_default="test")] = None,
    agents: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH", help="Agents of a run: active, all, or niches such as 3,7.", show_default="active"
        ),
    ] = None,
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
    every agent on every terrain.
    """
    from environments.intervals import CONFIDENCE  # noqa: PLC0415
    from poet import evaluating, scoring  # noqa: PLC0415
    from poet.plotting import check_plot  # noqa: PLC0415

    if split is not None and curriculum is None:
        raise InputError(f"--split {split} goes with --curriculum DIR")
    if plot is not None:
        check_plot(plot)
    ground = evaluating.ground_from(subject, suite, niches, curriculum, split or "test")
    contestants = evaluating.contestants_from(subject, agents, ground.domain)
    scoring.check_effort(episodes, len(contestants), len(ground.levels))
    rules = ground.rules(episodes, seed, engine)
    started = time.perf_counter()
    executor: Executor = InProcess() if workers == 1 else Processes(workers)
    total = len(contestants) * len(ground.levels) * episodes
    try:
        with Progress(*Progress.get_default_columns(), console=err, transient=True) as bar:
            items = -(-len(contestants) * episodes // scoring.ITEM_EPISODES) * len(ground.levels)
            task = bar.add_task(f"{total:,} episodes", total=items)

            def progress(done: int) -> None:
                bar.update(task, completed=done)

            result = scoring.play(contestants, ground.levels, rules, executor, progress)
    finally:
        executor.close()
    seconds = time.perf_counter() - started
    rows = scoring.summarise(result, contestants, ground.levels)
    say(f"{total:,} episodes, {result.steps:,} steps in {seconds:.1f} s")
    if plot is not None:
        from poet.plotting import plot as draw  # noqa: PLC0415

        draw(rows, f"{subject.name} on {ground.name}", ground.solved_above, plot)
    figures = {
        "subject": str(subject),
        "ground": ground.name,
        "episodes_each": episodes,
        "seed": seed,
        "episode_limit": ground.episode_limit,
        "solved_above": ground.solved_above,
        "confidence": CONFIDENCE,
        "results": rows,
    }
    show(figures, as_json, lambda shown: _evaluation_table(shown["results"], len(contestants)))


def _evaluation_table(rows: Sequence[dict[str, Any]], agents: int) -> RenderableType:
    from poet.scoring import best_rows  # noqa: PLC0415

    return tables.evaluation(rows, best_rows(rows), agents)
