from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Network = tuple[Sequence[int], str, str]

def kernels() -> list[tuple[str, int, bool]]: ...
def forward(network: Network, theta: Floats, inputs: Floats, kernel: str = "") -> Floats: ...
def descend(
    policy: Network,
    critic: Network,
    parameters: Floats,
    first: Floats,
    second: Floats,
    updates: int,
    observations: Floats,
    actions: Floats,
    known: Floats,
    gains: Floats,
    targets: Floats,
    weights: Floats | None,
    order: NDArray[np.int64],
    batch: int,
    clip: float,
    entropy: float,
    step_size: float,
    epsilon: float,
    largest_norm: float,
    groups: Sequence[tuple[int, int]],
    least_log_deviation: float,
    kernel: str = "",
) -> list[float]: ...
