"""Meta-learners by name, ours and those of other packages: the entry points of the group `poet.learners`.

An entry point names a `LearnerKind`, and nothing of it is loaded before it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from environments.plugins import LEARNER, find, installed
from environments.settings import build_settings
from meta_learners.families.family import TaskFamily
from meta_learners.learner import Learner, LearnerKind

__all__ = ["learner_kind", "learner_names", "make_learner"]


def learner_names() -> list[str]:
    """List the learners that are installed; none is loaded."""
    return installed(LEARNER)


def learner_kind(name: str) -> LearnerKind:
    """Load a learner's kind.

    Raises:
        ValueError: there is none of this name, or it cannot be loaded.
    """
    kind = find(LEARNER, name)
    if not isinstance(kind, LearnerKind):
        raise ValueError(f"learner {name!r} cannot be used: its entry point must name a LearnerKind, not {kind!r}")
    return kind


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
        ValueError: there is no such learner, or a setting is unknown or out of range.
    """
    kind = learner_kind(name)
    if settings is None or isinstance(settings, Mapping):
        settings = build_settings(kind.settings, settings or {})
    return kind.make(name, family, settings, seed=seed, device=device)
