"""The rules of POET and Enhanced POET, plainly, from the papers' facts and nothing of ours.

Obvious rather than fast: loops, lists and `math`. `python tests/support/published_rules.py` writes what they
give for fixed inputs into `published_rules.json`; `tests/test_published_rules.py` holds the program to it. The
draws are NumPy's, asked for in the published order.
"""

import json
import math
from pathlib import Path

import numpy as np

RECORD = Path(__file__).with_name("published_rules.json")
STEP, POINTS, PAD, HEIGHT = 14 / 30, 200, 20, 400 / 30 / 4  # m, points, points, m
THINNEST = 0.02  # steps; thinner boxes are left out, by us alone


# Evolution strategies


def centered_ranks(returns):
    """Of returns without ties: 0 for the lowest to 1 for the highest, less a half."""
    flat = [value for row in returns for value in row]
    order = sorted(flat)
    return [[order.index(value) / (len(flat) - 1) - 0.5 for value in row] for row in returns]


def es_steps(theta, rounds):
    """Take a step for each (noise, returns): centered ranks, divided by sigma, L2 0.01, Adam, then decay."""
    m, v = [0.0] * len(theta), [0.0] * len(theta)
    sigma, step_size, history = 0.1, 0.01, []
    for t, (noise, returns) in enumerate(rounds, start=1):
        ranks = centered_ranks(returns)
        gradient = [0.0] * len(theta)
        for (plus, minus), direction in zip(ranks, noise, strict=True):
            for i, value in enumerate(direction):
                gradient[i] += (plus - minus) * value / len(noise) / sigma
        for i in range(len(theta)):
            loss = -gradient[i] + 0.01 * theta[i]
            m[i] = 0.9 * m[i] + 0.1 * loss
            v[i] = 0.999 * v[i] + 0.001 * loss * loss
            rate = step_size * math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            theta = [*theta[:i], theta[i] - rate * m[i] / (math.sqrt(v[i]) + 1e-8), *theta[i + 1 :]]
        sigma, step_size = max(0.999 * sigma, 0.01), max(0.9999 * step_size, 0.001)
        history.append({"theta": theta, "sigma": sigma, "step_size": step_size})
    return history


# Courses


def published_course(genome, seed):
    """The generator's loop with its counters: ground (200, 2), boxes (n, 4) of left, right, bottom, top."""
    rng = np.random.default_rng(seed)
    kinds = [kind for kind in FIELDS if genome.get(FIELDS[kind]) is not None]
    xs, ys, boxes = [], [], []
    state, oneshot, counter, velocity, y = "grass", False, PAD, 0.0, HEIGHT
    for i in range(POINTS):
        x, shift = i * STEP, 0.0
        if state == "grass" and not oneshot:
            velocity = 0.8 * velocity + 0.01 * np.sign(HEIGHT - y)
            if i > PAD:
                velocity += rng.uniform(-1, 1) / 30
            y += genome.get("roughness", 0.0) * velocity
        elif state == "pit" and oneshot:
            width = 1.0 + rng.uniform(*genome["pit_gap"])
            counter = int(np.ceil(width)) + 2
            for left in (x, x + width * STEP):
                boxes.append((left, left + STEP, y - 4 * STEP, y))
            before = y
        elif state == "pit":
            y = before - 4 * STEP if counter > 1 else before
            shift = -(np.ceil(width) - width) * STEP if counter == 1 else 0.0
        elif state == "stump" and oneshot:
            height = rng.uniform(*genome["stump_height"])
            counter = 1
            boxes.append((x, x + STEP, y, y + height * STEP))
        elif state == "stair" and oneshot:
            height = rng.uniform(*genome["stair_height"])
            slope = 1 if rng.random() > 0.5 else -1
            before = y
            for step in range(genome["stair_steps"]):
                top = y + step * height * slope * STEP
                boxes.append((x + step * 4 * STEP, x + (step + 1) * 4 * STEP, top - height * STEP, top))
            counter = genome["stair_steps"] * 4 + 1
        elif state == "stair":
            n = (genome["stair_steps"] * 4 - counter) // 4
            y = before + n * height * slope * STEP - (height if slope == -1 else 0) * STEP
        oneshot = False
        xs.append(x + shift)
        ys.append(y)
        counter -= 1
        if counter == 0:
            counter = rng.integers(5, 10)
            state = kinds[rng.integers(len(kinds))] if state == "grass" and kinds else "grass"
            oneshot = True
    thick = [box for box in boxes if box[3] - box[2] >= THINNEST * STEP]
    return np.column_stack([xs, ys]), np.array(thick).reshape(-1, 4)


FIELDS = {"stump": "stump_height", "stair": "stair_height", "pit": "pit_gap"}


# Genomes


def mutated(genome, rng):
    """Mutate roughness, pits and stumps: each moves by a step, an absent one appears with its initial range."""
    roughness = round(genome["roughness"] + rng.uniform(-0.6, 0.6), 1)
    child = {"roughness": min(max(roughness, 0.0), 10.0)}
    for name, first, step, most in (("pit_gap", (0.0, 0.8), 0.4, 10.0), ("stump_height", (0.0, 0.4), 0.2, 5.0)):
        if genome[name] is None:
            child[name] = list(first)
            continue
        low, high = genome[name]
        around = [
            (round(low + a, 6), round(high + b, 6))
            for a in (step, 0.0, -step)
            for b in (step, 0.0, -step)
            if (a, b) != (0.0, 0.0)
        ]
        kept = [(a, b) for a, b in around if first[0] <= a <= b <= most and b >= first[1]]
        child[name] = list(kept[rng.integers(len(kept))])
    return child


def distance(one, other):
    """Compare roughness and the ends of pits and stumps, an absent one at 0, in their own units."""

    def place(genome):
        return [genome["roughness"], *(genome["pit_gap"] or (0, 0)), *(genome["stump_height"] or (0, 0))]

    return math.sqrt(sum((a - b) ** 2 for a, b in zip(place(one), place(other), strict=True)))


def novelty(genome, archive):
    """Average the distances to the five nearest."""
    nearest = sorted(distance(genome, other) for other in archive)[:5]
    return sum(nearest) / len(nearest)


def pata_ec(scores, low, high):
    """Of each environment the agents' ranks, without ties, scaled to [-0.5, 0.5]; scores (agents, environments)."""
    places = []
    for column in zip(*scores, strict=True):
        clipped = [min(max(score, low), high) for score in column]
        order = sorted(clipped)
        places.append([order.index(score) / (len(order) - 1) - 0.5 for score in clipped])
    return places


# CPPN terrain

ACTIVATIONS = {
    "identity": lambda z: z,
    "sin": lambda z: math.sin(5 * z),
    "sigmoid": lambda z: 1 / (1 + math.exp(-5 * z)),
    "square": lambda z: z * z,
    "tanh": lambda z: math.tanh(2.5 * z),
}


def output(network, x, node=0):
    """What a node says at a place, asking those before it."""
    if node == -1:
        return x
    gene = next(gene for gene in network["nodes"] if gene["id"] == node)
    links = [link for link in network["connections"] if link["to"] == node and link["enabled"]]
    total = sum(link["weight"] * output(network, x, link["from"]) for link in links)
    return ACTIVATIONS[gene["activation"]](gene["bias"] + gene["response"] * total)


def published_response(network, rng):
    """The factor that brings the highest point over x in [-1, 1] into bounds; None for ground that only descends."""
    heights = [output(network, (i - 100) / 100) for i in range(200)]
    highest = max(heights) - heights[0]
    if not highest > 0:
        return None
    if highest < 0.25:
        return float(rng.uniform(0.25, 0.75)) / highest
    return float(rng.uniform(12, 16)) / highest if highest > 16 else 1.0


def published_heights(network):
    """The ground's heights in m from the pad's end on: the network over [-pi, pi], 0 at the pad's end."""
    heights = [output(network, (i - 100) / 100 * math.pi) for i in range(PAD, POINTS)]
    return [height - heights[0] for height in heights]


# Inputs


def _node(key, activation, bias=0.0):
    return {"id": key, "activation": activation, "bias": bias, "response": 1.0}


def _link(start, end, weight):
    return {"from": start, "to": end, "weight": weight, "enabled": True}


def _network(nodes, links):
    return {"inputs": 1, "nodes": nodes, "connections": links}


NETWORKS = {
    "climbs": _network([_node(0, "identity", 0.3)], [_link(-1, 0, 0.7)]),
    "hardly climbs": _network([_node(0, "identity")], [_link(-1, 0, 0.01)]),
    "only descends": _network([_node(0, "identity")], [_link(-1, 0, -0.7)]),
    "waves": _network([_node(0, "identity"), _node(1, "sin", 0.1)], [_link(-1, 1, 1.3), _link(1, 0, 0.9)]),
    "parabola": _network([_node(0, "identity"), _node(1, "square", 0.2)], [_link(-1, 1, 3.0), _link(1, 0, 2.5)]),
    "two ways": _network(
        [_node(0, "identity"), _node(1, "tanh", -0.4), _node(2, "sigmoid", 0.2)],
        [_link(-1, 1, 2.0), _link(-1, 2, -1.1), _link(1, 2, 0.6), _link(1, 0, 0.8), _link(2, 0, -1.7)],
    ),
}
COURSES = {
    "rough": {"roughness": 4.5},
    "pits": {"pit_gap": [0.8, 6.0]},
    "stumps": {"roughness": 0.6, "stump_height": [0.2, 2.4]},
    "all three": {"roughness": 2.0, "pit_gap": [0.0, 4.0], "stump_height": [0.0, 2.0]},
    "stairs": {"roughness": 1.0, "stair_height": [0.2, 2.0], "stair_steps": 5},
}
FLAT = {"roughness": 0.0, "pit_gap": None, "stump_height": None}
LINE = 12  # mutations in a row
SEEDS = range(4)


def es_inputs():
    """Give a theta and three rounds of noise and returns."""
    rng = np.random.default_rng(2)
    theta = (0.1 * rng.standard_normal(5)).tolist()
    return theta, [(rng.standard_normal((6, 5)).tolist(), rng.normal(50, 40, (6, 2)).tolist()) for _ in range(3)]


def scores():
    """Give scores of six agents in five environments, some beyond the criterion's bounds but none twice there."""
    return np.random.default_rng(3).uniform(60, 290, (6, 5)).round(3).tolist()


def line(seed):
    """Mutate flat ground again and again."""
    rng, genomes = np.random.default_rng(seed), [FLAT]
    for _ in range(LINE):
        genomes.append(mutated(genomes[-1], rng))
    return genomes


def record():
    """Say what the rules give."""
    courses = {}
    for name, genome in COURSES.items():
        for seed in SEEDS:
            ground, boxes = published_course(genome, seed)
            courses[f"{name} {seed}"] = {"ground": ground[::9].tolist(), "boxes": boxes[:3].tolist()}
    lines = {str(seed): line(seed) for seed in SEEDS}
    return {
        "es": es_steps(*es_inputs()),
        "courses": courses,
        "mutation": lines,
        "novelty": {seed: novelty(genomes[-1], genomes[:-1]) for seed, genomes in lines.items()},
        "pata_ec": pata_ec(scores(), 50.0, 300.0),
        "cppn_response": {name: published_response(net, np.random.default_rng(8)) for name, net in NETWORKS.items()},
        "cppn_heights": {name: published_heights(net)[::6] for name, net in NETWORKS.items()},
    }


if __name__ == "__main__":
    RECORD.write_text(json.dumps(record(), indent=1) + "\n", encoding="utf-8")
