"""Commands that look at a run, also while it goes on: inspect, render, report, export, evaluate.

Libraries that only one command needs are imported there: they are slow to load.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from sqlite3 import Connection
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from cluster.executor import Executor, InProcess
from cluster.processes import Processes
from evolution.evaluator import Evaluator
from poet import archive as archives
from poet.agents import parse_activations
from poet.archive import inspection, rescoring
from poet.archive.best import best_agent
from poet.archive.rescoring import Fresh
from poet.commands import tables
from poet.commands.selection import Selection, State, select
from poet.display.output import LARGEST, MOST_WORKERS, Activations, Json, Run, say, show
from poet.display.waiting import waiting
from poet.errors import ArchiveError, InputError
from poet.export.splits import Fractions, SplitBy, StageOrder
from poet.report import rendering

ALL_SHOWN = 40  # niches listed to a person unless --limit says otherwise
FEW_AGENTS = 3  # that are scored before other processes would have started


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
    rescore: Annotated[
        bool,
        typer.Option("--rescore", help="First score the best agents on fresh episodes, as a run does when it ends."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a run's archive holds, also while the run goes on.

    An agent's mean return and its interval are of fresh episodes, which no
    choice was made by. They are there once a run has ended; --rescore gives
    them before, or for an older archive, and keeps them in the archive.
    """
    if (view is View.NICHE) != (number is not None):
        raise InputError(f"the view {view} takes {'the ID of a niche' if view is View.NICHE else 'no ID'}")
    chosen = (state, search, where, sort, limit)
    if view is not View.NICHES and (descending or any(option is not None for option in chosen)):
        raise InputError("--state, --search, --where, --sort, --descending and --limit go with the view niches")
    worth = {View.SUMMARY, View.NICHES, View.NICHE, View.LINEAGE}
    if rescore and view not in worth:
        raise InputError(f"--rescore goes with the views {', '.join(each for each in View if each in worth)}")
    with archives.reading(run) as connection:
        values = () if number is None else (number,)
        if number is not None:
            best_agent(connection, number)  # there must be such a niche before anything is played
        options = {"fresh": _fresh(connection, run, keep=True)} if rescore else {}
        found: Any = getattr(inspection, view)(connection, *values, **options)
    if view is View.NICHES:
        unknown = sum(entry["mean_return"] is None for entry in found)
        if unknown and not as_json:
            say(f"{unknown} of {len(found)} best agents are not scored on fresh episodes yet; --rescore does")
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
    agent: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Show the agent of a file: .safetensors, or PyTorch's .pt.")
    ] = None,
    activations: Activations = None,
    environment: Annotated[
        str | None, typer.Option(metavar="JSON", help="Show the agent in this environment, not in its niche.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST, help="Seed of the episode; by default that of the median fresh episode."),
    ] = None,
) -> None:
    """Make a film of a pair, or a PNG of moments side by side; needs no screen.

    Any agent can be shown in any environment: --agent-of and --agent choose
    the one, NICHE or --environment the other. What is shown is neither the
    luckiest nor the worst of what the agent does, but the median of its fresh
    episodes; --seed shows another.
    """
    if agent is not None and agent_of is not None:
        raise InputError("--agent and --agent-of exclude each other")
    if activations is not None and agent is None:
        raise InputError(f"--activations {activations} goes with --agent FILE")
    kinds = parse_activations(activations)
    rendering.check_format(output)
    with archives.reading(run) as connection:
        cast = rendering.Cast(
            niche=niche, agent_of=agent_of, agent_file=agent, activations=kinds, environment=environment
        )
        scene = rendering.scene_of(connection, cast, seed)
    with waiting(f"filming {output}", "steps") as note:
        take = rendering.film(replace(scene, progress=note), output)
    say(f"{output}: {take.steps} steps, return {take.score:.1f}; {scene.episode}")


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
    from poet.export import curriculum  # noqa: PLC0415

    settings = curriculum.ExportSettings(
        split_by=split_by,
        fractions=Fractions.parse(fractions),
        seed=seed,
        stage_order=stage_order,
    )
    with archives.reading(run) as connection, archives.one_moment(connection):
        fresh = _fresh(connection, run)
        with waiting(f"writing {output}"):
            document = curriculum.export(connection, output, settings, fresh)
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

    with archives.reading(run) as connection, archives.one_moment(connection):
        fresh = _fresh(connection, run)
        with waiting(f"recording films and writing {output}"):
            size = reports.write(connection, output, run.resolve().name, films, fresh)
    say(f"{output}: {size / 2**20:.1f} MiB")


def _fresh(connection: Connection, run: Path, *, keep: bool = False) -> dict[int, Fresh]:
    """Give the fresh episodes of all best agents: those that the archive holds, and the others played now.

    Args:
        connection: the archive, as a reader.
        run: its folder.
        keep: write into the archive what was played, where nobody else is writing and it can be written.
    """
    known, agents = rescoring.cached(connection), rescoring.missing(connection)
    if not agents:
        return known
    executor: Executor = InProcess() if len(agents) <= FEW_AGENTS else Processes(None)
    try:
        with waiting(f"playing fresh episodes of {len(agents)} agents", "episodes") as note:
            evaluator = Evaluator(
                archives.read_config(connection).simulation(), executor, lambda _, done, total: note(done, total)
            )
            found = rescoring.play(evaluator, agents)
    finally:
        executor.close()
    if keep:
        _keep(run, found)
    else:
        again = f"poet inspect {shlex.quote(str(run))} --rescore"
        say(f"{len(found)} best agents were scored on fresh episodes for this alone; {again} keeps it in the archive")
    return {**known, **found}


def _keep(run: Path, found: dict[int, Fresh]) -> None:
    try:
        with closing(archives.Archive.resume(run)) as archive:
            archive.keep_rescores(rescoring.rows(found))
    except (InputError, ArchiveError) as error:
        say(f"scored {len(found)} best agents on fresh episodes, which are shown but not kept: {error}")
    else:
        say(f"scored {len(found)} best agents on fresh episodes")


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
    from environments.intervals import CONFIDENCE  # noqa: PLC0415
    from poet.evaluate import evaluating, scoring  # noqa: PLC0415
    from poet.evaluate.plotting import check_plot  # noqa: PLC0415

    if split is not None and curriculum is None:
        raise InputError(f"--split {split} goes with --curriculum DIR")
    if plot is not None:
        check_plot(plot)
    ground = evaluating.ground_from(subject, suite, niches, curriculum, split or "test")
    kinds = parse_activations(activations)
    contestants, controller = evaluating.contestants_from(subject, agents, ground.domain, kinds)
    scoring.check_effort(episodes, len(contestants), len(ground.levels))
    rules = ground.rules(episodes, seed, engine, controller)
    parts = [rules] if len(contestants) == 1 else [rules, replace(rules, choosing=True)]
    started = time.perf_counter()
    executor: Executor = InProcess() if workers == 1 else Processes(workers)
    total = len(contestants) * len(ground.levels) * episodes * len(parts)
    try:
        with waiting(f"playing {total:,} episodes") as note:
            results: list[scoring.Result] = []

            def heard(done: int) -> None:
                note(len(results) * total // len(parts) + done, total)

            for part in parts:
                results.append(scoring.play(contestants, ground.levels, part, executor, heard))
    finally:
        executor.close()
    seconds = time.perf_counter() - started
    found = scoring.summarise(results[0], contestants, ground.terrains, results[1] if len(results) > 1 else None)
    rows = [{**row, **ground.notes.get(row["terrain"], {})} for row in found]
    say(f"{total:,} episodes, {sum(result.steps for result in results):,} steps in {seconds:.1f} s")
    if plot is not None:
        from poet.evaluate.plotting import plot as draw  # noqa: PLC0415

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
    from poet.evaluate.scoring import chosen_rows  # noqa: PLC0415

    return tables.evaluation(rows, chosen_rows(rows), agents)
