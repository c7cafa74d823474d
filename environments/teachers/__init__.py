"""Teachers choose the tasks that a learner plays next: in order, at random, or by what it learns from.

NumPy alone: whatever trains a learner can ask one. See `environments.teachers.teacher`.
"""

from environments.teachers.registry import make_teacher, teacher_kind, teacher_names
from environments.teachers.spaces import TaskSpace
from environments.teachers.teacher import Ended, Lesson, Teacher, TeacherKind, Told

__all__ = [
    "Ended",
    "Lesson",
    "TaskSpace",
    "Teacher",
    "TeacherKind",
    "Told",
    "make_teacher",
    "teacher_kind",
    "teacher_names",
]
