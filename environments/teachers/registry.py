"""Teachers by name, ours and those of other packages: entry points of the group `poet.teachers`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from environments.plugins import TEACHER, find, installed
from environments.settings import build_settings
from environments.teachers.spaces import TaskSpace
from environments.teachers.teacher import Teacher, TeacherKind


def teacher_names() -> list[str]:
    """List the teachers that are installed; none is loaded."""
    return installed(TEACHER)


def teacher_kind(name: str) -> TeacherKind:
    """Load the kind of a teacher.

    Raises:
        ValueError: there is none of this name, or it cannot be loaded.
    """
    kind = find(TEACHER, name)
    if not isinstance(kind, TeacherKind):
        raise ValueError(f"teacher {name!r} cannot be used: its entry point must name a TeacherKind, not {kind!r}")
    return kind


def make_teacher(name: str, space: TaskSpace, settings: Mapping[str, Any] | None = None) -> Teacher:
    """Make a teacher of tasks, before any lesson.

    Args:
        name: of an installed one.
        space: what it chooses among.
        settings: those that differ from its defaults.

    Raises:
        ValueError: there is none of this name, a setting is unknown or out of bounds, or it cannot teach such tasks.
    """
    kind = teacher_kind(name)
    return kind.make(build_settings(kind.settings, settings or {}), space)
