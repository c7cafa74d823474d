"""A memory-augmented network (Santoro et al. 2016, arXiv:1605.06065): a controller that reads and writes rows.

Examples come one after another, each with the label of the one *before*, so that what belongs together must be kept
until it is asked for. It writes to the rows where its last keys lie or to the row that it has used least, which is
emptied before. The softmax of cosines is sharpened by a learned factor, as in the Neural Turing Machine (Graves et al.
2014, arXiv:1410.5401): without one it is nearly even over a hundred rows. It learns to tell every example of the
sequence as well as the queries.

Keys see the example and the last label beside the controller: through it alone all keys are alike at first, and
nothing is bound in hundreds of meta-steps. What tells an example is read from the rows as they were *before* it was
written. One key is for both, so that after writing the row just written answers, and binding is learned more slowly.

Of classes it begins bound, where there are two heads, and room for a label beside as many numbers of an example: the
controller holds the example before, whose label is heard now; half of the heads write both together, the others ask
by the example alone, and the label that is found is told. From weights that are all drawn nothing was bound of niches
in 200 meta-steps of 4 tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from environments.settings import Bounds, check_bounds
from meta_learners.episodes import EpisodeFamily, TaskBatch, outputs_of
from meta_learners.few_shot.module_learner import ModuleLearner
from meta_learners.few_shot.sequences import Sequence, predicted, sequence_of, told_loss
from meta_learners.keys import Stream, torch_generator
from meta_learners.learner import CLASSES, NUMBERS, FewShotKind
from meta_learners.networks.embedding import Embedding, seeded
from meta_learners.predictions import Prediction

__all__ = ["LEARNER", "Mann", "MannSettings", "Tape", "turned"]

SHARPNESS = 10.0  # to begin with
# Of what classes begin with: the size of a key's numbers, how far gates are open, what two squashings take, and logits.
KEY, OPEN, REGAINED, TOLD = 0.5, 3.0, 1.2, 3.0
FAINT = 0.1  # norm under which a row, or a key, is like nothing: the empty ones are


@dataclass(frozen=True, slots=True, kw_only=True)
class MannSettings:
    """How it learns; sizes of the memory and of the controller are the paper's."""

    width: Annotated[int, Bounds(1, 4096)] = 32  # filters of each block of the embedding
    units: Annotated[int, Bounds(1, 4096)] = 200  # of the controller
    rows: Annotated[int, Bounds(1, 4096)] = 128  # of the memory
    row_size: Annotated[int, Bounds(1, 4096)] = 40
    reads: Annotated[int, Bounds(1, 64)] = 4  # heads that read, and as many that write
    usage_decay: Annotated[float, Bounds(0, 1)] = 0.99
    step_size: Annotated[float, Bounds(0, 1)] = 1e-3  # of Adam
    halve_after: Annotated[int, Bounds(0, 10**9)] = 4000  # meta-steps until the step size is halved; 0: never

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.reads > self.rows:
            raise ValueError(f"reads is {self.reads}; it must be at most rows, {self.rows}")


@dataclass(frozen=True, slots=True)
class Tape:
    """What is remembered of n sequences."""

    hidden: Tensor  # (n, u) of the controller
    cell: Tensor  # (n, u)
    rows: Tensor  # (n, R, w)
    usage: Tensor  # (n, R)
    weights: Tensor  # (n, h, R): where the last keys lie, once written
    read: Tensor  # (n, h w)
    label: Tensor  # (n, N) of the step before

    def fields(self) -> tuple[Tensor, ...]:
        """All, in order."""
        return self.hidden, self.cell, self.rows, self.usage, self.weights, self.read, self.label


def turned(
    tape: Tape, keys: Tensor, gate: Tensor, decay: float, sharpness: float | Tensor = 1.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Read by keys, and then write them: the rows, their usage, where the keys lie now, and what was read.

    Args:
        tape: as it was.
        keys: (n, h, w); each head's is what it writes, too.
        gate: (n, h, 1), sigma(alpha) of the paper: how much is written where the last keys lay.
        decay: of the usage, gamma.
        sharpness: what cosines are multiplied by.

    Returns:
        (n, R, w), (n, R), (n, h, R), (n, h, w).
    """
    heads, rows = keys.shape[1], tape.usage.shape[1]
    asked = sharpness * functional.normalize(keys, dim=-1, eps=FAINT)
    read = likest(asked, tape.rows) @ tape.rows
    least = tape.usage.topk(heads, largest=False).indices  # each head has a row of its own, the first the least used
    unused = functional.one_hot(least, rows).to(keys.dtype)
    written = gate * tape.weights + (1 - gate) * unused
    emptied = tape.rows * (1 - unused[:, :1].transpose(1, 2))
    memory = emptied + written.transpose(1, 2) @ keys
    weights = likest(asked, memory)
    usage = decay * tape.usage + weights.sum(1) + written.sum(1)
    return memory, usage, weights, read


def likest(asked: Tensor, rows: Tensor) -> Tensor:
    """Give the softmax over rows (n, R, w) of their cosines with keys (n, h, w) of norm sharpness: (n, h, R)."""
    return (asked @ functional.normalize(rows, dim=-1, eps=FAINT).transpose(1, 2)).softmax(-1)


class Mann(nn.Module):
    """The system; `Episodic`."""

    def __init__(self, family: EpisodeFamily, settings: MannSettings) -> None:
        super().__init__()
        self._settings, self._outputs = settings, outputs_of(family)
        self.embedding = Embedding(family.input_shape, settings.width)
        read = settings.reads * settings.row_size
        self.controller = nn.LSTMCell(self.embedding.size + self._outputs + read, settings.units)
        seen = settings.units + self.embedding.size + self._outputs
        self.address = nn.Linear(seen, read + settings.reads)
        self.tell = nn.Linear(settings.units + read, self._outputs)
        self.log_sharpness = nn.Parameter(torch.tensor(SHARPNESS).log())
        self._held = min(settings.row_size - self._outputs, settings.units // 2)  # numbers of an example in a key
        room = min(self._held, settings.rows) >= self._outputs
        if family.ways is not None and settings.reads > 1 and room:
            self._bind()

    @torch.no_grad()
    def _bind(self) -> None:
        """Begin with classes bound: half of the heads ask for rows like the example, the others bind what came before.

        The controller begins as a delay line: some units hold an example's features, projected, others hold those of
        the example before, whose label is heard now.
        """
        settings, outputs = self._settings, self._outputs
        units, features, size = settings.units, self.embedding.size, settings.row_size
        held = self._held
        near, past = slice(0, held), slice(held, 2 * held)
        projection = torch.randn(held, features) * (KEY / features**0.5)
        cell, address = self.controller, self.address
        cell.bias_hh.zero_()
        # Gates in PyTorch's order: input, forget, cell, output. What is held is of this step alone.
        for gate, open_ in enumerate((OPEN, -OPEN, 0.0, OPEN)):
            rows = gate * units + torch.arange(2 * held)
            cell.bias_ih[rows], cell.weight_ih[rows], cell.weight_hh[rows] = open_, 0.0, 0.0
        cell.weight_ih[2 * units : 2 * units + held, :features] = projection
        cell.weight_hh[2 * units + held : 2 * units + 2 * held, near] = REGAINED * torch.eye(held)
        address.weight.zero_()
        address.bias.zero_()
        address.bias[settings.reads * size :] = -OPEN  # each writes to a row of its own
        for head in range(settings.reads):
            key = head * size
            if head % 2 == 0:
                address.weight[key : key + held, near] = torch.eye(held)
            else:
                address.weight[key : key + held, past] = REGAINED * torch.eye(held)
                address.weight[key + size - outputs : key + size, -outputs:] = torch.eye(outputs)
        self.tell.weight.zero_()
        self.tell.bias.zero_()
        for head in range(settings.reads):
            last = units + (head + 1) * size
            self.tell.weight[:, last - outputs : last] = TOLD * torch.eye(outputs)

    def blank(self, count: int) -> Tape:
        """Give what is remembered of nothing."""
        settings, zeros = self._settings, self.tell.weight.new_zeros
        rows = zeros(count, settings.rows, settings.row_size)
        weights = zeros(count, settings.reads, settings.rows)
        weights[:, :, 0] = 1.0
        units = (count, settings.units)
        read = zeros(count, settings.reads * settings.row_size)
        return Tape(zeros(units), zeros(units), rows, zeros(rows.shape[:2]), weights, read, zeros(count, self._outputs))

    def controller_at(self, features: Tensor, tape: Tape) -> tuple[Tensor, Tensor]:
        """Go on with the controller at an example (n, f): its hidden state and its cell (n, u)."""
        inputs = torch.cat([features, tape.label, tape.read], 1)
        found: tuple[Tensor, Tensor] = self.controller(inputs, (tape.hidden, tape.cell))
        return found

    def keys_at(self, hidden: Tensor, features: Tensor, tape: Tape) -> tuple[Tensor, Tensor]:
        """Give the heads' keys (n, h, w) and gates (n, h, 1)."""
        settings = self._settings
        seen = torch.cat([hidden, features, tape.label], 1)
        keys, gates = self.address(seen).split([settings.reads * settings.row_size, settings.reads], 1)
        return keys.tanh().reshape(len(keys), settings.reads, -1), gates.sigmoid()[..., None]

    def step(self, features: Tensor, label: Tensor, tape: Tape) -> tuple[Tensor, Tape]:
        """Tell an example (n, f) and then hear its label (n, N): outputs (n, N), and the tape after."""
        hidden, cell = self.controller_at(features, tape)
        keys, gates = self.keys_at(hidden, features, tape)
        rows, usage, weights, read = turned(tape, keys, gates, self._settings.usage_decay, self.log_sharpness.exp())
        outputs = self.tell(torch.cat([hidden, read.flatten(1)], 1))
        return outputs, Tape(hidden, cell, rows, usage, weights, read.flatten(1), label)

    def along(self, sequence: Sequence) -> tuple[Tensor, Tape]:
        """Go through the examples: what is told of each before its label (M, S, N), and the tape after."""
        features = self.embedding.standardised(sequence.support)
        tape, told = self.blank(len(features)), []
        for number in range(features.shape[1]):
            outputs, after = self.step(features[:, number], sequence.labels[:, number], tape)
            there = sequence.there[:, number] > 0
            kept = (
                torch.where(there.reshape(-1, *(1,) * (new.dim() - 1)), new, old)
                for new, old in zip(after.fields(), tape.fields(), strict=True)
            )
            tape = Tape(*kept)
            told.append(outputs)
        return torch.stack(told, 1), tape

    def asked(self, sequence: Sequence, tape: Tape) -> Tensor:
        """Tell the queries, each as the next example: (M, Q, N).

        A blank one comes before. A label is written with the example after its own, so that the last one would be
        written with the query, which is told before.
        """
        tasks, queries = sequence.query.shape[:2]
        features = self.embedding.standardised(sequence.query).flatten(0, 1)
        blank = torch.zeros_like(features[:1]).expand(tasks, -1)
        _, heard = self.step(blank, torch.zeros_like(tape.label), tape)
        each = Tape(*(part.repeat_interleave(queries, 0) for part in heard.fields()))
        outputs, _ = self.step(features, each.label, each)
        return outputs.reshape(tasks, queries, -1)

    def predict(self, batch: TaskBatch, generator: torch.Generator) -> Prediction:
        sequence = sequence_of(batch)
        return predicted(self.asked(sequence, self.along(sequence)[1]), batch)

    def loss(self, batch: TaskBatch, generator: torch.Generator) -> tuple[Tensor, Prediction]:
        sequence = sequence_of(batch, generator)
        told, tape = self.along(sequence)
        asked = self.asked(sequence, tape)
        labels = sequence.labels if batch.ways is None else sequence.labels.argmax(-1)
        outputs, targets = torch.cat([told, asked], 1), torch.cat([labels, batch.query.targets], 1)
        present = torch.cat([sequence.there > 0, batch.query.present], 1)
        return told_loss(outputs, targets, present), predicted(asked.detach(), batch)


def _make(name: str, family: EpisodeFamily, settings: MannSettings, *, seed: int, device: str) -> ModuleLearner:
    with seeded(torch_generator((seed, Stream.PARAMETERS))):
        system = Mann(family, settings)
    return ModuleLearner(
        name,
        system,
        settings,
        largest_norm=10.0,
        ways=family.ways,
        device=device,
    )


LEARNER = FewShotKind(settings=MannSettings, make=_make, takes=frozenset({CLASSES, NUMBERS}), fixed_ways=True)
