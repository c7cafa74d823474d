"""What `poet meta-train` and `poet meta-test` do with learners that are given examples instead of acting."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from environments.settings import build_settings
from environments.tasks.curriculum import Curriculum
from poet import config as configuration
from poet.commands.meta_steps import metrics_table, take_meta_steps
from poet.display.output import say, show
from poet.display.waiting import waiting
from poet.errors import InputError
from poet.session import interruptible

if TYPE_CHECKING:
    from meta_learners.episodes import Source
    from meta_learners.learner import FewShotKind, Metrics
    from meta_learners.training.few_shot_plan import FewShotPlan

SHOWN = ("accuracy", "error", "loss")
TASKS = 8  # of a meta-step, unless the user says otherwise
SHOTS = "shots"  # the setting of families that --shots changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user asked of a training."""

    learner: str
    output: Path
    iterations: int
    tasks: int | None
    family: str | None
    family_set: list[str]
    set_: list[str]
    curriculum: Path | None
    data: Path | None
    seed: int
    device: str
    save_every: float
    as_json: bool


def train(kind: FewShotKind, wanted: Wanted) -> None:
    """Train a learner on a family of examples, or resume the training."""
    from meta_learners.training.few_shot import FewShotTraining, fingerprint  # noqa: PLC0415
    from meta_learners.training.few_shot_plan import FewShotPlan, read_few_shot_plan  # noqa: PLC0415
    from meta_learners.training.folder import last_metrics  # noqa: PLC0415
    from meta_learners.training.plan import NAME  # noqa: PLC0415

    kept = read_few_shot_plan(wanted.output)[0] if (wanted.output / NAME).is_file() else None
    usual = {} if kept is None or kept.learner != wanted.learner else kept.since_version_1
    family = wanted.family or _usual_family(kind)
    source = source_of(family, wanted.curriculum, wanted.data)
    plan = FewShotPlan(
        learner=wanted.learner,
        settings=_settings(kind.settings, wanted.set_, "--set", usual),
        family=family,
        family_settings=_settings(_family_kind(family).settings, wanted.family_set, "--family-set"),
        tasks=TASKS if wanted.tasks is None else wanted.tasks,
        seed=wanted.seed,
    )
    plan = fingerprint(plan, source)
    with (
        interruptible(),
        FewShotTraining(wanted.output, plan, source, device=wanted.device, iterations=wanted.iterations) as training,
    ):
        done = training.iteration
        if done >= wanted.iterations:
            say(f"{wanted.output} has its {done} meta-steps; --iterations N goes on to N")
        else:
            say(f"{'resuming' if done else 'starting'} {wanted.output} at meta-step {done} of {wanted.iterations}")
            take_meta_steps(training, wanted.iterations, wanted.save_every, _shown)
        seconds = training.seconds
        figures = {
            "folder": str(wanted.output),
            "learner": wanted.learner,
            "family": family,
            "iterations": training.iteration,
            "tasks": training.tasks,
            "seconds": seconds,
            "tasks_per_second": training.tasks / max(seconds, 1e-9),
            **training.shares,
        }
    metrics = last_metrics(wanted.output)
    title = f"{wanted.learner} on {family}, meta-step {figures['iterations']}"
    show({**figures, "last": metrics}, wanted.as_json, lambda shown: metrics_table(title, shown["last"]))


def test(
    folder: Path,
    *,
    curriculum: Path | None,
    data: Path | None,
    split: str | None,
    shots: str | None,
    family_set: list[str],
    tasks: int,
    alone_tasks: int,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Measure a trained learner beside its rivals, for each number of shots."""
    from meta_learners.episodes import Published  # noqa: PLC0415
    from meta_learners.learner import Tuning  # noqa: PLC0415
    from meta_learners.registry import few_shot_kind  # noqa: PLC0415
    from meta_learners.training.few_shot import (  # noqa: PLC0415
        as_read_now,
        family_of,
        fingerprint,
        learner_of,
    )
    from meta_learners.training.few_shot_plan import read_few_shot_plan  # noqa: PLC0415
    from meta_learners.training.few_shot_test import FewShotProtocol, few_shot_figures  # noqa: PLC0415
    from meta_learners.training.folder import resume  # noqa: PLC0415

    plan, found_at = read_few_shot_plan(folder)
    named = curriculum or data
    source = _source_of_training(plan, found_at, curriculum, data)
    if named is None and fingerprint(plan, source) != plan:
        raise InputError(
            f"what {found_at} holds has changed since this learner was trained on it; restore it, or name it by "
            "--curriculum or --data to test on it as it is"
        )
    kind = _family_kind(plan.family)
    other = configuration.read_assignments(family_set, "--family-set")
    numbers = [None] if shots is None else _numbers(shots)
    if shots is not None and SHOTS not in {each.name for each in fields(kind.settings)}:
        raise InputError(f"--shots is {shots!r}, and family {plan.family} has no shots")
    own = family_of(plan, source)
    trained = learner_of(as_read_now(plan, own), own, device)
    iteration = resume(trained, folder)
    rows: list[dict[str, Any]] = []
    with waiting(f"telling {tasks * len(numbers)} tasks", "tasks") as note:
        families = []  # each is seen to have such tasks before any is measured, which takes long
        for number in numbers:
            family = family_of(plan, source, **other, **({} if number is None else {SHOTS: number}))
            if family.input_shape != own.input_shape:
                raise InputError(f"inputs of shape {family.input_shape} are not those learned from, {own.input_shape}")
            protocol = FewShotProtocol(split=split or family.splits[-1], tasks=tasks, alone_tasks=alone_tasks)
            published = isinstance(family, Published) and family.published(protocol.split) is not None
            if published and number is not None:
                raise InputError(f"--shots is {shots!r}, and split {protocol.split} has published tasks; leave it out")
            ways = family.draw(1, protocol.split, (seed,)).ways
            if isinstance(trained, Tuning):  # whose rivals are tuned on tasks of training
                family.draw(1, family.splits[0], (seed,))
            if few_shot_kind(plan.learner).fixed_ways and ways != own.ways:
                raise InputError(
                    f"tasks of split {protocol.split} have {ways} classes; {plan.learner} was made for {own.ways}"
                )
            families.append((family, number, published))
        for place, (family, number, published) in enumerate(families):
            figures = few_shot_figures(
                trained,
                family,
                protocol,
                (seed,),
                device=device,
                progress=lambda done, place=place: note(place * tasks + done, tasks * len(numbers)),  # type: ignore[misc]
            )
            asked = number if number is not None else {**plan.family_settings, **other}.get(SHOTS)
            asked = None if published else asked
            rows += _rows(figures, asked)
    told = {
        "folder": str(folder),
        "learner": plan.learner,
        "family": plan.family,
        "family_settings": {**plan.family_settings, **other},
        "iterations": iteration,
        "split": protocol.split,
        "tasks": max((row["tasks"] for row in rows), default=0),
        "seed": seed,
        "results": rows,
    }
    title = f"{plan.learner} on {plan.family} after {iteration} meta-steps, split {protocol.split}"
    show(told, as_json, lambda shown: _figures_table(title, shown["results"]))


def source_of(family: str, curriculum: Path | None, data: Path | None) -> Source:
    """Find what a family's tasks are made from.

    Raises:
        InputError: it is not named, or what is named is not asked for.
    """
    from meta_learners.episodes import Source  # noqa: PLC0415

    kind = _family_kind(family)
    if curriculum is not None and kind.needs != "curriculum":
        raise InputError(f"{curriculum} is named, and family {family} is not made from a curriculum; leave it out")
    if data is not None and kind.needs != "data":
        raise InputError(f"--data is {data}, and family {family} is not made from data; leave it out")
    if kind.needs == "curriculum" and curriculum is None:
        raise InputError(f"family {family} needs a CURRICULUM, a folder that `poet export` wrote")
    if kind.needs == "data" and data is None:
        named = os.environ.get(kind.variable or "")
        if not named:
            raise InputError(f"family {family} needs the folder of its files; name it by --data or {kind.variable}")
        data = Path(named)
    return Source(None if curriculum is None else Curriculum.load(curriculum), data)


def _source_of_training(plan: FewShotPlan, found_at: Path | None, curriculum: Path | None, data: Path | None) -> Source:
    needs = _family_kind(plan.family).needs
    if needs == "curriculum" and curriculum is None:
        curriculum = found_at
    if needs == "data" and data is None:
        data = found_at
    if found_at is not None and found_at in (curriculum, data) and not found_at.exists():
        raise InputError(
            f"{found_at}, which this learner was trained on, is no more; name it by --curriculum or --data"
        )
    return source_of(plan.family, curriculum, data)


def _usual_family(kind: FewShotKind) -> str:
    """Train on the archive unless told otherwise."""
    from meta_learners.learner import CLASSES  # noqa: PLC0415

    return "niches" if CLASSES in kind.takes else "grounds"


def _family_kind(name: str) -> Any:
    from meta_learners.registry import family_kind  # noqa: PLC0415

    try:
        return family_kind(name)
    except ValueError as error:
        raise InputError(f"--{error}") from error


def _settings(
    of: type[Any], assignments: list[str], option: str, usual: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    try:
        settings = asdict(build_settings(of, {**(usual or {}), **configuration.read_assignments(assignments, option)}))
    except ValueError as error:
        raise error if isinstance(error, InputError) else InputError(f"{option}: {error}") from error
    as_kept: dict[str, Any] = json.loads(json.dumps(settings))
    return as_kept


def _numbers(text: str) -> list[int | None]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"--shots is {text!r}; it must be numbers such as 1,5") from error


def _shown(metrics: Metrics) -> dict[str, float]:
    return {name: metrics[name] for name in SHOWN if name in metrics}


def _rows(figures: Mapping[str, Mapping[str, Any]], shots: int | None) -> list[dict[str, Any]]:
    """Give a row for each of those that were judged and each figure."""
    from environments.intervals import interval  # noqa: PLC0415

    return [
        {
            "by": name,
            "shots": shots,
            "figure": figure,
            "tasks": len(values),
            "mean": float(values.mean()),
            "interval": None if (bounds := interval(values)) is None else list(bounds),
        }
        for name, of in figures.items()
        for figure, values in of.items()
    ]


def _figures_table(title: str, rows: list[dict[str, Any]]) -> Table:
    names = list(dict.fromkeys(row["figure"] for row in rows))
    table = Table(title=title, title_justify="left", box=None)
    for heading in ("shots", "by"):
        table.add_column(heading)
    for heading in ("tasks", *names):
        table.add_column(heading, justify="right")
    for shots, by in dict.fromkeys((row["shots"], row["by"]) for row in rows):
        cells = {row["figure"]: row for row in rows if (row["shots"], row["by"]) == (shots, by)}
        tasks = next(iter(cells.values()))["tasks"]
        table.add_row("-" if shots is None else str(shots), by, str(tasks), *(_cell(cells.get(name)) for name in names))
    return table


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    between = "" if row["interval"] is None else " [{:.3f}, {:.3f}]".format(*row["interval"])
    return f"{row['mean']:.3f}{between}"
