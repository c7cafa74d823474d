"""Commands that train and test meta-learners: meta-train and meta-test.

What they stand on takes seconds to load, and so is loaded within them.
"""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress, TextColumn
from rich.table import Table

from environments.settings import build_settings
from environments.tasks.curriculum import Curriculum
from poet import config as configuration
from poet.display.output import LARGEST, Json, err, say, show
from poet.display.waiting import waiting
from poet.errors import InputError
from poet.evaluate.evaluating import chosen_suite
from poet.session import Interrupted, interruptible, undisturbed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from environments.domain import Environment
    from meta_learners.training.folder import Training
    from meta_learners.training.plan import Plan

SAVE_EVERY = 30.0  # s between checkpoints, unless --save-every says otherwise
QUIET_SECONDS = 10.0  # between lines where there is no terminal to draw on
Device = Annotated[str, typer.Option(help="Where to learn: cpu, cuda or cuda:N.")]
# One by default: sums over more are made in another order, and so end in other bits.
Threads = Annotated[int, typer.Option(min=1, max=1024, help="PyTorch's on the processor; part of the last bits.")]


def meta_train(
    curriculum: Annotated[Path, typer.Argument(metavar="CURRICULUM", help="Folder that `poet export` wrote.")],
    learner: Annotated[
        str,
        typer.Option(metavar="NAME", help="rl2, maml, fomaml, reptile, anil, meta-sgd, e-maml, promp or ppo."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the training.")],
    iterations: Annotated[int, typer.Option(min=1, max=10**9, help="Meta-steps to come to.")] = 200,
    tasks: Annotated[int, typer.Option(help="Tasks of a meta-step.")] = 16,
    copies: Annotated[int, typer.Option(help="Worlds of each task.")] = 2,
    episode_limit: Annotated[
        int | None, typer.Option(help="Steps of an episode; as in the run that was exported by default.")
    ] = None,
    open_over: Annotated[
        int, typer.Option(help="Open the curriculum's stages one after another over so many meta-steps.")
    ] = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A setting of the learner, such as step_size=3e-4. Repeatable."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Seed of everything random.")] = 0,
    device: Device = "cpu",
    threads: Threads = 1,
    save_every: Annotated[float, typer.Option(min=0, help="Seconds between checkpoints.")] = SAVE_EVERY,
    as_json: Json = False,
) -> None:
    """Train a meta-learner on a curriculum's train tasks, or resume the training in DIR.

    The same command resumes, to the same result as if it had never stopped.
    --iterations, --device, --threads and --save-every may change; another
    device or number of threads rounds otherwise. TensorBoard reads
    DIR/tensorboard.
    """
    from meta_learners.training.folder import Training, last_metrics  # noqa: PLC0415
    from meta_learners.training.plan import Plan  # noqa: PLC0415

    _prepare(device, threads)
    loaded = Curriculum.load(curriculum)
    if not loaded.train_tasks:
        raise InputError(f"{curriculum} has no train tasks; export with another --fractions")
    plan = Plan(
        learner=learner,
        settings=_settings(learner, set_ or []),
        domain=loaded.domain.name,
        curriculum=loaded.document["sha256"],
        episode_limit=_episode_limit(episode_limit, loaded),
        tasks=tasks,
        copies=copies,
        open_over=open_over,
        seed=seed,
    )
    with interruptible(), Training(output, plan, loaded, device=device) as training:
        done = training.iteration
        if done >= iterations:
            say(f"{output} has its {done} meta-steps; --iterations N goes on to N")
        else:
            say(f"{'resuming' if done else 'starting'} {output} at meta-step {done} of {iterations}")
            _train(training, iterations, save_every)
        figures = {"folder": str(output), "learner": learner, "iterations": training.iteration, **_pace(training)}
    metrics = last_metrics(output)
    title = f"{learner}, meta-step {figures['iterations']}"
    show({**figures, "last": metrics}, as_json, lambda shown: _table(title, shown["last"]))


def _episode_limit(wanted: int | None, curriculum: Curriculum) -> int:
    most = curriculum.domain.episode_limit
    if wanted is None:
        return min(curriculum.episode_limit, most)
    if not 1 <= wanted <= most:
        raise InputError(f"--episode-limit is {wanted}; for {curriculum.domain.name} it must be in [1, {most}]")
    return wanted


def _settings(learner: str, assignments: list[str]) -> dict[str, Any]:
    from meta_learners.registry import SETTINGS  # noqa: PLC0415

    if learner not in SETTINGS:
        raise InputError(f"--learner is {learner!r}; learners are {', '.join(SETTINGS)}")
    table: dict[str, Any] = {}
    for text in assignments:
        table = configuration.merge(table, configuration.parse_assignment(text))
    try:
        settings = asdict(build_settings(SETTINGS[learner], table))
    except ValueError as error:
        raise InputError(f"--set: {error}") from error
    as_kept: dict[str, Any] = json.loads(json.dumps(settings))
    return as_kept


def _prepare(device: str, threads: int) -> None:
    import torch  # noqa: PLC0415

    torch.set_num_threads(threads)
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0]  # of some devices PyTorch's first line is a page
        raise InputError(f"--device is {device!r}, which cannot be used here: {reason}") from error


def _train(training: Training, iterations: int, save_every: float) -> None:
    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[figures]}"))
    saved = told = time.monotonic()
    with Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task("meta-steps", total=iterations, completed=training.iteration, figures="")
        try:
            while training.iteration < iterations:
                metrics = training.step()
                figures = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items() if "return" in name)
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


def _pace(training: Training) -> dict[str, Any]:
    steps, seconds = training.sampler.steps, training.seconds
    return {"steps": steps, "seconds": seconds, "steps_per_second": steps / max(seconds, 1e-9), **training.shares}


def _table(title: str, figures: dict[str, Any]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    for name, value in figures.items():
        table.add_row(name, "-" if value is None else f"{value:.5g}")
    return table


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
    adaptations: Annotated[str, typer.Option(metavar="LIST", help="Numbers of episodes to adapt by.")] = "0,1,2,3,5,10",
    episodes: Annotated[int, typer.Option(help="Episodes that count after them.")] = 3,
    repeats: Annotated[int, typer.Option(help="Independent adaptations to each task.")] = 2,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Seed of the test's episodes.")] = 0,
    device: Device = "cpu",
    threads: Threads = 1,
    as_json: Json = False,
) -> None:
    """Measure how fast a trained learner adapts to tasks that it has not seen.

    Shows the mean return after 0, 1, 2, ... episodes of adaptation, with
    95 % bootstrap intervals over tasks where there are several; --json has
    every task. On a suite episodes are as long as in `poet evaluate --suite`.
    """
    from meta_learners.families.tasks import EnvironmentFamily  # noqa: PLC0415
    from meta_learners.training.evaluation import Protocol, adaptation_curve  # noqa: PLC0415
    from meta_learners.training.folder import restored_learner, resume  # noqa: PLC0415
    from meta_learners.training.plan import read_plan  # noqa: PLC0415

    _prepare(device, threads)
    protocol = Protocol(adaptations=_numbers(adaptations), episodes=episodes, repeats=repeats)
    if suite and curriculum:
        raise InputError(f"--suite {suite} and --curriculum {curriculum} are both given; test on one of them at a time")
    if suite and split is not None:
        raise InputError(f"--split {split} goes with a curriculum, not with --suite {suite}")
    split = split or "test"
    plan, found_at = read_plan(folder)
    if suite:
        levels, limit = (found := chosen_suite(suite, plan.domain)).levels, found.episode_limit
        names, tasks = [level.terrain for level in levels], [level.environment for level in levels]
    else:
        limit = plan.episode_limit
        names, tasks = _split_tasks(curriculum, found_at, split, plan)
    family = EnvironmentFamily(plan.domain, {"test": tasks}, episode_limit=limit)
    trained = restored_learner(plan, family, device)
    iteration = resume(trained, folder)
    stages = len(protocol.adaptations)
    with waiting(f"adapting to {len(tasks)} tasks", "stages") as note:
        curves = adaptation_curve(
            trained,
            family,
            tasks,
            protocol,
            (seed,),
            device=device,
            progress=lambda done: note(done, stages),
        )
    rows = _rows(names, curves, protocol.adaptations)
    figures = {"folder": str(folder), "learner": plan.learner, "iterations": iteration, "seed": seed}
    figures |= {"suite": suite} if suite else {"curriculum": str(curriculum or found_at), "split": split}
    figures |= {"episodes": episodes, "repeats": repeats, "episode_limit": limit, "results": rows}
    title = f"{plan.learner} after {iteration} meta-steps"
    show(figures, as_json, lambda shown: _curves_table(title, shown["results"], protocol.adaptations))


def _rows(names: list[str], curves: NDArray[np.float64], adaptations: tuple[int, ...]) -> list[dict[str, Any]]:
    """Give a row for each terrain and number of adaptation episodes, from curves (tasks, numbers)."""
    from environments.intervals import interval  # noqa: PLC0415

    rows = []
    for terrain in dict.fromkeys(names):
        of_terrain = curves[[each == terrain for each in names]]
        for episodes, returns in zip(adaptations, of_terrain.T, strict=True):
            rows.append(
                {
                    "terrain": terrain,
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
    for heading in ("tasks", *map(str, adaptations)):
        table.add_column(heading, justify="right")
    for terrain in dict.fromkeys(row["terrain"] for row in rows):
        cells = [row for row in rows if row["terrain"] == terrain]
        table.add_row(terrain, str(cells[0]["tasks"]), *map(_cell, cells))
    return table


def _cell(row: dict[str, Any]) -> str:
    between = "" if row["interval"] is None else " [{:.0f}, {:.0f}]".format(*row["interval"])
    return f"{row['mean']:.1f}{between}"
