"""What decides on the training of a learner that is given examples: all but how long and on which device."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

from environments.files import write_aside
from environments.settings import Bounds, build_settings, check_bounds, differences
from meta_learners.errors import MetaLearningError
from meta_learners.networks.adaptable import NetworkSettings
from meta_learners.registry import few_shot_kind
from meta_learners.training.plan import FEW_SHOT, NAME, SHOWN, read_document

SCHEMA_VERSION = 2
# What version 1 did where learners that adapt a network now choose it by their examples.
OF_VERSION_1 = {"network": "layers"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FewShotPlan:
    """One training's settings. With them and the seed, every bit of its checkpoints is decided."""

    learner: str
    settings: Mapping[str, Any]  # the learner's own, as JSON has them
    family: str
    family_settings: Mapping[str, Any]
    source: str = ""  # sha256 of what the family's tasks are made from, if they are
    tasks: Annotated[int, Bounds(1, 10**5)] = 8  # of a meta-step
    seed: Annotated[int, Bounds(0, 2**63 - 1)] = 0

    def __post_init__(self) -> None:
        try:
            check_bounds(self)
        except ValueError as error:
            raise MetaLearningError(str(error)) from error

    @property
    def since_version_1(self) -> dict[str, Any]:
        """Those of the settings that version 1 had no word for."""
        return {name: self.settings[name] for name in OF_VERSION_1 if name in self.settings}


def write_few_shot_plan(folder: Path, plan: FewShotPlan, found_at: Path | None) -> None:
    """Write a plan into the folder of a new training, beside where its curriculum or data were found."""
    document = {
        "format": FEW_SHOT,
        "schema_version": SCHEMA_VERSION,
        "plan": asdict(plan),
        "found_at": None if found_at is None else str(found_at.resolve()),
    }
    write_aside(folder / NAME, json.dumps(document, indent=2).encode())


def is_few_shot(folder: Path) -> bool:
    """Tell whether a folder holds the training of a learner that is given examples; raises as `read_document` does."""
    return read_document(folder).get("format") == FEW_SHOT


def read_few_shot_plan(folder: Path) -> tuple[FewShotPlan, Path | None]:
    """Read the plan of a training, and where its curriculum or data were when it began.

    Raises:
        MetaLearningError: there is none, it is damaged or of another kind, or a newer version wrote it.
    """
    path, document = folder / NAME, read_document(folder)
    if document.get("format") != FEW_SHOT:
        raise MetaLearningError(f"{folder} holds the training of a learner that acts; name another folder")
    version = document.get("schema_version")
    if version not in range(1, SCHEMA_VERSION + 1):
        raise MetaLearningError(
            f"{path} has schema version {version!r}; this version reads 1 to {SCHEMA_VERSION}. "
            "Install a newer poet-trailblazer."
        )
    table, found_at = document.get("plan"), document.get("found_at")
    if not isinstance(table, dict) or not isinstance(found_at, str | None):
        raise MetaLearningError(f"{path} is damaged: it must have a plan, which is a table, and a path, found_at")
    if missing := [each.name for each in fields(FewShotPlan) if each.default is MISSING and each.name not in table]:
        raise MetaLearningError(f"{path} is damaged: its plan lacks {', '.join(missing)}")
    try:
        plan: FewShotPlan = build_settings(FewShotPlan, table)
        if version == 1:
            plan = replace(plan, settings=_as_then(plan.learner, plan.settings))
    except ValueError as error:
        raise MetaLearningError(f"{path} is damaged: {error}") from error
    return plan, None if found_at is None else Path(found_at)


def _as_then(learner: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Say in today's words what settings of version 1 meant."""
    try:
        kind = few_shot_kind(learner).settings
    except ValueError:
        return settings  # it is not installed, of which whoever makes it will tell
    if not issubclass(kind, NetworkSettings):
        return settings
    found: dict[str, Any] = json.loads(json.dumps(asdict(build_settings(kind, {**OF_VERSION_1, **settings}))))
    return found


def check_same_few_shot(folder: Path, kept: FewShotPlan, wanted: FewShotPlan) -> None:
    """Refuse to go on with other settings, or from other data, than a training was begun with.

    Raises:
        MetaLearningError: something differs; the message names it.
    """
    if kept.source != wanted.source and kept.family == wanted.family:
        raise MetaLearningError(
            f"the tasks' source has changed since {folder} was begun (sha256 {kept.source[:SHOWN]}... then, "
            f"{wanted.source[:SHOWN]}... now); restore it, or name another folder"
        )
    if changed := differences(asdict(kept), asdict(wanted)):
        raise MetaLearningError(
            f"{folder} was begun otherwise ({'; '.join(changed)}); give the same options to resume it, "
            "or name another folder"
        )
