"""What a draw of noise or of episodes is for: the first number of its key."""

from __future__ import annotations

from enum import IntEnum


class Phase(IntEnum):
    """The phases of an iteration that draw."""

    OPTIMISE = 0
    SCORE = 1
    TRANSFER = 2
    CHILD = 3
    AUDITION = 4
    PERFORMANCE = 5
    CONFIRM = 6
    BEGIN = 7  # an optimiser's first state, in a niche that a run begins with
    RESCORE = 100  # of no iteration: kept agents are scored again afterwards
