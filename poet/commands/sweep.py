"""`poet sweep`: learners by teachers by curricula by seeds, many small trainings side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress, TaskID
from rich.table import Table

from cluster.executor import Executor, Failure
from environments.files import write_aside
from environments.tasks.curriculum import Curriculum
from meta_learners.errors import TrainingError
from poet.commands.going_on import Workers, counting_bar, going_on, workers_of
from poet.commands.meta_train import FALL_REWARD, TASKS, usual_episode_limit, usual_fall_reward
from poet.display.output import Json, err, say, show
from poet.errors import InputError
from poet.evaluate.evaluating import chosen_suite
from poet.sweep import summary
from poet.sweep.cells import OTHERS, OWN, Ground, Turn, grounds_of, plan_of, read_result
from poet.sweep.plan import Cell, Choice, Sweep, Test, open_sweep


def sweep(
    curricula: Annotated[
        list[Path], typer.Argument(metavar="CURRICULUM...", help="Folders that `poet export` wrote, each of a run.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the sweep; again to resume.")
    ],
    learner: Annotated[
        list[str],
        typer.Option(metavar="[LABEL=]NAME[,KEY=VALUE...]", help="A learner that acts, with settings. Repeatable."),
    ],
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[LABEL=]NAME[,KEY=VALUE...]",
            help="Who chooses tasks, such as mild=random,reach=curriculum. Repeatable.",
            show_default="stages",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Trainings of each kind on each curriculum.")] = 3,
    steps: Annotated[int, typer.Option(min=1, max=10**12, help="Environment steps of each training.")] = 10**6,
    tasks: Annotated[int, typer.Option(min=1, max=10**4, help="Tasks of a meta-step.")] = TASKS,
    copies: Annotated[
        int | None, typer.Option(min=1, max=10**4, help="Worlds of each task.", show_default="the learner's own")
    ] = None,
    episode_limit: Annotated[
        int | None, typer.Option(min=1, help="Steps of an episode; as in the runs that were exported by default.")
    ] = None,
    fall_reward: Annotated[
        float | None,
        typer.Option(
            help="What learners see of a fall instead of the domain's reward; scores keep that.",
            show_default=f"{FALL_REWARD:g}, where the domain's is lower",
        ),
    ] = None,
    suite: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Test on a fixed suite too. Repeatable.")
    ] = None,
    worlds: Annotated[int, typer.Option(min=1, max=10**4, help="Worlds of each task in a test.")] = 10,
    episodes: Annotated[int, typer.Option(min=1, max=10**4, help="Episodes in each of them.")] = 1,
    contrast: Annotated[
        str | None,
        typer.Option(
            metavar="ARM:ARM",
            help="The one comparison that the sweep is for, such as ppo/stages:ppo/random; fixed once it has begun.",
        ),
    ] = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Train learners with teachers on curricula, test them all alike, and lay them side by side.

    Every training is a folder in DIR, as `poet meta-train` makes one. They share
    the processor's cores, one process each; the same command goes on where it
    was stopped, and more curricula, learners, teachers, seeds and steps may be
    asked for.
    Tested without adapting on the curriculum's test tasks, on those of the other
    curricula and on suites: interquartile means over curricula and seeds with
    95 % bootstrap intervals that resample curricula, and shares of solved episodes.
    """
    found = _curricula(curricula)
    planned = Sweep(
        curricula={name: each.document["sha256"] for name, each in found.items()},
        learners=_choices(learner, "--learner"),
        teachers=_choices(teacher or ["stages"], "--teacher"),
        seeds=range(seeds),
        steps=steps,
        tasks=tasks,
        copies=copies,
        episode_limit=episode_limit,
        fall_reward=fall_reward,
        test=Test(suites=tuple(suite or ()), worlds=worlds, episodes=episodes),
        contrast=_contrast(contrast, OTHERS if len(found) > 1 else OWN),
    )
    cells = list(planned.cells())
    if planned.contrast and (
        missing := [arm for arm in planned.contrast[:2] if arm not in {cell.arm for cell in cells}]
    ):
        known = ", ".join(dict.fromkeys(cell.arm for cell in cells))
        raise InputError(f"--contrast names {missing[0]!r}; the arms of this sweep are {known}")
    turns = [_turn(output, cell, planned, found, curricula) for cell in cells]  # checks them all first
    planned = open_sweep(output, planned)
    before = summary.read_tables(output / summary.TABLE)
    with going_on(output) as stack:
        bar = stack.enter_context(counting_bar())
        executor = stack.enter_context(workers_of(workers))
        _train(turns, executor, bar)
    figures = _figures(output, turns, planned, found)
    figures["earlier"] = [
        table for table in before if (table["steps"], table["trainings"]) != (planned.steps, len(turns))
    ]
    write_aside(output / summary.TABLE, json.dumps(figures, indent=1).encode())
    show(figures, as_json, _table)


def _train(turns: Sequence[Turn], executor: Executor, bar: Progress) -> None:
    """Let trainings take turns until all are done, each on one core at a time.

    Raises:
        TrainingError: a training failed; the others' states are on disk.
    """
    waiting = [turn for turn in turns if read_result(turn) is None]
    say(f"{len(waiting)} of {len(turns)} trainings are to do, {executor.workers} at a time")
    whole: TaskID = bar.add_task("trainings", total=len(turns), completed=len(turns) - len(waiting))
    under_way: dict[int, tuple[Turn, TaskID]] = {}
    while waiting or under_way:
        while waiting and len(under_way) < executor.workers:
            turn = waiting.pop(0)
            (ticket,) = executor.submit([turn])
            under_way[ticket] = (turn, bar.add_task(f"{turn.cell.name}, steps", total=turn.sweep.steps))
        for ticket, result in executor.collect():
            turn, shown = under_way.pop(ticket)
            if isinstance(result, Failure):
                executor.abandon()
                last = result.reason.splitlines()[-1]  # of a traceback: the error's name and what it says
                raise TrainingError(f"{turn}: {last.partition(': ')[2] or last}")
            steps, done = result
            bar.update(shown, completed=steps)
            if not err.is_terminal:
                say(f"{turn.cell.name}: {'trained and tested' if done else f'{steps:,} of {turn.sweep.steps:,} steps'}")
            if done:
                bar.remove_task(shown)
                bar.advance(whole)
            else:
                (again,) = executor.submit([turn])
                under_way[again] = (turn, shown)


def _curricula(folders: Sequence[Path]) -> dict[str, Curriculum]:
    found: dict[str, Curriculum] = {}
    for folder in folders:
        name, loaded = folder.resolve().name, Curriculum.load(folder)
        if name in found:
            raise InputError(f"two curricula are called {name!r}; rename one's folder, for results go by that name")
        if not loaded.train_tasks:
            raise InputError(f"{folder} has no train tasks; export with another --fractions")
        found[name] = loaded
    domains = {each.domain.name for each in found.values()}
    if len(domains) > 1:
        raise InputError(f"the curricula are of {' and '.join(sorted(domains))}; learners of one cannot play another's")
    return found


def _choices(texts: Sequence[str], option: str) -> list[Choice]:
    found = [Choice.read(text, option) for text in texts]
    labels = [each.label for each in found]
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise InputError(f"{option} has {twice[0]!r} twice; give one a label, as in OTHER={twice[0]},KEY=VALUE")
    return found


def _contrast(text: str | None, ground: str) -> tuple[str, str, str] | None:
    if text is None:
        return None
    parts = text.split(":")
    if len(parts) != 2:
        raise InputError(f"--contrast is {text!r}; it must be two arms, such as ppo/stages:ppo/random")
    return parts[0], parts[1], ground


def _turn(
    output: Path, cell: Cell, planned: Sweep, curricula: Mapping[str, Curriculum], folders: Sequence[Path]
) -> Turn:
    curriculum = curricula[cell.curriculum]
    limit = usual_episode_limit(planned.episode_limit, curriculum)
    fall_reward = usual_fall_reward(curriculum) if planned.fall_reward is None else planned.fall_reward
    try:
        plan = plan_of(cell, planned, curriculum, limit, fall_reward)
    except ValueError as error:
        raise InputError(f"{cell.arm}: {error}") from error
    for suite in planned.test.suites:
        chosen_suite(suite, plan.domain)
    grounds: list[Ground] = grounds_of(cell.curriculum, curricula, planned, plan.episode_limit)
    if not grounds:
        raise InputError(f"{curriculum.folder} has no test tasks; export with another --fractions, or add a --suite")
    return Turn(output, cell, plan, curriculum.folder.resolve(), planned, grounds)


def _figures(
    output: Path, turns: Sequence[Turn], planned: Sweep, curricula: Mapping[str, Curriculum]
) -> dict[str, Any]:
    results: dict[str, list[tuple[Cell, dict[str, Any]]]] = {}
    for turn in turns:
        result = read_result(turn)
        assert result is not None
        results.setdefault(turn.cell.arm, []).append((turn.cell, result))
    domain = next(iter(curricula.values())).domain
    contrasts = []
    if planned.contrast is not None:
        contrasts = [summary.contrast(results, planned.contrast, mode) for mode in ("stochastic", "deterministic")]
    return {
        "folder": str(output),
        "steps": planned.steps,
        "trainings": len(turns),
        "rows": summary.rows_of(results, domain.solved_return, {name: each.steps for name, each in curricula.items()}),
        "contrasts": [each for each in contrasts if each is not None],
    }


def _table(figures: Mapping[str, Any]) -> Table:
    title = f"{figures['folder']}: {figures['steps']:,} steps each; interquartile mean return, share solved"
    stages = [*figures["earlier"], figures]
    caption = "\n".join(
        dict.fromkeys(_said_of(each, stage["steps"]) for stage in stages for each in stage["contrasts"])
    )
    table = Table(title=title, title_justify="left", caption=caption or None, caption_justify="left", box=None)
    for heading in ("arm", "tested on", "actions"):
        table.add_column(heading)
    for heading in ("trainings", "steps, with the run's", "return", "solved"):
        table.add_column(heading, justify="right")
    for row in figures["rows"]:
        low_high = "" if row["interval"] is None else " [{:.0f}, {:.0f}]".format(*row["interval"])
        returns = f"{row['return']:.1f}{low_high}"
        cost = "not known" if row["run_steps"] is None else f"{row['steps'] + row['run_steps']:,.0f}"
        trained = (str(row["trainings"]), cost, returns, f"{row['solved']:.0%}")
        table.add_row(row["arm"], row["ground"], row["actions"], *trained)
    return table


def _said_of(contrast: Mapping[str, Any], steps: int) -> str:
    first, second = contrast["arms"]
    low, high = contrast["interval"]
    return (
        f"{first} less {second}, {contrast['ground']}, {contrast['actions']}, {steps:,} steps, runs: "
        f"{contrast['runs']}: {contrast['difference']:.1f} [{low:.1f}, {high:.1f}], p = {contrast['p']:.2g} "
        f"({contrast['test']})"
    )
