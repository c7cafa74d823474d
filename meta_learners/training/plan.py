"""What decides on a training: everything but how long it goes on and on which device."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

from environments.documents import parse_json
from environments.files import write_aside
from environments.settings import Bounds, build_settings, check_bounds, differences
from meta_learners.errors import MetaLearningError

FORMAT, SCHEMA_VERSION, NAME = "poet-meta-training", 4, "training.json"
FEW_SHOT = "poet-few-shot-training"  # the format of the other kind's, `few_shot_plan.py`
# What older versions did where settings now have a word to say: those before the second, and those before the fourth.
OF_VERSION_1: Mapping[str, Mapping[str, Any]] = {"ppo": {"run_on": False}, "rl2": {"critic_memory": False}}
OF_VERSION_3: Mapping[str, Mapping[str, Any]] = {name: {"steps": 0} for name in ("rl2", "snail", "transformer")}
# Settings that came later, where plans without them have done what these say.
SINCE: Mapping[str, Mapping[str, Any]] = {"snail": {"gain": 0.0, "width": 0}, "transformer": {"gain": 0.0}}
# Settings whose defaults version 4 changed.
CHANGED = {"ppo": ("steps", "step_size"), "rl2": ("window", "minibatches", "step_size")}
CHANGED |= dict.fromkeys(("snail", "transformer"), ("window", "minibatches"))
SHOWN = 12  # digits of a hash in messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One training's settings. With them and the seed, every bit of its checkpoints is decided."""

    learner: str
    settings: Mapping[str, Any]  # the learner's own, as JSON has them
    domain: str
    curriculum: str  # its sha256
    episode_limit: Annotated[int, Bounds(1, 10**6)]  # steps
    tasks: Annotated[int, Bounds(1, 10**4)] = 16  # of a meta-step
    copies: Annotated[int, Bounds(1, 10**4)] = 2  # worlds of each task
    open_over: Annotated[int, Bounds(0, 10**9)] = 0  # of teacher stages: meta-steps until the last is open
    teacher: str = "stages"
    teacher_settings: Mapping[str, Any] = field(default_factory=dict)  # those that differ from its defaults
    fall_reward: Annotated[float | None, Bounds(-1e6, 1e6)] = None  # in training; the domain's own when None
    told: bool = False  # whether the learner observes what is hidden of a task's body
    seed: Annotated[int, Bounds(0, 2**63 - 1)] = 0

    def __post_init__(self) -> None:
        try:
            check_bounds(self)
        except ValueError as error:
            raise MetaLearningError(str(error)) from error

    @property
    def begun_with(self) -> dict[str, Any]:
        """Those of the settings that are other ones by default since an older version, which a training keeps."""
        names = {*OF_VERSION_1.get(self.learner, {}), *OF_VERSION_3.get(self.learner, {})}
        names.update(CHANGED.get(self.learner, ()))
        return {name: self.settings[name] for name in sorted(names) if name in self.settings}


def write_plan(folder: Path, plan: Plan, curriculum: Path) -> None:
    """Write a plan into the folder of a new training, beside where its curriculum was found."""
    document = {"format": FORMAT, "schema_version": SCHEMA_VERSION, "plan": asdict(plan), "found_at": str(curriculum)}
    write_aside(folder / NAME, json.dumps(document, indent=2).encode())


def read_plan(folder: Path) -> tuple[Plan, Path]:
    """Read the plan of a training, and where its curriculum was when it began.

    Raises:
        MetaLearningError: there is none, it is damaged, or a newer version wrote it.
    """
    path, document = folder / NAME, read_document(folder)
    if document.get("format") == FEW_SHOT:
        raise MetaLearningError(f"{folder} holds the training of a learner that is given examples; name another folder")
    if document.get("format") != FORMAT:
        raise MetaLearningError(f"{path} is not a training's")
    version = document.get("schema_version")
    if version not in range(1, SCHEMA_VERSION + 1):
        raise MetaLearningError(
            f"{path} has schema version {version!r}; this version reads 1 to {SCHEMA_VERSION}. "
            "Install a newer poet-trailblazer."
        )
    table, found_at = document.get("plan"), document.get("found_at")
    if not isinstance(table, dict) or not isinstance(found_at, str):
        raise MetaLearningError(f"{path} is damaged: it must have a plan, which is a table, and a path, found_at")
    needed = [each.name for each in fields(Plan) if each.default is MISSING and each.default_factory is MISSING]
    if missing := [name for name in needed if name not in table]:
        raise MetaLearningError(f"{path} is damaged: its plan lacks {', '.join(missing)}")
    if isinstance(table.get("settings"), dict):
        learner = str(table.get("learner"))
        then = {**SINCE.get(learner, {}), **(OF_VERSION_1.get(learner, {}) if version == 1 else {})}
        then |= OF_VERSION_3.get(learner, {}) if version in (1, 2, 3) else {}
        table = {**table, "settings": {**then, **table["settings"]}}
    try:
        plan: Plan = build_settings(Plan, table)
    except ValueError as error:
        raise MetaLearningError(f"{path} is damaged: {error}") from error
    return plan, Path(found_at)


def read_document(folder: Path) -> dict[str, Any]:
    """Read what `training.json` holds, of whichever kind of learner.

    Raises:
        MetaLearningError: there is none, or it is damaged.
    """
    path = folder / NAME
    if folder.is_file():
        raise MetaLearningError(f"{folder} is a file; name the folder of a training")
    if not path.is_file():
        raise MetaLearningError(f"{folder} holds no training: there is no {NAME} in it")
    try:
        document = parse_json(path.read_bytes())
    except OSError as error:
        raise MetaLearningError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise MetaLearningError(f"{path} is damaged: it {error}") from error
    if not isinstance(document, dict):
        raise MetaLearningError(f"{path} is not a training's")
    return document


def check_same(folder: Path, kept: Plan, wanted: Plan) -> None:
    """Refuse to go on with other settings than a training was begun with.

    Raises:
        MetaLearningError: something differs; the message names it.
    """
    if kept.curriculum != wanted.curriculum:
        raise MetaLearningError(
            f"the curriculum has changed since {folder} was begun (sha256 {kept.curriculum[:SHOWN]}... then, "
            f"{wanted.curriculum[:SHOWN]}... now); restore it, or name another folder"
        )
    if changed := differences(asdict(kept), asdict(wanted)):
        raise MetaLearningError(
            f"{folder} was begun otherwise ({'; '.join(changed)}); give the same options to resume it, "
            "or name another folder"
        )
