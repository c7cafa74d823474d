"""Enhanced POET's genome of terrain: a network from place to height.

Compositional pattern-producing networks after Stanley 2007, as Enhanced POET
uses them (arXiv:2003.08536, section 4.1): position in, height out, bred by
NEAT. A genome is the JSON object ``{"cppn": network}``, and with obstacles on
that ground ``{"cppn": network, "parametric": genes}``; the published terrain
has none. A network has one input (x of a course) or two (x and y of a field).

Relief is measured where the agent walks, up or down, so that ground which only
descends is as good as any other; or, with the option `bounds`, as published: up
alone, with inputs from [-1, 1], while the ground itself has them from [-pi, pi].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments import portable
from environments.domain import Genome
from environments.encodings.genes import read_choices
from environments.encodings.neat_operators import ACTIVATIONS, LIMIT, first_network, mutate_network
from environments.encodings.parametric import KINDS, ParametricEncoding, ParametricGenome

Floats = NDArray[np.float64]

LOWEST, LOW = 0.25, (0.25, 0.75)  # m; relief below the first is scaled up to a draw from the second
HIGHEST, HIGH = 16.0, (12.0, 16.0)  # m; relief above the first is scaled down to a draw from the second
FARTHEST = 1e5  # m; no bound of the published code, but what both engines are known to bear
NO_RELIEF = 1e-6  # m; rounding, not ground
BOUNDS = ("walked", "published")  # where relief is bounded, the default first
ATTEMPTS = 1000  # mutations until one has relief; one in two does
PLACES = ("sampled", "all")  # of the probe, whose heights make the vector of a genome; the default first
SAMPLED = 64  # evenly by number, which of a grid leaves out some more than others
OBSTACLES = tuple(kind for kind in KINDS if kind != "roughness")  # what may stand on a CPPN's ground

_ACTIVATE: dict[str, Callable[[Floats], Floats]] = {
    # With the slopes that neat-python gives them.
    "identity": lambda z: z,
    "sin": lambda z: portable.sin(5.0 * z),
    "sigmoid": lambda z: portable.sigmoid(5.0 * z),
    "square": lambda z: z * z,
    "tanh": lambda z: portable.tanh(2.5 * z),
}


def evaluate(network: Genome, inputs: Floats) -> Floats:
    """Compute the network's output at every place, to the same last bit on every machine.

    Args:
        network: its ``inputs``, ``nodes`` and ``connections``, valid by `check_network`.
        inputs: (n, d) places; published terrains scale each coordinate to [-pi, pi].

    Returns:
        (n,) outputs; inf or NaN where a network overflows.
    """
    values = {-1 - column: inputs[:, column] for column in range(network["inputs"])}
    nodes = {node["id"]: node for node in network["nodes"]}
    incoming = _incoming(network)
    with np.errstate(over="ignore", invalid="ignore"):
        for key in TopologicalSorter(_sources(network)).static_order():
            if key < 0:
                continue
            total = np.zeros(len(inputs))
            for connection in incoming[key]:
                total = total + values[connection["from"]] * connection["weight"]
            node = nodes[key]
            values[key] = _ACTIVATE[node["activation"]](node["bias"] + node["response"] * total)
    height: Floats = values[0]
    return height


def relief(network: Genome, probe: Floats) -> Floats:
    """Give the heights (n,), in m, above that of the first place of `probe` (n, d)."""
    heights = evaluate(network, probe)
    with np.errstate(invalid="ignore"):
        above: Floats = heights - heights[0]
    return above


def check_network(network: Any, inputs: int) -> None:
    """Check that a JSON value is a feed-forward network of so many inputs.

    Raises:
        ValueError: it is not; the message names what is wrong and what is valid.
    """
    _check_table("cppn", network, ("inputs", "nodes", "connections"))
    if network["inputs"] != inputs or isinstance(network["inputs"], bool):
        raise ValueError(f"inputs is {network['inputs']}; this body's ground needs {inputs}")
    for name in ("nodes", "connections"):
        if not isinstance(network[name], list):
            raise ValueError(f"{name} is {network[name]!r}; it must be a list")
    for node in network["nodes"]:
        _check_table("a node", node, ("id", "activation", "bias", "response"))
        _check_key(node["id"], 0)
        if node["activation"] not in ACTIVATIONS:
            raise ValueError(
                f"node {node['id']} has activation {node['activation']!r}; valid: {', '.join(ACTIVATIONS)}"
            )
        _check_number(f"bias of node {node['id']}", node["bias"], LIMIT)
        _check_number(f"response of node {node['id']}", node["response"], np.finfo(np.float64).max)
    keys = [node["id"] for node in network["nodes"]]
    if len(set(keys)) != len(keys) or 0 not in keys:
        raise ValueError(f"nodes have the ids {keys}; each must occur once, and 0, the output, among them")
    if any(node["id"] == 0 and node["activation"] != "identity" for node in network["nodes"]):
        raise ValueError("the output node's activation must be identity: its response scales the ground")
    _check_connections(network["connections"], {*keys, *range(-inputs, 0)})
    try:
        TopologicalSorter(_sources(network)).prepare()
    except CycleError as error:
        raise ValueError(f"the network has a cycle through the nodes {error.args[1]}") from None


def _check_connections(connections: list[Any], known: set[int]) -> None:
    pairs = set()
    for connection in connections:
        _check_table("a connection", connection, ("from", "to", "weight", "enabled"))
        pair = (connection["from"], connection["to"])
        _check_key(pair[0], min(known))
        _check_key(pair[1], 0)
        if not known.issuperset(pair) or pair in pairs:
            raise ValueError(f"a connection leads from {pair[0]} to {pair[1]}; both must exist, and meet but once")
        pairs.add(pair)
        _check_number(f"weight from {pair[0]} to {pair[1]}", connection["weight"], LIMIT)
        if not isinstance(connection["enabled"], bool):
            raise ValueError(
                f"enabled is {connection['enabled']!r} from {pair[0]} to {pair[1]}; it must be true or false"
            )


def _check_table(what: str, value: Any, keys: tuple[str, ...]) -> None:
    if not isinstance(value, Mapping) or set(value) != set(keys):
        raise ValueError(f"{what} is {value!r}; it must be a table of {', '.join(keys)}")


def _check_key(value: Any, lowest: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise ValueError(f"a node's id is {value!r}; it must be a whole number from {lowest}")


def _check_number(name: str, value: Any, limit: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= limit:
        raise ValueError(f"{name} is {value!r}; it must lie in [{-limit:g}, {limit:g}]")


def _sources(network: Genome) -> dict[int, list[int]]:
    """Say of each node from which others it hears; disabled connections keep their place in the order."""
    sources: dict[int, list[int]] = {node["id"]: [] for node in network["nodes"]}
    for connection in network["connections"]:
        sources[connection["to"]].append(connection["from"])
    return sources


def _incoming(network: Genome) -> dict[int, list[Genome]]:
    incoming: dict[int, list[Genome]] = {node["id"]: [] for node in network["nodes"]}
    for connection in network["connections"]:
        if connection["enabled"]:
            incoming[connection["to"]].append(connection)
    return incoming


def flat_network(inputs: int) -> Genome:
    """Give the network of flat ground: every input joined to the output, with weight zero."""
    return {
        "inputs": inputs,
        "nodes": [{"id": 0, "activation": "identity", "bias": 0.0, "response": 1.0}],
        "connections": [{"from": key, "to": 0, "weight": 0.0, "enabled": True} for key in range(-inputs, 0)],
    }


@dataclass(frozen=True, eq=False)
class CPPNEncoding:
    """Networks of ground, with or without parametric obstacles standing on it.

    Attributes:
        probe: (n, d) the network's inputs where agents walk, the start first; there relief is measured.
        obstacles: how those on the ground mutate; None for bare ground, as published.
        start: the genome that a run starts from.
        unit: m of ground for one unit of the network's output; bodies differ in size, the bounds scale with it.
        published: (n, d) the inputs where the published code measures relief, which then bound it; None for `probe`.
        places: which heights along the ground compare genomes, one of `PLACES`.
    """

    probe: Floats
    obstacles: ParametricEncoding | None = None
    start: Genome = field(default_factory=dict)
    unit: float = 1.0
    published: Floats | None = None
    places: str = PLACES[0]
    name: str = "cppn"

    @staticmethod
    def from_options(
        options: Mapping[str, Any], probe: Floats, unit: float = 1.0, published: Floats | None = None
    ) -> CPPNEncoding:
        """Read a configuration's encoding options; `published` says where `bounds = "published"` measures relief.

        Raises:
            ValueError: an option is unknown or a value is not valid.
        """
        for option in options:
            if option not in ("obstacles", "start", "bounds", "places"):
                raise ValueError(
                    f"option {option!r} is unknown; the cppn encoding takes obstacles, start, bounds and places"
                )
        kinds, start = options.get("obstacles", []), options.get("start", {})
        if not isinstance(kinds, list) or any(kind not in OBSTACLES for kind in kinds):
            raise ValueError(f"obstacles is {kinds!r}; it must be a list of {', '.join(OBSTACLES)}, or empty")
        if not isinstance(start, Mapping):
            raise ValueError(f"start is {start!r}; it must be a table of cppn and parametric")
        obstacles = ParametricEncoding.from_options({"kinds": kinds}) if kinds else None
        choices = read_choices(options, {"bounds": BOUNDS, "places": PLACES})
        where = published if choices["bounds"] == "published" else None
        first = {"cppn": flat_network(probe.shape[1]), **start}
        encoding = CPPNEncoding(probe, obstacles, first, unit, where, choices["places"])
        encoding.check(encoding.start)
        return encoding

    def initial(self) -> Genome:
        """Give what a run starts from: flat ground without obstacles, unless told otherwise."""
        return dict(self.start) or {"cppn": flat_network(self.probe.shape[1])}

    def check(self, genome: Genome) -> None:
        """Raise ValueError unless the network is valid, its ground within bounds and so are its obstacles."""
        if "cppn" not in genome or not {"cppn", "parametric"}.issuperset(genome):
            raise ValueError(
                f"the genome has the parts {', '.join(genome) or 'none'}; it has cppn and maybe parametric"
            )
        check_network(genome["cppn"], self.probe.shape[1])
        height = np.abs(relief(genome["cppn"], self.probe)).max()
        if not height <= self._highest:
            height, highest = self.unit * height, self.unit * self._highest
            raise ValueError(f"the ground is {height:g} m high or deep; it must stay within {highest:g} m of the start")
        obstacles_of(genome)

    def genes(self) -> dict[str, dict[str, Any]]:
        """Say of each kind of number in a genome its bounds and unit; of obstacles what their own encoding says."""
        network = {"minimum": -LIMIT, "maximum": LIMIT, "unit": "1", "mutates": True}
        highest = self.unit * self._highest
        found = {
            "cppn.weight": network,
            "cppn.bias": network,
            "relief": {"minimum": -highest, "maximum": highest, "unit": "m", "mutates": True},
        }
        obstacles = (self.obstacles or ParametricEncoding(())).genes()
        return found | {f"parametric.{name}": gene for name, gene in obstacles.items() if gene["obstacle"] in OBSTACLES}

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        """Give a child with other ground, and other obstacles where they are enabled."""
        child = {**genome, "cppn": self._mutate_ground(genome["cppn"], rng)}
        if self.obstacles is not None:
            child["parametric"] = self.obstacles.mutate(genome.get("parametric", {}), rng)
        return child

    def _mutate_ground(self, network: Genome, rng: np.random.Generator) -> Genome:
        """Mutate until the ground changes and has relief, scaled into bounds; the parent itself if none will."""
        before = relief(network, self.probe)
        flat = np.abs(before).max() <= NO_RELIEF
        for _ in range(ATTEMPTS):
            parent = first_network(network["inputs"], rng) if flat else network
            child = scaled(mutate_network(_with_response(parent, 1.0), rng), self.measure, rng)
            if child is not None and self._walkable(relief(child, self.probe), before):
                return child
        return network

    @property
    def _highest(self) -> float:
        return HIGHEST if self.published is None else FARTHEST

    def measure(self, network: Genome) -> float:
        """Measure the relief that is brought into bounds."""
        if self.published is None:
            return float(np.abs(relief(network, self.probe)).max())
        return float(relief(network, self.published).max())

    def _walkable(self, ground: Floats, before: Floats) -> bool:
        """Say whether a child's ground is another than its parent's, and no farther up or down than there may be."""
        return not np.array_equal(ground, before) and (self.published is None or np.abs(ground).max() <= FARTHEST)

    def vector(self, genome: Genome) -> Floats:
        """Place the genome where distances mean something: heights along the ground over 16 m, then the obstacles.

        Weights have no such place: networks differ in size, and very different ones make the same ground.
        """
        ground = relief(genome["cppn"], self.probe) / HIGHEST
        if self.places == "sampled":
            ground = ground[np.linspace(0, len(ground) - 1, min(SAMPLED, len(ground))).round().astype(int)]
        return np.concatenate([ground, ParametricEncoding().vector(genome.get("parametric", {}))])

    def describe(self, genome: Genome) -> str:
        """Write the genome in a few words, such as ``relief -0.4 to 2.1 m, 3 nodes, pit 0-0.8``."""
        network = genome["cppn"]
        heights = relief(network, self.probe)
        words = []
        if np.abs(heights).max() > NO_RELIEF:
            low, high = (round(self.unit * float(end), 1) + 0.0 for end in (heights.min(), heights.max()))  # never -0.0
            nodes = len(network["nodes"])
            words.append(f"relief {low:.1f} to {high:.1f} m, {nodes} node{'s' * (nodes > 1)}")
        if genome.get("parametric") and (obstacles := ParametricEncoding().describe(genome["parametric"])) != "flat":
            words.append(obstacles)
        return ", ".join(words) or "flat"


def obstacles_of(genome: Genome) -> ParametricGenome:
    """Read what stands on the ground of a genome.

    Raises:
        ValueError: a gene is not valid, or would shape the ground itself.
    """
    found = ParametricGenome.from_json(genome.get("parametric", {}))
    if found.roughness:
        raise ValueError(f"roughness is {found.roughness}; with a CPPN it must be 0, for the ground is the network's")
    return found


def scaled(network: Genome, measure: Callable[[Genome], float], rng: np.random.Generator) -> Genome | None:
    """Bring the ground's relief into bounds, as published; None for a network without any."""
    height = measure(network)
    if not NO_RELIEF < height < np.inf:
        return None
    if LOWEST <= height <= HIGHEST:
        return network
    return _with_response(network, rng.uniform(*(LOW if height < LOWEST else HIGH)) / height)


def _with_response(network: Genome, response: float) -> Genome:
    """Scale the ground: the output node is linear, and its response its factor."""
    nodes = [{**node, "response": response} if node["id"] == 0 else node for node in network["nodes"]]
    return {**network, "nodes": nodes}
