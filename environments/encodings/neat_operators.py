"""NEAT's own mutation, from neat-python, under a generator that the caller names.

neat-python draws from Python's global `random` and counts nodes and
innovations across a whole process. Here the global state is borrowed and given
back, and each call counts from the genome it is given, so that a child depends
on its parent and the generator alone. Settings are those published with
Enhanced POET (arXiv:2003.08536): one structural mutation at a time, nodes added
with 0.1 and deleted with 0.075, connections neither.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from neat import DefaultGenome
from neat.genes import DefaultConnectionGene, DefaultNodeGene
from neat.innovation import InnovationTracker

from environments.domain import Genome

ACTIVATIONS = ("identity", "sin", "sigmoid", "square", "tanh")
LIMIT = 10.0  # of the magnitude of weights and biases
DECIMALS = 9  # genes are rounded so: `random.gauss` rests on the C library's last bits

_SETTINGS = {
    "initial_connection": "full",
    "activation_default": "random",
    "activation_mutate_rate": 0.0,
    "activation_options": " ".join(ACTIVATIONS),
    "aggregation_default": "sum",
    "aggregation_mutate_rate": 0.0,
    "aggregation_options": "sum",
    "bias_init_mean": 0.0,
    "bias_init_stdev": 0.1,
    "bias_max_value": LIMIT,
    "bias_min_value": -LIMIT,
    "bias_mutate_power": 0.1,
    "bias_mutate_rate": 0.75,
    "bias_replace_rate": 0.0,
    "compatibility_disjoint_coefficient": 1.0,
    "compatibility_weight_coefficient": 0.5,
    "conn_add_prob": 0.0,
    "conn_delete_prob": 0.0,
    "enabled_default": "True",
    "enabled_mutate_rate": 0.0,
    "feed_forward": "True",
    "node_add_prob": 0.1,
    "node_delete_prob": 0.075,
    "num_hidden": 0,
    "num_outputs": 1,
    "response_init_mean": 1.0,
    "response_init_stdev": 0.0,
    "response_max_value": LIMIT,
    "response_min_value": -LIMIT,
    "response_mutate_power": 0.2,
    "response_mutate_rate": 0.0,
    "response_replace_rate": 0.0,
    "single_structural_mutation": "True",
    "weight_init_mean": 0.0,
    "weight_init_stdev": 0.25,
    "weight_max_value": LIMIT,
    "weight_min_value": -LIMIT,
    "weight_mutate_power": 0.1,
    "weight_mutate_rate": 0.75,
    "weight_replace_rate": 0.0,
}


@contextmanager
def _borrowed_random(rng: np.random.Generator) -> Iterator[None]:
    """Let the global `random` follow `rng` for a while, and leave it as it was."""
    state = random.getstate()
    random.seed(int(rng.integers(2**63)))
    try:
        yield
    finally:
        random.setstate(state)


def first_network(inputs: int, rng: np.random.Generator) -> Genome:
    """Draw the network that NEAT starts from: every input joined to an identity output, none hidden."""
    genome = DefaultGenome(0)
    with _borrowed_random(rng):
        genome.configure_new(_fresh_counts(inputs, 0, 0))
    genome.nodes[0].activation = "identity"
    return _to_network(genome, inputs)


def mutate_network(network: Genome, rng: np.random.Generator) -> Genome:
    """Mutate once as NEAT does: at most one node comes or goes, weights and biases wander."""
    inputs = network["inputs"]
    genome = _from_network(network)
    with _borrowed_random(rng):
        genome.mutate(_fresh_counts(inputs, max(genome.nodes), len(genome.connections)))
    return _to_network(genome, inputs)


def _fresh_counts(inputs: int, highest_node: int, connections: int) -> Any:
    """Give the settings with counters that start after what a genome holds."""
    config = DefaultGenome.parse_config({**_SETTINGS, "num_inputs": inputs})
    config.node_indexer = iter(range(highest_node + 1, highest_node + 3))
    # Innovation numbers align genes in crossover, which POET has not: any that differ will do.
    config.innovation_tracker = InnovationTracker(connections)
    return config


def _from_network(network: Genome) -> Any:
    genome = DefaultGenome(0)
    for node in network["nodes"]:
        gene = DefaultNodeGene(node["id"])
        gene.bias, gene.response, gene.activation = node["bias"], node["response"], node["activation"]
        gene.aggregation, gene.time_constant = "sum", 1.0
        genome.nodes[gene.key] = gene
    for number, connection in enumerate(network["connections"]):
        link = DefaultConnectionGene((connection["from"], connection["to"]), innovation=number)
        link.weight, link.enabled = connection["weight"], connection["enabled"]
        genome.connections[link.key] = link
    return genome


def _to_network(genome: Any, inputs: int) -> Genome:
    """Write a genome in its one canonical order."""
    return {
        "inputs": inputs,
        "nodes": [
            {
                "id": key,
                "activation": node.activation,
                "bias": round(node.bias, DECIMALS),
                "response": node.response,
            }
            for key, node in sorted(genome.nodes.items())
        ],
        "connections": [
            {"from": key[0], "to": key[1], "weight": round(link.weight, DECIMALS), "enabled": link.enabled}
            for key, link in sorted(genome.connections.items(), key=lambda entry: entry[0])
        ],
    }
