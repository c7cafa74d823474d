"""Policies whose memory is attention over the trial: a transformer, and SNAIL.

| name | memory | source |
|---|---|---|
| transformer | attention to the last steps, in every layer | Grigsby et al. 2024, arXiv:2310.09971 (AMAGO) |
| snail | dilated causal convolutions, and attention to the whole trial | Mishra et al. 2018, arXiv:1707.03141 |

They learn as RL² does (`trials.py`). Both papers' outer loops are others: AMAGO's is off-policy, SNAIL's is TRPO.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from environments.settings import Bounds, check_bounds
from meta_learners.black_box.trials import TrialLearner, TrialSettings
from meta_learners.families.family import TaskFamily
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import LearnerKind
from meta_learners.networks.causal import CausalNetwork, snail, transformer
from meta_learners.networks.context import ContextPolicy
from meta_learners.networks.embedding import seeded
from meta_learners.networks.heads import choice_unread, head_of
from meta_learners.networks.recurrent import input_size

__all__ = ["TRANSFORMER", "ContextSettings", "SnailActingSettings", "TransformerSettings", "in_context"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSettings(TrialSettings):
    """What both have."""

    products: bool = False  # whether it also sees observation x action and observation x action x reward
    reflex: Annotated[int, Bounds(0, 4096)] = 64  # units of two layers in which heads read the observation too; or 0
    gain: Annotated[float, Bounds(0, 100)] = 0.0  # of the first layer's first weights, orthogonal; 0: PyTorch's small
    step_size: Annotated[float, Bounds(0, 1)] = 3e-4  # of Adam


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerSettings(ContextSettings):
    """How the transformer learns; the defaults suit walkers."""

    size: Annotated[int, Bounds(1, 4096)] = 64  # numbers of a step in every layer
    layers: Annotated[int, Bounds(1, 64)] = 2
    heads: Annotated[int, Bounds(1, 64)] = 4  # of attention
    context: Annotated[int, Bounds(0, 10**6)] = 200  # steps that a layer sees back; 0 for the whole trial

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.size % self.heads:
            raise ValueError(f"size is {self.size}; it must be a multiple of heads, {self.heads}")

    def network(self, inputs: int, steps: int) -> CausalNetwork:
        """Lay out the network."""
        return transformer(inputs, self.size, self.layers, self.heads, self.context, gain=self.gain)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnailActingSettings(ContextSettings):
    """How SNAIL learns to act; it sees the whole trial."""

    filters: Annotated[int, Bounds(1, 4096)] = 32  # of each convolution
    keys: Annotated[int, Bounds(1, 4096)] = 32  # numbers of a key and of a value
    width: Annotated[int, Bounds(0, 4096)] = 0  # numbers of the first layer; 0 for as many as filters
    rounds: Annotated[int, Bounds(1, 16)] = 2  # of convolutions and attention
    reach: Annotated[int, Bounds(0, 10**6)] = 0  # steps that convolutions reach back over; 0 for the whole trial

    def __post_init__(self) -> None:
        check_bounds(self)

    def network(self, inputs: int, steps: int) -> CausalNetwork:
        """Lay out the network for trials of so many steps."""
        reach = self.reach or steps
        return snail(inputs, self.filters, self.keys, reach, self.rounds, width=self.width, gain=self.gain)


def in_context(
    name: str,
    family: TaskFamily[Any],
    settings: TransformerSettings | SnailActingSettings,
    *,
    seed: int = 0,
    device: str = "cpu",
) -> TrialLearner:
    """Make the learner of a name."""
    head = head_of(family.actions)
    inputs = input_size(family.observation_size, family.actions.size, settings.products)
    steps = settings.episodes * (family.episode_limit + 1)  # a step between episodes only begins the next
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        policy = ContextPolicy(
            family.observation_size,
            family.actions.size,
            head.numbers,
            settings.network(inputs, steps),
            products=settings.products,
            reflex=settings.reflex,
            deviations=[settings.deviation] * head.spread,
        )
    return TrialLearner(name, policy, head, settings, device=device)


TRANSFORMER = LearnerKind(settings=TransformerSettings, make=in_context, unread=choice_unread)
