"""Meta-learners and families of examples by name, ours and those of other packages.

They are the entry points of the groups `poet.learners` and `poet.families`. One of a learner names a `LearnerKind`, of
who acts, or a `FewShotKind`, of who is given examples; nothing of it is loaded before it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from environments.plugins import FAMILY, LEARNER, find, installed
from environments.settings import build_settings
from meta_learners.episodes import EpisodeFamily, FamilyKind, Source
from meta_learners.families.family import TaskFamily
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind, FewShotLearner, Learner, LearnerKind

__all__ = [
    "any_kind",
    "as_read",
    "check_read",
    "family_kind",
    "few_shot_kind",
    "learner_kind",
    "learner_names",
    "make_family",
    "make_few_shot",
    "make_learner",
]


def learner_names() -> list[str]:
    """List the learners that are installed; none is loaded."""
    return installed(LEARNER)


def learner_kind(name: str) -> LearnerKind:
    """Load the kind of a learner that acts.

    Raises:
        ValueError: there is none of this name, it cannot be loaded, or it is given examples instead.
    """
    kind = any_kind(name)
    if not isinstance(kind, LearnerKind):
        raise ValueError(f"learner {name!r} learns from examples and does not act; make it by make_few_shot")
    return kind


def few_shot_kind(name: str) -> FewShotKind:
    """Load the kind of a learner that is given examples.

    Raises:
        ValueError: there is none of this name, it cannot be loaded, or it acts instead.
    """
    kind = any_kind(name)
    found = kind.few_shot if isinstance(kind, LearnerKind) else kind
    if found is None:
        raise ValueError(f"learner {name!r} acts and is not given examples; make it by make_learner")
    return found


def any_kind(name: str) -> LearnerKind | FewShotKind:
    """Load a learner's kind, whichever it is.

    Raises:
        ValueError: there is none of this name, or it cannot be loaded.
    """
    kind = find(LEARNER, name)
    if not isinstance(kind, LearnerKind | FewShotKind):
        raise ValueError(
            f"learner {name!r} cannot be used: its entry point must name a LearnerKind or a FewShotKind, not {kind!r}"
        )
    return kind


def family_kind(name: str) -> FamilyKind:
    """Load the kind of a family of examples.

    Raises:
        ValueError: there is none of this name, or it cannot be loaded.
    """
    kind = find(FAMILY, name)
    if not isinstance(kind, FamilyKind):
        raise ValueError(f"family {name!r} cannot be used: its entry point must name a FamilyKind, not {kind!r}")
    return kind


def make_family(name: str, settings: Any = None, source: Source | None = None) -> EpisodeFamily:
    """Make a family of examples.

    Args:
        name: of the family.
        settings: of the class `family_kind(name).settings`, or a table of some of them; all as they are when None.
        source: where its tasks come from, if from anywhere.

    Raises:
        ValueError: there is no such family, or a setting is unknown or out of range.
        MetaLearningError: its source is missing, or will not do.
    """
    kind = family_kind(name)
    return kind.make(_built(kind.settings, settings), source or Source())


def make_few_shot(
    name: str, family: EpisodeFamily, settings: Any = None, *, seed: int = 0, device: str = "cpu"
) -> FewShotLearner:
    """Make a learner for a family of examples; otherwise as `make_learner`.

    Raises:
        ValueError: also where it cannot learn such tasks.
    """
    kind = few_shot_kind(name)
    asked = NUMBERS if family.ways is None else CLASSES
    if asked not in kind.takes:
        told = " and ".join(sorted(kind.takes))
        raise ValueError(f"learner {name!r} tells {told}; family {family.name!r} asks for {asked}")
    settings = _built(kind.settings, settings)
    check_read(kind, name, family, settings)
    return kind.make(name, family, settings, seed=seed, device=device)


def make_learner(
    name: str, family: TaskFamily[Any], settings: Any = None, *, seed: int = 0, device: str = "cpu"
) -> Learner:
    """Make a learner for a family.

    Args:
        name: of the learner.
        family: of the tasks.
        settings: of the class `learner_kind(name).settings`, or a table of some of them; all as they are when None.
        seed: of its first weights.
        device: to compute on.

    Raises:
        ValueError: there is no such learner, or a setting is unknown, out of range or not read by it.
    """
    kind = learner_kind(name)
    settings = _built(kind.settings, settings)
    check_read(kind, name, family, settings)
    return kind.make(name, family, settings, seed=seed, device=device)


def check_read(kind: LearnerKind | FewShotKind, name: str, family: Any, settings: Any) -> None:
    """Refuse settings that are not as they are by default and of which nothing would come.

    Raises:
        ValueError: there is one; the message names it, its value and what the learner reads.
    """
    usual, unread = kind.settings(), kind.unread(name, family, settings)
    for each in fields(settings):
        value = getattr(settings, each.name)
        if each.name in unread and value != getattr(usual, each.name):
            read = ", ".join(other.name for other in fields(settings) if other.name not in unread)
            raise ValueError(
                f"{each.name} is {value!r}, which learner {name!r} does not read on tasks of {family.name!r}, "
                f"set as it is; it reads {read}"
            )


def as_read(kind: LearnerKind | FewShotKind, name: str, family: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Put back to their defaults what trainings of old were given and did not read: `check_read` would refuse it."""
    unread = kind.unread(name, family, build_settings(kind.settings, settings))
    usual = json.loads(json.dumps(asdict(kind.settings())))  # as they are kept
    return {each: usual[each] if each in unread else value for each, value in settings.items()}


def _built(of: type[Any], settings: Any) -> Any:
    return build_settings(of, settings or {}) if settings is None or isinstance(settings, Mapping) else settings
