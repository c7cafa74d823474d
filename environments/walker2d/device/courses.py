"""Courses in a GPU's memory: the native engine's shapes, index and tree, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from environments.walker2d import native
from environments.walker2d.device.driver import Card, Memory

BODIES = 5
MODEL = 4  # of a course's parts: the body that walks it, nothing where it is the ordinary
VIEW = np.dtype(
    [
        *((name, np.uint64) for name in ("shapes", "starts", "items", "tree", "model")),
        *((name, np.int32) for name in ("size", "cells")),
        *((name, np.float32) for name in ("origin", "inverse_cell")),
    ]
)  # a `CourseView`


@dataclass(frozen=True, slots=True)
class Courses:
    """Courses on a card, as its kernels read them."""

    views: Memory  # a `CourseView` for each
    nodes: int  # of the largest tree, the walker's bodies in it


def lay_out(card: Card, courses: Sequence[Any], stack: ExitStack) -> Courses:
    """Put courses into a card's memory, where they stay as long as the stack.

    Args:
        card: that will read them.
        courses: the native engine's.
        stack: frees the memory.
    """
    views = np.zeros(len(courses), dtype=VIEW)
    parts = [course.parts() for course in courses]
    ordinary = native.walker_model()
    for place, name in enumerate(("shapes", "starts", "items", "tree")):
        sizes = [len(part[place]) for part in parts]
        memory = stack.enter_context(card.store(np.frombuffer(b"".join(part[place] for part in parts), np.uint8)))
        views[name] = memory.address + np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.uint64)
    views["size"] = [len(course) for course in courses]
    views["cells"] = [len(part[1]) // 4 - 1 for part in parts]
    views["origin"], views["inverse_cell"] = ([part[place] for part in parts] for place in (5, 6))
    # Each body once: threads that read the same read it quicker.
    models = {model: place for place, model in enumerate(dict.fromkeys(part[MODEL] or ordinary for part in parts))}
    memory = stack.enter_context(card.store(np.frombuffer(b"".join(models), np.uint8)))
    views["model"] = [memory.address + len(ordinary) * models[part[MODEL] or ordinary] for part in parts]
    nodes = max(len(part[3]) for part in parts) // 32
    return Courses(stack.enter_context(card.store(views)), nodes)
