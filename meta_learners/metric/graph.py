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

__all__ = ["LEARNER", "Graph", "GraphSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSettings(MetricSettings):
    """How it learns."""

    layers: Annotated[int, Bounds(1, 10)] = 3
    units: Annotated[int, Bounds(1, 4096)] = 32  # that each layer adds to a node


class Edges(nn.Module):
    """Weights of the edges into each node: a softmax of what is learned of the distances, feature by feature."""

    def __init__(self, size: int, units: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(size, units), nn.LeakyReLU(), nn.Linear(units, units), nn.LeakyReLU(), nn.Linear(units, 1)
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                # With smaller weights all edges are alike at first, and with many classes long after.
                nn.init.kaiming_normal_(layer.weight, nonlinearity="leaky_relu")

    def forward(self, nodes: Tensor, there: Tensor, rows: int | None = None) -> Tensor:
        """Weigh the edges of graphs (G, n, f) whose nodes (G, n) are there.

        Returns:
            (G, n, n), rows of which sum to 1, or the first `rows` of them.
        """
        scores = self.layers((nodes[:, :rows, None] - nodes[:, None]).abs())[..., 0]
        own = torch.eye(nodes.shape[1], dtype=torch.bool, device=nodes.device)[:rows]
        weights: Tensor = scores.masked_fill(own | ~there[:, None], -torch.inf).softmax(-1)
        return weights


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
            rows = 1 if number == last else None  # only the query is read at the end
            mixed = convolution(torch.cat([nodes[:, :rows], edges(nodes, there, rows) @ nodes], 2))
            if number < last:
                nodes = torch.cat([nodes, nn.functional.leaky_relu(mixed)], 2)
        found: Tensor = mixed[:, 0].reshape(tasks, queries, self._ways)
        return found


LEARNER = kind_of(lambda shape, settings, ways: Graph(shape[0], ways, settings), of=GraphSettings, fixed_ways=True)
