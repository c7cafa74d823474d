"""`poet meta-test`: measure how fast a trained learner adapts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from environments.tasks.curriculum import Curriculum
from poet.commands import few_shot
from poet.commands.learning import Device, Threads, WorldThreads, prepare
from poet.display.output import LARGEST, Json, show
from poet.display.waiting import waiting
from poet.errors import InputError
from poet.evaluate.evaluating import chosen_suite

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from environments.domain import Environment
    from meta_learners.training.plan import Plan

ADAPTATIONS = "0,1,2,3,5,10"


def meta_test(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the training.")],
    curriculum: Annotated[
        Path | None, typer.Option(metavar="CURRICULUM", help="Where it lies now, or another one of the same domain.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Which tasks of the curriculum: train, validation, test or all.", show_default="test"),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="On a fixed suite instead: walker, high, xchal, poet, stump-tracks."),
    ] = None,
    adaptations: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Numbers of episodes to adapt by.", show_default="0,1,2,3,5,10"),
    ] = None,
    worlds: Annotated[
        int | None,
        typer.Option(help="Worlds of each adaptation; learners by gradients pool them.", show_default="10"),
    ] = None,
    episodes: Annotated[
        int | None, typer.Option(help="Episodes that count after them, in each world.", show_default="1")
    ] = None,
    repeats: Annotated[int | None, typer.Option(help="Independent adaptations to each task.", show_default="1")] = None,
    shots: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Of learners that are given examples: how many of each class, such as 1,5.",
            show_default="as in training",
        ),
    ] = None,
    tasks: Annotated[
        int | None, typer.Option(help="Of learners that are given examples: tasks of each test.", show_default="200")
    ] = None,
    alone_tasks: Annotated[
        int | None,
        typer.Option(
            help="Of those, how many a network is also trained on from scratch, for comparison.", show_default="20"
        ),
    ] = None,
    family_set: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Another setting of the family, such as ways=20. Repeatable."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the family's files lie now, if it has some.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Seed of the test's episodes.")] = 0,
    device: Device = "cpu",
    threads: Threads = 1,
    world_threads: WorldThreads = 1,
    as_json: Json = False,
) -> None:
    """Measure how fast a trained learner adapts to tasks that it has not seen.

    Shows the mean return after 0, 1, 2, ... episodes of adaptation in each
    world, with 95 % bootstrap intervals over tasks where there are several;
    --json has every task. Each is measured twice: with actions drawn as in
    training (stochastic) and with the likeliest ones (deterministic). On a
    suite episodes are as long as in `poet evaluate --suite`. A learner that is
    given examples is measured by how well it predicts others, beside chance, the
    nearest example and a network trained on each task alone.
    """
    from meta_learners.families.environments import EnvironmentFamily  # noqa: PLC0415
    from meta_learners.training.evaluation import Protocol, adaptation_curve  # noqa: PLC0415
    from meta_learners.training.few_shot_plan import is_few_shot  # noqa: PLC0415
    from meta_learners.training.folder import as_read_now, restored_learner, resume  # noqa: PLC0415
    from meta_learners.training.plan import read_plan  # noqa: PLC0415

    prepare(device, threads)
    acting: dict[str, Any] = {
        "--adaptations": adaptations,
        "--worlds": worlds,
        "--episodes": episodes,
        "--repeats": repeats,
    }
    sorting: dict[str, Any] = {"--shots": shots, "--tasks": tasks, "--alone-tasks": alone_tasks}
    sorting |= {"--family-set": family_set, "--data": data}
    if is_few_shot(folder):
        threaded = None if world_threads == 1 else world_threads
        _refuse(
            {**acting, "--suite": suite, "--world-threads": threaded}, "of learners that act, and the one in", folder
        )
        few_shot.test(
            folder,
            curriculum=curriculum,
            data=data,
            split=split,
            shots=shots,
            family_set=family_set or [],
            tasks=200 if tasks is None else tasks,
            alone_tasks=20 if alone_tasks is None else alone_tasks,
            seed=seed,
            device=device,
            as_json=as_json,
        )
        return
    _refuse(sorting, "of learners that are given examples, and the one in", folder)
    worlds, episodes, repeats = (
        10 if worlds is None else worlds,
        1 if episodes is None else episodes,
        1 if repeats is None else repeats,
    )
    numbers = _numbers(ADAPTATIONS if adaptations is None else adaptations)
    protocol = Protocol(adaptations=numbers, worlds=worlds, episodes=episodes, repeats=repeats)
    if suite and curriculum:
        raise InputError(f"--suite {suite} and --curriculum {curriculum} are both given; test on one of them at a time")
    if suite and split is not None:
        raise InputError(f"--split {split} goes with a curriculum, not with --suite {suite}")
    split = split or "test"
    plan, found_at = read_plan(folder)
    if suite:
        levels, limit = (found := chosen_suite(suite, plan.domain)).levels, found.episode_limit
        names, environments = [level.terrain for level in levels], [level.environment for level in levels]
    else:
        limit = plan.episode_limit
        names, environments = _split_tasks(curriculum, found_at, split, plan)
    try:
        family = EnvironmentFamily(
            plan.domain, {"test": environments}, episode_limit=limit, threads=world_threads, told=plan.told
        )
    except ValueError as error:
        raise InputError(f"--world-{error}") from error
    trained = restored_learner(as_read_now(plan, family), family, device)
    iteration = resume(trained, folder)
    stages = len(protocol.adaptations)
    with waiting(f"adapting to {len(environments)} tasks", "stages") as note:
        curves = adaptation_curve(
            trained,
            family,
            environments,
            protocol,
            (seed,),
            device=device,
            fall_reward=plan.fall_reward,
            progress=lambda done: note(done, stages),
        )
    rows = _rows(names, curves, protocol.adaptations)
    figures = {"folder": str(folder), "learner": plan.learner, "iterations": iteration, "seed": seed}
    figures |= {"suite": suite} if suite else {"curriculum": str(curriculum or found_at), "split": split}
    figures |= {"worlds": worlds, "episodes": episodes, "repeats": repeats, "episode_limit": limit, "results": rows}
    title = f"{plan.learner} after {iteration} meta-steps"
    show(figures, as_json, lambda shown: _curves_table(title, shown["results"], protocol.adaptations))


def _refuse(given: Mapping[str, Any], whose: str, folder: Path) -> None:
    """Refuse options of the other kind of learner."""
    for option, value in given.items():
        if value is not None:
            raise InputError(f"{option} is an option {whose} {folder} is another")


def _rows(
    names: list[str], curves: Mapping[str, NDArray[np.float64]], adaptations: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Give a row for each terrain, way of acting and number of adaptation episodes, from curves (tasks, numbers)."""
    from environments.intervals import interval  # noqa: PLC0415

    rows = []
    for terrain, (actions, of_all) in product(dict.fromkeys(names), curves.items()):
        of_terrain = of_all[[each == terrain for each in names]]
        for episodes, returns in zip(adaptations, of_terrain.T, strict=True):
            rows.append(
                {
                    "terrain": terrain,
                    "actions": actions,
                    "tasks": len(returns),
                    "adaptation_episodes": episodes,
                    "mean": float(returns.mean()),
                    "interval": None if (bounds := interval(returns)) is None else list(bounds),
                    "returns": returns.tolist(),
                }
            )
    return rows


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--adaptations is {text!r}; it must be numbers such as 0,1,5") from error


def _split_tasks(named: Path | None, found_at: Path, split: str, plan: Plan) -> tuple[list[str], list[Environment]]:
    folder = named or found_at
    if named is None and not folder.exists():
        raise InputError(f"the curriculum of this training is not in {folder} any more; name it by --curriculum")
    loaded = Curriculum.load(folder)
    if named is None and loaded.document["sha256"] != plan.curriculum:
        raise InputError(
            f"the curriculum in {folder} has changed since this learner was trained on it: its {split} tasks may be "
            "others; restore it, or name it by --curriculum to test on it as it is"
        )
    _check_domain(str(folder), loaded.domain.name, plan)
    tasks = loaded.split(split)
    if not tasks:
        raise InputError(f"{folder} has no {split} tasks; name another --split")
    return [task.split for task in tasks], [task.environment for task in tasks]


def _check_domain(what: str, domain: str, plan: Plan) -> None:
    if domain != plan.domain:
        raise InputError(f"the tasks of {what} are {domain}'s; this learner was trained on {plan.domain}")


def _curves_table(title: str, rows: list[dict[str, Any]], adaptations: tuple[int, ...]) -> Table:
    table = Table(title=f"{title}: mean return after so many episodes", title_justify="left", box=None)
    table.add_column("terrain")
    table.add_column("actions")
    for heading in ("tasks", *map(str, adaptations)):
        table.add_column(heading, justify="right")
    for terrain, actions in dict.fromkeys((row["terrain"], row["actions"]) for row in rows):
        cells = [row for row in rows if (row["terrain"], row["actions"]) == (terrain, actions)]
        table.add_row(terrain, actions, str(cells[0]["tasks"]), *map(_cell, cells))
    return table


def _cell(row: dict[str, Any]) -> str:
    between = "" if row["interval"] is None else " [{:.0f}, {:.0f}]".format(*row["interval"])
    return f"{row['mean']:.1f}{between}"
