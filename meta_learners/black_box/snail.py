"""SNAIL (Mishra et al. 2018, arXiv:1707.03141): convolutions and attention over a sequence of experience.

Given examples, the sequence is each example with its label, and then a query without; it tells the query by all that
came before. All queries of a task go on from the same cached keys. Without examples it acts: `in_context.py`.

Given examples it begins as a matching network: its attention looks for features like the query's, and what it tells is
the mean of the labels found there. From weights that are all drawn it must learn to attend, to keep labels and to tell
them at once, each of which is worth nothing without the others: nothing was learned of niches in 280 meta-steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from environments.settings import Bounds, check_bounds
from meta_learners.black_box.in_context import SnailActingSettings, in_context
from meta_learners.episodes import EpisodeFamily, TaskBatch, outputs_of
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.few_shot.sequences import Sequence, predicted, sequence_of, told_loss
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind, LearnerKind
from meta_learners.networks.causal import Attention, Beside, CausalNetwork, Embed, snail
from meta_learners.networks.embedding import Embedding, seeded
from meta_learners.networks.heads import choice_unread
from meta_learners.predictions import Prediction

__all__ = ["LEARNER", "SnailSettings", "SnailSorter"]

SHARPNESS = 10.0  # of the attention to features that are alike, to begin with


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
        self._outputs = outputs_of(family)
        self.embedding = Embedding(family.input_shape, settings.width)
        inputs = self.embedding.size + self._outputs
        self.network = snail(inputs, settings.filters, settings.keys, settings.reach, settings.rounds)
        self.tell = nn.Linear(self.network.size, self._outputs)
        if self._outputs < min(settings.filters, settings.keys + 1):
            _match(self.network, self.tell, self.embedding.size)

    def told(self, sequence: Sequence) -> Tensor:
        """Give outputs (M, Q, o) of a task's queries."""
        tasks, queries = sequence.query.shape[:2]
        known = torch.cat([self.embedding.standardised(sequence.support), sequence.labels], 2).transpose(0, 1)
        _, memory = self.network(known, sequence.there.T, self.network.initial(tasks))
        asked = functional.pad(self.embedding.standardised(sequence.query), (0, self._outputs)).flatten(0, 1)[None]
        found, _ = self.network(asked, None, tuple(each.repeat_interleave(queries, 0) for each in memory))
        outputs: Tensor = self.tell(found[0])
        return outputs.reshape(tasks, queries, -1)

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        return predicted(self.told(sequence_of(batch)), batch)

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Prediction]:
        outputs = self.told(sequence_of(batch, generator))
        return told_loss(outputs, batch.query.targets, batch.query.present), predicted(outputs.detach(), batch)


@torch.no_grad()
def _match(network: CausalNetwork, tell: nn.Linear, features: int) -> None:
    """Let a network begin as a matching network over the features of examples, behind which their labels come."""
    outputs, embed = tell.out_features, next(each.embed for each in network.parts if isinstance(each, Embed))
    attentions: list[Attention] = [each.part for each in network.parts if isinstance(each, Beside)]
    units = embed.out_features
    # The first units hold the label; all layers see them, as inputs are passed on beside what is made of them.
    embed.weight[:outputs] = functional.pad(torch.eye(outputs), (features, 0))
    embed.weight[outputs:, features:] = 0
    embed.bias.zero_()
    for attention in attentions:
        (asked, _, values), weight = attention.sizes, attention.project.weight
        weight[: 2 * asked] = 0
        attention.project.bias.zero_()
        # Products of such keys are about SHARPNESS times the cosine of units that are drawn as PyTorch draws them.
        likeness = weight.new_empty(asked, units - outputs).normal_(
            std=(3 * SHARPNESS / ((units - outputs) * asked**0.5)) ** 0.5
        )
        weight[:asked, outputs:units] = weight[asked : 2 * asked, outputs:units] = likeness
    weight[2 * asked : 2 * asked + outputs] = functional.pad(torch.eye(outputs), (0, weight.shape[1] - outputs))
    tell.weight.zero_()
    tell.bias.zero_()
    tell.weight[:, network.size - values : network.size - values + outputs] = torch.eye(outputs)


def _make(name: str, family: EpisodeFamily, settings: SnailSettings, *, seed: int, device: str) -> ModuleLearner:
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        system = SnailSorter(family, settings)
    return ModuleLearner(
        name,
        system,
        settings,
        ways=family.ways,
        device=device,
    )


FEW_SHOT: FewShotKind = FewShotKind(
    settings=SnailSettings, make=_make, takes=frozenset({CLASSES, NUMBERS}), fixed_ways=True
)
LEARNER: LearnerKind = LearnerKind(
    settings=SnailActingSettings, make=in_context, few_shot=FEW_SHOT, unread=choice_unread
)
