"""Which network a learner adapts to each task, by what examples are: plain layers for numbers, else convolutions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from environments.settings import Bounds, check_bounds
from meta_learners.networks.convolutions import Convolutions
from meta_learners.networks.policies import Network

__all__ = ["CHOICES", "Adaptable", "NetworkSettings", "network_of", "network_unread"]

Adaptable = Network | Convolutions
"""Both are evaluated by parameters that are stacked over tasks, on flat inputs."""

CHOICES = ("auto", "layers", "convolutions")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """The network that is adapted."""

    network: str = "auto"  # layers, or convolutions; auto: convolutions of sequences and images, layers of numbers
    hidden: tuple[int, ...] = (40, 40)  # units of each of the layers
    width: Annotated[int, Bounds(1, 4096)] = 32  # filters of each block of convolutions

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.network not in CHOICES:
            raise ValueError(f"network is {self.network!r}; it must be {', '.join(CHOICES)}")
        if not all(1 <= units <= 4096 for units in self.hidden):
            raise ValueError(f"hidden is {list(self.hidden)}; every layer must be in [1, 4096]")


def network_of(
    settings: NetworkSettings,
    shape: tuple[int, ...],
    outputs: int,
    *,
    activation: str = "relu",
    transformed: bool = False,
) -> Adaptable:
    """Lay out the network for examples of a shape; the activation is that of plain layers.

    Raises:
        ValueError: convolutions are asked for where an example is numbers without an order.
    """
    if settings.network == "convolutions" and len(shape) == 1:
        raise ValueError(
            f"network is 'convolutions', and an example is {shape[0]} numbers without an order; take layers"
        )
    if _convolved(settings, shape):
        return Convolutions(shape, outputs, settings.width, transformed)
    sizes = (math.prod(shape), *settings.hidden, outputs)
    return Network(sizes, activation=activation, transformed=transformed)


def network_unread(name: str, family: Any, settings: NetworkSettings) -> frozenset[str]:
    """Name the setting that is of the other network."""
    return frozenset({"hidden" if _convolved(settings, family.input_shape) else "width"})


def _convolved(settings: NetworkSettings, shape: tuple[int, ...]) -> bool:
    return len(shape) > 1 and settings.network != "layers"
