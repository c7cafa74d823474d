"""Few-shot learning with graph neural networks (Garcia and Bruna 2018, arXiv:1711.04043).

A task's examples and one query are the nodes of a graph: features, and beside them the class, which for the query is
even over all. Edges are learned of the distances between features; layers of graph convolution, each seeing all that
came before, end in the query's class. Edges to examples that are not there, and to itself, weigh nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from environments.settings import Bounds
from meta_learners.metric.learner import Features, MetricSettings, kind_of

__all__ = ["LEARNER", "Edges", "Graph", "GraphSettings", "weigh"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSettings(MetricSettings):
    """How it learns."""

    layers: Annotated[int, Bounds(1, 10)] = 3
    units: Annotated[int, Bounds(1, 4096)] = 32  # that each layer adds to a node


class Edges(nn.Module):
    """Scores of edges, learned of the distances between nodes, feature by feature: the same both ways."""

    def __init__(self, size: int, units: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(size, units), nn.LeakyReLU(), nn.Linear(units, units), nn.LeakyReLU(), nn.Linear(units, 1)
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                # With smaller weights all edges are alike at first, and with many classes long after.
                nn.init.kaiming_normal_(layer.weight, nonlinearity="leaky_relu")

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Score the edges between nodes (G, a, f) and nodes (G, b, f): (G, a, b)."""
        found: Tensor = self.layers((one[:, :, None] - other[:, None]).abs())[..., 0]
        return found


def weigh(scores: Tensor, there: Tensor) -> Tensor:
    """Make the edges into the first nodes (G, a, n) sum to 1: a softmax, over other nodes (G, n) that are there."""
    own = torch.eye(scores.shape[2], dtype=torch.bool, device=scores.device)[: scores.shape[1]]
    return scores.masked_fill(own | ~there[:, None], -torch.inf).softmax(-1)


class Graph(nn.Module):
    """The rule, for a number of classes."""

    def __init__(self, size: int, ways: int, settings: GraphSettings) -> None:
        super().__init__()
        self._ways = ways
        sizes = [size + ways + number * settings.units for number in range(settings.layers)]
        self.edges = nn.ModuleList(Edges(each, settings.units) for each in sizes)
        outputs = [*[settings.units] * (settings.layers - 1), ways]
        self.convolutions = nn.ModuleList(nn.Linear(2 * a, b) for a, b in zip(sizes, outputs, strict=True))

    def forward(self, features: Features) -> Tensor:
        """Give logits; one query a graph, so that queries do not see each other."""
        tasks, queries = features.query.shape[:2]
        if features.labels.shape[2] != self._ways:
            raise ValueError(f"tasks have {features.labels.shape[2]} classes; this graph was made for {self._ways}")
        known = torch.cat([features.support, features.labels], 2)
        even = torch.full((*features.query.shape[:2], self._ways), 1 / self._ways).to(known)
        asked = torch.cat([features.query, even], 2)
        nodes = torch.cat([asked[:, :, None], known[:, None].expand(-1, queries, -1, -1)], 2).flatten(0, 1)
        present = torch.cat([torch.ones_like(features.labels[:, :1, 0]), features.labels.sum(2)], 1) > 0
        there = present[:, None].expand(-1, queries, -1).flatten(0, 1)
        last = len(self.edges) - 1
        for number, (edges, convolution) in enumerate(zip(self.edges, self.convolutions, strict=True)):
            into = nodes[:, :1] if number == last else nodes  # of the last layer the query alone is told
            scores = edges(into, nodes) if number else self._first_scores(known, asked)[:, : into.shape[1]]
            mixed = convolution(torch.cat([into, weigh(scores, there) @ nodes], 2))
            if number < last:
                nodes = torch.cat([nodes, nn.functional.leaky_relu(mixed)], 2)
        found: Tensor = mixed[:, 0].reshape(tasks, queries, self._ways)
        return found

    def _first_scores(self, known: Tensor, asked: Tensor) -> Tensor:
        """Score the first layer's edges (M * Q, 1 + S, 1 + S): those between examples are the same for all queries."""
        edges, queries = self.edges[0], asked.shape[1]
        among, beside = edges(known, known), edges(asked, known)
        rows = torch.cat([beside[..., None], among[:, None].expand(-1, queries, -1, -1)], 3)
        first = torch.cat([torch.zeros_like(beside[..., :1]), beside], 2)[:, :, None]
        return torch.cat([first, rows], 2).flatten(0, 1)


LEARNER = kind_of(lambda shape, settings, ways: Graph(shape[0], ways, settings), of=GraphSettings, fixed_ways=True)
