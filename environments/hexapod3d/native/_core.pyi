from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION: int
STATE_SIZE: int

class Robot:
    stepping: float
    def __init__(self, library: str, constants: dict[str, Any]) -> None: ...
    def lay(self, heights: NDArray[np.float64]) -> None: ...
    def rollout(
        self, thetas: NDArray[np.float32], starts: NDArray[np.float64], episode_limit: int, tripod: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int8]]: ...
    def follow(self, start: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]: ...
