"""`poet meta-train`: train a meta-learner on a curriculum, in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from environments.settings import build_settings
from environments.tasks.curriculum import Curriculum
from environments.teachers import teacher_kind
from poet import config as configuration
from poet.commands import few_shot
from poet.commands.learning import (
    FAMILIES,
    LEARNERS,
    TEACHERS,
    Device,
    Threads,
    WorldThreads,
    complete_family,
    complete_learner,
    complete_teacher,
    prepare,
)
from poet.commands.meta_steps import metrics_table, take_meta_steps
from poet.display.output import LARGEST, Json, say, show
from poet.errors import InputError
from poet.session import interruptible

if TYPE_CHECKING:
    from meta_learners.learner import FewShotKind, LearnerKind, Metrics
    from meta_learners.training.folder import Training

SAVE_EVERY = 30.0  # s between checkpoints, unless --save-every says otherwise
FALL_REWARD = -10.0
TASKS = 16  # of a meta-step
STAGES = "stages"  # the teacher unless another is named


def meta_train(
    learner: Annotated[
        str,
        typer.Option(metavar="NAME", help=f"One of {LEARNERS}.", autocompletion=complete_learner),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the training.")],
    curriculum: Annotated[
        Path | None,
        typer.Argument(
            metavar="CURRICULUM", help="Folder that `poet export` wrote; left out for families of other tasks."
        ),
    ] = None,
    iterations: Annotated[int, typer.Option(min=1, max=10**9, help="Meta-steps to come to.")] = 200,
    tasks: Annotated[
        int | None,
        typer.Option(help="Tasks of a meta-step.", show_default="16; 8 for learners that are given examples"),
    ] = None,
    copies: Annotated[
        int | None,
        typer.Option(help="Worlds of each task.", show_default="1 for those that remember, 2 for our others"),
    ] = None,
    episode_limit: Annotated[
        int | None, typer.Option(help="Steps of an episode; as in the run that was exported by default.")
    ] = None,
    fall_reward: Annotated[
        float | None,
        typer.Option(
            help="What the learner sees of a fall instead of the domain's reward; scores keep that.",
            show_default=f"{FALL_REWARD:g}, where the domain's is lower",
        ),
    ] = None,
    open_over: Annotated[
        int, typer.Option(help="Open the curriculum's stages one after another over so many meta-steps.")
    ] = 0,
    teacher: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"Who chooses the tasks: {TEACHERS}. All but stages make new ones of the curriculum's encoding.",
            autocompletion=complete_teacher,
        ),
    ] = STAGES,
    teacher_set: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A setting of the teacher, such as reach=curriculum. Repeatable."),
    ] = None,
    told: Annotated[
        bool,
        typer.Option(
            "--told",
            help="Let the learner observe the hidden physics of its tasks, which others must find out.",
        ),
    ] = False,
    family: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Of learners that are given examples, the tasks: {FAMILIES}.",
            show_default="niches, or grounds for learners of numbers alone",
            autocompletion=complete_family,
        ),
    ] = None,
    family_set: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A setting of the family, such as ways=20. Repeatable."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the files of a family that needs some, as omniglot.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A setting of the learner, such as step_size=3e-4. Repeatable."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Seed of everything random.")] = 0,
    device: Device = "cpu",
    threads: Threads = 1,
    world_threads: WorldThreads = 1,
    save_every: Annotated[float, typer.Option(min=0, help="Seconds between checkpoints.")] = SAVE_EVERY,
    as_json: Json = False,
) -> None:
    """Train a meta-learner on a curriculum's train tasks or another family's, or resume the training in DIR.

    The same command resumes, to the same result as if it had never stopped.
    --iterations, --device, --threads, --world-threads and --save-every may
    change; another device or number of --threads rounds otherwise. TensorBoard
    reads DIR/tensorboard.
    """
    from meta_learners.learner import FewShotKind, LearnerKind  # noqa: PLC0415
    from meta_learners.training.folder import Training, last_metrics  # noqa: PLC0415
    from meta_learners.training.plan import NAME, Plan, read_plan  # noqa: PLC0415

    prepare(device, threads)
    kind = _kind(learner)
    if isinstance(kind, LearnerKind) and kind.few_shot is not None and family is not None:
        kind = kind.few_shot  # of learners that can do either, a family of examples asks for this
    if isinstance(kind, FewShotKind):
        _refuse_of_acting(
            learner,
            {"--copies": copies, "--episode-limit": episode_limit, "--fall-reward": fall_reward}
            | {"--teacher": None if teacher == STAGES else teacher, "--teacher-set": teacher_set}
            | {"--told": told or None}
            | {"--open-over": open_over or None, "--world-threads": None if world_threads == 1 else world_threads},
        )
        few_shot.train(
            kind,
            few_shot.Wanted(
                learner=learner,
                output=output,
                iterations=iterations,
                tasks=tasks,
                family=family,
                family_set=family_set or [],
                set_=set_ or [],
                curriculum=curriculum,
                data=data,
                seed=seed,
                device=device,
                save_every=save_every,
                as_json=as_json,
            ),
        )
        return
    _refuse_of_examples(learner, {"--family": family, "--family-set": family_set, "--data": data})
    if curriculum is None:
        raise InputError(f"--learner {learner} acts, and needs a CURRICULUM, a folder that `poet export` wrote")
    loaded = Curriculum.load(curriculum)
    if not loaded.train_tasks:
        raise InputError(f"{curriculum} has no train tasks; export with another --fractions")
    kept = read_plan(output)[0] if (output / NAME).is_file() else None
    if copies is None:
        copies = kind.copies if kept is None else kept.copies
    if fall_reward is None:
        fall_reward = usual_fall_reward(loaded) if kept is None else kept.fall_reward
    plan = Plan(
        learner=learner,
        settings=_settings(kind, set_ or [], {} if kept is None else kept.begun_with),
        domain=loaded.domain.name,
        curriculum=loaded.document["sha256"],
        episode_limit=usual_episode_limit(episode_limit, loaded),
        tasks=TASKS if tasks is None else tasks,
        copies=copies,
        open_over=open_over,
        teacher=teacher,
        teacher_settings=_teacher_settings(teacher, teacher_set or [], open_over),
        fall_reward=fall_reward,
        told=told,
        seed=seed,
    )
    with interruptible(), Training(output, plan, loaded, device=device, world_threads=world_threads) as training:
        done = training.iteration
        if done >= iterations:
            say(f"{output} has its {done} meta-steps; --iterations N goes on to N")
        else:
            say(f"{'resuming' if done else 'starting'} {output} at meta-step {done} of {iterations}")
            take_meta_steps(training, iterations, save_every, _shown)
        figures = {"folder": str(output), "learner": learner, "iterations": training.iteration, **_pace(training)}
    metrics = last_metrics(output)
    title = f"{learner}, meta-step {figures['iterations']}"
    show({**figures, "last": metrics}, as_json, lambda shown: metrics_table(title, shown["last"]))


def usual_episode_limit(wanted: int | None, curriculum: Curriculum) -> int:
    """Give --episode-limit, or else the curriculum's.

    Raises:
        InputError: it is more than the domain's.
    """
    most = curriculum.domain.episode_limit
    if wanted is None:
        return min(curriculum.episode_limit, most)
    if not 1 <= wanted <= most:
        raise InputError(f"--episode-limit is {wanted}; for {curriculum.domain.name} it must be in [1, {most}]")
    return wanted


def usual_fall_reward(curriculum: Curriculum) -> float | None:
    """Take falls so lightly that learners dare to walk: at the domain's -100, standing still is worth more."""
    return FALL_REWARD if curriculum.domain.fall_return < FALL_REWARD else None


def _refuse_of_acting(learner: str, given: Mapping[str, Any]) -> None:
    for option, value in given.items():
        if value is not None:
            raise InputError(f"{option} is {value}, and --learner {learner} is given examples and does not act")


def _refuse_of_examples(learner: str, given: Mapping[str, Any]) -> None:
    for option, value in given.items():
        if value is not None:
            shown = " ".join(value) if isinstance(value, list) else value
            raise InputError(f"{option} is {shown}, and --learner {learner} acts and is not given examples")


def _kind(learner: str) -> LearnerKind | FewShotKind:
    from meta_learners.registry import any_kind  # noqa: PLC0415

    try:
        return any_kind(learner)
    except ValueError as error:
        raise InputError(f"--{error}") from error


def _settings(kind: LearnerKind, assignments: list[str], since: Mapping[str, Any]) -> dict[str, Any]:
    """Make a learner's settings of --set; `since` are those that a training of an older version was begun without."""
    table = configuration.merge(since, configuration.read_assignments(assignments))
    try:
        settings = asdict(build_settings(kind.settings, table))
    except ValueError as error:
        raise InputError(f"--set: {error}") from error
    as_kept: dict[str, Any] = json.loads(json.dumps(settings))
    return as_kept


def _teacher_settings(teacher: str, assignments: list[str], open_over: int) -> dict[str, Any]:
    """Check a teacher's name and settings; gives those that were set."""
    table = configuration.read_assignments(assignments, "--teacher-set")
    try:
        kind = teacher_kind(teacher)
    except ValueError as error:
        raise InputError(f"--{error}") from error
    if open_over and teacher != STAGES:
        raise InputError(f"--open-over is {open_over}; teacher {teacher} opens no stages, only {STAGES} does")
    if teacher == STAGES and "open_over" in table:
        raise InputError(f"--teacher-set open_over is {table['open_over']}; give it by --open-over")
    try:
        build_settings(kind.settings, table)
    except ValueError as error:
        raise InputError(f"--teacher-set: {error}") from error
    return table


def _shown(metrics: Metrics) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if "return" in name}


def _pace(training: Training) -> dict[str, Any]:
    steps, seconds = training.taken, training.seconds
    return {"steps": steps, "seconds": seconds, "steps_per_second": steps / max(seconds, 1e-9), **training.shares}
