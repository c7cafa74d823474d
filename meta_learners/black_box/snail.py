"""SNAIL (Mishra et al. 2018, arXiv:1707.03141): convolutions and attention over a sequence of experience.

Given examples, the sequence is each example with its label, and then a query without; it tells the query by all that
came before. All queries of a task go on from the same cached keys. Without examples it acts: `in_context.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from environments.settings import Bounds, check_bounds
from meta_learners.black_box.in_context import SnailActingSettings, in_context
from meta_learners.episodes import EpisodeFamily, TaskBatch
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.few_shot.sequences import Sequence, predicted, sequence_of, told_loss
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind, LearnerKind
from meta_learners.networks.causal import snail
from meta_learners.networks.embedding import Embedding, seeded
from meta_learners.predictions import Prediction

__all__ = ["LEARNER", "SnailSettings", "SnailSorter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnailSettings:
    """How SNAIL learns from examples."""

    width: Annotated[int, Bounds(1, 4096)] = 32  # filters of each block of the embedding
    filters: Annotated[int, Bounds(1, 4096)] = 64  # of each convolution over the sequence
    keys: Annotated[int, Bounds(1, 4096)] = 64  # numbers of a key and of a value
    rounds: Annotated[int, Bounds(1, 16)] = 2  # of convolutions and attention
    reach: Annotated[int, Bounds(1, 10**6)] = 32  # examples that convolutions reach back over
    step_size: Annotated[float, Bounds(0, 1)] = 1e-3  # of Adam
    halve_after: Annotated[int, Bounds(0, 10**9)] = 4000  # meta-steps until the step size is halved; 0: never

    def __post_init__(self) -> None:
        check_bounds(self)


class SnailSorter(nn.Module):
    """The system; `Episodic`."""

    def __init__(self, family: EpisodeFamily, settings: SnailSettings) -> None:
        super().__init__()
        self._outputs = family.ways or family.target_size
        self.embedding = Embedding(family.input_shape, settings.width)
        inputs = self.embedding.size + self._outputs
        self.network = snail(inputs, settings.filters, settings.keys, settings.reach, settings.rounds)
        self.tell = nn.Linear(self.network.size, self._outputs)

    def told(self, sequence: Sequence) -> Tensor:
        """Give outputs (M, Q, o) of a task's queries."""
        tasks, queries = sequence.query.shape[:2]
        known = torch.cat([self.embedding(sequence.support), sequence.labels], 2).transpose(0, 1)
        _, memory = self.network(known, sequence.there.T, self.network.initial(tasks))
        asked = functional.pad(self.embedding(sequence.query), (0, self._outputs)).flatten(0, 1)[None]
        found, _ = self.network(asked, None, tuple(each.repeat_interleave(queries, 0) for each in memory))
        outputs: Tensor = self.tell(found[0])
        return outputs.reshape(tasks, queries, -1)

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        return predicted(self.told(sequence_of(batch)), batch)

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Prediction]:
        outputs = self.told(sequence_of(batch, generator))
        return told_loss(outputs, batch.query.targets, batch.query.present), predicted(outputs.detach(), batch)


def _make(name: str, family: EpisodeFamily, settings: SnailSettings, *, seed: int, device: str) -> ModuleLearner:
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        system = SnailSorter(family, settings)
    return ModuleLearner(name, system, rate=settings.step_size, halve_after=settings.halve_after, device=device)


FEW_SHOT: FewShotKind = FewShotKind(
    settings=SnailSettings, make=_make, takes=frozenset({CLASSES, NUMBERS}), fixed_ways=True
)
LEARNER: LearnerKind = LearnerKind(settings=SnailActingSettings, make=in_context, few_shot=FEW_SHOT)
