from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION: int
STATE_SIZE: int

Found = tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int8]]

class Course: ...

class Worlds:
    def __len__(self) -> int: ...
    def set_course(self, world: int, course: Course) -> None: ...
    def reset(
        self, chosen: NDArray[np.bool_], starts: NDArray[np.float64], observations: NDArray[np.float32]
    ) -> None: ...
    def step(
        self,
        actions: NDArray[np.float32],
        resets: NDArray[np.bool_],
        starts: NDArray[np.float64],
        observations: NDArray[np.float32],
        rewards: NDArray[np.float64],
        outcomes: NDArray[np.int8],
    ) -> None: ...
    def seen(self, world: int) -> NDArray[np.float64]: ...
    def get_state(self, world: int) -> bytes: ...
    def set_state(self, world: int, state: bytes) -> None: ...

class Film:
    def advance(
        self, steps: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32], NDArray[np.int8]]: ...

class Lanes:
    def __init__(self, constants: dict[str, Any], robot: dict[str, Any]) -> None: ...
    def course(self, heights: NDArray[np.float64], hidden: dict[str, Any] = ...) -> Course: ...
    def rollout(
        self,
        courses: Sequence[Course],
        places: NDArray[np.int32],
        thetas: NDArray[np.float32],
        starts: NDArray[np.float64],
        episode_limit: int,
        tripod: bool,
        kernel: str = "",
        threads: int = 1,
    ) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int8], dict[str, int]]: ...
    def film(
        self,
        course: Course,
        thetas: NDArray[np.float32],
        starts: NDArray[np.float64],
        episode_limit: int,
        tripod: bool,
        kernel: str = "",
    ) -> Film: ...
    def follow(
        self,
        course: Course,
        starts: NDArray[np.float64],
        targets: NDArray[np.float64],
        kernel: str = "",
        watched: bool = True,
    ) -> tuple[NDArray[np.float64], dict[str, int]]: ...
    def worlds(self, count: int, tripod: bool, kernel: str = "", threads: int = 1) -> Worlds: ...

class Robot:
    stepping: float
    def __init__(self, library: str, constants: dict[str, Any]) -> None: ...
    def lay(self, heights: NDArray[np.float64], hidden: dict[str, Any] = ...) -> None: ...
    def rollout(
        self, thetas: NDArray[np.float32], starts: NDArray[np.float64], episode_limit: int, tripod: bool
    ) -> Found: ...
    def follow(self, start: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]: ...

def kernels() -> list[tuple[str, int, bool]]: ...
