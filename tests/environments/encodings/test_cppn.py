import copy
import json
import os
import random
import subprocess
import sys

import neat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.domain import Batch, Environment, find_domain
from environments.encodings import cppn
from environments.encodings.cppn import CPPNEncoding, evaluate, flat_network, relief
from environments.encodings.neat_operators import mutate_network
from environments.walker2d.terrain import START_HEIGHT, STEP, cppn_inputs, terrain_of

LINE = cppn_inputs()
SQUARE = np.stack(np.meshgrid(*[np.linspace(-np.pi, np.pi, 15)] * 2), axis=-1).reshape(-1, 2)
SEEDS = st.integers(0, 2**63 - 1)
GOLDEN = ["4677cf21c9e65ece", "11"]  # content hash and nodes after 150 mutations; changes only with what runs compute


def grown(seed, mutations, probe=LINE, **options):
    """Breed a genome by so many mutations in a row."""
    encoding, rng = CPPNEncoding.from_options(options, probe), np.random.default_rng(seed)
    genome = encoding.initial()
    for _ in range(mutations):
        genome = encoding.mutate(genome, rng)
    return encoding, genome


def course(genome, seed=3):
    return terrain_of(Environment(domain="walker2d", encoding="cppn", genome=genome, seed=seed))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, mutations=st.integers(0, 30), plane=st.booleans(), obstacles=st.booleans())
def test_any_sequence_of_mutations_gives_a_valid_finite_bounded_exact_genome(seed, mutations, plane, obstacles):
    encoding, genome = grown(seed, mutations, SQUARE if plane else LINE, obstacles=["pit", "stump"] * obstacles)
    encoding.check(genome)
    heights = relief(genome["cppn"], encoding.probe)
    assert np.isfinite(heights).all()
    assert np.abs(heights).max() <= 16
    assert mutations == 0 or np.abs(heights).max() >= 0.25 - 1e-12
    assert json.loads(json.dumps(genome)) == genome


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS, plane=st.booleans())
def test_genomes_stay_valid_for_as_long_as_a_paper_run_breeds_them(seed, plane):
    # 60,000 iterations with a reproduction in every 150 make lines of at most 400 mutations.
    encoding, rng = (
        CPPNEncoding.from_options({"obstacles": ["pit"]}, SQUARE if plane else LINE),
        np.random.default_rng(seed),
    )
    genome = encoding.initial()
    for _ in range(400):
        child = encoding.mutate(genome, rng)
        encoding.check(child)
        height = np.abs(relief(child["cppn"], encoding.probe)).max()
        assert 0.25 - 1e-12 <= height <= 16
        assert child["cppn"] != genome["cppn"]
        assert json.loads(json.dumps(child)) == child
        genome = child


def test_lineage_is_the_same_in_every_process_and_on_every_machine():
    """Whatever neat-python, the hash seed or the caller's `random` do: else old runs would resume to another result."""
    program = """if True:
        import random, sys
        import numpy as np
        from environments.domain import Environment
        from environments.encodings.cppn import CPPNEncoding
        from environments.walker2d.terrain import cppn_inputs

        random.seed(int(sys.argv[1]))
        encoding = CPPNEncoding.from_options({"obstacles": ["pit", "stump"]}, cppn_inputs())
        genome, rng = encoding.initial(), np.random.default_rng(5)
        for _ in range(150):
            genome = encoding.mutate(genome, rng)
        print(Environment(domain="walker2d", encoding="cppn", genome=genome, seed=1).id, len(genome["cppn"]["nodes"]))
    """
    for seed in ("0", "1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program, seed],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == GOLDEN


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, mutations=st.integers(1, 20))
def test_expressing_is_pure_and_survives_json(seed, mutations):
    _, genome = grown(seed, mutations, obstacles=["pit", "stump", "stair"])
    before = copy.deepcopy(genome)
    once, again = course(genome), course(json.loads(json.dumps(genome)))
    assert genome == before
    assert np.array_equal(once.ground, again.ground)
    assert np.array_equal(once.boxes, again.boxes)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, mutations=st.integers(1, 40), plane=st.booleans())
def test_evaluation_agrees_with_neat_pythons_own_network(seed, mutations, plane):
    encoding, genome = grown(seed, mutations, SQUARE if plane else LINE)
    theirs = neat_network(genome["cppn"])
    expected = [theirs.activate(place)[0] for place in encoding.probe]
    assert evaluate(genome["cppn"], encoding.probe) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def neat_network(network):
    """Make neat-python's feed-forward network by hand: nodes sorted so that each follows what it hears."""
    activations = neat.activations.ActivationFunctionSet()
    heard = {
        node["id"]: [(c["from"], c["weight"]) for c in network["connections"] if c["enabled"] and c["to"] == node["id"]]
        for node in network["nodes"]
    }
    nodes = {node["id"]: node for node in network["nodes"]}
    done, order = {-1 - i for i in range(network["inputs"])}, []
    while len(order) < len(nodes):
        ready = [key for key in nodes if key not in done and done.issuperset(source for source, _ in heard[key])]
        order += ready
        done.update(ready)
    rows = [
        (key, activations.get(nodes[key]["activation"]), sum, nodes[key]["bias"], nodes[key]["response"], heard[key])
        for key in order
    ]
    return neat.nn.FeedForwardNetwork([-1 - i for i in range(network["inputs"])], [0], rows)


def test_first_environment_is_flat():
    encoding, genome = grown(0, 0)
    assert encoding.describe(genome) == "flat"
    assert np.array_equal(course(genome).ground[:, 1], np.full(200, START_HEIGHT))


def test_mutation_follows_the_named_generator_and_leaves_the_global_one_alone():
    random.seed(5)
    expected = random.random()
    random.seed(5)
    first, second = grown(1, 10)[1], grown(1, 10)[1]
    assert random.random() == expected
    random.seed(6)
    assert grown(1, 10)[1] == first == second
    assert grown(2, 10)[1] != first


def test_child_does_not_depend_on_what_else_was_bred():
    encoding, genome = grown(3, 15)
    alone = encoding.mutate(genome, np.random.default_rng(9))
    grown(4, 15)
    assert encoding.mutate(genome, np.random.default_rng(9)) == alone


def test_structure_grows_and_shrinks_at_the_published_rates():
    # Of 2,000 mutations of a network with hidden nodes 0.1 add one and 0.075 delete one, within 3 standard errors.
    network = next(net for net in (grown(seed, 60)[1]["cppn"] for seed in range(20)) if len(net["nodes"]) >= 4)
    rng, size = np.random.default_rng(0), len(network["nodes"])
    changes = np.array([len(mutate_network(network, rng)["nodes"]) - size for _ in range(2000)])
    assert abs((changes == 1).mean() - 0.1) < 3 * np.sqrt(0.1 * 0.9 / 2000)
    assert abs((changes == -1).mean() - 0.075) < 3 * np.sqrt(0.075 * 0.925 / 2000)


def test_child_differs_from_its_parent_in_its_ground():
    encoding, genome = grown(0, 5)
    for seed in range(50):
        child = encoding.mutate(genome, np.random.default_rng(seed))
        assert not np.array_equal(course(child).ground, course(genome).ground)


def test_ground_that_only_descends_is_admitted_and_scaled():
    found = [relief(grown(seed, 1)[1]["cppn"], LINE) for seed in range(30)]
    assert any(heights.max() <= 0 for heights in found)
    assert all(np.abs(heights).max() >= 0.25 - 1e-12 for heights in found)


def test_ground_of_a_line_has_its_closed_form():
    network = flat_network(1)
    network["connections"][0]["weight"] = 0.5
    ground = course({"cppn": network}).ground
    steps = np.maximum(np.arange(200) - 20, 0)
    assert ground[:, 0] == pytest.approx(np.arange(200) * STEP)
    assert ground[:, 1] == pytest.approx(START_HEIGHT + 0.5 * steps * np.pi / 100)


def test_bare_ground_does_not_depend_on_the_terrain_seed():
    _, genome = grown(7, 10)
    assert np.array_equal(course(genome, 1).ground, course(genome, 2).ground)
    assert course(genome).boxes.shape == (0, 4, 2)


def test_obstacles_stand_on_the_networks_ground():
    network = flat_network(1)
    network["connections"][0]["weight"] = 0.5
    terrain = course({"cppn": network, "parametric": {"stump_height": [1.0, 1.0]}})
    feet = terrain.boxes[:, 0]
    assert len(feet) > 5
    assert feet[:, 1] == pytest.approx(np.interp(feet[:, 0], terrain.ground[:, 0], terrain.ground[:, 1]))
    assert terrain.ground[-1, 1] > START_HEIGHT + 1.5


def test_both_engines_walk_the_same_ground():
    domain = find_domain("walker2d")
    if "native" not in domain.engines:
        pytest.skip("the native engine is not built")
    environment = Environment(domain="walker2d", encoding="cppn", genome=grown(5, 30)[1], seed=0)
    thetas = np.random.default_rng(1).normal(0, 0.3, (4, domain.controller.parameters)).astype(np.float32)
    found = [
        domain.run(Batch.of(thetas, environment, np.arange(4, dtype=np.uint64)), episode_limit=200, engine=engine)
        for engine in ("reference", "native")
    ]
    assert np.array_equal(found[0].returns, found[1].returns)


@pytest.mark.parametrize("response", [2000.0, -2000.0])
def test_both_engines_walk_ground_as_far_up_or_down_as_any_may_be(response):
    domain = find_domain("walker2d")
    if "native" not in domain.engines:
        pytest.skip("the native engine is not built")
    network = flat_network(1)
    network["nodes"].append({"id": 1, "activation": "square", "bias": 0.0, "response": 1.0})
    network["connections"] = [
        {"from": -1, "to": 1, "weight": 2.2, "enabled": True},
        {"from": 1, "to": 0, "weight": 1.0, "enabled": True},
    ]
    network["nodes"][0]["response"] = response
    assert 0.9e5 > np.abs(relief(network, cppn_inputs())).max() > 0.5e5
    environment = Environment(domain="walker2d", encoding="cppn", genome={"cppn": network}, seed=0)
    thetas = np.random.default_rng(1).normal(0, 0.3, (4, domain.controller.parameters)).astype(np.float32)
    found = [
        domain.run(Batch.of(thetas, environment, np.arange(4, dtype=np.uint64)), episode_limit=100, engine=engine)
        for engine in ("reference", "native")
    ]
    np.testing.assert_array_equal(found[0].returns, found[1].returns)
    farther = copy.deepcopy(network)
    farther["nodes"][0]["response"] = 10 * response
    with pytest.raises(ValueError, match="must stay within 100000 m of the start"):
        terrain_of(Environment(domain="walker2d", encoding="cppn", genome={"cppn": farther}, seed=0))


def test_vector_is_the_grounds_shape_and_does_not_see_the_networks_size():
    encoding, genome = grown(2, 1)
    idle = copy.deepcopy(genome)
    idle["cppn"]["nodes"].append({"id": 1, "activation": "sin", "bias": 0.3, "response": 1.0})
    assert np.array_equal(encoding.vector(genome), encoding.vector(idle))
    assert np.abs(encoding.vector(genome)).max() <= 1


CYCLE = [
    {"from": 1, "to": 2, "weight": 1.0, "enabled": True},
    {"from": 2, "to": 1, "weight": 1.0, "enabled": False},
]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda net: net.pop("nodes"), "cppn is .* must be a table of inputs, nodes, connections"),
        (lambda net: net.update(inputs=2), "inputs is 2; this body's ground needs 1"),
        (lambda net: net.update(inputs=True), "inputs is True; this body's ground needs 1"),
        (lambda net: net["nodes"][0].update(activation="sin"), "output node's activation must be identity"),
        (lambda net: net["nodes"][0].update(bias=11.0), r"bias of node 0 is 11.0; it must lie in \[-10, 10\]"),
        (lambda net: net["nodes"][0].update(bias=float("nan")), "bias of node 0 is nan"),
        (lambda net: net["nodes"][0].update(id=1), "0, the output, among them"),
        (lambda net: net["connections"][0].update({"from": 4}), "leads from 4 to 0; both must exist"),
        (lambda net: net["connections"][0].update(weight="1"), "weight from -1 to 0 is '1'"),
        (
            lambda net: net["connections"][0].update(weight=9.0),
            "the ground is .* m high or deep; it must stay within 16",
        ),
        (
            lambda net: net.update(
                nodes=[*net["nodes"], *({"id": i, "activation": "tanh", "bias": 0.0, "response": 1.0} for i in (1, 2))],
                connections=CYCLE,
            ),
            "cycle",
        ),
    ],
)
def test_network_that_is_none_is_refused_by_what_is_wrong(change, message):
    encoding, network = CPPNEncoding.from_options({}, LINE), flat_network(1)
    change(network)
    with pytest.raises(ValueError, match=message):
        encoding.check({"cppn": network})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ["pit"]}, "option 'kinds' is unknown; the cppn encoding takes obstacles, start, bounds and places"),
        ({"bounds": "wide"}, "bounds is 'wide'; it must be one of walked, published"),
        ({"obstacles": ["roughness"]}, "obstacles is .*; it must be a list of pit, stump, stair"),
        ({"start": {"parametric": {"roughness": 1.0}}}, "roughness is 1.0; with a CPPN it must be 0"),
        ({"start": {"genes": {}}}, "the genome has the parts cppn, genes"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        CPPNEncoding.from_options(options, LINE)


def test_relief_bounds_are_the_published_ones():
    assert (cppn.LOWEST, cppn.LOW, cppn.HIGHEST, cppn.HIGH) == (0.25, (0.25, 0.75), 16.0, (12.0, 16.0))


@pytest.mark.parametrize(("places", "unseen"), [("all", 0), ("sampled", 10)])
def test_of_the_hexapods_middle_line_a_vector_of_all_places_misses_none(monkeypatch, places, unseen):
    domain = find_domain("hexapod3d")
    encoding = domain.encoding("cppn", {"places": places})
    genome = encoding.initial()
    flat = encoding.vector(genome)
    middle = [place for place, (_, across) in enumerate(encoding.probe) if across == 0]
    missed = []
    for place in middle:
        raised = np.eye(len(encoding.probe))[place]  # ground that is raised there alone
        monkeypatch.setattr(cppn, "relief", lambda network, probe, raised=raised: raised)
        if np.array_equal(encoding.vector(genome), flat):
            missed.append(place)
    assert (len(middle), len(missed)) == (33, unseen)


def test_an_unknown_choice_of_places_is_refused_by_either_body():
    for domain in ("walker2d", "hexapod3d"):
        with pytest.raises(ValueError, match="places is 'some'; it must be one of sampled, all"):
            find_domain(domain).encoding("cppn", {"places": "some"})
