"""Networks over a sequence that look back and never ahead, and what they remember so as to go on step by step.

Parts of SNAIL (Mishra et al. 2018, arXiv:1707.03141, section 3) and of a transformer (Vaswani et al. 2017,
arXiv:1706.03762; Radford et al. 2019 for where it normalises). A part goes through many steps at once, or through one
after another with cached keys and values, to the same numbers.

What a part remembers is a tuple of tensors (n, m, ...), of the last m steps of n sequences, the newest last. Rows of 0
before the first step mean that there was nothing, so what is remembered of shorter and longer sequences can be laid
side by side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Attention", "Beside", "CausalNetwork", "Embed", "Memory", "Part", "aligned", "snail", "transformer"]

Memory = tuple[Tensor, ...]
LONGEST_WAVE = 10_000.0  # steps / 2 pi, of the positions


class Part(Protocol):
    """A causal network, or a part of one; a `torch.nn.Module`."""

    size: int  # of its outputs

    def initial(self, count: int) -> Memory:
        """Give what is remembered of nothing, by so many sequences."""
        ...

    def tidy(self, memory: Memory) -> Memory:
        """Leave out the oldest steps that are nothing in all sequences, where their number is free."""
        ...

    def __call__(self, inputs: Tensor, there: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Go through steps.

        Args:
            inputs: (T, n, i).
            there: (T, n) of 1 and 0: which steps there are; the others are as if they were not.
            memory: of the steps before.

        Returns:
            (T, n, size), and the memory after the last step.
        """
        ...


class Attention(nn.Module):
    """Causal attention: a `Part`. A softmax over what was seen so far of products of queries and keys, in heads.

    Args:
        inputs: how many numbers a step has.
        keys: how many a key and a query have, over all heads.
        values: how many are read, over all heads.
        heads: of them.
        context: steps that are seen, the own one among them; 0 for all.
    """

    def __init__(self, inputs: int, keys: int, values: int, heads: int = 1, context: int = 0) -> None:
        super().__init__()
        self.size, self.sizes, self._heads, self._context = values, (keys, keys, values), heads, context
        self.project = nn.Linear(inputs, 2 * keys + values)

    def initial(self, count: int) -> Memory:
        empty = self.project.weight.new_zeros(count, 0, self.sizes[0])
        return empty, empty.new_zeros(count, 0, self.size), empty.new_zeros(count, 0)

    def tidy(self, memory: Memory) -> Memory:
        nothing = int((memory[2].cumsum(1) == 0).all(0).sum())
        return tuple(each[:, nothing:] for each in memory)

    def forward(self, inputs: Tensor, there: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        asked, *own = self.project(inputs).transpose(0, 1).split(self.sizes, -1)
        keys, values, known = (torch.cat(pair, 1) for pair in zip(memory, (*own, there.T), strict=True))
        steps, seen = asked.shape[1], keys.shape[1]
        ago = torch.arange(seen - steps, seen, device=keys.device)[:, None] - torch.arange(seen, device=keys.device)
        allowed = ago >= 0
        if self._context:
            allowed &= ago < self._context
        # A step that is not there sees itself, so that no row is empty; what it reads is thrown away.
        mask = (allowed & (known > 0)[:, None]) | (ago == 0)
        split = [each.unflatten(-1, (self._heads, -1)).transpose(1, 2) for each in (asked, keys, values)]
        read = functional.scaled_dot_product_attention(split[0], split[1], split[2], attn_mask=mask[:, None])
        read = read.transpose(1, 2).flatten(2).transpose(0, 1) * there[..., None]
        kept = min(seen, self._context - 1) if self._context else seen
        return read, tuple(each[:, seen - kept :] for each in (keys, values, known))


class Dense(nn.Module):
    """SNAIL's dense block: a `Part`. A gated convolution of this step and one some steps ago, beside its input.

    A step is multiplied by both weights when it comes, and what the later step needs of it is kept: fewer numbers than
    the step itself has, and none is multiplied twice.
    """

    def __init__(self, inputs: int, filters: int, ago: int) -> None:
        super().__init__()
        self.size, self._ago = inputs + filters, ago
        self.convolve = nn.Linear(2 * inputs, 2 * filters)  # of the step itself, and of the one some steps ago

    def initial(self, count: int) -> Memory:
        return (self.convolve.weight.new_zeros(count, self._ago, self.convolve.out_features),)

    def tidy(self, memory: Memory) -> Memory:
        return memory

    def forward(self, inputs: Tensor, there: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        now, then = functional.linear(inputs, torch.cat(self.convolve.weight.chunk(2, 1))).chunk(2, -1)
        whole = torch.cat([memory[0].transpose(0, 1), then])
        content, gate = (now + whole[: len(inputs)] + self.convolve.bias).chunk(2, -1)
        found = torch.cat([inputs, content.tanh() * gate.sigmoid() * there[..., None]], -1)
        return found, (whole[len(inputs) :].transpose(0, 1),)


class Beside(nn.Module):
    """A part whose outputs come beside its inputs, as SNAIL's attention's do: a `Part`."""

    def __init__(self, inputs: int, part: Attention) -> None:
        super().__init__()
        self.part, self.size = part, inputs + part.size

    def initial(self, count: int) -> Memory:
        return self.part.initial(count)

    def tidy(self, memory: Memory) -> Memory:
        return self.part.tidy(memory)

    def forward(self, inputs: Tensor, there: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        read, memory = self.part(inputs, there, memory)
        return torch.cat([inputs, read], -1), memory


class Block(nn.Module):
    """A transformer's block, normalised before attention and before its two layers: a `Part`."""

    def __init__(self, size: int, heads: int, context: int) -> None:
        super().__init__()
        self.size = size
        self.before, self.between = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = Attention(size, size, size, heads, context)
        self.mix = nn.Linear(size, size)
        self.layers = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))

    def initial(self, count: int) -> Memory:
        return self.attention.initial(count)

    def tidy(self, memory: Memory) -> Memory:
        return self.attention.tidy(memory)

    def forward(self, inputs: Tensor, there: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        read, memory = self.attention(self.before(inputs), there, memory)
        found = inputs + self.mix(read)
        return found + self.layers(self.between(found)), memory


class Embed(nn.Module):
    """The first layer, with where in the sequence a step stands where that is asked for: a `Part`.

    Weights begin orthogonal, of length `gain`, and without a bias, or, where that is 0, as PyTorch's do: so small that
    one of many choices is hardly heard by the parts that follow, or beside where its step stands.
    """

    def __init__(self, inputs: int, size: int, *, places: bool, gain: float = 0.0) -> None:
        super().__init__()
        self.size, self._places = size, places
        self.embed = nn.Linear(inputs, size)
        if gain:
            nn.init.orthogonal_(self.embed.weight, gain)
            nn.init.zeros_(self.embed.bias)
        waves = torch.exp(-math.log(LONGEST_WAVE) * torch.arange(0, size, 2) / size)
        self.register_buffer("waves", waves, persistent=False)

    def initial(self, count: int) -> Memory:
        return (self.embed.weight.new_zeros(count, 1),)  # steps so far

    def tidy(self, memory: Memory) -> Memory:
        return memory

    def forward(self, inputs: Tensor, there: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        found = self.embed(inputs)
        steps = memory[0].T + there.cumsum(0)
        if self._places:
            angles = (steps - 1)[..., None] * self.get_buffer("waves")
            found = found + torch.stack([angles.sin(), angles.cos()], -1).flatten(2)[..., : self.size]
        return found * there[..., None], (steps[-1:].T,)


class CausalNetwork(nn.Module):
    """Parts one after another: a `Part` itself."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.size: int = parts[-1].size  # type: ignore[assignment]
        self._tensors = [len(each.initial(1)) for each in self.parts]  # type: ignore[operator]

    def initial(self, count: int) -> Memory:
        return tuple(each for part in self.parts for each in part.initial(count))  # type: ignore[operator]

    def tidy(self, memory: Memory) -> Memory:
        return tuple(
            each
            for part, own in self._each(memory)
            for each in part.tidy(own)  # type: ignore[operator]
        )

    def forward(self, inputs: Tensor, there: Tensor | None, memory: Memory) -> tuple[Tensor, Memory]:
        """Go through steps, all of which there are where `there` is None."""
        if there is None:
            there = inputs.new_ones(inputs.shape[:2])
        signal, after = inputs, []
        for part, own in self._each(memory):
            signal, kept = part(signal, there, own)
            after += kept
        return signal, tuple(after)

    def _each(self, memory: Memory) -> Iterator[tuple[nn.Module, Memory]]:
        at = 0
        for part, tensors in zip(self.parts, self._tensors, strict=True):
            yield part, memory[at : at + tensors]
            at += tensors


def aligned(memories: Sequence[Memory]) -> Memory:
    """Lay memories of sequences of different lengths side by side: (sum of n, m, ...)."""
    found = []
    for each in zip(*memories, strict=True):
        longest = max(tensor.shape[1] for tensor in each)
        widened = [functional.pad(t, (*[0, 0] * (t.dim() - 2), longest - t.shape[1], 0)) for t in each]
        found.append(torch.cat(widened))
    return tuple(found)


def transformer(inputs: int, size: int, layers: int, heads: int, context: int, *, gain: float = 0.0) -> CausalNetwork:
    """Give a transformer that sees so many steps back in every layer; for `gain` see `Embed`."""
    blocks = [Block(size, heads, context) for _ in range(layers)]
    return CausalNetwork([Embed(inputs, size, places=True, gain=gain), *blocks])


def snail(
    inputs: int, filters: int, keys: int, steps: int, rounds: int = 2, *, width: int = 0, gain: float = 0.0
) -> CausalNetwork:
    """Give SNAIL: rounds of dense blocks, whose reach doubles until it is as long as a sequence, and attention.

    Args:
        inputs: how many numbers a step has.
        filters: of each dense block.
        keys: how many numbers a key and a value have.
        steps: how many the dense blocks of a round must reach back over.
        rounds: of both.
        width: numbers of the first layer; as many as filters when 0.
        gain: of the first layer's first weights; see `Embed`.
    """
    size = width or filters
    parts: list[nn.Module] = [Embed(inputs, size, places=False, gain=gain)]
    for _ in range(rounds):
        for power in range(max(math.ceil(math.log2(max(steps, 2))), 1)):
            parts.append(Dense(size, filters, 2**power))
            size += filters
        parts.append(Beside(size, Attention(size, keys, keys)))
        size += keys
    return CausalNetwork(parts)
