"""What an episode was made of: enough to play it again, which is how an engine's state is copied.

Engines keep their state in memory of their own, which Python can neither copy
nor pickle. But an episode depends on its start and its actions alone, so a
copy of an environment plays them again, and then stands where the original
stood, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGEST = 100_000  # control steps that are kept; without limit, memory would grow for as long as an episode lasts


class History:
    """The start of an episode and its actions so far."""

    def __init__(self, start: Any, like: NDArray[Any]) -> None:
        """Begin; `like` is an action, of the shape and type that all have."""
        self.start = start
        self._shape, self._type = like.shape, like.dtype.str
        self._actions = bytearray()
        self._count = 0

    def add(self, action: NDArray[Any]) -> None:
        """Note an action."""
        self._count += 1
        if self._count <= LONGEST:
            self._actions += action.tobytes()

    def actions(self) -> Iterator[NDArray[Any]]:
        """Give the actions, from the first on."""
        flat = np.frombuffer(bytes(self._actions), dtype=self._type)
        yield from flat.reshape(-1, *self._shape)

    def __getstate__(self) -> dict[str, Any]:
        if self._count > LONGEST:
            raise RuntimeError(f"an episode of more than {LONGEST} steps cannot be copied or pickled; reset first")
        return dict(vars(self))


def without(environment: Any, handles: frozenset[str]) -> dict[str, Any]:
    """Give what an object holds save what lives in its engine: the state to copy and pickle."""
    return {name: value for name, value in vars(environment).items() if name not in handles}


class UnlikeError(RuntimeError):
    """An episode played again came out differently."""

    def __init__(self) -> None:
        super().__init__(
            "the episode came out differently when it was played again, so the environment cannot be copied here: "
            "its engine was changed from outside, or is of another version"
        )
